"""What is nobody's to see: files and directories of the service's own, whatever name leads to them."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from asgi_downloads.storage.errors import StorageError
from asgi_downloads.storage.files.tree import Directory

CHECK = 1.0
"""Seconds for which a look at where they are holds."""

Identity = tuple[int, int]


class Private:
    """Files and directories at `paths`, by device and inode; what is below such a directory is private too.

    They may come and go meanwhile: a database has companions only while it is written to. `root` is what is served:
    only where one of them lies beneath it, the way to a file has to be looked at.
    """

    def __init__(self, paths: Iterable[Path] = (), root: Path = Path("/")) -> None:
        self._paths = tuple(paths)
        top = root.resolve()
        self.is_inside = any(path.resolve().is_relative_to(top) for path in self._paths)
        self._identities: set[Identity] = set()
        self._looked = -CHECK

    def hides(self, status: os.stat_result) -> bool:
        """Whether this is one of them."""
        return bool(self._paths) and (status.st_dev, status.st_ino) in self._now()

    def hides_above(self, directory: Directory, path: str) -> bool:
        """Whether a directory on the way to `path` is one of them. Blocks for a moment."""
        *above, _ = path.split("/")
        for depth in range(len(above)):
            try:
                fd = directory.descriptor_blocking("/".join(above[: depth + 1]), os.O_PATH | os.O_CLOEXEC)
            except StorageError:
                return False  # then there is nothing to hide
            try:
                if self.hides(os.fstat(fd)):
                    return True
            finally:
                os.close(fd)
        return False

    def _now(self) -> set[Identity]:
        if time.monotonic() - self._looked >= CHECK:
            self._looked = time.monotonic()
            self._identities = {found for path in self._paths if (found := _identity(path)) is not None}
        return self._identities


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


NOTHING_PRIVATE = Private()
