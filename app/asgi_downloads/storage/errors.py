"""What can go wrong with files and rows, in words of storage. Endpoints translate them to HTTP."""

import errno


class StorageError(Exception):
    """Anything below that a request may run into."""


class NotFound(StorageError):
    """There is no such regular file, directory or table."""


class Forbidden(NotFound):
    """There is one that this process may not read: to a client the same as none."""


class OutsideRoot(StorageError):
    """The name leads out of its root, or would if it existed, or cannot be a name at all."""


class Exhausted(StorageError):
    """The machine has run out of descriptors or memory; trying again later may work."""


class Busy(Exhausted):
    """More is asked for at a time than this service does; trying again later may work."""


class Unavailable(StorageError):
    """The disk fails, or the database cannot be reached now."""


class Unreadable(Unavailable):
    """Some of what was asked for as a whole cannot be read; the text says how much, and names the first."""


class Unusable(StorageError):
    """What is there does not allow what is asked for, however often: a column, a right, a value that can be read."""


class TimedOut(StorageError):
    """It has taken longer than it may."""


class FileChanged(StorageError):
    """The file is no longer the one whose size and validators were announced."""


class MissingExtra(StorageError):
    """An optional library is not installed; `extra` is the extra of ours that brings it."""

    def __init__(self, extra: str) -> None:
        super().__init__(extra)
        self.extra = extra


_NOT_THERE = ("ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EISDIR", "ENXIO", "ENODEV", "EILSEQ")
_NO_ROOM = ("EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT")
_MEANING: dict[int, type[StorageError]] = {
    errno.EXDEV: OutsideRoot,  # openat2(2): the name leads out
    errno.EACCES: Forbidden,
    errno.EPERM: Forbidden,
    **{getattr(errno, name): NotFound for name in _NOT_THERE},
    **{getattr(errno, name): Exhausted for name in _NO_ROOM},
}


def from_oserror(error: OSError) -> StorageError:
    """What a failed system call means; whatever is not in the table (EIO, ESTALE, ...) is a disk that fails."""
    return _MEANING.get(error.errno or 0, Unavailable)(error.strerror or str(error))
