"""One open file: one descriptor, one fstat, one owner. Every fact that is sent comes from that fstat."""

import os
import stat
import threading
from collections.abc import Generator
from typing import Self

from asgi_downloads.storage.errors import FileChanged, Forbidden, NotFound
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.threads import in_thread

READ_LIMIT = 1 << 20
"""The most bytes that one read takes; more costs memory for each slow client and gains nothing."""

_WALKED = 1 << 18  # stays in the processor's cache, from where a checksum reads it again

_PAGE = 4096
_LOOKS = 50
"""How often a file is looked at that may be in the middle of growing: together some tens of microseconds."""

_TICK_NS = 4_000_000
"""Nanoseconds by which two times may differ that one call has set: a tick of the kernel's clock."""

_HARMLESS = ("st_nlink", "st_mode", "st_uid", "st_gid")

_scratch = threading.local()


class OpenFile:
    """A regular file, open for reading; takes over the descriptor `fd` and closes it.

    Raises `NotFound` when `fd` is not a regular file (a FIFO, a device, a directory), and `Forbidden` when its size is
    not that of its content, so that no answer could be right.
    """

    __slots__ = ("_holders", "_noted", "fd", "stat")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._holders = 1
        self._noted: list[tuple[int, bytes]] = []
        try:
            self.stat = os.fstat(fd)
            if not stat.S_ISREG(self.stat.st_mode):
                raise NotFound
            if _lies(fd, self.stat):
                raise Forbidden
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Length in bytes when the file was opened."""
        return self.stat.st_size

    @property
    def modified(self) -> int:
        """The time of its last change, in seconds since the epoch."""
        return self.stat.st_mtime_ns // 1_000_000_000

    @property
    def state(self) -> FileState:
        """The state in which the file was opened."""
        return FileState.of(self.stat)

    def fileno(self) -> int:
        return self.fd

    def read_cached(self, offset: int, count: int) -> bytes | None:
        """The bytes if the page cache has all of them, else None; never waits for the disk."""
        if count > READ_LIMIT:
            return None
        buffer = scratch(count)
        try:
            got = os.preadv(self.fd, (buffer,), offset, os.RWF_NOWAIT)
        except OSError:  # EAGAIN: not cached. EOPNOTSUPP: the file system cannot tell. Else `read` will say it.
            return None
        return bytes(buffer) if got == count else None

    async def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes, from a worker thread; `FileChanged` if the file has become shorter."""
        return await in_thread(self.read_blocking, offset, count)

    def read_blocking(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes; `FileChanged` if the file has become shorter."""
        blocks = []
        while count:
            block = os.pread(self.fd, count, offset)
            if not block:
                raise FileChanged
            blocks.append(block)
            offset += len(block)
            count -= len(block)
        return b"".join(blocks)

    def walk_blocking(self, start: int, stop: int) -> Generator[memoryview]:
        """Bytes `[start, stop)` in blocks, each to be used up at once; `FileChanged` if the file has become shorter."""
        buffer = scratch(_WALKED)
        while start < stop:
            got = os.preadv(self.fd, (buffer[: stop - start],), start)
            if not got:
                raise FileChanged
            yield buffer[:got]
            start += got

    def now(self) -> os.stat_result:
        """What `fstat` says now."""
        return os.fstat(self.fd)

    def note(self) -> Self:
        """Note a few bytes at the beginning, in the middle and at the end, if they are in memory.

        By them `check` tells a log that grew from a file that was rewritten and is longer now.
        """
        count = min(_PAGE, self.size)
        places = {0, self.size // 2 - count // 2, self.size - count}
        self._noted = [(place, found) for place in places if (found := self.read_cached(place, count)) is not None]
        return self

    def check(self) -> None:
        """Raise `FileChanged` if the bytes may differ from those at the time of opening.

        A file that only grew is taken for a log, whose first bytes stay, if those noted have. A change of ctime alone
        is an edit with its mtime put back, unless another cause for it is seen.
        """
        then = self.stat
        for _ in range(_LOOKS):
            now = os.fstat(self.fd)
            if now.st_size != then.st_size or now.st_mtime_ns == then.st_mtime_ns:
                break
            os.sched_yield()  # write(2) sets the times first and the size last: it may be growing just now
        if now.st_size == then.st_size and now.st_mtime_ns == then.st_mtime_ns:
            if now.st_ctime_ns == then.st_ctime_ns:
                return
            harmless = self._was_renamed_or_the_like(now)
        else:
            harmless = now.st_size > then.st_size
        if not harmless or any(os.pread(self.fd, len(noted), place) != noted for place, noted in self._noted):
            raise FileChanged

    def _was_renamed_or_the_like(self, now: os.stat_result) -> bool:
        """Whether the ctime moved for a change of mode, owner, link count or name, which leave the bytes alone.

        rename(2) takes a replaced file's link away first and sets the ctime then: who opens between the two sees no
        link both times. A file that is renamed has the time of its directory's last change.
        """
        then = self.stat
        if not then.st_nlink or any(getattr(now, fact) != getattr(then, fact) for fact in _HARMLESS):
            return True
        try:
            directory = os.stat(os.path.dirname(os.readlink(f"/proc/self/fd/{self.fd}")))
        except OSError:
            return False
        later = os.fstat(self.fd).st_ctime_ns  # names may be exchanged again and again meanwhile
        return now.st_ctime_ns - _TICK_NS <= directory.st_mtime_ns <= later + _TICK_NS

    def look_again(self) -> None:
        """Take the file as it is now for the file as it was opened, when we have written it ourselves."""
        self.stat = os.fstat(self.fd)

    def hold(self) -> Self:
        """The file itself, to be closed once more than before: it stays open until the last of its holders has."""
        self._holders += 1
        return self

    def close(self) -> None:
        """Give the descriptor back, when the last holder closes; a further call does nothing."""
        self._holders -= 1
        if self._holders <= 0 <= self.fd:
            fd, self.fd = self.fd, -1
            os.close(fd)

    # A worker thread may open a file for a request that was cancelled meanwhile: nobody else owns it then.
    def __del__(self) -> None:
        self._holders = 0
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _lies(fd: int, status: os.stat_result) -> bool:
    """Whether a size is not that of the content, as in /proc and /sys, where nothing takes blocks of a disk."""
    size = status.st_size
    if status.st_blocks or size % _PAGE:
        return False
    last = max(size - 1, 0)
    try:
        return len(os.pread(fd, 1, last)) != size - last and os.fstat(fd).st_size == size  # else it grew just now
    except OSError:  # what cannot be read at all
        return True


def scratch(size: int = READ_LIMIT) -> memoryview:
    """Memory of the running thread, to fill and to use up before anybody else on it asks: new memory costs more."""
    if size > READ_LIMIT:
        return memoryview(bytearray(size))
    try:
        view: memoryview = _scratch.view
    except AttributeError:
        view = _scratch.view = memoryview(bytearray(READ_LIMIT))
    return view[:size]
