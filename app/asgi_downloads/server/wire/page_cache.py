"""Is this part of a file in the page cache, and if not, how it gets there. The loop never waits for a disk.

The answer is a sample, not a census: one byte in each `STRIDE` is asked for. The kernel brings
pages in by runs, so a hole that hides between two samples is rare and small, and costs one short wait.
"""

import os

from asgi_downloads.storage.files.openfile import scratch

STRIDE = 262144
"""One byte of so many is asked for; a question costs half a microsecond."""

_PROBE = bytearray(1)
_WINDOW = 262144
"""Bytes read at a time; what was read stays in the processor's cache and is overwritten there."""


def resident(file: int, offset: int, count: int) -> bool:
    """Whether `count` bytes from `offset` on can be sent without waiting for a disk.

    False also where the file system cannot tell (network file systems): a thread then asks first.
    Bytes past the end of the file count as resident.
    """
    try:
        for place in range(offset + count - 1, offset - 1, -STRIDE):
            os.preadv(file, (_PROBE,), place, os.RWF_NOWAIT)
    except OSError:  # EAGAIN: not cached. EOPNOTSUPP: unknown.
        return False
    return True


def bring_in(file: int, offset: int, count: int, ahead: int) -> None:
    """Read a part of a file into the page cache, and tell the kernel to begin with the `ahead` bytes after it.

    Waits for the disk: for worker threads. Raises `OSError` when the disk fails.
    """
    if ahead:
        os.posix_fadvise(file, offset + count, ahead, os.POSIX_FADV_WILLNEED)
    buffer = scratch()
    while count > 0:
        got = os.preadv(file, (buffer[: min(count, _WINDOW)],), offset)
        if not got:
            return
        offset += got
        count -= got
