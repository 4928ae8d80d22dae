"""One line for each request, written when its answer has ended, of what really happened.

The loop makes lines and hands them on now and then; a thread writes. Whoever reads the log may
stop reading: the service goes on, and says later how many lines there was no room for.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quote
from queue import SimpleQueue
from time import monotonic

from asgi_downloads.server.around.exchange import EXCHANGE, Exchange
from asgi_downloads.server.http1.cycle import Cycle

DELAY = 0.05
"""Seconds that a line may wait for others: a thread is not woken for each."""

ROOM = 20_000
"""Lines that may wait to be written."""

WHOLE = 4096
"""Bytes that a pipe takes in one piece (PIPE_BUF), so that the lines of several processes do not mix."""

LONGEST = 256
"""Characters of a path or a Range that are kept: with every one of them escaped a line still fits `WHOLE`."""


@dataclass(slots=True)
class Record:
    """What is known of an answer that has ended. Sizes are in bytes, times in seconds."""

    client: str | None
    status: int | None
    request_id: str | None = None
    method: str | None = None
    path: str | None = None
    bytes_sent: int = 0
    bytes_whole: int | None = None
    """Of the representation, as far as the head tells."""
    range: str | None = None
    duration: float = 0.0
    first_byte: float | None = None
    outcome: str = "complete"
    sent_by: str = "blocks"


def record(cycle: Cycle) -> Record:
    """An answer of the application."""
    scope = cycle.scope
    exchange: Exchange = scope[EXCHANGE]
    client, query, first = scope["client"], scope["query_string"], cycle.first_byte_at
    path = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
    return Record(
        client[0] if client else None,
        cycle.status or None,
        exchange.request_id,
        scope["method"],
        path[:LONGEST].decode("latin-1"),
        cycle.bytes_sent,
        exchange.size,
        exchange.range,
        monotonic() - cycle.arrived_at,
        None if first is None else first - cycle.arrived_at,
        cycle.outcome,
        sent_by(cycle),
    )


def refusal(status: int, client: tuple[str, int] | None) -> Record:
    """A head that was no request, and was answered with `status` before anybody saw it."""
    return Record(client[0] if client else None, status)


def sent_by(cycle: Cycle) -> str:
    """How the content went out: `zerocopy`, `blocks`, or `offload` where nginx sends it."""
    if cycle.scope[EXCHANGE].offloaded:
        return "offload"
    return "zerocopy" if cycle.zero_copy else "blocks"


def as_json(line: Record) -> str:
    """For programs. What a terminal would obey is escaped."""
    return (
        f'{{"time":"{_Clock.now()}","request_id":{_quoted(line.request_id)},"client":{_quoted(line.client)},'
        f'"method":{_quoted(line.method)},"path":{_quoted(line.path)},"status":{_number(line.status)},'
        f'"bytes_sent":{line.bytes_sent},"bytes_whole":{_number(line.bytes_whole)},"range":{_quoted(line.range)},'
        f'"duration":{line.duration:.6f},"first_byte":{_number(line.first_byte)},'
        f'"outcome":"{line.outcome}","sent_by":"{line.sent_by}"}}\n'
    )


def as_text(line: Record) -> str:
    """For people."""
    whole = "" if line.bytes_whole in (None, line.bytes_sent) else f" of {line.bytes_whole}"
    return (
        f"{time.strftime('%H:%M:%S')} {line.client or '-'} {line.method or '-'} {quote(line.path or '-')[1:-1]}"
        f" {line.status or '-'} {line.bytes_sent}{whole} bytes in {line.duration * 1000:.1f} ms,"
        f" {line.outcome}, {line.sent_by}\n"
    )


def _quoted(text: str | None) -> str:
    return "null" if text is None else quote(text)


def _number(number: float | None) -> str:
    if number is None:
        return "null"
    return f"{number:.6f}" if type(number) is float else str(number)


class _Clock:
    """The time in UTC (RFC 3339); a second's text is made once."""

    _second = -1
    _text = ""

    @classmethod
    def now(cls) -> str:
        now = time.time()
        second = int(now)
        if second != cls._second:
            cls._second = second
            cls._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{cls._text}.{int((now - second) * 1000):03}Z"


class AccessLog:
    """Lines to the descriptor `target`, by a thread that begins with the first of them."""

    def __init__(self, form: Callable[[Record], str] = as_json, target: int = 1) -> None:
        self._form = form
        self._target = target
        self._lines: list[str] = []
        self._lost = 0
        self._batches: SimpleQueue[list[str] | None] = SimpleQueue()
        self._given = 0
        """Lines that the thread has got; the loop counts."""
        self._done = 0
        """Lines that are written; the thread counts."""
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, form: str) -> "AccessLog":
        """`json`, `text`, or `auto`: what suits standard output."""
        text = form == "text" or (form == "auto" and sys.stdout.isatty())
        return cls(as_text if text else as_json)

    def add(self, line: Record, loop: asyncio.AbstractEventLoop) -> None:
        """Have a line written soon; never waits."""
        lines = self._lines
        if len(lines) + self._given - self._done >= ROOM:
            self._lost += 1
            return
        if not lines:
            loop.call_later(DELAY, self._hand_over)
        lines.append(self._form(line))

    def close(self) -> None:
        """Write what there is, within a second: nobody may be reading any more."""
        self._hand_over()
        if self._thread is not None:
            self._batches.put(None)
            self._thread.join(1)
            self._thread = None

    def _hand_over(self) -> None:
        lines, self._lines = self._lines, []
        if self._lost and self._given - self._done < ROOM:
            lines.append(json.dumps({"lines_lost": self._lost}) + "\n")
            self._lost = 0
        if not lines:
            return
        self._given += len(lines)
        self._batches.put(lines)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="access-log", daemon=True)
            self._thread.start()

    def _write_all(self) -> None:
        while (lines := self._batches.get()) is not None:
            self._write(lines)
            self._done += len(lines)

    def _write(self, lines: list[str]) -> None:
        """Whole lines, as many at a time as go in one piece."""
        piece = ""
        for line in lines:
            if piece and len(piece) + len(line) > WHOLE:
                self._put(piece.encode("ascii", "backslashreplace"))
                piece = ""
            piece += line
        self._put(piece.encode("ascii", "backslashreplace"))

    def _put(self, data: bytes) -> None:
        with suppress(OSError):  # the reader has gone, or the disk is full; downloads are more important
            while data:
                data = data[os.write(self._target, data) :]
