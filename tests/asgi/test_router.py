"""Paths find their endpoint as in FastAPI."""

import asyncio
import os
from dataclasses import dataclass
from urllib.parse import quote, unquote

import pytest

from asgi_downloads.asgi.exchange import route_path
from asgi_downloads.asgi.router import Route, Router
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError
from tests.support.asgi import Recorder, exchange, http_scope


class Named:
    """An endpoint that answers with its name and its parameters."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        values = [f"{key}={value}" for key, value in scope.get("path_params", {}).items()]
        if self.name.endswith("{path:path}"):
            values = [scope["root_path"], route_path(scope)]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": " ".join([self.name, *values]).encode()})


ROUTER = Router(
    Route(template, Named(template))
    for template in (
        "/download/{filename}",
        "/download/large/{filename}",
        "/reports/{report_id}",
        "/reports/generate/{report_id}",
        "/export/users",
        "/media/{path:path}",
        "/media/of/mine/{path:path}",
    )
)


@dataclass(frozen=True)
class Match:
    id: str
    path: str
    want: str
    root_path: str = ""


MATCHES = [
    Match("a-parameter", "/download/a.txt", "/download/{filename} filename=a.txt"),
    Match("a-literal", "/export/users", "/export/users"),
    Match("a-literal-before-a-parameter", "/download/large/x", "/download/large/{filename} filename=x"),
    Match("a-literal-with-nothing-below-is-a-name", "/download/large", "/download/{filename} filename=large"),
    Match("below-a-mount", "/media/a/b/c", "/media/{path:path} /media /a/b/c"),
    Match("below-the-longest-mount", "/media/of/mine/c", "/media/of/mine/{path:path} /media/of/mine /c"),
    Match("below-the-shorter-mount", "/media/of/other", "/media/{path:path} /media /of/other"),
    Match("a-mount-with-a-slash", "/media/", "/media/{path:path} /media /"),
    Match("below-a-mount-and-a-prefix", "/p/media/a", "/media/{path:path} /p/media /a", root_path="/p"),
    Match("newline", "/download/a\nb", "/download/{filename} filename=a\nb"),
    Match("nul", "/download/a\0b", "/download/{filename} filename=a\0b"),
    Match("backslash", "/download/a\\b", "/download/{filename} filename=a\\b"),
    Match("semicolon", "/download/a;v=1", "/download/{filename} filename=a;v=1"),
    Match("space", "/download/ ", "/download/{filename} filename= "),
    Match("dot-dot-is-a-segment", "/download/..", "/download/{filename} filename=.."),
    Match("below-a-prefix", "/p/download/x", "/download/{filename} filename=x", root_path="/p"),
    Match("with-a-prefix-that-the-path-lacks", "/download/x", "/download/{filename} filename=x", root_path="/p"),
    Match("the-query-is-no-path", "/download/x?/y/", "/download/{filename} filename=x"),
]


@pytest.mark.parametrize("case", MATCHES, ids=lambda case: case.id)
def test_a_path_finds_its_endpoint(case: Match) -> None:
    answer = exchange(ROUTER, case.path, root_path=case.root_path)
    assert answer.content.decode() == case.want


NAMES = [b"caf\xe9.txt", b"\xff", b"caf\xc3\xa9", b"\xef\xbf\xbd", b"a%b", b"\xed\xa0\x80"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_bytes_reaches_its_endpoint_as_the_file_system_has_it(name: bytes) -> None:
    seen = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path_params"]["name"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def run() -> None:
        scope = http_scope("/p/x/" + unquote(quote(name)), root_path="/p")  # as uvicorn decodes it
        scope["raw_path"] = b"/p/x/" + quote(name).encode()
        recorder = Recorder(scope)
        await Router((Route("/x/{name}", endpoint),))(scope, recorder.receive, recorder.send)

    asyncio.run(run())
    assert [os.fsencode(each) for each in seen] == [name]


def test_a_redirect_keeps_bytes_that_are_not_utf_8() -> None:
    async def run() -> Recorder:
        scope = http_scope("/download/\ufffd/")
        scope["raw_path"] = b"/download/%E9/"
        recorder = Recorder(scope)
        await ROUTER(scope, recorder.receive, recorder.send)
        return recorder

    assert asyncio.run(run()).headers[b"location"] == b"/download/%E9"


@dataclass(frozen=True)
class Miss:
    id: str
    path: str
    root_path: str = ""


MISSES = [
    Miss("nothing-like-it", "/nothing"),
    Miss("the-root", "/"),
    Miss("empty", ""),
    Miss("no-leading-slash", "download/x"),
    Miss("an-empty-parameter", "/download/"),
    Miss("a-prefix-of-a-route", "/export/"),
    Miss("two-segments-for-one", "/download/a/b"),
    Miss("double-slash-in-front", "//download/x"),
    Miss("double-slash-inside", "/download//x"),
    Miss("other-case", "/Download/x"),
    Miss("dot-segment", "/download/./x"),
    Miss("dot-dot-segment", "/download/../files/x"),
    Miss("literal-and-newline", "/export/users\n"),
    Miss("prefix-only-as-a-string", "/px/download/x", root_path="/p"),
    Miss("the-prefix-itself", "/p", root_path="/p"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("case", MISSES, ids=lambda case: case.id)
def test_an_unknown_path_is_404_whatever_the_method(case: Miss, method: str) -> None:
    with pytest.raises(HTTPError) as error:
        exchange(ROUTER, case.path, method, root_path=case.root_path)
    assert (error.value.status, error.value.detail) == (404, "Not Found")


@dataclass(frozen=True)
class Redirect:
    id: str
    target: str
    want: bytes
    root_path: str = ""


REDIRECTS = [
    Redirect("one-slash", "/download/x/", b"/download/x"),
    Redirect("all-slashes-at-once", "/download/x///", b"/download/x"),
    Redirect("a-literal", "/export/users/", b"/export/users"),
    Redirect("a-name-that-is-also-a-folder", "/download/large/", b"/download/large"),
    Redirect("the-query-stays", "/download/x/?a=b&c=%20/", b"/download/x?a=b&c=%20/"),
    Redirect("percent-is-encoded-again", "/download/100%41/", b"/download/100%2541"),
    Redirect("a-question-mark", "/download/wh\u0061t/", b"/download/what"),
    Redirect("letters-beyond-ascii", "/download/\u00e9/", b"/download/%C3%A9"),
    Redirect("a-line-end-cannot-split-the-field", "/download/a\r\nb: c/", b"/download/a%0D%0Ab%3A%20c"),
    Redirect("the-prefix-stays", "/p/download/x/", b"/p/download/x", root_path="/p"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("case", REDIRECTS, ids=lambda case: case.id)
def test_a_slash_too_many_is_redirected_to_a_relative_reference(case: Redirect, method: str) -> None:
    answer = exchange(ROUTER, case.target, method, root_path=case.root_path)
    assert answer.status == 307
    assert answer.headers == {b"location": case.want, b"content-length": b"0"}
    assert answer.content == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_another_method_is_405_and_told_what_is_allowed(method: str) -> None:
    with pytest.raises(HTTPError) as error:
        exchange(ROUTER, "/download/x", method)
    assert (error.value.status, error.value.headers) == (405, ((b"allow", b"GET, HEAD"),))


def test_head_reaches_the_endpoint_of_get() -> None:
    assert exchange(ROUTER, "/export/users", "HEAD").status == 200


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        (["/a/{x}", "/a/{y}"], "two routes"),
        (["/a", "/a"], "two routes"),
        (["/{x}/a"], "only the last segment"),
        (["/{x}/{y}"], "only the last segment"),
    ],
)
def test_routes_that_contradict_are_refused_at_once(templates: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Router(Route(template, Named(template)) for template in templates)
