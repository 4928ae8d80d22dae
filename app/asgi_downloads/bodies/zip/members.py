"""Members of an archive as they lie on the disk: read only in the state in which they were listed.

All of it blocks. A member whose facts have moved since the listing is taken only if its bytes still have the
CRC-32 that is announced for it (a log that grew, a file that was linked); else `FileChanged` cuts the transfer.
"""

import os
import threading
from contextlib import suppress

from asgi_downloads.bodies.zip.crc32 import crc32
from asgi_downloads.storage.errors import Exhausted, FileChanged, NotFound, OutsideRoot, StorageError
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.listing import Listing, open_beneath, storage_error
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory

UNKNOWN = -1
"""In the place of a CRC-32 that has not been computed."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CRC_BUFFER = 1 << 18  # stays in the processor's cache, from where the checksum reads it again

_KEPT = 1 << 20  # by each thread

_scratch = threading.local()


class Stop(threading.Event):
    """Set by who no longer wants a result; long jobs look at it."""


class Stopped(Exception):
    """A job ended early because it was told to."""


class Members:
    """The members of one listing, opened beneath the directory that was listed."""

    __slots__ = ("directory", "listing")

    def __init__(self, directory: Directory, listing: Listing) -> None:
        self.directory = directory
        self.listing = listing

    def open(self, index: int) -> OpenFile:
        """The file that is there now under the member's name. Raises `FileChanged` if none is, or `Exhausted`."""
        try:
            return OpenFile(self._descriptor(index))
        except NotFound as error:  # now a FIFO, say
            raise FileChanged from error

    def open_cached(self, index: int) -> OpenFile | None:
        """The member if it can be opened without waiting and has not changed, else None; for the event loop."""
        with suppress(StorageError):
            file = self.directory.open_cached(self.listing.paths[index])
            if file is not None and self.listing.matches(index, file.stat):
                return file
            if file is not None:
                file.close()
        return None

    def read_into(self, index: int, buffer: memoryview, announced: int) -> int:
        """Fill `buffer` with all of a small member and return its CRC. Raises `FileChanged` or `Exhausted`."""
        now = self._read(index, buffer, 0)
        same = self.listing.matches(index, now)
        if same and announced != UNKNOWN:
            return announced
        crc = crc32(buffer)
        if same or crc == announced:
            return crc
        raise FileChanged

    def read_cached(self, index: int, buffer: memoryview, announced: int) -> int | None:
        """The same for the event loop: None if that would wait for the disk, or the member is not as it was listed."""
        fd = beneath.open_cached(self.directory.fd, os.fsencode(self.listing.paths[index]))
        if fd < 0:
            return None
        try:
            got = os.preadv(fd, (buffer,), 0, os.RWF_NOWAIT)
            now = os.fstat(fd)  # after reading, as in `_read`
        except OSError:
            return None
        finally:
            os.close(fd)
        if got != len(buffer) or not self.listing.matches(index, now):
            return None
        return crc32(buffer) if announced == UNKNOWN else announced

    def read_first(self, index: int, buffer: memoryview) -> int:
        """The same for a member of which nothing has been announced: what is read is what will be."""
        if not self.is_listed(index, self._read(index, buffer, 0)):
            raise FileChanged
        return crc32(buffer)

    def read_part(self, index: int, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` from `offset` of a member that has not changed at all. Raises as `read_into`."""
        if not self.listing.matches(index, self._read(index, buffer, offset)):
            raise FileChanged

    def verify(self, index: int, file: OpenFile, announced: int, stop: Stop) -> None:
        """Raise `FileChanged` unless the file is as it was listed, or its bytes have the announced CRC."""
        if self.listing.matches(index, os.fstat(file.fd)):
            return
        if announced == UNKNOWN or advance_crc(file, self.listing.size(index), 0, 0, stop)[1] != announced:
            raise FileChanged

    def is_listed(self, index: int, status: os.stat_result) -> bool:
        """Whether a file is the one that was listed, before anything of it has been announced.

        One that was being written to as it was listed may have grown since; its first bytes are taken.
        """
        if self.listing.matches(index, status):
            return True
        return not self.listing.is_settled(index) and self.listing.grew(index, status)

    def _read(self, index: int, buffer: memoryview, offset: int) -> os.stat_result:
        fd = self._descriptor(index)
        try:
            got = os.preadv(fd, (buffer,), offset)
            # One look, after reading: what is now as it was listed was so all the time between.
            now = os.fstat(fd)
        except OSError as error:
            raise FileChanged from error
        finally:
            os.close(fd)
        if got != len(buffer):
            raise FileChanged
        return now

    def _descriptor(self, index: int) -> int:
        path = self.listing.paths[index]
        if "/" in path or path in self.listing.links:
            try:
                file = open_beneath(self.directory, path)
            except (NotFound, OutsideRoot) as error:
                raise FileChanged from error
            fd, file.fd = file.fd, -1
            return fd
        try:
            return os.open(path, _FLAGS, dir_fd=self.directory.fd)  # one component, no link: it stays beneath
        except OSError as error:
            meaning = storage_error(error)
            raise (meaning if isinstance(meaning, Exhausted) else FileChanged()) from error


def advance_crc(file: OpenFile, stop_at: int, position: int, crc: int, stop: Stop) -> tuple[int, int]:
    """Read on from `position` to `stop_at`; return how far it came and the CRC of all until there.

    Ends early when `stop` is set. Raises `FileChanged` when the file is shorter.
    """
    buffer = scratch(_CRC_BUFFER)
    while position < stop_at and not stop.is_set():
        got = os.preadv(file.fd, (buffer[: stop_at - position],), position)
        if not got:
            raise FileChanged
        crc = crc32(buffer[:got], crc)
        position += got
    return position, crc


def scratch(size: int) -> memoryview:
    """Memory of the running thread, to fill and to copy from: memory that is new costs more than the reading."""
    if size > _KEPT:
        return memoryview(bytearray(size))
    try:
        view: memoryview = _scratch.view
    except AttributeError:
        view = _scratch.view = memoryview(bytearray(_KEPT))
    return view[:size]
