"""Files from anywhere as one archive, as the answer of a route."""

import io
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads import ZipResponse
from asgi_downloads.storage.files import state
from tests.responses.conftest import FILES
from tests.support.asgi import Recorder, exchange
from tests.support.users import as_nobody


def answer(members: Any, request: Iterable[tuple[bytes, bytes]] = (), method: str = "GET", **more: Any) -> Recorder:
    return exchange(ZipResponse(members, **more), "/", method, headers=request)


def unpacked(content: bytearray) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.mark.parametrize("compression", ["store", "deflate", "auto"])
def test_files_and_directories_have_the_names_that_were_given(
    root: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "SETTLING_NS", -(10**12))  # what is new counts as old
    members = {"2026/may.txt": root / "a.txt", "films": str(root / "sub"), "big": root / "big.bin"}
    for _ in range(2):  # a deflated one has its length from the second time on
        found = answer(members, compression=compression)
        assert unpacked(found.content) == {
            "2026/may.txt": b"hello",
            "films/deep/film.mp4": FILES["sub/deep/film.mp4"],
            "films/two words.txt": b"spaces",
            "films/.hidden": b"hidden",
            "big": FILES["big.bin"],
        }
    assert found.headers[b"content-length"] == b"%d" % len(found.content)
    assert found.headers[b"content-disposition"] == b'attachment; filename="archive.zip"'
    assert found.headers[b"content-type"] == b"application/zip"


NAMES = [
    (["a.txt", "a.txt", "A.TXT"], ["a.txt", "a (2).txt", "A (3).TXT"]),
    (["x/a", "x/a", "y/a"], ["x/a", "x/a (2)", "y/a"]),
    (["x", "x/a"], ["x", "x (2)/a"]),
    (["x/a", "x"], ["x/a", "x (2)"]),
    (["/etc/passwd", "../up", "a//b", "./c", "d/."], ["etc/passwd", "__/up", "a/b", "c", "d"]),
    (["CON.txt", "a:b", "é"], ["CON_.txt", "a_b", "é"]),
    (["", "/"], ["_", "_ (2)"]),
]


@pytest.mark.parametrize(("given", "want"), NAMES, ids=repr)
def test_names_are_made_safe_and_unique(given: list[str], want: list[str], root: Path) -> None:
    found = answer([(name, root / "a.txt") for name in given])
    assert list(unpacked(found.content)) == want


def test_it_resumes_with_its_tag(root: Path) -> None:
    members = [("a", root / "a.txt"), ("b", root / "big.bin")]
    whole = answer(members)
    tag = whole.headers[b"etag"]
    rest = answer(members, [(b"range", b"bytes=1000-"), (b"if-range", tag)])
    assert rest.status == 206
    assert bytes(rest.content) == bytes(whole.content)[1000:]
    assert answer(members, [(b"if-none-match", tag)]).status == 304
    assert answer(members, [(b"if-match", b'"other"')]).status == 412
    assert answer(members, [(b"range", b"bytes=99999999-")]).status == 416
    assert answer(reversed(members)).headers[b"etag"] != tag
    head = answer(members, method="HEAD")
    assert (head.headers, bytes(head.content)) == (whole.headers, b"")


@pytest.mark.parametrize(
    ("missing", "detail"),
    [("none", b"File not found: the one"), ("a.txt/x", b"File not found: the one"), ("pipe", b"File not found")],
)
def test_a_member_that_is_missing_is_404_and_never_a_shorter_archive(missing: str, detail: bytes, root: Path) -> None:
    os.mkfifo(root / "pipe")
    found = answer([("fine", root / "a.txt"), ("the one", root / missing)])
    assert found.status == 404
    assert detail in found.content


def test_a_directory_of_which_something_cannot_be_read_is_404(root: Path) -> None:
    (root / "sub" / "two words.txt").chmod(0)
    with as_nobody(root):
        found = answer([("sub", root / "sub")])
    assert found.status == 404
    assert b"two words.txt" in found.content


def test_links_within_a_directory_may_not_lead_out_of_it(root: Path) -> None:
    (root / "sub" / "out").symlink_to(root.parent / "outside")
    found = answer([("sub", root / "sub")])
    assert b"outside" not in found.content
    assert found.headers[b"x-bundle-omitted"] == b"1"
    assert unpacked(answer([("out", root / "out")]).content) == {"out": b"outside"}


def test_the_caller_s_fields_stand_instead_of_ours(root: Path) -> None:
    headers = {"Cache-Control": "private", "X-Own": "1", "ETag": '"mine"', "Content-Length": "1"}
    found = answer({"a": root / "a.txt"}, filename="b.zip", headers=headers)
    assert found.headers[b"cache-control"] == b"private"
    assert found.headers[b"x-own"] == b"1"
    assert found.headers[b"etag"] != b'"mine"'
    assert found.headers[b"content-disposition"] == b'attachment; filename="b.zip"'
    assert unpacked(found.content) == {"a": b"hello"}


def test_relative_paths_are_those_of_the_working_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert unpacked(answer({"a": "sub/../a.txt"}).content) == {"a": b"hello"}


def test_a_member_that_was_replaced_is_in_the_next_archive(root: Path) -> None:
    before = answer({"a": root / "a.txt"}).headers[b"etag"]
    (root / "new").write_bytes(b"other")
    (root / "new").replace(root / "a.txt")
    after = answer({"a": root / "a.txt"})
    assert after.headers[b"etag"] != before
    assert unpacked(after.content) == {"a": b"other"}


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("GET", 201), ("HEAD", 201)])
def test_ranges_are_for_a_200_to_get_alone(method: str, status: int, root: Path) -> None:
    found = answer({"a": root / "a.txt"}, [(b"range", b"bytes=0-1")], method, status_code=status)
    assert found.status == status
    assert len(found.content) == (0 if method == "HEAD" else int(found.headers[b"content-length"]))
