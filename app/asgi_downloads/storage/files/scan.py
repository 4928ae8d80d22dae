"""The reading of a directory into a `Listing`. Nothing is opened but directories and links: a regular file shows itself
in one stat."""

import os
import stat
import sys
import threading
import time
from collections.abc import Callable

from asgi_downloads.storage.errors import Busy, Forbidden, NotFound, OutsideRoot, from_oserror
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from asgi_downloads.storage.files.tree import DIRECTORY_FLAGS, Directory, decode, encode
from asgi_downloads.storage.jobs import Stopped

_PATH_LIMIT = 4096 - len("/\0")
"""Bytes of a path that the kernel takes at once."""

_EVERYONE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def hides_nothing(what: object) -> bool:
    """What a scan leaves out unless it is told otherwise."""
    return False


def scan_blocking(
    directory: Directory,
    *,
    at: str = "",
    recursive: bool = False,
    hides: Callable[[str], bool] = hides_nothing,
    private: Private = NOTHING_PRIVATE,
    most: int = sys.maxsize,
    stop: threading.Event | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Listing:
    """The regular files of a directory, dot files too, by name; those of directories below after it, if `recursive`.

    The directory is the one `at` a path beneath `directory`, which is empty or ends in "/". What `hides` a name, or is
    `private`, is neither listed nor read.
    Links count as the file they lead to when that is a regular file beneath the directory. Links to directories are
    not followed; empty directories below are listed. What is left out is told by the listing.
    Raises `NotFound` when the directory itself has gone, `Exhausted`, `Unavailable` when any of it fails, `Busy` for
    more than `most` entries, `Stopped` when told to stop.
    """
    scan = _Scan(directory, at, recursive, hides, private, stop or threading.Event(), Listing(clock()))
    pending = [at]
    while pending:  # one directory at a time is open, however deep it lies
        path = pending.pop()
        try:
            pending += reversed(scan.read(path))
        except NotFound as error:
            if path == at:
                raise
            if isinstance(error, Forbidden):
                scan.listing.unreadable.append(path)
            scan.listing.is_whole = False  # or else it was removed meanwhile
        if len(scan.listing) > most:
            raise Busy(f"there is room for {most} more files in archives")
    if at:
        scan.listing.names = [path[len(at) :] for path in scan.listing.paths]
    return scan.listing


class _Scan:
    def __init__(
        self,
        directory: Directory,
        at: str,
        recursive: bool,
        hides: Callable[[str], bool],
        private: Private,
        stop: threading.Event,
        listing: Listing,
    ) -> None:
        self.directory = directory
        self.at = at
        self.recursive = recursive
        self.hides = hides
        self.private = private
        self.stop = stop
        self.listing = listing
        self.may_lie = False
        """Whether the directory is of a file system without blocks, such as /proc, where sizes mean little."""

    def read(self, path: str) -> list[str]:
        """Add what is in one directory, whose path ends in "/" or is empty; return the paths of those in it."""
        # A description of our own: two readers of one would share its position.
        fd = self.directory.descriptor_blocking(path or ".", DIRECTORY_FLAGS | os.O_NOFOLLOW)
        try:
            own, self.may_lie = os.fstat(fd), not os.fstatvfs(fd).f_blocks
            if path == self.at and self.private.hides_file(fd, own):
                raise NotFound
            with os.scandir(fd) as entries:
                links = {decode(entry.name): entry.is_symlink() for entry in entries if not self.hides(entry.name)}
            self.listing.add_directory(path.rstrip("/") or ".", own)
            before, below = len(self.listing), []
            for name in sorted(links):
                if self.stop.is_set():
                    raise Stopped
                if self._add(fd, path + name, encode(name), links[name]):
                    below.append(f"{path}{name}/")
            if path != self.at and not below and len(self.listing) == before:
                self.listing.add(path, own)
        except OSError as error:
            raise from_oserror(error) from error
        finally:
            os.close(fd)
        return below

    def _add(self, fd: int, path: str, name: bytes, is_link: bool) -> bool:
        """Add the entry `name` of the directory `fd`, or note why not; whether it is a directory to be read too."""
        listing = self.listing
        try:
            if len(path) > _PATH_LIMIT // 4 and len(encode(path)) > _PATH_LIMIT:
                raise Forbidden
            status = self._follow(path) if is_link else os.stat(name, dir_fd=fd, follow_symlinks=False)
            mode = status.st_mode
            if self.private.hides(status):
                return False
            if stat.S_ISREG(mode):
                if self.may_lie or mode & _EVERYONE != _EVERYONE:
                    self._make_sure(fd, path, name, status)
                listing.add(path, status)
                return False
        except (Forbidden, PermissionError):
            listing.unreadable.append(path)
            listing.is_whole = False  # rights may change elsewhere
        except (NotFound, OutsideRoot, FileNotFoundError):
            listing.is_whole = False  # so may where a link leads
            if is_link:  # else it was removed meanwhile
                listing.astray.append(path)
        else:
            return self.recursive and stat.S_ISDIR(mode)
        return False

    def _follow(self, path: str) -> os.stat_result:
        with self.directory.open_blocking(path) as file:
            if self.private.hides_file(file.fd, file.stat):
                raise NotFound
            self.listing.links.add(path)
            return file.stat

    def _make_sure(self, fd: int, path: str, name: bytes, status: os.stat_result) -> None:
        """Raise `Forbidden` for what could not be downloaded by itself."""
        if self.may_lie or not os.access(name, os.R_OK, dir_fd=fd, effective_ids=True):
            self.directory.open_blocking(path).close()
