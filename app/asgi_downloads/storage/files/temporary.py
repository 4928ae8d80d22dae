"""Files that are made for one request and have no name, so that not even SIGKILL leaves one behind."""

import errno
import os
import tempfile

from asgi_downloads.storage.errors import Exhausted, StorageError, Unavailable, from_oserror
from asgi_downloads.storage.files.openfile import OpenFile

_NO_ANONYMOUS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})


class TemporaryFiles:
    """The place for such files: the directory `parent`, or the system's place for them.

    Nothing is kept open and nothing is left there. A directory that was swept away is made anew.
    """

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        self._parent = parent

    def anonymous_blocking(self) -> OpenFile:
        """A new file without a name, open to write and read, which vanishes with its descriptor.

        Raises `Exhausted` when there is no room or descriptor left, and `Unavailable` when there is no such place.
        """
        try:
            parent = tempfile.gettempdir() if self._parent is None else os.fspath(self._parent)
            try:
                return OpenFile(_descriptor(parent))
            except FileNotFoundError:
                os.makedirs(parent, 0o700)
                return OpenFile(_descriptor(parent))
        except OSError as error:
            raise not_made(error) from error


def _descriptor(parent: str) -> int:
    try:
        flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC | os.O_EXCL  # the last: nobody can give it a name
        return os.open(parent, flags, 0o600)
    except OSError as error:
        if error.errno not in _NO_ANONYMOUS:
            raise
    fd, name = tempfile.mkstemp(dir=parent)  # a file system that must name it, such as NFS
    os.unlink(name)
    return fd


def not_made(error: OSError) -> StorageError:
    """What it means that a file cannot be made or written: what is no scarcity is a place that cannot be used."""
    meaning = from_oserror(error)
    return meaning if isinstance(meaning, Exhausted) else Unavailable(*meaning.args)
