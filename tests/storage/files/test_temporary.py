"""Files for one request have no name, and where they cannot be made that is said."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.storage.errors import Exhausted, StorageError, Unavailable
from asgi_downloads.storage.files.temporary import TemporaryFiles, not_made
from tests.support.serving import environment

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def files(tmp_path: Path) -> TemporaryFiles:
    return TemporaryFiles(tmp_path)


@pytest.fixture(params=["o-tmpfile", "as-on-nfs"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a file system that cannot make files without a name."""
    real = os.open

    def refusing(path: str, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real(path, flags, *rest, **more)

    if request.param == "as-on-nfs":
        monkeypatch.setattr(os, "open", refusing)


@pytest.mark.usefixtures("either")
def test_a_file_to_write_and_read_that_has_no_name(files: TemporaryFiles, tmp_path: Path) -> None:
    with files.anonymous_blocking() as file:
        os.write(file.fd, b"content")
        file.look_again()
        assert file.read_blocking(0, file.size) == b"content"
        assert os.listdir(tmp_path) == []
        status = os.fstat(file.fd)
        assert status.st_nlink == 0
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert not os.get_inheritable(file.fd)


def test_one_that_nobody_holds_is_closed(files: TemporaryFiles) -> None:
    files.anonymous_blocking()  # the fixture looks for its descriptor


@pytest.mark.usefixtures("either")
def test_a_place_that_was_swept_away_is_made_anew(tmp_path: Path) -> None:
    place = tmp_path / "place"
    files = TemporaryFiles(place)
    for _ in range(2):
        files.anonymous_blocking().close()
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        shutil.rmtree(place)


def test_the_system_s_place_is_taken_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    with TemporaryFiles().anonymous_blocking() as file:
        assert os.readlink(f"/proc/self/fd/{file.fd}").startswith(str(tmp_path / "system"))


HOLDER = """
import os, signal, sys
from asgi_downloads.storage.files.temporary import TemporaryFiles
file = TemporaryFiles(sys.argv[1]).anonymous_blocking()
os.write(file.fd, b"content")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    assert subprocess.run(command, env=environment(), check=False).returncode == -9
    assert os.listdir(tmp_path) == []


@contextmanager
def no_descriptors_left() -> Generator[None]:
    """As if the process had as many files open as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


@contextmanager
def failing_with(number: int) -> Generator[None]:
    def refusing(*args: object, **more: object) -> int:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", refusing)
        yield


@contextmanager
def no_place() -> Generator[None]:
    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "gettempdir", nowhere)
        yield


@dataclass(frozen=True)
class Trouble:
    id: str
    trouble: Callable[[], AbstractContextManager[None]]
    want: type[StorageError]


TROUBLES = [
    Trouble("no-descriptor", no_descriptors_left, Exhausted),
    Trouble("no-descriptor-in-the-system", lambda: failing_with(errno.ENFILE), Exhausted),
    Trouble("no-room", lambda: failing_with(errno.ENOSPC), Exhausted),
    Trouble("no-quota", lambda: failing_with(errno.EDQUOT), Exhausted),
    Trouble("no-memory", lambda: failing_with(errno.ENOMEM), Exhausted),
    Trouble("no-permission", lambda: failing_with(errno.EACCES), Unavailable),
    Trouble("read-only", lambda: failing_with(errno.EROFS), Unavailable),
    Trouble("a-disk-that-fails", lambda: failing_with(errno.EIO), Unavailable),
    Trouble("no-place", no_place, Unavailable),
]


@pytest.mark.parametrize("case", TROUBLES, ids=lambda case: case.id)
def test_what_cannot_be_made_is_said_to_be_so_and_never_not_found(case: Trouble) -> None:
    files = TemporaryFiles()
    with case.trouble(), pytest.raises(case.want):
        files.anonymous_blocking()


def test_a_place_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        TemporaryFiles(tmp_path / "file").anonymous_blocking()


def test_errors_of_writing_mean_the_same() -> None:
    assert type(not_made(OSError(errno.ENOSPC, "full"))) is Exhausted
    assert type(not_made(OSError(errno.EACCES, "no"))) is Unavailable
