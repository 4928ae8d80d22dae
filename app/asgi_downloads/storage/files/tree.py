"""A directory whose files may be served. The one way in: by descriptor, never by a joined path."""

import errno
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from asgi_downloads.storage.errors import Exhausted, NotFound, OutsideRoot, StorageError, Unavailable
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.threads import in_thread

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_ROOT_CHECK_INTERVAL = 1.0
"""Seconds for which an opened root is trusted to be still what its path names."""

_MEANING: dict[int, type[StorageError]] = {
    errno.EXDEV: OutsideRoot,
    errno.EMFILE: Exhausted,
    errno.ENFILE: Exhausted,
    errno.ENOMEM: Exhausted,
    errno.EIO: Unavailable,
    errno.ESTALE: Unavailable,
}
"""What a failed open means. Every other errno is `NotFound`, also a refusal: who may not read learns nothing."""


class Directory:
    """An open directory; names are resolved beneath it, and links may not lead out of it."""

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def open(self, name: str) -> "_Opening":
        """`async with directory.open(name) as file:` gives an `OpenFile`.

        `name` is relative and may hold `/`. Raises `NotFound` (also for what is not a regular
        file), `OutsideRoot`, `Exhausted`, `Unavailable`.
        """
        return _Opening(self, name)

    def open_now(self, name: str) -> OpenFile:
        """The same without waiting for the event loop: for worker threads, as it may wait for the disk."""
        with _translated():
            return OpenFile(_open(self.fd, _encode(name), beneath.READ_FLAGS))

    def open_cached(self, name: str) -> OpenFile | None:
        """The same if the kernel can answer from memory, else None; for the event loop."""
        fd = _open_cached(self.fd, _encode(name), beneath.READ_FLAGS)
        return None if fd is None else OpenFile(fd)

    def subtree(self, name: str) -> "_Descent":
        """`async with directory.subtree(name) as below:` gives the `Directory` of that name; raises as `open`."""
        return _Descent(self, name)

    def subtree_now(self, name: str) -> "Directory":
        """The same for worker threads."""
        with _translated():
            return Directory(_open(self.fd, _encode(name), _DIRECTORY_FLAGS))

    def subtree_cached(self, name: str) -> "Directory | None":
        """The same if the kernel can answer from memory, else None; for the event loop."""
        fd = _open_cached(self.fd, _encode(name), _DIRECTORY_FLAGS)
        return None if fd is None else Directory(fd)

    def close(self) -> None:
        """Give the descriptor back; a second call does nothing."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    # A root that was replaced, or a result that a cancelled request never received, ends here.
    def __del__(self) -> None:
        self.close()


class Tree:
    """The directory at a path, which may appear, vanish or be replaced while the service runs.

    The descriptor is kept and compared with the path once a second, so a deployment that swaps
    the directory is seen without a look-up for each request.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._directory: Directory | None = None
        self._identity: tuple[int, int] | None = None
        self._checked = 0.0

    def open(self, name: str) -> "_Opening":
        """As `Directory.open`."""
        return _Opening(self.directory(), name)

    def subtree(self, name: str) -> "_Descent":
        """As `Directory.subtree`."""
        return _Descent(self.directory(), name)

    def directory(self) -> Directory:
        """The root, open; `NotFound` while there is none."""
        now = time.monotonic()
        if self._directory is None or now - self._checked > _ROOT_CHECK_INTERVAL:
            self._checked = now
            self._refresh()
        assert self._directory is not None
        return self._directory

    def _refresh(self) -> None:
        with _translated():
            try:
                facts = os.stat(self.root)
                identity = (facts.st_dev, facts.st_ino)
                if self._directory is None or identity != self._identity:
                    fd = os.open(self.root, _DIRECTORY_FLAGS)
                    self._directory, self._identity = Directory(fd), identity
            except OSError:
                self._directory = None
                raise


class _Opening:
    """Opens on entry, from memory if possible, closes on exit."""

    __slots__ = ("_directory", "_file", "_name")

    def __init__(self, directory: Directory, name: str) -> None:
        self._directory = directory
        self._name = name

    async def __aenter__(self) -> OpenFile:
        file = self._directory.open_cached(self._name)
        if file is None:
            file = await in_thread(self._directory.open_now, self._name)
        self._file = file
        return file

    async def __aexit__(self, *exc: object) -> None:
        self._file.close()


class _Descent:
    """The same for a directory."""

    __slots__ = ("_below", "_directory", "_name")

    def __init__(self, directory: Directory, name: str) -> None:
        self._directory = directory
        self._name = name

    async def __aenter__(self) -> Directory:
        below = self._directory.subtree_cached(self._name)
        if below is None:
            below = await in_thread(self._directory.subtree_now, self._name)
        self._below = below
        return below

    async def __aexit__(self, *exc: object) -> None:
        self._below.close()


def _open(directory: int, name: bytes, flags: int) -> int:
    if beneath.HAS_OPENAT2:
        return beneath.openat2(directory, name, flags)
    return beneath.walk(directory, name, flags)


def _open_cached(directory: int, name: bytes, flags: int) -> int | None:
    if not beneath.HAS_CACHED:
        return None
    try:
        return beneath.openat2(directory, name, flags, cached=True)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return None
        raise _MEANING.get(error.errno or 0, NotFound) from error


def _encode(name: str) -> bytes:
    """The name as bytes for the kernel: UTF-8, whatever the locale."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise NotFound from None
    if b"\0" in encoded:  # a C string would end there, and name another file
        raise OutsideRoot
    return encoded


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _MEANING.get(error.errno or 0, NotFound) from error
