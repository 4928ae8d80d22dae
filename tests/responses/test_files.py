"""A directory as an application: every file by its path, nothing hidden, nothing from outside."""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads import Files
from asgi_downloads.asgi.types import Scope
from tests.responses.conftest import FILES
from tests.support.asgi import Recorder, exchange

TEXT = b"text/plain; charset=utf-8"


def answer(files: Files, path: str, method: str = "GET", **more: Any) -> Recorder:
    return exchange(files, path, method, **more)


@dataclass(frozen=True)
class Case:
    path: str
    status: int = 200
    given: dict[str, Any] = field(default_factory=dict)
    want: dict[bytes, bytes | None] = field(default_factory=dict)


CASES = [
    Case("/a.txt", want={b"content-type": TEXT, b"content-disposition": b'inline; filename="a.txt"'}),
    Case("/sub/deep/film.mp4", want={b"content-type": b"video/mp4"}),
    Case(
        "/sub/deep/film.mp4",
        given={"show": "download"},
        want={
            b"content-type": b"application/octet-stream",
            b"content-disposition": b'attachment; filename="film.mp4"',
        },
    ),
    Case("/sub/deep/film.mp4", given={"show": "video"}, want={b"content-disposition": None}),
    Case("/page.html", want={b"x-content-type-options": b"nosniff"}),
    Case("/a.txt", given={"cache_control": "max-age=60"}, want={b"cache-control": b"max-age=60"}),
    Case("/in", want={b"content-length": b"5"}),
    Case("/.secret", 404),
    Case("/.secret", given={"hide": ()}),
    Case("/sub/.hidden", 404),
    Case("/A.TXT", 404, given={"hide": ("a.*",)}),
    Case("/a.txt", 404, given={"hide": ("A.*",)}),
    Case("/sub/deep/film.mp4", 404, given={"hide": ("deep",)}),
    Case("/", 404),
    Case("", 404),
    Case("/sub", 404),
    Case("/sub/", 404),
    Case("/a.txt/", 404),
    Case("/none", 404),
    Case("/sub//deep/film.mp4", 404),
    Case("//a.txt", 404),
    Case("/./a.txt", 404, given={"hide": ()}),
    Case("/sub/../a.txt", 404, given={"hide": ()}),
    Case("/../outside", 404, given={"hide": ()}),
    Case("/out", 404),
    Case("/a.txt\0", 404),
    Case("/sub/?zip", 404),
    Case("/?zip", given={"bundle": True}, want={b"content-disposition": b'attachment; filename="root.zip"'}),
    Case("/sub/?zip", given={"bundle": True}, want={b"content-disposition": b'attachment; filename="sub.zip"'}),
    Case("/sub/?zip=1", given={"bundle": True}, want={b"content-type": b"application/zip"}),
    Case("/sub/", 404, given={"bundle": True}),
    Case("/sub?zip", 404, given={"bundle": True}),
    Case("/none/?zip", 404, given={"bundle": True}),
    Case("/a.txt/?zip", 404, given={"bundle": True}),
    Case("/a.txt?sha256", want={b"content-type": TEXT, b"content-disposition": b'inline; filename="a.txt.sha256"'}),
    Case("/a.txt?download=1&sha256=", want={b"cache-control": b"no-store", b"x-content-type-options": b"nosniff"}),
    Case("/a.txt?sha256sum", want={b"content-length": b"5"}),
    Case("/a.txt?zip", want={b"content-length": b"5"}),
    Case("/none?sha256", 404),
    Case("/.secret?sha256", 404),
    Case("/out?sha256", 404),
    Case("/sub?sha256", 404, given={"bundle": True}),
    Case("/sub/?sha256", 404),
    Case("/sub/?sha256", given={"bundle": True}, want={b"content-disposition": b'inline; filename="SHA256SUMS"'}),
    Case("/none/?sha256", 404, given={"bundle": True}),
    Case("/a.txt/?sha256", 404, given={"bundle": True}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path} {case.given}")
@pytest.mark.parametrize("mounted", ["", "/media"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer(case: Case, method: str, mounted: str, root: Path) -> None:
    found = answer(Files(root, **case.given), mounted + case.path, method, root_path=mounted)
    assert found.status == case.status
    assert {name: found.headers.get(name) for name in case.want} == case.want
    assert b"outside" not in found.content


def test_a_folder_is_an_archive_of_all_that_is_not_hidden(root: Path) -> None:
    files = Files(root, bundle=True)
    found = answer(files, "/?zip")
    with zipfile.ZipFile(io.BytesIO(found.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "in": b"hello",
            **{name: content for name, content in FILES.items() if "/." not in f"/{name}"},
        }
    assert found.headers[b"x-bundle-omitted"] == b"1"  # the link that leads out
    rest = answer(files, "/?zip", headers=[(b"range", b"bytes=100-"), (b"if-range", found.headers[b"etag"])])
    assert (rest.status, bytes(rest.content)) == (206, bytes(found.content)[100:])


def test_an_encoded_slash_joins_no_segments(root: Path) -> None:
    found = answer(Files(root), "/sub/deep/film.mp4")
    assert found.status == 200

    async def encoded(scope: Scope, receive: Any, send: Any) -> None:
        scope["raw_path"] = b"/sub%2Fdeep/film.mp4"
        await Files(root)(scope, receive, send)

    assert exchange(encoded, "/sub/deep/film.mp4").status == 404


def test_names_of_any_bytes_are_reached_by_their_percent_encoded_bytes(root: Path) -> None:
    (root / "sub" / "d\udcff").write_bytes(b"odd")

    async def encoded(scope: Scope, receive: Any, send: Any) -> None:
        scope["raw_path"] = b"/sub/d%FF"
        await Files(root)(scope, receive, send)

    assert bytes(exchange(encoded, "/sub/d\ufffd").content) == b"odd"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405(method: str, root: Path) -> None:
    found = answer(Files(root), "/a.txt", method)
    assert (found.status, found.headers[b"allow"]) == (405, b"GET, HEAD")


def test_a_directory_may_come_later(tmp_path: Path) -> None:
    files = Files(tmp_path / "later")
    assert answer(files, "/a").status == 404
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a").write_bytes(b"here")
    assert bytes(answer(files, "/a").content) == b"here"


def test_a_socket_is_refused(root: Path) -> None:
    import asyncio

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(Files(root)({"type": "websocket", "path": "/a.txt", "method": "GET", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close"}]
