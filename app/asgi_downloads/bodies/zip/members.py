"""Members of an archive as they lie on the disk: read only in the state in which they were listed.

A member whose facts have moved since the listing is taken only if its bytes still have the CRC-32 that is announced for
it (a log that grew, a file that was linked); else `FileChanged` cuts the transfer.
"""

import os
import threading
from collections.abc import Callable
from contextlib import closing, suppress

from asgi_downloads.bodies.zip.crc32 import crc32
from asgi_downloads.storage.errors import FileChanged, NotFound, OutsideRoot, StorageError
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory

UNKNOWN = -1
"""In the place of a CRC-32 that has not been computed."""

Read = Callable[[int, memoryview, int], int | None]
"""`Members.read_blocking` or `Members.read_cached`."""


class Members:
    """The members of one listing, opened beneath the directory that was listed, by index."""

    __slots__ = ("directory", "listing")

    def __init__(self, directory: Directory, listing: Listing) -> None:
        self.directory = directory
        self.listing = listing

    def open_blocking(self, index: int) -> OpenFile:
        """The file that is there now under the member's name. Raises `FileChanged` if none is, or `Exhausted`."""
        try:
            return self.directory.open_blocking(self.listing.paths[index])
        except (NotFound, OutsideRoot) as error:
            raise FileChanged from error

    def open_cached(self, index: int) -> OpenFile | None:
        """The member if it can be opened without waiting and has not changed, else None."""
        with suppress(StorageError):
            file = self.directory.open_cached(self.listing.paths[index])
            if file is not None and self.listing.matches(index, file.stat):
                return file
            if file is not None:
                file.close()
        return None

    def told_crc_blocking(self, index: int) -> int | None:
        """The CRC of the member if somebody knows it who has not to read it for that."""
        return None

    def read_blocking(self, index: int, buffer: memoryview, announced: int) -> int:
        """Fill `buffer` with all of a small member and return its CRC, which may have been announced.

        Raises `FileChanged` or `Exhausted`.
        """
        now = self._read(index, buffer, 0)
        if announced != UNKNOWN and self.listing.matches(index, now):
            return announced
        crc = crc32(buffer)
        if not (self.is_listed(index, now) if announced == UNKNOWN else crc == announced):
            raise FileChanged
        return crc

    def read_cached(self, index: int, buffer: memoryview, announced: int) -> int | None:
        """`read_blocking` from memory: None if that would wait for the disk, or the member is not as it was listed."""
        try:
            fd = self.directory.descriptor_cached(self.listing.paths[index])
            now = None if fd is None else _fill(fd, buffer, 0, os.RWF_NOWAIT)
        except (StorageError, OSError):
            return None
        if now is None or not self.listing.matches(index, now):
            return None
        return crc32(buffer) if announced == UNKNOWN else announced

    def read_part_blocking(self, index: int, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` from `offset` of a member that has not changed at all. Raises `FileChanged` or `Exhausted`."""
        if not self.listing.matches(index, self._read(index, buffer, offset)):
            raise FileChanged

    def is_listed(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, before anything of it has been announced.

        One that was being written to as it was listed may have grown since; its first bytes are taken.
        """
        if self.listing.matches(index, status):
            return True
        return not self.listing.is_settled(index) and self.listing.grew(index, status)

    def _read(self, index: int, buffer: memoryview, offset: int) -> os.stat_result:
        try:
            fd = self.directory.descriptor_blocking(self.listing.paths[index])
            return _fill(fd, buffer, offset)
        except (NotFound, OutsideRoot, OSError) as error:
            raise FileChanged from error


def _fill(fd: int, buffer: memoryview, offset: int, flags: int = 0) -> os.stat_result:
    """Fill `buffer` from an open file, close it and return its status. Raises `FileChanged` if it is shorter."""
    try:
        if os.preadv(fd, (buffer,), offset, flags) != len(buffer):
            raise FileChanged
        return os.fstat(fd)  # one look, after reading: what is now as it was listed was so all the time between
    finally:
        os.close(fd)


def advance_crc(file: OpenFile, stop_at: int, position: int, crc: int, stop: threading.Event) -> tuple[int, int]:
    """Read on from `position` to `stop_at`; return how far it came and the CRC of all until there. Blocks.

    Ends early when `stop` is set. Raises `FileChanged` when the file is shorter.
    """
    with closing(file.walk_blocking(position, stop_at)) as blocks:
        for block in blocks:
            crc = crc32(block, crc)
            position += len(block)
            if stop.is_set():
                break
    return position, crc
