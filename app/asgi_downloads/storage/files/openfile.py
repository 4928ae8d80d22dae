"""One open file: one descriptor, one fstat, one owner. Every fact that is sent comes from that fstat."""

import os
import stat
import threading
from typing import Self

from asgi_downloads.storage.errors import FileChanged, NotFound
from asgi_downloads.storage.threads import in_thread

READ_LIMIT = 1 << 20
"""The most bytes that one read takes; more costs memory for each slow client and gains nothing."""

_scratch = threading.local()


class OpenFile:
    """A regular file, open for reading; takes over the descriptor `fd` and closes it.

    Raises `NotFound` when `fd` is not a regular file (a FIFO, a device, a directory).
    """

    __slots__ = ("_holders", "fd", "stat")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._holders = 1
        try:
            self.stat = os.fstat(fd)
        except OSError:
            self.close()
            raise
        if not stat.S_ISREG(self.stat.st_mode):
            self.close()
            raise NotFound

    @property
    def size(self) -> int:
        """Length in bytes when the file was opened."""
        return self.stat.st_size

    def fileno(self) -> int:
        return self.fd

    def read_cached(self, offset: int, count: int) -> bytes | None:
        """The bytes if the page cache has all of them, else None; never waits for the disk."""
        if count > READ_LIMIT:
            return None
        buffer = scratch()[:count]
        try:
            got = os.preadv(self.fd, (buffer,), offset, os.RWF_NOWAIT)
        except OSError:  # EAGAIN: not cached. EOPNOTSUPP: the file system cannot tell. Else `read` will say it.
            return None
        return bytes(buffer) if got == count else None

    async def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes, from a worker thread; `FileChanged` if the file has become shorter."""
        return await in_thread(self.read_now, offset, count)

    def read_now(self, offset: int, count: int) -> bytes:
        """The same at once: for worker threads."""
        blocks = []
        while count:
            block = os.pread(self.fd, count, offset)
            if not block:
                raise FileChanged
            blocks.append(block)
            offset += len(block)
            count -= len(block)
        return b"".join(blocks)

    def check(self) -> None:
        """Raise `FileChanged` if the bytes may differ from those at the time of opening.

        A file that only grew is taken for a log, whose first bytes stay. A change of ctime alone
        is an edit with its mtime put back, unless the link count moved with it: then the file was
        unlinked or replaced by rename, and our descriptor still has the old bytes. (rename(2) takes the link
        away first and sets the ctime then; who opens between the two sees no link both times.)
        """
        now, then = os.fstat(self.fd), self.stat
        if now.st_size > then.st_size:
            return
        if now.st_size < then.st_size or now.st_mtime_ns != then.st_mtime_ns:
            raise FileChanged
        if now.st_ctime_ns != then.st_ctime_ns and now.st_nlink == then.st_nlink != 0:
            raise FileChanged

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


def scratch() -> memoryview:
    """`READ_LIMIT` bytes of memory of this thread's own, to be used up before anybody else on it asks."""
    try:
        view: memoryview = _scratch.view
    except AttributeError:
        view = _scratch.view = memoryview(bytearray(READ_LIMIT))
    return view
