"""What lies in a directory, seen through its descriptor: names, and the facts that tell a file's states apart.

Nothing is opened but links: a regular file or directory shows itself in one stat.
"""

import errno
import os
import stat
import time
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from asgi_downloads.storage.errors import Exhausted, NotFound, OutsideRoot, StorageError
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory

DEPTH_LIMIT = 32
"""Directories below this are not descended: each level holds a descriptor open while it is read."""

_UNSETTLED = 2_000_000_000
"""Nanoseconds for which a changed file may change again unseen: the coarsest clock of a file system."""

_WORD = 1 << 64


class Facts(NamedTuple):
    """What `fstat` says of one state of one file; any change of its content moves one of them.

    `inode` is signed, as 64-bit columns are.
    """

    dev: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int


_WIDTH = len(Facts._fields)


class Listing:
    """The files of a directory, in order, as columns: 65,600 take about 10 MiB.

    `paths` are relative to it, a directory's ending in "/".
    Listings are equal when nothing has changed between them.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.links: set[str] = set()
        """The paths that are links."""
        self.directories: list[tuple[str, Facts]] = []
        """Every directory that was read, by its path, "." being the first."""
        self.is_whole = True
        """Whether all that was passed over can only become an entry with a trace in its directory's times."""
        self.scanned_ns = time.time_ns()
        self._facts = array("q")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Facts:
        return Facts(*self.facts(index))

    def facts(self, index: int) -> "array[int]":
        """The values of `Facts` of one entry, in order; cheaper."""
        return self._facts[_WIDTH * index : _WIDTH * (index + 1)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listing):
            return NotImplemented
        return (
            self.directories == other.directories
            and self._facts == other._facts
            and self.paths == other.paths
            and self.links == other.links
        )

    __hash__ = None  # type: ignore[assignment]

    def add(self, paths: Sequence[str], facts: Iterable[int]) -> None:
        """Append entries; `facts` are the values of `Facts` of all of them, one after another."""
        self.paths.extend(paths)
        self._facts.extend(facts)

    def column(self, field: str) -> "array[int]":
        """One field of `Facts` of every entry."""
        return self._facts[Facts._fields.index(field) :: _WIDTH]

    @cached_property
    def files(self) -> int:
        """How many of the entries are files, not empty directories."""
        return sum(not path.endswith("/") for path in self.paths)

    @cached_property
    def newest(self) -> int:
        """The latest mtime of files and directories, in seconds since the epoch."""
        directories = max((facts.mtime_ns for _, facts in self.directories), default=0)
        return max(max(self._facts[3::_WIDTH], default=0), directories) // 1_000_000_000

    def size(self, index: int) -> int:
        """Length of a file in bytes when it was listed."""
        return self._facts[_WIDTH * index + 2]

    def matches(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, in the same state."""
        facts, at = self._facts, _WIDTH * index
        return (
            facts[at + 4] == status.st_ctime_ns
            and facts[at + 3] == status.st_mtime_ns
            and facts[at + 2] == status.st_size
            and not (facts[at + 1] - status.st_ino) % _WORD
            and facts[at] == status.st_dev
        )

    def grew(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, and longer now: a log, or else rewritten."""
        dev, inode, size = self._facts[_WIDTH * index : _WIDTH * index + 3]
        return status.st_size > size and status.st_ino % _WORD == inode % _WORD and status.st_dev == dev

    def is_settled(self, index: int) -> bool:
        """Whether the file's last change is so far back that a later one shows in its facts.

        A file system's clock ticks coarsely: two writes within a tick leave the same times.
        """
        return self._facts[_WIDTH * index + 4] < self.scanned_ns - _UNSETTLED

    def fingerprint(self) -> bytes:
        """Differs between listings that differ in anything but the device number, which a restart may change."""
        columns = [self._facts[column::_WIDTH].tobytes() for column in range(1, 6)]
        return b"".join([*columns, os.fsencode("\0".join(self.paths)), repr(sorted(self.links)).encode()])

    def all_settled(self) -> bool:
        """Whether that holds for every file."""
        return max(self._facts[4::_WIDTH], default=0) < self.scanned_ns - _UNSETTLED

    def is_current(self, directory: Directory) -> bool:
        """Whether a new scan of the directory would find the same, at half its cost; blocks.

        False also where only a scan can tell: names come and go within a tick of the clock, too.
        """
        latest = max((facts.ctime_ns for _, facts in self.directories), default=self.scanned_ns)
        if not self.is_whole or latest >= self.scanned_ns - _UNSETTLED:
            return False
        try:
            for path, facts in self.directories:
                if facts_of(os.stat(path, dir_fd=directory.fd, follow_symlinks=False)) != facts:
                    return False
            found = array("q")
            for path in self.paths:
                if path in self.links:
                    with open_beneath(directory, path) as file:
                        found.extend(facts_of(file.stat))
                else:
                    found.extend(facts_of(os.stat(path, dir_fd=directory.fd, follow_symlinks=False)))
        except (OSError, StorageError):
            return False
        return found == self._facts


def facts_of(status: os.stat_result) -> tuple[int, int, int, int, int, int]:
    """The values of `Facts` in a stat result."""
    inode = status.st_ino
    return (
        status.st_dev,
        inode if inode < _WORD >> 1 else inode - _WORD,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_mode,
    )


def scan(directory: Directory, *, recursive: bool = False) -> Listing:
    """The regular files that can be read, dot files too, sorted by name; blocks.

    Links count as the file they lead to when that is a regular file beneath the directory, else not at all.
    With `recursive`, directories are descended down to `DEPTH_LIMIT`, links to them are not, and empty ones
    are listed.
    Raises `NotFound` when the directory itself has gone, `Exhausted` when descriptors run out.
    """
    scan = _Scan(directory)
    scan.descend(".", directory.fd, "", DEPTH_LIMIT if recursive else 0)
    return scan.listing


class _Scan:
    __slots__ = ("directory", "listing")

    def __init__(self, directory: Directory) -> None:
        self.listing = Listing()
        self.directory = directory

    def descend(self, name: str, parent: int, path: str, depth: int) -> None:
        """Add what is in the directory `name` of `parent`; `path` is its own and ends in "/" or is empty."""
        fd = _open_directory(name, parent)
        try:
            own = os.fstat(fd)
            self.listing.directories.append((path or ".", Facts(*facts_of(own))))
            found = self._look(fd, path, files_only=not depth)
            first = 0
            for index in found.directories:
                self._add_files(found, first, index)
                below = found.paths[index]
                try:
                    self.descend(below[len(path) :], fd, f"{below}/", depth - 1)
                except NotFound:  # removed meanwhile, or not ours to read
                    self.listing.is_whole = False
                first = index + 1
            self._add_files(found, first, len(found.paths))
            if path and not found.paths:
                self.listing.add([path], facts_of(own))
        finally:
            os.close(fd)

    def _add_files(self, found: "_Found", first: int, last: int) -> None:
        self.listing.add(found.paths[first:last], found.facts[_WIDTH * first : _WIDTH * last])

    def _look(self, fd: int, path: str, *, files_only: bool) -> "_Found":
        """What is to be listed of one directory. Columns and no objects here too, for 65,600 files."""
        names: list[str] = []
        links: set[str] = set()
        with os.scandir(fd) as entries:
            for entry in entries:
                names.append(entry.name)
                if entry.is_symlink():
                    links.add(entry.name)
        found = _Found([], array("q"), [])
        for name in sorted(names):
            try:
                if name in links:
                    status = self._follow(path + name)
                    self.listing.links.add(path + name)
                else:
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except (NotFound, OutsideRoot, FileNotFoundError):
                self.listing.is_whole = False  # where a link leads may change elsewhere
                continue
            mode = status.st_mode
            if not stat.S_ISREG(mode):
                if files_only or not stat.S_ISDIR(mode):
                    continue
                found.directories.append(len(found.paths))
            elif mode & _EVERYONE != _EVERYONE and not _may_read(name, fd):
                self.listing.is_whole = False
                continue
            found.paths.append(path + name)
            found.facts.extend(facts_of(status))
        return found

    def _follow(self, path: str) -> os.stat_result:
        with open_beneath(self.directory, path) as file:
            return file.stat


class _Found(NamedTuple):
    paths: list[str]
    facts: "array[int]"
    directories: list[int]
    """Indexes of those that are to be descended."""


def _open_directory(name: str, parent: int) -> int:
    try:
        # A description of our own: two readers of one would share its position.
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError as error:
        raise storage_error(error) from error


def open_beneath(directory: Directory, path: str) -> OpenFile:
    """Open a path as `scan` lists it, also one that is not UTF-8; blocks.

    Raises `NotFound` (also for what is not a regular file), `OutsideRoot` or `Exhausted`.
    """
    resolve = beneath.openat2 if beneath.HAS_OPENAT2 else beneath.walk
    try:
        fd = resolve(directory.fd, os.fsencode(path))
    except OSError as error:
        raise storage_error(error) from error
    return OpenFile(fd)


def storage_error(error: OSError) -> StorageError:
    """What a failed open means."""
    if error.errno == errno.EXDEV:
        return OutsideRoot()
    return Exhausted() if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM) else NotFound()


_EVERYONE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def _may_read(name: str, fd: int) -> bool:
    """A file that could not be downloaded by itself is no member either."""
    return os.access(name, os.R_OK, dir_fd=fd, effective_ids=True)
