"""Opening a name beneath a directory, and never outside it: in the kernel, or segment by segment.

Names are bytes as the file system has them. What is returned is a new descriptor; what is raised is `OSError`, with
EXDEV for a name that leads out, whether or not anything is there.
"""

import ctypes
import errno
import os
import struct
from functools import cache

READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Non-blocking, so that a FIFO cannot hold a worker; never a controlling terminal, never inherited."""

_SYS_OPENAT2 = 437  # one number on every architecture that has the call (Linux 5.6)
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_RESOLVE_CACHED = 0x20  # Linux 5.12
_LINK_LIMIT = 40  # as the kernel's own
_RACE_LIMIT = 16


@cache
def _how(flags: int, cached: bool, beneath: bool = True) -> bytes:
    """`struct open_how` of openat2(2). The kernel only reads it, so one serves all threads and all calls."""
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS if beneath else 0
    return struct.pack("QQQ", flags, 0, resolve | (_RESOLVE_CACHED if cached else 0))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_HOW_SIZE = struct.calcsize("QQQ")


def open_blocking(directory: int, name: bytes, flags: int = READ_FLAGS) -> int:
    """Open `name` below the descriptor `directory`; links may not lead out."""
    return (openat2 if HAS_OPENAT2 else walk)(directory, name, flags)


def open_cached(directory: int, name: bytes, flags: int = READ_FLAGS, *, beneath: bool = True) -> int | None:
    """Open `name` below `directory` from the kernel's memory alone; None if that needs the disk, or cannot be told.

    Not `beneath`, it may lead anywhere, as for open(2).
    """
    if not HAS_CACHED:
        return None
    fd: int = _syscall(_SYS_OPENAT2, directory, name, _how(flags, True, beneath), _HOW_SIZE)
    if fd >= 0:
        return fd
    code = ctypes.get_errno()
    if code == errno.EAGAIN:
        return None
    raise _error(code)


def openat2(directory: int, name: bytes, flags: int = READ_FLAGS) -> int:
    """`open_blocking` by the kernel's own resolution."""
    how = _how(flags, False)
    for _ in range(_RACE_LIMIT):
        fd: int = _syscall(_SYS_OPENAT2, directory, name, how, _HOW_SIZE)
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code not in (errno.EINTR, errno.EAGAIN):
            raise _error(code)
    return walk(directory, name, flags)  # EAGAIN: again and again a rename crossed our path, which `walk` can bear


def walk(directory: int, name: bytes, flags: int = READ_FLAGS) -> int:
    """`open_blocking` for kernels and sandboxes without openat2: one segment at a time, no link followed blindly.

    `..` goes back along the descriptors held, never by the kernel's `..`, so a directory moved
    meanwhile cannot carry us out.
    """
    held: list[int] = []
    pending = name.split(b"/")[::-1]
    if not pending[-1]:  # an absolute name
        raise _error(errno.EXDEV if len(pending) > 1 else errno.ENOENT)
    links = 0
    try:
        while pending:
            segment = pending.pop()
            here = held[-1] if held else directory
            if segment == b"..":
                if not held:
                    raise _error(errno.EXDEV)
                os.close(held.pop())
            elif segment not in (b"", b"."):
                last = not pending
                try:
                    fd = os.open(segment, (flags if last else _DIRECTORY) | os.O_NOFOLLOW, dir_fd=here)
                except OSError as refusal:
                    links += 1
                    pending += _link_target(segment, here, refusal, links).split(b"/")[::-1]
                else:
                    if last:
                        return fd
                    held.append(fd)
        return os.open(b".", flags, dir_fd=held[-1] if held else directory)
    finally:
        for fd in held:
            os.close(fd)


_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def _link_target(segment: bytes, here: int, refusal: OSError, links: int) -> bytes:
    """Where the link `segment` points, or `refusal` again if it is no link."""
    if refusal.errno not in (errno.ELOOP, errno.ENOTDIR):
        raise refusal
    try:
        target = os.readlink(segment, dir_fd=here)
    except OSError:
        raise refusal from None
    if target.startswith(b"/"):
        raise _error(errno.EXDEV)
    if links > _LINK_LIMIT:
        raise _error(errno.ELOOP)
    return target


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def _supports(*, cached: bool) -> bool:
    """Whether openat2 works here; a sandbox may refuse it with ENOSYS or EPERM, an old kernel with EINVAL."""
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        fd = _syscall(_SYS_OPENAT2, root, b".", _how(os.O_PATH | os.O_CLOEXEC, cached), _HOW_SIZE)
        if fd >= 0:
            os.close(fd)
        return fd >= 0 or ctypes.get_errno() == errno.EAGAIN
    finally:
        os.close(root)


HAS_OPENAT2 = _supports(cached=False)
HAS_CACHED = HAS_OPENAT2 and _supports(cached=True)
