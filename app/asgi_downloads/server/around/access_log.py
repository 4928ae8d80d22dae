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
from json.encoder import encode_basestring_ascii as quote
from queue import SimpleQueue

from asgi_downloads.server.around.observation import Record

DELAY = 0.05
"""Seconds that a line may wait for others: a thread is not woken for each."""

ROOM = 20_000
"""Lines that may wait to be written."""

WHOLE = 4096
"""Bytes that a pipe takes in one piece (PIPE_BUF), so that the lines of several processes do not mix."""


_LINE = "{" + ",".join(f'"{name}":%s' for name in Record._fields) + "}\n"


def as_json(line: Record) -> str:
    """For programs. What a terminal would obey is escaped. (`json.dumps` takes twice the time, for each request.)"""
    return _LINE % tuple(
        [quote(x) if type(x) is str else "null" if x is None else f"{x:.6f}" if type(x) is float else x for x in line]
    )


def as_text(line: Record) -> str:
    """For people."""
    whole = "" if line.bytes_whole in (None, line.bytes_sent) else f" of {line.bytes_whole}"
    return (
        f"{time.strftime('%H:%M:%S')} {line.client or '-'} {line.method or '-'} {quote(line.path or '-')[1:-1]}"
        f" {line.status or '-'} {line.bytes_sent}{whole} bytes in {line.duration * 1000:.1f} ms,"
        f" {line.outcome}, {line.sent_by}\n"
    )


class AccessLog:
    """Lines to the descriptor `target`, by a thread that begins with the first of them."""

    def __init__(self, form: Callable[[Record], str] = as_json, target: int = 1) -> None:
        self._form = form
        self._target = target
        self._lines: list[str] = []
        self._lost = 0
        self._batches: SimpleQueue[list[str] | None] = SimpleQueue()
        self._given = 0  # lines that the thread has got; the loop counts
        self._done = 0  # lines that are written; the thread counts
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
        pieces = [""]
        for line in lines:
            if len(pieces[-1]) + len(line) > WHOLE:
                pieces.append("")
            pieces[-1] += line
        for piece in pieces:
            data = piece.encode("ascii", "backslashreplace")
            with suppress(OSError):  # the reader has gone, or the disk is full; downloads are more important
                while data:
                    data = data[os.write(self._target, data) :]
