"""Standard streams, and the terminal that they may lead to.

The service outlives them: a reader that goes, a full disk, a descriptor that was closed before the start.
"""

import os
import sys
from contextlib import suppress


def open_missing() -> None:
    """Lead streams that were closed at the start to /dev/null; else a file or a socket would get the number of one."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115 - open to the end


def write_all(text: str) -> None:
    """Write to standard output at once, file names as the bytes that they are; raises `OSError`."""
    data = os.fsencode(text)
    while data:
        data = data[os.write(1, data) :]


def tell(text: str) -> None:
    """Write to standard output if that is possible."""
    with suppress(OSError):
        write_all(text)


class Terminal:
    """The terminal that the process was started on, if any."""

    def __init__(self) -> None:
        self._descriptors = [number for number in (0, 1, 2) if os.isatty(number)]

    def gone(self) -> bool:
        """Whether it was closed: a SIGHUP then comes from that, and not from somebody who wants new workers."""
        return bool(self._descriptors) and not any(map(os.isatty, self._descriptors))
