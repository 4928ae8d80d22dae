"""A directory whose files may be served. The one way in: by descriptor, never by a joined path."""

import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Generic, TypeVar

from asgi_downloads.storage.errors import NotFound, OutsideRoot, from_oserror
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.idle import IdleTimer
from asgi_downloads.storage.threads import in_thread

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_IS_UTF8 = sys.getfilesystemencoding() == "utf-8"

Name = bytes | str
"""Relative to a directory, with or without `/`. Text stands for UTF-8, whatever the locale, and for bytes that are not
UTF-8 as `surrogateescape` writes them."""


class Directory:
    """An open directory; names are resolved beneath it, and links may not lead out of it.

    What opens raises `NotFound` (also for what is of another kind, and `Forbidden`), `OutsideRoot`, `Exhausted`,
    `Unavailable`. `..._blocking` may wait for the disk; `..._cached` gives None instead.
    """

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def open(self, name: Name) -> "_Opening[OpenFile]":
        """`async with directory.open(name) as file:` gives an `OpenFile`."""
        return _Opening(self, name, beneath.READ_FLAGS, OpenFile)

    def open_blocking(self, name: Name) -> OpenFile:
        """The regular file of that name."""
        return OpenFile(self.descriptor_blocking(name))

    def open_cached(self, name: Name) -> OpenFile | None:
        """The regular file of that name, if the kernel finds it in memory."""
        fd = self.descriptor_cached(name)
        return None if fd is None else OpenFile(fd)

    def subtree(self, name: Name) -> "_Opening[Directory]":
        """`async with directory.subtree(name) as below:` gives the `Directory` of that name."""
        return _Opening(self, name, DIRECTORY_FLAGS, Directory)

    def descriptor_blocking(self, name: Name, flags: int = beneath.READ_FLAGS) -> int:
        """A new descriptor of whatever has that name, the caller's to close."""
        try:
            return beneath.open_blocking(self.fd, encode(name), flags)
        except OSError as error:
            raise from_oserror(error) from error

    def descriptor_cached(self, name: Name, flags: int = beneath.READ_FLAGS) -> int | None:
        """A new descriptor of whatever has that name, if the kernel finds it in memory."""
        try:
            return beneath.open_cached(self.fd, encode(name), flags)
        except OSError as error:
            raise from_oserror(error) from error

    def status_blocking(self, name: Name) -> os.stat_result:
        """What whatever has that name is, links followed."""
        with closing(Directory(self.descriptor_blocking(name, os.O_PATH | os.O_CLOEXEC))) as found:
            return os.fstat(found.fd)

    def is_link_blocking(self, name: Name) -> bool:
        """Whether whatever has that name is a link."""
        try:
            return stat.S_ISLNK(os.stat(encode(name), dir_fd=self.fd, follow_symlinks=False).st_mode)
        except OSError as error:
            raise from_oserror(error) from error

    def modified_ns(self) -> int:
        """Its mtime in nanoseconds."""
        return os.fstat(self.fd).st_mtime_ns

    def where(self) -> str:
        """Its path now, for a log."""
        return os.readlink(f"/proc/self/fd/{self.fd}")

    def duplicate(self) -> "Directory":
        """This open directory once more, for an owner that outlives this one."""
        return Directory(os.dup(self.fd))

    def close(self) -> None:
        """Give the descriptor back; a second call does nothing."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    # A root that was replaced, or a result that a cancelled request never received, ends here.
    def __del__(self) -> None:
        self.close()


class _Anywhere(Directory):
    """Where a path of our own is resolved as open(2) does: beneath nothing, and from the working directory."""

    def descriptor_blocking(self, name: Name, flags: int = beneath.READ_FLAGS) -> int:
        try:
            return os.open(encode(name), flags)
        except OSError as error:
            raise from_oserror(error) from error

    def descriptor_cached(self, name: Name, flags: int = beneath.READ_FLAGS) -> int | None:
        try:
            return beneath.open_cached(self.fd, encode(name), flags, beneath=False)
        except OSError as error:
            raise from_oserror(error) from error


_AT_FDCWD = -100
_anywhere = _Anywhere(_AT_FDCWD)


def open_anywhere(path: str) -> "_Opening[OpenFile]":
    """`async with open_anywhere(path) as file:`, for a path that comes from no client; raises as `Directory.open`."""
    return _anywhere.open(path)


class Tree:
    """The directory at a path, which may appear, vanish or be replaced while the service runs.

    The descriptor is kept and compared with the path every `check` seconds, so a deployment that swaps the directory
    is seen without a look-up for each request. After `idle` seconds without one it is let go of, so that a disk can
    be unmounted. Blocks for a moment, and raises `NotFound` while nothing is there.
    """

    def __init__(self, root: Path, *, check: float = 1.0, idle: float = 60.0) -> None:
        self.root = root
        self.check = check
        self._idle = IdleTimer(idle, self._let_go)
        self._directory: Directory | None = None
        self._identity: tuple[int, int] | None = None
        self._checked = 0.0

    def open(self, name: Name) -> "_Opening[OpenFile]":
        """`Directory.open` in the directory as it is now."""
        return self.directory().open(name)

    def subtree(self, name: Name) -> "_Opening[Directory]":
        """`Directory.subtree` in the directory as it is now."""
        return self.directory().subtree(name)

    def below(self, name: str) -> "Tree":
        """The tree of a directory of it, which is as `Subtree` is."""
        return Subtree(self, name)

    def directory(self) -> Directory:
        """The root, open. Whoever uses it across an `await` holds on to it and not to its number."""
        now = time.monotonic()
        if self._directory is None or now - self._checked > self.check:
            self._checked = now
            self._refresh()
        assert self._directory is not None
        return self._directory

    def _refresh(self) -> None:
        try:
            status = os.stat(self.root)
            identity = (status.st_dev, status.st_ino)
            if self._directory is None or identity != self._identity:
                fd = os.open(self.root, DIRECTORY_FLAGS)
                self._directory, self._identity = Directory(fd), identity
            self._idle.touch()
        except OSError as error:
            self._directory = None
            raise from_oserror(error) from error

    def _let_go(self) -> None:
        self._directory = None


class Subtree(Tree):
    """A directory of a tree as a tree of its own: what leads out of it leads nowhere, even to the rest of that tree."""

    def __init__(self, tree: Tree, name: str) -> None:
        super().__init__(tree.root / name)
        self._tree = tree
        self._name = name

    def directory(self) -> Directory:
        """The directory, opened anew; raises `NotFound` and `OutsideRoot`."""
        whole = self._tree.directory()
        fd = whole.descriptor_cached(self._name, DIRECTORY_FLAGS)
        return Directory(whole.descriptor_blocking(self._name, DIRECTORY_FLAGS) if fd is None else fd)


T = TypeVar("T", bound=OpenFile | Directory)


class _Opening(Generic[T]):
    """What is opened on entry, from memory if possible, and closed on exit."""

    __slots__ = ("_directory", "_flags", "_kind", "_name", "_opened")

    def __init__(self, directory: Directory, name: Name, flags: int, kind: Callable[[int], T]) -> None:
        self._directory = directory
        self._name = name
        self._flags = flags
        self._kind = kind

    async def __aenter__(self) -> T:
        fd = self._directory.descriptor_cached(self._name, self._flags)
        self._opened = await in_thread(self._blocking) if fd is None else self._kind(fd)
        return self._opened

    def _blocking(self) -> T:
        return self._kind(self._directory.descriptor_blocking(self._name, self._flags))

    async def __aexit__(self, *exc: object) -> None:
        self._opened.close()


def encode(name: Name) -> bytes:
    """The name as bytes for the kernel."""
    if isinstance(name, str):
        try:
            name = name.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # a surrogate that stands for no byte
            raise NotFound from None
    if 0 in name:  # a C string would end there, and name another file
        raise OutsideRoot
    return name


def decode(name: str) -> str:
    """A name as the `os` module gives it, in UTF-8 whatever the locale."""
    return name if _IS_UTF8 else os.fsencode(name).decode("utf-8", "surrogateescape")
