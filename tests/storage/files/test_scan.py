"""A scan finds the regular files of a directory that may be read, and tells what it leaves out."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.storage.errors import Busy, Exhausted, StorageError, Unavailable
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.scan import scan_blocking
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.jobs import Stopped
from tests.conftest import descriptors
from tests.support.archives import directory, listing_of
from tests.support.serving import environment
from tests.support.users import as_nobody

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


def make_tree(place: Path) -> Path:
    """A directory of all kinds of entries, and a secret beside it."""
    root = place / "root"
    (root / "below" / "deep").mkdir(parents=True)
    (root / "below" / "empty").mkdir()
    (place / "secret").write_text("secret")
    (root / "b.txt").write_text("b")
    (root / "a.txt").write_text("aa")
    (root / ".hidden").write_text("h")
    (root / "below" / "c.txt").write_text("c")
    (root / "below" / "deep" / "d.txt").write_text("d")
    os.mkfifo(root / "fifo")
    (root / "inside").symlink_to("a.txt")
    (root / "inside-below").symlink_to("below/deep/d.txt")
    (root / "below" / "up").symlink_to("../a.txt")
    (root / "outside").symlink_to("../secret")
    (root / "below" / "far-outside").symlink_to("../../secret")
    (root / "absolute").symlink_to(place / "secret")
    (root / "nowhere").symlink_to("nothing")
    (root / "loop").symlink_to("loop")
    (root / "to-a-directory").symlink_to("below")
    (root / "to-a-fifo").symlink_to("fifo")
    return root


@pytest.fixture(params=["openat2", "walk"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tree, also where the kernel cannot resolve beneath it."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "HAS_OPENAT2", False)
    return make_tree(tmp_path)


ASTRAY = ["absolute", "loop", "nowhere", "outside", "to-a-directory", "to-a-fifo"]


def test_files_of_the_directory_and_links_that_stay_inside(root: Path) -> None:
    listing = listing_of(root)
    assert listing.paths == [".hidden", "a.txt", "b.txt", "inside", "inside-below"]
    assert listing.links == {"inside", "inside-below"}
    assert listing[3] == listing[1], "a link has the facts of its file"
    assert (listing.astray, listing.unreadable, listing.omitted) == (ASTRAY, [], 6)


def test_recursive_descends_directories_and_lists_empty_ones(root: Path) -> None:
    listing = listing_of(root, recursive=True)
    assert listing.paths == [
        ".hidden",
        "a.txt",
        "b.txt",
        "inside",
        "inside-below",
        "below/c.txt",
        "below/up",
        "below/deep/d.txt",
        "below/empty/",
    ]
    assert listing.astray == [*ASTRAY, "below/far-outside"]
    assert [path for path, _ in listing.directories] == [".", "below", "below/deep", "below/empty"]


def test_names_that_are_not_utf_8_are_found_and_opened(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/d\xff")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff/f\xfe")).write_text("content")
    os.symlink("d\udcff/f\udcfe", os.fsencode(tmp_path) + b"/l\xfd")
    listing = listing_of(tmp_path, recursive=True)
    assert listing.paths == ["l\udcfd", "d\udcff/f\udcfe"]
    assert [listing.size(index) for index in range(2)] == [7, 7]


# What is left out


@pytest.fixture
def forbidden(tmp_path: Path) -> Generator[Path]:
    root = tmp_path / "forbidden"
    (root / "below").mkdir(parents=True)
    (root / "closed").mkdir()
    (root / "closed" / "inside").touch()
    (root / "listed").mkdir()
    (root / "listed" / "unseen").touch()
    (root / "open").touch(0o644)
    (root / "secret").touch(0o600)
    (root / "below" / "secret").touch(0o600)
    (root / "to-secret").symlink_to("secret")
    (root / "secret").chmod(0o000)
    (root / "below" / "secret").chmod(0o000)
    (root / "closed").chmod(0o000)
    (root / "listed").chmod(0o444)
    yield root
    for path in (root / "closed", root / "listed"):
        path.chmod(0o755)


def test_what_may_not_be_read_is_told(forbidden: Path) -> None:
    with as_nobody(forbidden):
        listing = listing_of(forbidden, recursive=True)
        flat = listing_of(forbidden)
    assert listing.paths == ["open", "below/", "listed/"]
    assert listing.unreadable == ["secret", "to-secret", "below/secret", "closed/", "listed/unseen"]
    assert not listing.is_whole
    assert flat.unreadable == ["secret", "to-secret"]


def test_a_file_that_only_its_group_may_read_is_found_by_those_who_may(tmp_path: Path) -> None:
    (tmp_path / "group").touch(0o640)
    assert listing_of(tmp_path).paths == ["group"]


def test_files_whose_size_lies_are_told() -> None:
    listing = listing_of(Path("/proc/self/net"))
    assert "dev" not in listing.paths
    assert "dev" in listing.unreadable


def test_directories_are_descended_however_deep(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(200):
        path /= "d"
        path.mkdir()
        (path / "f").touch()
    before = len(descriptors())
    most = 0
    real = os.scandir

    def counting(fd: int) -> Any:
        nonlocal most
        most = max(most, len(descriptors()) - before)
        return real(fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", counting)
        listing = listing_of(tmp_path, recursive=True)
    assert len(listing) == 200
    assert most <= 4, "no descriptor for each level"


def test_what_lies_deeper_than_the_kernel_takes_a_path_is_told(tmp_path: Path) -> None:
    """4,096 bytes with the NUL."""
    name = "d" * 250
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)
    listing = listing_of(tmp_path, recursive=True)
    assert len(listing) == 16
    assert listing.unreadable == ["/".join([name] * 17)]


# Trouble


@dataclass(frozen=True)
class Failure:
    id: str
    call: str
    code: int
    want: type[StorageError]


FAILURES = [
    Failure("no-descriptor", "openat", errno.EMFILE, Exhausted),
    Failure("a-disk-that-fails-to-open", "openat", errno.EIO, Unavailable),
    Failure("a-disk-that-fails-to-read", "scandir", errno.EIO, Unavailable),
    Failure("a-disk-that-fails-to-stat", "stat", errno.EIO, Unavailable),
    Failure("a-server-that-forgot-us", "stat", errno.ESTALE, Unavailable),
]


@pytest.mark.parametrize("place", ["", "below", "below/deep"])
@pytest.mark.parametrize("case", FAILURES, ids=lambda case: case.id)
def test_whatever_fails_anywhere_no_part_is_missing_without_a_word(
    case: Failure, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(tmp_path)
    victim = (root / place).stat().st_ino
    opens, scandir, look = beneath.open_blocking, os.scandir, os.stat

    def failing() -> OSError:
        return OSError(case.code, os.strerror(case.code))

    def failing_open(fd: int, name: bytes, *rest: int) -> int:
        if name == (os.fsencode(place) + b"/" if place else b"."):
            raise failing()
        return opens(fd, name, *rest)

    def failing_scandir(fd: int) -> Any:
        if os.fstat(fd).st_ino == victim:
            raise failing()
        return scandir(fd)

    def failing_stat(name: Any, **how: Any) -> os.stat_result:
        if "dir_fd" in how and os.fstat(how["dir_fd"]).st_ino == victim:
            raise failing()
        return look(name, **how)

    with directory(root) as opened:
        if case.call == "openat":
            monkeypatch.setattr(beneath, "open_blocking", failing_open)
        elif case.call == "scandir":
            monkeypatch.setattr(os, "scandir", failing_scandir)
        else:
            monkeypatch.setattr(os, "stat", failing_stat)
        with pytest.raises(case.want):
            scan_blocking(opened, recursive=True)


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with directory(gone) as opened:
        gone.rmdir()
        assert len(scan_blocking(opened)) == 0
    with pytest.raises(StorageError):
        scan_blocking(Directory(-1))


@pytest.mark.parametrize("name", ["a-directory", "a-file"])
def test_what_vanishes_while_its_directory_is_read_is_left_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-directory").mkdir()
    (tmp_path / "a-file").touch()
    (tmp_path / "stays").touch()
    look = os.stat

    def look_and_remove(path: bytes, **how: Any) -> os.stat_result:
        victim = tmp_path / name
        if path == name.encode() and name == "a-file":
            victim.unlink()
        found = look(path, **how)
        if path == name.encode():
            victim.rmdir()
        return found

    with directory(tmp_path) as opened:
        monkeypatch.setattr(os, "stat", look_and_remove)
        listing = scan_blocking(opened, recursive=True)
    assert "stays" in listing.paths
    assert name not in listing.paths
    assert listing.omitted == 0
    assert not listing.is_whole


def test_more_than_the_most_are_busy(root: Path) -> None:
    with directory(root) as opened:
        assert len(scan_blocking(opened, most=5)) == 5
        with pytest.raises(Busy):
            scan_blocking(opened, most=4)
        with pytest.raises(Busy):
            scan_blocking(opened, recursive=True, most=5)


def test_it_ends_when_it_is_told_to(root: Path) -> None:
    stop = threading.Event()
    stop.set()
    with directory(root) as opened, pytest.raises(Stopped):
        scan_blocking(opened, stop=stop)


LOCALES = """
import os, sys
from asgi_downloads.storage.files.scan import scan_blocking
from asgi_downloads.storage.files.tree import Directory
directory = Directory(os.open(os.fsencode(sys.argv[1]), os.O_RDONLY))
listing = scan_blocking(directory, recursive=True)
assert len(listing) == 2, listing.paths
for path in listing.paths:
    directory.open_blocking(path).close()
print(sys.getfilesystemencoding(), ascii(listing.paths))
"""


@pytest.mark.parametrize("variables", [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}], ids=["utf-8", "C"])
def test_names_do_not_depend_on_the_locale(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "ünï").mkdir()
    (tmp_path / "ünï" / "file").touch()
    (tmp_path / "ß").touch()
    done = subprocess.run(
        [sys.executable, "-c", LOCALES, str(tmp_path)],
        env=environment({"PYTHONCOERCECLOCALE": "0", **variables}),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.partition(" ")[2] == "['\\xdf', '\\xfcn\\xef/file']\n"
