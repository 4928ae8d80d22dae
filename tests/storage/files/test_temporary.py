"""Made files are nobody else's, and none outlives its use, however its process ends."""

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.storage.errors import Exhausted
from asgi_downloads.storage.files.temporary import MadeFile, TemporaryFiles, UnsafeDirectory, as_storage_error
from tests.support.serving import environment

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def files(tmp_path: Path) -> Generator[TemporaryFiles]:
    with TemporaryFiles(tmp_path) as files:
        yield files


@pytest.fixture
def without_o_tmpfile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot make files without a name, as NFS."""
    real = os.open

    def refusing(path: str, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refusing)


def names(files: TemporaryFiles) -> list[str]:
    return os.listdir(files.path)


def use(file: MadeFile) -> None:
    os.write(file.fd, b"content")
    assert os.pread(file.fd, 100, 0) == b"content"


class TestAnonymous:
    def test_a_file_to_write_and_read_that_has_no_name(self, files: TemporaryFiles) -> None:
        with files.anonymous() as file:
            use(file)
            assert names(files) == []
            facts = os.fstat(file.fd)
            assert facts.st_nlink == 0
            assert stat.S_IMODE(facts.st_mode) == 0o600
            assert not os.get_inheritable(file.fd)

    @pytest.mark.usefixtures("without_o_tmpfile")
    def test_unlinked_at_once_where_the_file_system_must_name_it(self, files: TemporaryFiles) -> None:
        with files.anonymous() as file:
            use(file)
            assert names(files) == []
            assert os.fstat(file.fd).st_nlink == 0

    def test_one_that_nobody_holds_is_closed(self, files: TemporaryFiles) -> None:
        files.anonymous()  # the fixture looks for its descriptor

    def test_a_detached_descriptor_is_the_callers(self, files: TemporaryFiles) -> None:
        with files.anonymous() as file:
            fd = file.detach()
        os.close(fd)
        file.close()


class TestNamed:
    def test_another_process_of_ours_can_open_it_until_it_is_closed(self, files: TemporaryFiles) -> None:
        with files.named() as file:
            use(file)
            assert Path(file.path).read_bytes() == b"content"
            assert names(files) == [os.path.basename(file.path)]
        assert names(files) == []
        file.close()

    def test_only_we_may_read_it(self, files: TemporaryFiles, tmp_path: Path) -> None:
        old = os.umask(0)
        try:
            parent = tmp_path / "parent"
            parent.mkdir()
            with TemporaryFiles(parent) as others:
                with others.named() as file:
                    assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o600
                assert stat.S_IMODE(os.stat(others.path).st_mode) == 0o700
        finally:
            os.umask(old)

    def test_removed_by_somebody_else_it_closes_all_the_same(self, files: TemporaryFiles) -> None:
        with files.named() as file:
            os.unlink(file.path)

    def test_one_that_nobody_holds_is_removed(self, files: TemporaryFiles) -> None:
        files.named()
        assert names(files) == []


@dataclass(frozen=True)
class Planted:
    id: str
    plant: Callable[[Path], object]


def _link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir(0o700)
    path.symlink_to("elsewhere")


def _open_to(path: Path, mode: int) -> None:
    path.mkdir()
    path.chmod(mode)


PLANTED = [
    Planted("link-to-a-directory", _link),
    Planted("dangling-link", lambda path: path.symlink_to("nowhere")),
    Planted("file", Path.touch),
    Planted("directory-that-others-may-read", lambda path: _open_to(path, 0o755)),
    Planted("directory-that-a-group-may-enter", lambda path: _open_to(path, 0o710)),
]


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.id)
def test_a_directory_that_may_be_somebody_elses_is_refused(case: Planted, tmp_path: Path) -> None:
    case.plant(tmp_path / f"asgi-downloads-{os.geteuid()}")
    with pytest.raises(UnsafeDirectory):
        TemporaryFiles(tmp_path)


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(UnsafeDirectory):
        TemporaryFiles(tmp_path)


def test_processes_share_one_directory(files: TemporaryFiles, tmp_path: Path) -> None:
    with TemporaryFiles(tmp_path) as again:
        assert again.path == files.path


def test_a_place_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TemporaryFiles(tmp_path / "missing")


HOLDER = """
import sys
from asgi_downloads.storage.files.temporary import TemporaryFiles
files = TemporaryFiles(sys.argv[1])
anonymous, named = files.anonymous(), files.named()
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(parent: Path) -> Generator[subprocess.Popen[str]]:
    """One that holds a file of each kind until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


class TestSweep:
    def test_what_a_killed_process_left_goes_at_once(self, files: TemporaryFiles, tmp_path: Path) -> None:
        with another_process(tmp_path) as process:
            assert len(names(files)) == 1
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert len(names(files)) == 1
        assert files.sweep() == 1
        assert names(files) == []

    def test_what_a_living_process_holds_stays(self, files: TemporaryFiles, tmp_path: Path) -> None:
        with another_process(tmp_path):
            [name] = names(files)
            os.utime(Path(files.path) / name, (0, 0))  # age says nothing
            assert files.sweep() == 0
            assert names(files) == [name]
        assert names(files) == []  # it ended in good order

    def test_our_own_files_stay_too(self, files: TemporaryFiles) -> None:
        with files.named() as file:
            assert files.sweep() == 0
            assert names(files) == [os.path.basename(file.path)]

    def test_what_we_did_not_make_stays(self, files: TemporaryFiles, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.touch()
        Path(files.path, "other").touch()
        Path(files.path, "link.tmp").symlink_to(outside)
        Path(files.path, "directory.tmp").mkdir()
        os.mkfifo(Path(files.path, "fifo.tmp"))
        assert files.sweep() == 0
        assert len(names(files)) == 4
        assert outside.exists()

    def test_a_file_swept_before_it_could_be_locked_is_made_anew(
        self, files: TemporaryFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = fcntl.flock
        swept: list[int] = []

        def late(fd: int, operation: int) -> None:
            if operation == fcntl.LOCK_EX and not swept:
                monkeypatch.setattr(fcntl, "flock", real)
                swept.append(files.sweep())
            real(fd, operation)

        monkeypatch.setattr(fcntl, "flock", late)
        with files.named() as file:
            assert swept == [1]
            assert names(files) == [os.path.basename(file.path)]
            assert os.fstat(file.fd).st_nlink == 1

    def test_no_file_in_use_is_lost_to_sweeps_meanwhile(self, files: TemporaryFiles) -> None:
        done = threading.Event()
        swept: list[int] = []

        def keep_sweeping() -> None:
            while not done.is_set():
                swept.append(files.sweep())

        sweeper = threading.Thread(target=keep_sweeping)
        sweeper.start()
        try:
            for _ in range(300):
                with files.named() as file:
                    assert os.stat(file.path).st_ino == os.fstat(file.fd).st_ino
        finally:
            done.set()
            sweeper.join()
        assert swept
        assert names(files) == []


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


@dataclass(frozen=True)
class Scarce:
    id: str
    scarcity: Callable[[], AbstractContextManager[None]]


SCARCE = [
    Scarce("descriptors", no_descriptors_left),
    Scarce("descriptors-of-the-system", lambda: failing_with(errno.ENFILE)),
    Scarce("room", lambda: failing_with(errno.ENOSPC)),
    Scarce("quota", lambda: failing_with(errno.EDQUOT)),
    Scarce("memory", lambda: failing_with(errno.ENOMEM)),
]


@pytest.mark.parametrize("case", SCARCE, ids=lambda case: case.id)
def test_scarcity_is_said_as_such(case: Scarce, files: TemporaryFiles) -> None:
    for make in (files.anonymous, files.named):
        with case.scarcity(), pytest.raises(Exhausted):
            make()


def test_other_errors_stay_what_they_are(files: TemporaryFiles) -> None:
    with failing_with(errno.EACCES), pytest.raises(PermissionError):
        files.anonymous()
    error = OSError(errno.EIO, "broken")
    assert as_storage_error(error) is error
