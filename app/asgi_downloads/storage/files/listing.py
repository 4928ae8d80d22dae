"""What lies in a directory: names, and the facts that tell a file's states apart."""

import os
from array import array
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from asgi_downloads.storage.errors import StorageError
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.files.tree import encode

_SIZE, _MTIME, _MODE = FileState._fields.index("size"), FileState._fields.index("mtime_ns"), len(FileState._fields)
_WIDTH = _MODE + 1


class Listing:
    """States of the files of a directory, in order, as columns: 65,600 take about 10 MiB.

    `paths` are relative to it, those of empty directories end in "/"; names that are not UTF-8 are as `surrogateescape`
    writes them. Listings are equal when nothing has changed between them.
    """

    is_shared = False
    """Whether every replica that lists the same has the same states, and not only the same content."""

    def __init__(self, scanned_ns: int) -> None:
        self.scanned_ns = scanned_ns
        """When it was begun, in nanoseconds since the epoch."""
        self.paths: list[str] = []
        self.names = self.paths
        """What each is to be called where all are put together; "/" at the end as in `paths`."""
        self.links: set[str] = set()
        """The paths that are links."""
        self.directories: list[tuple[str, FileState]] = []
        """Every directory that was read, by its path, "." being the first."""
        self.unreadable: list[str] = []
        """Files and directories that this process may not read, which are left out."""
        self.astray: list[str] = []
        """Links that lead out, or to no regular file, which are left out."""
        self.is_whole = True
        """Whether all that was passed over can only become an entry with a trace in its directory's times."""
        self._facts = array("q")

    def add_directory(self, path: str, status: os.stat_result) -> None:
        """Note a directory that was read."""
        self.directories.append((path, FileState.of(status)))

    def add(self, path: str, status: os.stat_result) -> None:
        """Append an entry."""
        facts = self._facts
        try:
            facts.extend((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        except OverflowError:
            del facts[_WIDTH * len(self.paths) :]
            facts.extend(FileState.of(status))
        facts.append(status.st_mode)
        self.paths.append(path)

    def add_state(self, path: str, state: FileState, mode: int) -> None:
        """Append an entry in that state."""
        self._facts.extend((*state, mode))
        self.paths.append(path)

    def include(self, other: "Listing", above: str) -> None:
        """Append all of another listing, of a directory whose path in this one's is `above`, with "/" at its end."""
        self.paths += [above + path for path in other.paths]
        self.links |= {above + path for path in other.links}
        self.directories += [((above + path).removesuffix("/."), state) for path, state in other.directories]
        self.unreadable += [above + path for path in other.unreadable]
        self.astray += [above + path for path in other.astray]
        self.is_whole = self.is_whole and other.is_whole
        self._facts += other._facts

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> FileState:
        return FileState._make(self._facts[_WIDTH * index : _WIDTH * index + _MODE])

    def __iter__(self) -> Iterator[FileState]:
        return map(self.__getitem__, range(len(self)))

    def size(self, index: int) -> int:
        """Length of a file in bytes when it was listed."""
        return self._facts[_WIDTH * index + _SIZE]

    def mode(self, index: int) -> int:
        """Type and permissions of an entry, as in `st_mode`."""
        return self._facts[_WIDTH * index + _MODE]

    def status(self, index: int) -> os.stat_result:
        """What `stat` would say of an entry as it was listed."""
        state = self[index]
        times = {"st_mtime_ns": state.mtime_ns, "st_ctime_ns": state.ctime_ns}
        return os.stat_result((self.mode(index), state.inode, state.dev, 1, 0, 0, state.size, 0, 0, 0), times)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listing):
            return NotImplemented
        return (
            self.directories == other.directories
            and self._facts == other._facts
            and self.paths == other.paths
            and self.names == other.names
            and self.links == other.links
            and self.unreadable == other.unreadable
            and self.astray == other.astray
        )

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def files(self) -> int:
        """How many of the entries are files, not empty directories."""
        return sum(not path.endswith("/") for path in self.paths)

    @property
    def omitted(self) -> int:
        """How many files, links and directories are left out of what was asked for."""
        return len(self.unreadable) + len(self.astray)

    @cached_property
    def newest(self) -> int:
        """The latest mtime of files and directories, in seconds since the epoch."""
        directories = max((state.mtime_ns for _, state in self.directories), default=0)
        return max(max(self._facts[_MTIME::_WIDTH], default=0), directories) // 1_000_000_000

    def matches(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, in the same state."""
        facts, at = self._facts, _WIDTH * index
        return (  # what `FileState` says, at a quarter of the cost where nothing has changed
            facts[at + 4] == status.st_ctime_ns
            and facts[at + 3] == status.st_mtime_ns
            and facts[at + 2] == status.st_size
            and facts[at + 1] == status.st_ino
            and facts[at] == status.st_dev
        ) or self[index] == FileState.of(status)

    def grew(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, and longer now: a log, or else rewritten."""
        then, now = self[index], FileState.of(status)
        return now.size > then.size and (now.dev, now.inode) == (then.dev, then.inode)

    def is_settled(self, index: int) -> bool:
        """Whether the file's last change is so far back that a later one shows in its state."""
        return self[index].is_settled(self.scanned_ns)

    @cached_property
    def all_settled(self) -> bool:
        """Whether every file's last change is so far back that a later one shows in its state."""
        return all(state.is_settled(self.scanned_ns) for state in self)

    def fingerprint(self) -> bytes:
        """Differs between listings that differ in anything but the device number, which a restart may change."""
        columns = [self._facts[column::_WIDTH].tobytes() for column in range(1, _WIDTH)]
        return b"".join([*columns, "\0".join(self.names).encode("utf-8", "surrogateescape")])

    def is_current_blocking(self, directory: Any) -> bool:
        """Whether a new scan of the directory would find the same, at half its cost.

        False also where only a scan can tell: names come and go within a tick of the clock, too.
        """
        if not self.is_whole or not self.all_settled:
            return False
        try:
            for path, state in self.directories:
                status = os.stat(encode(path), dir_fd=directory.fd, follow_symlinks=False)
                if not state.is_settled(self.scanned_ns) or FileState.of(status) != state:
                    return False
            for index, path in enumerate(self.paths):
                if path in self.links:
                    with directory.open_blocking(path) as file:
                        status = file.stat
                else:
                    status = os.stat(encode(path), dir_fd=directory.fd, follow_symlinks=False)
                if not self.matches(index, status):
                    return False
        except (OSError, StorageError):
            return False
        return True
