"""An open file gives exactly the bytes that were announced, or says that it cannot."""

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import FileChanged, Forbidden, NotFound
from asgi_downloads.storage.files.openfile import READ_LIMIT, OpenFile

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    os.utime(path, ns=(10**18, 10**18))
    return path


def opened(path: Path) -> OpenFile:
    return OpenFile(os.open(path, os.O_RDONLY))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        opened(tmp_path)


def test_the_facts_are_those_of_the_descriptor(path: Path) -> None:
    with opened(path) as file:
        path.rename(path.with_name("other"))
        assert (file.size, file.stat.st_mtime_ns) == (10, 10**18)


@pytest.mark.parametrize(("offset", "count", "want"), [(0, 10, b"0123456789"), (3, 4, b"3456"), (10, 0, b"")])
def test_cached_bytes_are_read_at_once(offset: int, count: int, want: bytes, path: Path) -> None:
    with opened(path) as file:
        assert file.read_cached(offset, count) == want


@pytest.mark.parametrize(
    ("offset", "count"), [(0, 11), (10, 1), (0, READ_LIMIT + 1)], ids=["beyond-the-end", "at-the-end", "too-much"]
)
def test_bytes_that_are_not_all_there_are_not_at_hand(offset: int, count: int, path: Path) -> None:
    with opened(path) as file:
        assert file.read_cached(offset, count) is None


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EOPNOTSUPP, errno.EIO])
def test_what_the_cache_cannot_give_is_left_to_a_thread(code: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: object) -> int:
        raise OSError(code, "")

    monkeypatch.setattr(os, "preadv", failing)
    with opened(path) as file:
        assert file.read_cached(0, 10) is None
        assert asyncio.run(file.read(0, 10)) == b"0123456789"


def test_a_short_read_is_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, offset: real(fd, min(count, 3), offset))
    with opened(path) as file:
        assert file.read_blocking(1, 8) == b"12345678"


def test_a_file_cut_short_is_a_changed_file(path: Path) -> None:
    with opened(path) as file:
        os.truncate(path, 5)
        with pytest.raises(FileChanged):
            file.read_blocking(0, 10)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"X")


def rewrite_and_put_mtime_back(path: Path) -> None:
    rewrite(path)
    os.utime(path, ns=(10**18, 10**18))


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite_longer(path: Path) -> None:
    path.write_bytes(b"X" * 11)


def edit_in_the_middle_and_append(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4)
        file.write(b"X")
    append(path)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"X" * 10)
    other.rename(path)


def exchange(path: Path) -> None:
    """Renamed away and back, as a swapper does it."""
    path.rename(path.with_name("other"))
    path.with_name("other").rename(path)


def settle(path: Path) -> None:
    """Let the directory's last change be long ago."""
    os.utime(path.parent, (1, 1))


def give_to_its_owner(path: Path) -> None:
    settle(path)
    os.chown(path, os.geteuid(), -1)


def set_attribute(path: Path) -> None:
    settle(path)
    os.setxattr(path, "user.note", b"value")


def edit_and_put_mtime_back(path: Path) -> None:
    settle(path)
    rewrite_and_put_mtime_back(path)


@dataclass(frozen=True)
class Change:
    id: str
    make: Callable[[Path], object]
    changed: bool


CHANGES = [
    Change("nothing", lambda path: None, changed=False),
    Change("read", Path.read_bytes, changed=False),
    Change("append-as-to-a-log", append, changed=False),
    Change("replace-by-rename", replace, changed=False),
    Change("unlink", Path.unlink, changed=False),
    Change("rename", lambda path: path.rename(path.with_name("other")), changed=False),
    Change("exchange", exchange, changed=False),
    Change("hard-link", lambda path: os.link(path, path.with_name("other")), changed=False),
    Change("chmod", lambda path: path.chmod(0o600), changed=False),
    Change("chown", lambda path: os.chown(path, 1, -1), changed=False),
    Change("chown-to-the-same-owner", give_to_its_owner, changed=True),
    Change("setfattr", set_attribute, changed=True),
    Change("rewrite-in-place", rewrite, changed=True),
    Change("rewrite-and-put-mtime-back", edit_and_put_mtime_back, changed=True),
    Change("rewrite-longer", rewrite_longer, changed=True),
    Change("edit-in-the-middle-and-append", edit_in_the_middle_and_append, changed=True),
    Change("truncate", lambda path: os.truncate(path, 9), changed=True),
    Change("truncate-to-nothing", lambda path: os.truncate(path, 0), changed=True),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.id)
