"""Made files: without a name wherever none is needed, so that not even SIGKILL leaves one behind.

Those that another program must open by name live in a directory of our own, are locked while in use, and are removed
when their use ends. What a killed process left is found by its lock being free, never by its age.
"""

import errno
import fcntl
import os
import secrets
import stat
import tempfile
from typing import Self

from asgi_downloads.storage.errors import Exhausted, StorageError

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})
_NO_ANONYMOUS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SUFFIX = ".tmp"


class UnsafeDirectory(StorageError):
    """The directory for made files is a link, or is not ours alone."""


class TemporaryFiles:
    """The place for made files: a directory `asgi-downloads-<uid>` beneath `parent`, or the system's place for such.

    Every method may block. Raises `UnsafeDirectory` and, when the machine has no room or descriptors, `Exhausted`.
    """

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        parent = tempfile.gettempdir() if parent is None else os.fspath(parent)  # the first call writes a probe file
        self.path = os.path.join(os.path.abspath(parent), f"asgi-downloads-{os.geteuid()}")
        self._fd = _own_directory(self.path)

    def anonymous(self) -> "MadeFile":
        """A new file without a name, which vanishes with its descriptor."""
        try:
            flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC | os.O_EXCL  # the last: nobody can give it a name
            return MadeFile(os.open(".", flags, 0o600, dir_fd=self._fd))
        except OSError as error:
            if error.errno not in _NO_ANONYMOUS:
                raise as_storage_error(error) from error
        name, fd = self._create()
        file = MadeFile(fd)
        os.unlink(name, dir_fd=self._fd)
        return file

    def named(self) -> "NamedFile":
        """A new file, open and locked."""
        while True:
            name, fd = self._create()
            file = NamedFile(fd, os.path.join(self.path, name))
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if os.fstat(fd).st_nlink:
                    return file
            except BaseException:
                file.close()
                raise
            file.close()  # a sweep came between creation and lock, and took the file for a dead one's

    def sweep(self) -> int:
        """Remove what no living process holds; return how many files that were."""
        removed = 0
        for name in os.listdir(self._fd):
            if name.endswith(_SUFFIX):
                removed += self._remove_if_left(name)
        return removed

    def _create(self) -> tuple[str, int]:
        name = secrets.token_hex(16) + _SUFFIX
        try:
            return name, os.open(name, _CREATE, 0o600, dir_fd=self._fd)
        except OSError as error:
            raise as_storage_error(error) from error

    def _remove_if_left(self, name: str) -> bool:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError:  # gone by now, or nothing that we made
            return False
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return False
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=self._fd)  # still under the lock: whoever waits for it sees no link left
        except OSError:  # in use, or removed meanwhile
            return False
        finally:
            os.close(fd)
        return True

    def close(self) -> None:
        """Give the directory's descriptor back; the directory stays for other processes."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class MadeFile:
    """A file of ours; `fd` is open to read and write."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def detach(self) -> int:
        """The descriptor, from now on the caller's to close."""
        fd, self.fd = self.fd, -1
        return fd

    def close(self) -> None:
        """Give the descriptor back; a second call does nothing."""
        if self.fd >= 0:
            os.close(self.detach())

    # A worker thread may make a file for a request that was cancelled meanwhile: nobody else owns it then.
    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class NamedFile(MadeFile):
    """A file that exists under `path` until it is closed, and holds its lock."""

    __slots__ = ("path",)

    def __init__(self, fd: int, path: str) -> None:
        super().__init__(fd)
        self.path = path

    def close(self) -> None:
        """Remove the file and give the descriptor back; a second call does nothing."""
        if self.fd >= 0:
            try:
                os.unlink(self.path)
            except FileNotFoundError:
                pass
            finally:
                super().close()


def _own_directory(path: str) -> int:
    """A descriptor of the directory `path`, made if missing; nobody else may look into it or have put it there."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise as_storage_error(error) from error
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UnsafeDirectory(f"{path} is not a directory") from error
        raise as_storage_error(error) from error
    facts = os.fstat(fd)
    if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        os.close(fd)
        raise UnsafeDirectory(f"{path} is open to other users")
    return fd


def as_storage_error(error: OSError) -> Exception:
    """`Exhausted` if there is no room, descriptor or memory left, else the error itself."""
    return Exhausted(str(error)) if error.errno in _EXHAUSTED else error
