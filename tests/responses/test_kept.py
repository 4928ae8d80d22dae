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
from asgi_downloads.responses.kept import LARGEST, SMALL, Kept
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
    Unkept("large", lambda path: path.write_bytes(b"x" * (SMALL + 1))),
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
def test_what_is_kept_is_bounded_and_the_oldest_leave_first(data: Path, opened: list[int]) -> None:
    names = "abcdefghijklmnopqrst"
    app = downloads(data, dict.fromkeys(names, 10_000), limit=100_000)
    for name in names:
        exchange(app, f"/download/{name}")
    del opened[:]
    for name in reversed(names):
        assert exchange(app, f"/download/{name}").content == name.encode() * 10_000
    assert 11 <= len(opened) <= 13


def downloads(data: Path, sizes: dict[str, int], *, limit: int = 8 << 20) -> Kept:
    """Files of those sizes, and an application that keeps so many bytes of answers."""
    for name, size in sizes.items():
        (data / "downloads" / name).write_bytes(name.encode() * size)
    endpoint = StoredEndpoint(Tree(data / "downloads"), DOWNLOAD, Delivery(Digests()))
    return Kept(Router((Route("/download/{filename}", endpoint),)), limit=limit)


@dataclass(frozen=True)
class Again:
    """How often a file is opened that is asked for four times."""

    id: str
    size: int
    times: int
    method: str = "GET"
    headers: tuple[tuple[bytes, bytes], ...] = ()


AGAIN = [
    Again("small", SMALL, 1),
    Again("larger", SMALL + 1, 2),
    Again("largest", LARGEST, 2),
    Again("too-large", LARGEST + 1, 4),
    Again("by-head", LARGEST, 1, "HEAD"),
    Again("by-range", LARGEST, 4, headers=((b"range", b"bytes=3-"),)),
    Again("by-if-match", LARGEST, 4, headers=((b"if-match", b"*"),)),
]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("case", AGAIN, ids=lambda case: case.id)
def test_the_content_of_a_larger_file_is_kept_when_it_is_asked_for_again(
    case: Again, data: Path, opened: list[int]
) -> None:
    app = downloads(data, {"x": case.size})
    answers = [exchange(app, "/download/x", case.method, headers=case.headers) for _ in range(4)]
    assert len(opened) == case.times
    for answer in answers:
        assert (answer.status, answer.headers, answer.content) == (
            answers[0].status, answers[0].headers, answers[0].content
        )  # fmt: skip


@pytest.mark.usefixtures("settled")
def test_a_larger_file_that_changes_while_it_is_kept_is_not(data: Path, opened: list[int]) -> None:
    app = downloads(data, {"x": LARGEST})
    path = data / "downloads" / "x"
    for _ in range(3):
        exchange(app, "/download/x")
    path.write_bytes(b"y" * LARGEST)
    assert exchange(app, "/download/x").content == b"y" * LARGEST
    path.write_bytes(b"short")
    assert exchange(app, "/download/x").content == b"short"


@pytest.mark.usefixtures("settled")
def test_nothing_leaves_for_the_content_of_a_larger_file(data: Path, opened: list[int]) -> None:
    sizes = {"a": 60_000, "b": 300_000, "c": 200_000}
    app = downloads(data, sizes, limit=400_000)
    for name in "abc" * 2:
        exchange(app, f"/download/{name}")
    del opened[:]
    for name in "aabbcc":
        assert exchange(app, f"/download/{name}").content == name.encode() * sizes[name]
    assert len(opened) == 2, "of c, for which there is no room beside the others"


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("size", [SMALL, LARGEST])
def test_what_others_add_to_a_head_does_not_stay(size: int, data: Path) -> None:
    app = downloads(data, {"x": size})
    answers = [exchange(app, "/download/x") for _ in range(3)]
    headers = list(answers[0].headers)
    for answer in answers:
        answer.events[0]["headers"].append((b"x-added", b"1"))
    assert list(exchange(app, "/download/x").headers) == headers