def test_a_change_of_the_bytes_is_seen(change: Change, path: Path) -> None:
    if change.id == "chown" and os.geteuid():
        pytest.skip("only root gives files away")
    with opened(path).note() as file:
        change.make(path)
        if change.changed:
            with pytest.raises(FileChanged):
                file.check()
        else:
            file.check()


def test_a_file_opened_while_it_is_being_replaced_is_unchanged(path: Path) -> None:
    """rename(2) takes the old file's link away and only then sets its ctime."""
    held = os.open(path, os.O_RDONLY)
    path.unlink()
    with OpenFile(held) as file:
        os.utime(held, ns=(10**18, 10**18))  # a ctime of its own
        assert os.fstat(held).st_ctime_ns != file.stat.st_ctime_ns
        file.check()


def edit_like_exiftool(path: Path) -> None:
    """A temporary file beside it comes and goes, and its mtime is put back at once."""
    other = path.with_name("_tmp")
    other.write_bytes(b"X123456789")
    with path.open("r+b") as file:
        file.write(other.read_bytes())
    os.utime(path, ns=(10**18, 10**18))
    other.unlink()


def test_an_edit_that_looks_like_a_rename_shows_in_the_bytes_noted(path: Path) -> None:
    with opened(path).note() as file:
        edit_like_exiftool(path)
        with pytest.raises(FileChanged):
            file.check()


def test_a_write_is_given_the_moment_between_its_time_and_its_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """write(2) sets the times first and the size last."""
    statuses: list[os.stat_result] = []

    def look(fd: int) -> os.stat_result:
        if not statuses:
            before = os.stat(path)
            append(path)
            after = os.stat(path)
            times = {name: getattr(after, name) for name in ("st_mtime_ns", "st_ctime_ns")}
            statuses.append(os.stat_result(tuple(before)[:10], times))
            return statuses[0]
        return real(fd)

    real = os.fstat
    with opened(path) as file:
        monkeypatch.setattr(os, "fstat", look)
        file.check()
    assert statuses[0].st_size == 10
    assert statuses[0].st_mtime_ns != 10**18


@dataclass(frozen=True)
class Liar:
    id: str
    path: str


LIARS = [
    Liar("proc-without-a-size", "/proc/self/status"),
    Liar("proc-that-cannot-be-read", "/proc/self/mem"),
    Liar("sysfs-with-a-page-for-less", "/sys/kernel/mm/transparent_hugepage/enabled"),
]


@pytest.mark.parametrize("case", LIARS, ids=lambda case: case.id)
def test_a_file_whose_size_is_not_that_of_its_content_is_none_to_us(case: Liar) -> None:
    if not os.path.exists(case.path):
        pytest.skip(f"no {case.path} here")
    with pytest.raises(Forbidden):
        opened(Path(case.path))


@pytest.mark.parametrize("size", [0, 4096, 1 << 20], ids=["empty", "a-page", "many-pages"])
def test_a_file_without_blocks_need_not_lie(path: Path, size: int) -> None:
    os.truncate(path, 0)
    os.truncate(path, size)
    with opened(path) as file:
        assert file.stat.st_blocks == 0
        assert file.read_blocking(0, size) == bytes(size)


def test_a_file_stays_open_until_the_last_of_its_holders_has_closed_it(path: Path) -> None:
    with opened(path) as file:
        held = file.hold()
    assert held.read_blocking(0, 10) == b"0123456789"
    held.close()
    with pytest.raises(OSError):
        held.read_blocking(0, 10)


def test_closing_twice_closes_once(path: Path) -> None:
    file = opened(path)
    file.close()
    other = os.open(path, os.O_RDONLY)  # takes the freed number
    file.close()
    os.close(other)


def test_a_file_that_nobody_took_over_is_closed(path: Path) -> None:
    file = opened(path)
    number = file.fileno()
    del file
    with pytest.raises(OSError):
        os.fstat(number)
