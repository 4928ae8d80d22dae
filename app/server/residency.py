"""Is this part of a file in the page cache, and if not, how it gets there. The loop never waits for a disk.

The answer is a sample, not a census: one byte in each `STRIDE` is asked for. The kernel brings
pages in by runs, so a hole that hides between two samples is rare and small, and costs one short wait.
"""

import os
import threading

STRIDE = 262144
"""One byte of so many is asked for; a question costs half a microsecond."""

_PROBE = bytearray(1)
_SCRATCH = 262144
_scratch = threading.local()


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
    buffer = _buffer()
    while count > 0:
        got = os.preadv(file, (buffer[: min(count, _SCRATCH)],), offset)
        if not got:
            return
        offset += got
        count -= got


def _buffer() -> memoryview:
    try:
        view: memoryview = _scratch.view
    except AttributeError:
        view = _scratch.view = memoryview(bytearray(_SCRATCH))
    return view
