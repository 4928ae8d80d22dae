"""What is kept ready is never anything but what the file system would say now."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.asgi.router import Route, Router
from asgi_downloads.endpoints.stored import DOWNLOAD, StoredEndpoint
from asgi_downloads.responses.delivery import Delivery
from asgi_downloads.responses.kept import LARGEST, Kept
from asgi_downloads.service.application import Application
from asgi_downloads.storage.files import openfile
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Tree
from tests.endpoints.conftest import FILES, MODIFIED
from tests.support.asgi import exchange


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written by the test count as old enough to be kept."""
    monkeypatch.setattr("asgi_downloads.storage.files.state.SETTLING_NS", -1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each file that is opened."""
    count: list[int] = []
    real = OpenFile.__init__

    def counting(self: OpenFile, fd: int) -> None:
        count.append(fd)
        real(self, fd)

    monkeypatch.setattr(openfile.OpenFile, "__init__", counting)
    return count


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_second_answer_needs_no_file_and_is_the_same(method: str, app: Application, opened: list[int]) -> None:
    first = exchange(app, "/download/a.bin", method)
    second = exchange(app, "/download/a.bin", method)
    assert len(opened) == 1
    assert (second.status, second.headers, second.content) == (first.status, first.headers, first.content)
    assert exchange(app, "/download/a.bin").content == FILES["downloads/a.bin"]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("field", [b"want-repr-digest", b"want-digest"])
def test_a_digest_that_is_wanted_is_sent_of_what_is_kept(field: bytes, app: Application) -> None:
    plain = [exchange(app, "/download/a.bin") for _ in range(2)][1]
    wanted = exchange(app, "/download/a.bin", headers=[(field, b"sha-256=1" if b"repr" in field else b"SHA-256")])
    assert set(wanted.headers) - set(plain.headers) == {field.removeprefix(b"want-")}


def edit(path: Path) -> None:
    path.write_bytes(b"DOWNLOAD")


def edit_and_put_the_times_back(path: Path) -> None:
    edit(path)
    os.utime(path, (MODIFIED, MODIFIED))


def replace_by_an_equal_looking_file(path: Path) -> None:
    other = path.with_name("other")
    edit_and_put_the_times_back(other)
    other.rename(path)


def replace_by_a_link(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


def make_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_the_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("old"))
    path.parent.mkdir()
    edit_and_put_the_times_back(path)


@dataclass(frozen=True)
class Change:
    id: str
    make: Callable[[Path], object]
    status: int
    content: bytes = b""


CHANGES = [
    Change("edited", edit, 200, b"DOWNLOAD"),
    Change("edited-and-times-put-back", edit_and_put_the_times_back, 200, b"DOWNLOAD"),
    Change("replaced", replace_by_an_equal_looking_file, 200, b"DOWNLOAD"),
    Change("now-a-link", replace_by_a_link, 200, b"download"),
    Change("longer", lambda path: path.write_bytes(b"longer download"), 200, b"longer download"),
    Change("removed", Path.unlink, 404),
    Change("made-a-directory", make_a_directory, 404),
    Change("directory-removed", lambda path: path.parent.rename(path.parent.with_name("gone")), 404),
    Change("directory-replaced", replace_the_directory, 200, b"DOWNLOAD"),
]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.id)
def test_a_change_is_seen_at_the_next_request(change: Change, data: Path, app: Application) -> None:
    for route in app.routes:
        if isinstance(route.endpoint, StoredEndpoint):
            assert isinstance(route.endpoint.tree, Tree)
            route.endpoint.tree.check = 0
    before = exchange(app, "/download/a.bin")
    change.make(data / "downloads" / "a.bin")
    after = exchange(app, "/download/a.bin")
    assert after.status == change.status
    if change.status == 200:
        assert after.content == change.content
    if change.content == b"DOWNLOAD":
        assert after.headers[b"etag"] != before.headers[b"etag"]


@dataclass(frozen=True)
class Unkept:
    id: str
    prepare: Callable[[Path], object]
    headers: tuple[tuple[bytes, bytes], ...] = ()


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("two words.txt")


UNKEPT = [
    Unkept("large", lambda path: path.write_bytes(b"x" * (LARGEST + 1))),
    Unkept("a-link", link),
    Unkept("a-range", lambda path: None, ((b"range", b"bytes=0-3"),)),
    Unkept("a-precondition", lambda path: None, ((b"if-none-match", b'"other"'),)),
    Unkept("a-digest", lambda path: None, ((b"want-repr-digest", b"sha-256=1"),)),
    Unkept("of-the-future", lambda path: os.utime(path, (time.time() + 900, time.time() + 900))),
]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("case", UNKEPT, ids=lambda case: case.id)
def test_what_may_be_answered_otherwise_is_opened_each_time(
    case: Unkept, data: Path, app: Application, opened: list[int]
) -> None:
    case.prepare(data / "downloads" / "a.bin")
    for _ in range(2):
        exchange(app, "/download/a.bin", headers=case.headers)
    assert len(opened) == 2


def test_a_file_just_changed_is_opened_each_time(app: Application, opened: list[int]) -> None:
    """Its inode changed this second, and may change again without a trace in the times."""
    for _ in range(2):
        exchange(app, "/download/a.bin")
    assert len(opened) == 2


@pytest.mark.usefixtures("settled")
def test_one_file_at_two_urls_and_with_two_queries_is_not_mixed_up(app: Application) -> None:
    for _ in range(2):
        assert exchange(app, "/file/page.html").headers[b"content-disposition"].startswith(b"inline")
        assert exchange(app, "/file/page.html?download=1").headers[b"content-disposition"].startswith(b"attachment")
        assert exchange(app, "/preview/page.html").headers[b"content-type"] == b"application/octet-stream"
        assert exchange(app, "/file/page.html?download=x").status == 422


@pytest.mark.usefixtures("settled")
def test_what_others_add_to_a_head_does_not_stay(app: Application) -> None:
    first = exchange(app, "/download/a.bin")
    second = exchange(app, "/download/a.bin")
    second.events[0]["headers"].append((b"x-added", b"1"))
    assert exchange(app, "/download/a.bin").headers == first.headers


@pytest.mark.usefixtures("settled")
def test_what_is_kept_is_bounded_and_the_oldest_leave_first(data: Path, opened: list[int]) -> None:
    endpoint = StoredEndpoint(Tree(data / "downloads"), DOWNLOAD, Delivery(Digests()))
    app = Kept(Router((Route("/download/{filename}", endpoint),)), limit=100_000)
    for number in range(20):
        (data / "downloads" / str(number)).write_bytes(b"x" * 10_000)
        exchange(app, f"/download/{number}")
    del opened[:]
    for number in reversed(range(20)):
        assert exchange(app, f"/download/{number}").content == b"x" * 10_000
    assert 11 <= len(opened) <= 13
