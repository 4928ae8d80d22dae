"""Opening a name beneath a directory, and never outside it: in the kernel, or segment by segment.

Both functions take bytes as the file system has them, return a new descriptor and raise `OSError`:
EXDEV for a name that leads out, whether or not anything is there, and EAGAIN only when `cached`
was asked for and the answer needs the disk.
"""

import ctypes
import errno
import os
from functools import cache

READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Non-blocking, so that a FIFO cannot hold a worker; never a controlling terminal, never inherited."""

_SYS_OPENAT2 = 437  # one number on every architecture that has the call (Linux 5.6)
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_RESOLVE_CACHED = 0x20  # Linux 5.12
_LINK_LIMIT = 40  # as the kernel's own
_RACE_LIMIT = 16


class _OpenHow(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def _how(flags: int, cached: bool) -> "ctypes._CArgObject":
    """The structure as an argument. The kernel only reads it, so one serves all threads and all calls."""
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | (_RESOLVE_CACHED if cached else 0)
    return ctypes.byref(_OpenHow(flags, 0, resolve))


_CACHED = _how(READ_FLAGS, True)
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_HOW_SIZE = ctypes.sizeof(_OpenHow)


def openat2(directory: int, name: bytes, flags: int = READ_FLAGS, *, cached: bool = False) -> int:
    """Open `name` below the descriptor `directory`, resolved by the kernel; links may not lead out."""
    how = _how(flags, cached)
    for _ in range(_RACE_LIMIT):
        fd: int = _syscall(_SYS_OPENAT2, directory, name, how, _HOW_SIZE)
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        # EAGAIN without `cached` means that a rename crossed our path: openat2(2) says to try again.
        if code != errno.EINTR and (code != errno.EAGAIN or cached):
            break
    raise OSError(code, os.strerror(code))


def open_cached(directory: int, name: bytes) -> int:
    """The same for reading, from the kernel's memory alone; negative when that is not possible, for whatever reason."""
    fd: int = _syscall(_SYS_OPENAT2, directory, name, _CACHED, _HOW_SIZE)
    return fd


def walk(directory: int, name: bytes, flags: int = READ_FLAGS) -> int:
    """The same for kernels and sandboxes without openat2: one segment at a time, no link followed blindly.

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
        os.close(openat2(root, b".", os.O_PATH | os.O_CLOEXEC, cached=cached))
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(root)
    return True


HAS_OPENAT2 = _supports(cached=False)
HAS_CACHED = HAS_OPENAT2 and _supports(cached=True)
