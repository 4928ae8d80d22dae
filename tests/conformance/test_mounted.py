"""Mounted in somebody's site: downloads work under the prefix, and so do the site's own routes. Rows M1 and M3."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.conformance import tree
from tests.conformance.case import Request, get, head, send
from tests.conformance.client import Answer
from tests.conformance.in_process import InProcess
from tests.conformance.targets import Reference, Service

PREFIX = "/files"
OWN = b"the site's own answer"

Asgi = Callable[..., Any]


def _in_fastapi(app: Any) -> Any:
    site = FastAPI()

    @site.get("/own", response_class=PlainTextResponse)
    def own() -> bytes:
        return OWN

    site.mount(PREFIX, app)
    return site


def _in_starlette(app: Any) -> Any:
    def own(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(OWN)

    return Starlette(routes=[Route("/own", own), Mount(PREFIX, app)])


def _in_django(app: Any) -> Any:
    """Django's way: its ASGI application beside ours, by prefix."""
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def own(request: HttpRequest) -> HttpResponse:
        return HttpResponse(OWN)

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"], ROOT_URLCONF=type("urls", (), {"urlpatterns": []}), SECRET_KEY="none", USE_TZ=True
        )
        django.setup()
    settings.ROOT_URLCONF.urlpatterns = [path("own", own)]
    site = get_asgi_application()

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":  # Django has none, and that of what is mounted is not run (row M1)
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["path"].startswith(PREFIX + "/"):
            await app({**scope, "root_path": scope["root_path"] + PREFIX}, receive, send)
        else:
            await site(scope, receive, send)

    return dispatch


HOSTS = {"fastapi": _in_fastapi, "starlette": _in_starlette, "django": _in_django}


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return HOSTS[request.param]


@pytest.fixture(scope="module")
def site(host: Callable[[Any], Any], data_dir: Path) -> Iterator[InProcess]:
    with InProcess(host(Service().create(data_dir))) as site:
        yield site


@pytest.fixture(scope="module")
def same_site_with_fastapi(host: Callable[[Any], Any], data_dir: Path) -> Iterator[InProcess]:
    with InProcess(host(Reference().create(data_dir))) as site:
        yield site


def test_a_file_is_downloaded_under_the_prefix(site: InProcess) -> None:
    (answer,) = site.exchange([get(f"{PREFIX}/download/ten.txt")])
    assert (answer.status, answer.body) == (200, tree.TEN)


def test_it_resumes_under_the_prefix(site: InProcess) -> None:
    (whole,) = site.exchange([get(f"{PREFIX}/download/data.bin")])
    etag = whole.get("etag")
    assert etag is not None
    (part,) = site.exchange([get(f"{PREFIX}/download/data.bin", Range="bytes=4000-", If_Range=etag)])
    assert (part.status, part.body) == (206, whole.body[4000:])


def test_head_under_the_prefix(site: InProcess) -> None:
    (answer,) = site.exchange([head(f"{PREFIX}/download/ten.txt")])
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "10", b"")


@pytest.mark.parametrize("target", ["/export/users", "/export/data", "/download/bundle/docs", "/reports/generate/1"])
def test_what_is_made_needs_no_lifespan(site: InProcess, target: str) -> None:
    (answer,) = site.exchange([get(PREFIX + target)])
    assert answer.status == 200
    assert answer.body


def test_the_sites_own_route(site: InProcess) -> None:
    (answer,) = site.exchange([get("/own")])
    assert (answer.status, answer.body) == (200, OWN)


def test_our_routes_are_under_the_prefix_only(site: InProcess) -> None:
    (answer,) = site.exchange([get("/download/ten.txt")])
    assert answer.status == 404


ALIKE = [
    get("/files/download/ten.txt"),
    get("/files/download/ten.txt/"),
    get("/files/file/with%20space.txt/?download=1"),
    get("/files/download/missing"),
    get("/files/nothing"),
    get("/files/download/large/"),
    get("/files/files/download/ten.txt"),
    get("/files/file/ten.txt?download=bad"),
    get("/files/download/ten.txt", Range="bytes=0-1"),
    send("POST", "/files/download/ten.txt"),
    send("DELETE", "/files/nothing"),
    get("/filesx/download/ten.txt"),
    get("/Files/download/ten.txt"),
    get("/files/download/subdir%2Finner.txt"),
    get("/files/export/data"),
    get("/files/video/ten.mp4"),
    get("/own"),
]


@pytest.mark.parametrize("request_", ALIKE, ids=lambda request: f"{request.method} {request.target.decode()}")
def test_as_fastapi_mounted_at_the_same_place(
    site: InProcess, same_site_with_fastapi: InProcess, request_: Request
) -> None:
    (ours,), (theirs,) = site.exchange([request_]), same_site_with_fastapi.exchange([request_])
    assert _gist(ours) == _gist(theirs)


def _gist(answer: Answer) -> tuple[object, ...]:
    location = answer.get("location")
    path = None if location is None else "/" + location.removeprefix("http://").partition("/")[2]
    return answer.status, path, answer.get("content-type"), answer.get("content-disposition"), answer.body


@pytest.mark.parametrize("name", ["fastapi", "starlette"])
def test_the_parent_redirects_the_bare_prefix(name: str, data_dir: Path) -> None:
    with InProcess(HOSTS[name](Service().create(data_dir))) as site:
        bare, slash = site.exchange([get(PREFIX), get(PREFIX + "/")])
    assert (bare.status, bare.get("location")) == (307, f"http://testserver{PREFIX}/")
    assert slash.status == 404
