"""One line on the terminal that says how far a run is; on anything else than a terminal, one line for each case."""

import sys
import time
from typing import TextIO


class Progress:
    def __init__(self, steps: int, stream: TextIO = sys.stderr) -> None:
        self._steps = steps
        self._done = 0
        self._begun = time.monotonic()
        self._stream = stream
        self._live = stream.isatty()
        self._case = ""

    def step(self, case: str, target: str, what: str) -> None:
        """A step begins."""
        if self._live:
            passed = time.monotonic() - self._begun
            left = passed / self._done * (self._steps - self._done) if self._done else 0.0
            clock = f"{int(left) // 60}:{int(left) % 60:02}" if self._done else "?"
            self._write(f"\r\033[K[{self._done}/{self._steps}, {clock} left] {case}: {target}, {what}")
        elif case != self._case:
            self._write(f"[{self._done}/{self._steps}, {time.monotonic() - self._begun:.0f} s] {case}\n")
        self._case = case

    def done(self, steps: int = 1) -> None:
        self._done += steps

    def note(self, text: str) -> None:
        """Something that must stay to be read."""
        self._write(f"\r\033[K{text}\n" if self._live else f"{text}\n")

    def close(self) -> None:
        if self._live:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
