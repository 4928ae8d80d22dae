"""What files an archive is asked to hold: all of a directory, or members from anywhere."""

import os
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Self

from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.errors import Busy, NotFound, OutsideRoot, StorageError, from_oserror
from asgi_downloads.storage.files.hidden import NOTHING, Hidden
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from asgi_downloads.storage.files.scan import scan_blocking
from asgi_downloads.storage.files.tree import DIRECTORY_FLAGS, Directory
from asgi_downloads.storage.jobs import Stopped

Clock = Callable[[], int]
"""Nanoseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Contents(ABC):
    """Files beneath a directory, which is where their paths begin."""

    directory: AnyDirectory

    @property
    @abstractmethod
    def key(self) -> Hashable:
        """Equal for what is asked for in the same words."""

    @abstractmethod
    def scan_blocking(self, most: int, stop: threading.Event, clock: Clock) -> Listing:
        """The files as they are now; raises as the function of that name."""

    def duplicate(self) -> Self:
        """Equal contents with a directory of their own, for a thread to close."""
        return replace(self, directory=self.directory.duplicate())


@dataclass(frozen=True, slots=True)
class Folder(Contents):
    """All files of one directory, the one `at` a path beneath `directory`, but for those that are hidden or private.

    The path is empty or ends in "/"; with `recursive` files of directories below are meant too.
    """

    directory: Directory
    recursive: bool = False
    at: str = ""
    hide: Hidden = NOTHING
    private: Private = NOTHING_PRIVATE

    @property
    def key(self) -> Hashable:
        identity = os.fstat(self.directory.fd)
        return identity.st_dev, identity.st_ino, self.recursive, self.at, self.hide

    def scan_blocking(self, most: int, stop: threading.Event, clock: Clock = time.time_ns) -> Listing:
        return scan_blocking(
            self.directory,
            at=self.at,
            recursive=self.recursive,
            hides=self.hide.hides,
            private=self.private,
            most=most,
            stop=stop,
            clock=clock,
        )


@dataclass(frozen=True, slots=True)
class Chosen(Contents):
    """Some of what lies in the directory `at` a path: files, and whole directories, whose names end in "/".

    `NotFound` has the name of a member that is not there, is of the other kind, hidden, private, or cannot be read.
    """

    directory: Directory
    names: tuple[str, ...]
    at: str = ""
    hide: Hidden = NOTHING
    private: Private = NOTHING_PRIVATE

    @property
    def key(self) -> Hashable:
        identity = os.fstat(self.directory.fd)
        return identity.st_dev, identity.st_ino, self.at, self.hide, self.names

    def scan_blocking(self, most: int, stop: threading.Event, clock: Clock = time.time_ns) -> Listing:
        listing = Listing(clock())
        for name in self.names:
            if stop.is_set():
                raise Stopped
            if self.hide.hides_any(name.removesuffix("/")) or "/" in name[:-1] or name in ("", "/", "./", "../"):
                raise NotFound(name)
            try:
                if name.endswith("/"):
                    self._include(listing, self.at + name, most, stop)
                else:
                    self._add(listing, self.at + name)
            except (NotFound, OutsideRoot) as error:
                raise NotFound(name) from error
            if len(listing) > most:
                raise Busy(f"there is room for {most} more files in archives")
        listing.names = [path[len(self.at) :] for path in listing.paths]
        return listing

    def _add(self, listing: Listing, path: str) -> None:
        with self.directory.open_blocking(path) as file:
            if self.private.hides_file(file.fd, file.stat):
                raise NotFound
            listing.add(path, file.stat)
            if self.directory.is_link_blocking(path):
                listing.links.add(path)

    def _include(self, listing: Listing, path: str, most: int, stop: threading.Event) -> None:
        found = scan_blocking(
            self.directory,
            at=path,
            recursive=True,
            hides=self.hide.hides,
            private=self.private,
            most=most - len(listing),
            stop=stop,
        )
        if not found.paths:
            with closing(Directory(self.directory.descriptor_blocking(path, DIRECTORY_FLAGS))) as below:
                found.add(path, os.fstat(below.fd))
        listing.include(found, "")


@dataclass(frozen=True, slots=True)
class Joined(Contents):
    """Contents of several directories, each below a path of its own, which is empty or ends in "/".

    `directory` is the root of all paths.
    """

    parts: tuple[tuple[str, Contents], ...]

    @property
    def key(self) -> Hashable:
        return tuple((above, part.key) for above, part in self.parts)

    def duplicate(self) -> Self:
        parts = tuple((above, part.duplicate()) for above, part in self.parts)
        return replace(self, directory=self.directory.duplicate(), parts=parts)

    def scan_blocking(self, most: int, stop: threading.Event, clock: Clock = time.time_ns) -> Listing:
        listing = Listing(clock())
        names: list[str] = []
        for above, part in self.parts:
            found = part.scan_blocking(most - len(listing), stop, clock)
            place = part.directory.where().strip("/")
            listing.include(found, f"{place}/" if place else "")
            names += [above + name for name in found.names]
        listing.names = names
        return listing


@dataclass(frozen=True, slots=True)
class Gathered(Contents):
    """Files and whole directories from anywhere, each by the name it is to have and its absolute path.

    `directory` is the root of all paths. A link within a directory may not lead out of that; one that is asked for by
    itself may lead anywhere. `NotFound` has the name of a member that is no file or directory, or cannot be read.
    """

    directory: Directory
    members: tuple[tuple[str, str], ...]

    @property
    def key(self) -> Hashable:
        return self.members

    def scan_blocking(self, most: int, stop: threading.Event, clock: Clock = time.time_ns) -> Listing:
        listing = Listing(clock())
        names: list[str] = []
        for name, path in self.members:
            try:
                real = os.path.realpath(path, strict=True)
                status = os.stat(real)
                inner = real.lstrip("/")
                listing.is_whole = listing.is_whole and real == path  # where a link leads may change
                if stat.S_ISDIR(status.st_mode):
                    with closing(Directory(os.open(real, DIRECTORY_FLAGS))) as below:
                        found = scan_blocking(below, recursive=True, most=most - len(names), stop=stop, clock=clock)
                    listing.include(found, f"{inner}/" if inner else "")
                    names += [f"{name}/{below}" for below in found.paths]
                    if not found.paths:
                        listing.add(f"{inner}/", status)
                        names.append(f"{name}/")
                else:
                    self.directory.open_blocking(inner).close()
                    listing.add(inner, status)
                    names.append(name)
            except OSError as error:
                raise _named(from_oserror(error), name) from error
            except NotFound as error:
                raise _named(error, name) from error
            if len(names) > most:
                raise Busy(f"there is room for {most} more files in archives")
        listing.names = names
        return listing


def _named(error: StorageError, name: str) -> StorageError:
    """The error about a member of that name."""
    return type(error)(name) if isinstance(error, NotFound) else error
