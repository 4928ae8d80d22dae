"""What lies in a directory, seen through its descriptor: names, and the facts that tell a file's states apart.

Nothing is opened but links: a regular file or directory shows itself in one stat.
"""

import errno
import os
import stat
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from app.storage import beneath
from app.storage.errors import Exhausted, NotFound, OutsideRoot, StorageError
from app.storage.openfile import OpenFile
from app.storage.tree import Directory

DEPTH_LIMIT = 32
"""Directories below this are not descended: each level holds a descriptor open while it is read."""

Rename = Callable[[Sequence[str]], list[str]]
"""From the names in one directory to as many that may stand in an archive."""

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


class Listing:
    """The files of a directory, in order, as columns: 65,600 take about 10 MiB.

    `paths` are relative to it, `archive_paths` the same after `rename`, a directory's ending in "/".
    Listings are equal when nothing has changed between them.
    """

    __slots__ = ("_facts", "archive_paths", "directories_ns", "links", "paths", "scanned_ns")

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.archive_paths: list[str] = []
        self.links: set[int] = set()
        """Indexes of the files that are reached by a link."""
        self.directories_ns = 0
        """The latest mtime of the directories, in nanoseconds since the epoch."""
        self.scanned_ns = time.time_ns()
        self._facts = array("q")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Facts:
        return Facts(*self._facts[6 * index : 6 * index + 6])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listing):
            return NotImplemented
        return (
            self.directories_ns == other.directories_ns
            and self._facts == other._facts
            and self.paths == other.paths
            and self.links == other.links
        )

    __hash__ = None  # type: ignore[assignment]

    def add(self, path: str, archive_path: str, facts: Iterable[int]) -> None:
        """Append an entry; `facts` are the values of `Facts`, in order."""
        self.paths.append(path)
        self.archive_paths.append(archive_path)
        self._facts.extend(facts)

    def column(self, field: str) -> "array[int]":
        """One field of `Facts` of every entry."""
        return self._facts[Facts._fields.index(field) :: 6]

    @property
    def files(self) -> int:
        """How many of the entries are files, not empty directories."""
        return sum(not path.endswith("/") for path in self.paths)

    @property
    def newest(self) -> int:
        """The latest mtime of files and directories, in seconds since the epoch."""
        return max(max(self._facts[3::6], default=0), self.directories_ns) // 1_000_000_000

    def size(self, index: int) -> int:
        """Length of a file in bytes when it was listed."""
        return self._facts[6 * index + 2]

    def matches(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, in the same state."""
        dev, inode, size, mtime_ns, ctime_ns, _ = self._facts[6 * index : 6 * index + 6]
        return (
            status.st_ctime_ns == ctime_ns
            and status.st_mtime_ns == mtime_ns
            and status.st_size == size
            and status.st_ino % _WORD == inode % _WORD
            and status.st_dev == dev
        )

    def grew(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, and longer now: a log, or else rewritten."""
        dev, inode, size = self._facts[6 * index : 6 * index + 3]
        return status.st_size > size and status.st_ino % _WORD == inode % _WORD and status.st_dev == dev

    def is_settled(self, index: int) -> bool:
        """Whether the file's last change is so far back that a later one shows in its facts.

        A file system's clock ticks coarsely: two writes within a tick leave the same times.
        """
        return self._facts[6 * index + 4] < self.scanned_ns - _UNSETTLED

    def fingerprint(self) -> bytes:
        """Differs between listings that differ in anything but the device number, which a restart may change."""
        columns = [self._facts[column::6].tobytes() for column in range(1, 6)]
        return b"".join([*columns, os.fsencode("\0".join(self.paths)), repr(sorted(self.links)).encode()])

    def all_settled(self) -> bool:
        return max(self._facts[4::6], default=0) < self.scanned_ns - _UNSETTLED


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


def scan(directory: Directory, rename: Rename, *, recursive: bool = False) -> Listing:
    """The regular files that can be read, dot files too, sorted by name; blocks.

    Links count as the file they lead to when that is a regular file beneath the directory, else not at all.
    With `recursive`, directories are descended down to `DEPTH_LIMIT`, links to them are not, and empty ones
    are listed. `rename` gives the names of one directory's files and directories for the archive.
    Raises `NotFound` when the directory itself has gone, `Exhausted` when descriptors run out.
    """
    scan = _Scan(directory, rename)
    scan.descend(".", directory.fd, "", "", DEPTH_LIMIT if recursive else 0)
    return scan.listing


class _Scan:
    __slots__ = ("directory", "listing", "rename")

    def __init__(self, directory: Directory, rename: Rename) -> None:
        self.listing = Listing()
        self.directory = directory
        self.rename = rename

    def descend(self, name: str, parent: int, path: str, archive_path: str, depth: int) -> None:
        """Add what is in the directory `name` of `parent`; both paths are its own and end in "/" or are empty."""
        fd = _open_directory(name, parent)
        try:
            own = os.fstat(fd)
            self.listing.directories_ns = max(self.listing.directories_ns, own.st_mtime_ns)
            found = self._look(fd, path, files_only=not depth)
            names = self.rename(found.names)
            for index, (name, renamed) in enumerate(zip(found.names, names, strict=True)):
                if index in found.directories:
                    with suppress(NotFound):  # removed meanwhile, or not ours to read
                        self.descend(name, fd, f"{path}{name}/", f"{archive_path}{renamed}/", depth - 1)
                    continue
                if index in found.links:
                    self.listing.links.add(len(self.listing))
                self.listing.add(path + name, archive_path + renamed, found.facts[6 * index : 6 * index + 6])
            if path and not names:
                self.listing.add(path, archive_path, facts_of(own))
        finally:
            os.close(fd)

    def _look(self, fd: int, path: str, *, files_only: bool) -> "_Found":
        """What is to be listed of one directory. Columns and no objects here too, for 65,600 files."""
        with os.scandir(fd) as entries:
            links = {entry.name: entry.is_symlink() for entry in entries}
        found = _Found([], array("q"), set(), set())
        for name in sorted(links):
            try:
                if links[name]:
                    status = self._follow(path + name)
                    found.links.add(len(found.names))
                else:
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except (NotFound, OutsideRoot, FileNotFoundError):
                continue
            if not stat.S_ISREG(status.st_mode):
                if files_only or not stat.S_ISDIR(status.st_mode):
                    continue
                found.directories.add(len(found.names))
            elif status.st_mode & _EVERYONE != _EVERYONE and not _may_read(name, fd):
                continue
            found.names.append(name)
            found.facts.extend(facts_of(status))
        return found

    def _follow(self, path: str) -> os.stat_result:
        with open_beneath(self.directory, path) as file:
            return file.stat


class _Found(NamedTuple):
    names: list[str]
    facts: "array[int]"
    directories: set[int]
    links: set[int]


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
