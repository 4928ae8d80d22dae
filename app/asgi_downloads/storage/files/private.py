"""What is nobody's to see: files and directories of the service's own, whatever name leads to them."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

CHECK = 1.0
"""Seconds for which a look at where they are holds."""


class Private:
    """Files and directories at `paths`, by device and inode; what is below such a directory is private too.

    They may come and go meanwhile: a database has companions only while it is written to.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._paths = tuple(paths)
        self._identities: set[tuple[int, int]] = set()
        self._tops: tuple[str, ...] = ()
        self._looked = -CHECK

    def hides(self, status: os.stat_result) -> bool:
        """Whether this is one of them."""
        if not self._paths:
            return False
        self._look()
        return (status.st_dev, status.st_ino) in self._identities

    def hides_file(self, fd: int, status: os.stat_result) -> bool:
        """Whether an open file is one of them, or lies below one."""
        return self.hides(status) or (bool(self._tops) and os.readlink(f"/proc/self/fd/{fd}").startswith(self._tops))

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < CHECK:
            return
        self._looked = now
        found = [(path, status) for path in self._paths if (status := _status(path)) is not None]
        self._identities = {(status.st_dev, status.st_ino) for _, status in found}
        self._tops = tuple(f"{os.path.realpath(path)}/" for path, _ in found)


NOTHING_PRIVATE = Private()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
