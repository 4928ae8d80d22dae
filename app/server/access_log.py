"""One line for each request, written when its answer has ended, of what really happened.

The loop makes a tuple and hands it on; a thread writes. Whoever reads the log may stop reading:
the service goes on, and says later how many lines there was no room for.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from time import monotonic, time

from app.server.cycle import Cycle
from app.server.observed import EXCHANGE, Exchange

ROOM = 10_000
"""Lines that may wait to be written."""

WHOLE = 4096
"""Bytes that a pipe takes in one piece (PIPE_BUF), so that the lines of several processes do not mix."""

LONGEST = 512
"""Characters of a path or a Range that are kept: with every one of them escaped a line still fits `WHOLE`."""

Record = dict[str, object]


def record(cycle: Cycle) -> Record:
    """What the log says of an answer that has ended. Sizes are in bytes, times in seconds."""
    scope = cycle.scope
    exchange: Exchange = scope[EXCHANGE]
    client = scope["client"]
    query = scope["query_string"].decode("latin-1")
    path = scope["raw_path"].decode("latin-1") + ("?" + query if query else "")
    first = cycle.first_byte_at
    return {
        "time": time(),
        "request_id": exchange.request_id,
        "client": client[0] if client else None,
        "method": scope["method"],
        "path": path[:LONGEST],
        "status": cycle.status or None,
        "bytes_sent": cycle.bytes_sent,
        "bytes_whole": exchange.size,
        "range": exchange.range[:LONGEST] if exchange.range else None,
        "duration": monotonic() - cycle.arrived_at,
        "first_byte": None if first is None else first - cycle.arrived_at,
        "outcome": cycle.outcome,
        "sent_by": sent_by(cycle),
    }


def refusal(status: int, client: tuple[str, int] | None) -> Record:
    """What the log says of a head that was no request, and was answered with `status`."""
    nothing = dict.fromkeys(("request_id", "client", "method", "path"))
    return {
        "time": time(),
        **nothing,
        "client": client[0] if client else None,
        "status": status,
        "bytes_sent": 0,
        "bytes_whole": None,
        "range": None,
        "duration": 0.0,
        "first_byte": 0.0,
        "outcome": "complete",
        "sent_by": "blocks",
    }


def sent_by(cycle: Cycle) -> str:
    """How the content went out: `zerocopy`, `blocks`, or `offload` where nginx sends it."""
    if cycle.scope[EXCHANGE].offloaded:
        return "offload"
    return "zerocopy" if cycle.zero_copy else "blocks"


def as_json(line: Record) -> str:
    """For programs; characters that a terminal would obey are escaped."""
    return json.dumps(
        {name: _shown(name, value) for name, value in line.items()}, separators=(",", ":"), ensure_ascii=True
    )


def as_text(line: Record) -> str:
    """For people."""
    moment = datetime.fromtimestamp(float(str(line["time"]))).astimezone().strftime("%H:%M:%S")
    whole = "" if line["bytes_whole"] in (None, line["bytes_sent"]) else f" of {line['bytes_whole']}"
    path = json.dumps(line["path"])[1:-1]
    seconds = float(str(line["duration"]))
    client, method, status = (line[name] or "-" for name in ("client", "method", "status"))
    return (
        f"{moment} {client} {method} {path if line['path'] else '-'} {status}"
        f" {line['bytes_sent']}{whole} bytes in {seconds * 1000:.1f} ms, {line['outcome']}, {line['sent_by']}"
    )


def _shown(name: str, value: object) -> object:
    if name == "time":
        return datetime.fromtimestamp(float(str(value)), UTC).isoformat(timespec="milliseconds")
    return round(value, 6) if isinstance(value, float) else value


class AccessLog:
    """Lines to the descriptor `target`, by a thread that begins with the first of them."""

    def __init__(self, form: Callable[[Record], str] = as_json, target: int = 1) -> None:
        self._form = form
        self._target = target
        self._waiting: SimpleQueue[Record | None] = SimpleQueue()
        self._lost = 0
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, form: str) -> "AccessLog":
        """`json`, `text`, or `auto`: what suits standard output."""
        text = form == "text" or (form == "auto" and sys.stdout.isatty())
        return cls(as_text if text else as_json)

    def add(self, line: Record) -> None:
        """Have a line written; never waits."""
        if self._waiting.qsize() >= ROOM:
            self._lost += 1
            return
        self._waiting.put(line)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="access-log", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what waits, within a second: nobody may be reading any more."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(1)
            self._thread = None

    def _write_all(self) -> None:
        while True:
            lines, last = self._next()
            if self._lost:
                lost, self._lost = self._lost, 0
                lines.append(json.dumps({"lost_lines": lost}))
            self._write(lines)
            if last:
                return

    def _next(self) -> tuple[list[str], bool]:
        """What waits, at least one line unless it is the end."""
        lines: list[str] = []
        item = self._waiting.get()
        with suppress(Empty):
            while item is not None:
                lines.append(self._form(item))
                item = self._waiting.get_nowait()
            return lines, True
        return lines, False

    def _write(self, lines: list[str]) -> None:
        """Whole lines, as many at a time as go in one piece."""
        piece = b""
        for line in lines:
            data = (line + "\n").encode("ascii", "backslashreplace")
            if piece and len(piece) + len(data) > WHOLE:
                self._put(piece)
                piece = b""
            piece += data
        self._put(piece)

    def _put(self, data: bytes) -> None:
        with suppress(OSError):  # the reader has gone, or the disk is full; downloads are more important
            while data:
                data = data[os.write(self._target, data) :]
