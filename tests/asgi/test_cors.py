"""What scripts of other origins are told they may read: of every answer, whatever it is."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.asgi.cors import Cors
from asgi_downloads.asgi.types import Message, Receive, Scope, Send
from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.settings import Settings
from tests.endpoints.conftest import data
from tests.support.asgi import exchange

__all__ = ["data"]

ORIGIN = (b"origin", b"https://a.example")
OTHER = (b"origin", b"https://b.example")
PREFLIGHT = (b"access-control-request-method", b"GET")

ANSWERS: dict[str, tuple[str, str, dict[bytes, bytes], int]] = {
    "a file": ("GET", "/file/notes.txt", {}, 200),
    "its head": ("HEAD", "/file/notes.txt", {}, 200),
    "a part": ("GET", "/file/notes.txt", {b"range": b"bytes=0-1"}, 206),
    "not modified": ("GET", "/file/notes.txt", {b"if-none-match": b"*"}, 304),
    "a precondition that fails": ("GET", "/file/notes.txt", {b"if-match": b'"x"'}, 412),
    "beyond the end": ("GET", "/file/notes.txt", {b"range": b"bytes=99-"}, 416),
    "a malformed range": ("GET", "/file/notes.txt", {b"range": b"bytes=x"}, 400),
    "not there": ("GET", "/file/missing", {}, 404),
    "no such URL": ("GET", "/nowhere", {}, 404),
    "another method": ("POST", "/file/notes.txt", {}, 405),
    "no preflight": ("OPTIONS", "/file/notes.txt", {}, 405),
    "a bad parameter": ("GET", "/file/notes.txt?download=perhaps", {}, 422),
    "a redirect": ("GET", "/file/notes.txt/", {}, 307),
    "made for this request": ("GET", "/export/data", {}, 200),
    "a probe": ("GET", "/livez", {}, 200),
}


def served(data: Path, *origins: str) -> Application:
    return create_app(Settings(data_dir=data, cors_origins=origins))


def fields(data: Path, name: str, *more: tuple[bytes, bytes], origins: tuple[str, ...]) -> dict[bytes, bytes]:
    method, target, asked, status = ANSWERS[name]
    app = served(data, *origins)
    for _ in range(2):  # the second may be one that is kept
        answer = exchange(app, target, method, headers=[*asked.items(), *more])
        assert answer.status == status
    return answer.headers


@pytest.mark.parametrize("name", ANSWERS)
def test_an_origin_that_is_listed_may_read(name: str, data: Path) -> None:
    found = fields(data, name, ORIGIN, origins=("https://a.example", "https://c.example"))
    assert found[b"access-control-allow-origin"] == b"https://a.example"
    exposed = found[b"access-control-expose-headers"].split(b", ")
    assert {b"content-range", b"etag", b"content-disposition", b"accept-ranges", b"repr-digest"} <= set(exposed)
    assert found[b"vary"] == b"origin"


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("more", [(), (OTHER,)], ids=["same origin", "another"])
def test_nobody_else_may_and_caches_are_told(name: str, more: Any, data: Path) -> None:
    found = fields(data, name, *more, origins=("https://a.example",))
    assert not [field for field in found if field.startswith(b"access-control-")]
    assert found[b"vary"] == b"origin"


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("more", [(), (OTHER,)], ids=["same origin", "another"])
def test_all_may_where_the_setting_says_so(name: str, more: Any, data: Path) -> None:
    found = fields(data, name, *more, origins=("*",))
    assert found[b"access-control-allow-origin"] == b"*"
    assert b"vary" not in found


@pytest.mark.parametrize("name", ANSWERS)
def test_without_the_setting_nothing_is_said(name: str, data: Path) -> None:
    found = fields(data, name, ORIGIN, origins=())
    assert not {b"vary", b"access-control-allow-origin"} & set(found)


@pytest.mark.parametrize("origins", [("https://a.example",), ("*",)])
@pytest.mark.parametrize("target", ["/file/notes.txt", "/nowhere"])
def test_a_preflight_is_answered_whatever_the_path(target: str, origins: tuple[str, ...], data: Path) -> None:
    answer = exchange(served(data, *origins), target, "OPTIONS", headers=[ORIGIN, PREFLIGHT])
    assert (answer.status, bytes(answer.content)) == (204, b"")
    assert answer.headers[b"access-control-allow-origin"] == (b"*" if origins == ("*",) else ORIGIN[1])
    assert answer.headers[b"access-control-allow-methods"] == b"GET, HEAD"
    allowed = answer.headers[b"access-control-allow-headers"].split(b", ")
    assert {b"range", b"if-range", b"if-match", b"if-none-match", b"want-repr-digest"} <= set(allowed)


def test_a_preflight_of_nobody_we_know_is_a_method_that_is_not_there(data: Path) -> None:
    answer = exchange(served(data, "https://a.example"), "/file/notes.txt", "OPTIONS", headers=[OTHER, PREFLIGHT])
    assert answer.status == 405
    assert b"access-control-allow-origin" not in answer.headers


def test_the_answer_kept_for_one_origin_is_not_given_to_another(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_downloads.storage.files.state.SETTLING_NS", -1)  # so that it is kept
    app = served(data, "https://a.example", "https://b.example")
    for origin in (ORIGIN, OTHER, ORIGIN):
        answer = exchange(app, "/file/notes.txt", headers=[origin])
        names = [(name, value) for name, value in answer.events[0]["headers"] if name == b"access-control-allow-origin"]
        assert names == [(b"access-control-allow-origin", origin[1])]


def test_one_around_another_says_it_once(data: Path) -> None:
    app = Cors(served(data, "https://a.example"), ("https://a.example",))
    answer = exchange(app, "/livez", headers=[ORIGIN])
    names = [name for name, _ in answer.events[0]["headers"]]
    assert names.count(b"access-control-allow-origin") == names.count(b"vary") == 1


def test_what_is_no_request_is_left_alone() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])
        await send({"type": "lifespan.startup.complete"})

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        seen.append(message["type"])

    asyncio.run(Cors(app, ("*",))({"type": "lifespan"}, receive, send))
    assert seen == ["lifespan", "lifespan.startup.complete"]
