"""What changes with the import: the table of README's "In your own routes", row by row, for both classes."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi import responses as theirs
from fastapi.middleware.gzip import GZipMiddleware

from asgi_downloads import starlette as ours
from tests.support.asgi import Recorder, http_scope

TEXT = b"a line of a log\n" * 20_000
Ask = Callable[..., httpx.Response]


@dataclass
class Site:
    """A site with one file, by one of the two classes."""

    response: Any
    path: Path
    gzips: bool = False
    name: str = "file.txt"

    def get(self, **fields: str) -> httpx.Response:
        site = FastAPI()
        if self.gzips:
            site.add_middleware(GZipMiddleware)

        @site.get("/file")
        async def file() -> Any:
            return self.response(self.path)

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(site, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
                headers = {name.replace("_", "-"): value for name, value in fields.items()}
                async with client.stream("GET", "/file", headers={"Accept-Encoding": "identity", **headers}) as answer:
                    raw = b"".join([block async for block in answer.aiter_raw()])
                return httpx.Response(answer.status_code, headers=answer.headers, extensions={"raw": raw})

        return asyncio.run(run())


@pytest.fixture(params=[theirs.FileResponse, ours.FileResponse], ids=["fastapi", "ours"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    path = tmp_path / "file.txt"
    path.write_bytes(TEXT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return Site(request.param, path)


def is_ours(site: Site) -> bool:
    return site.response is ours.FileResponse


def test_a_client_that_has_it_is_told_so(site: Site) -> None:
    tag, modified = (site.get().headers[name] for name in ("etag", "last-modified"))
    want = 304 if is_ours(site) else 200
    assert site.get(If_None_Match=tag).status_code == want
    assert site.get(If_Modified_Since=modified).status_code == want


def test_a_precondition_is_heard(site: Site) -> None:
    assert site.get(If_Match='"another"').status_code == (412 if is_ours(site) else 200)


def test_a_replaced_file_is_another(site: Site) -> None:
    before = site.get().headers["etag"]
    new = site.path.with_name("new")
    new.write_bytes(TEXT[::-1])
    os.utime(new, (1_700_000_000, 1_700_000_000))
    new.replace(site.path)
    assert (site.get().headers["etag"] != before) is is_ours(site)


def test_a_file_edited_in_place_while_it_is_sent(site: Site) -> None:
    content = b"old " * (2 << 20)
    site.path.write_bytes(content)
    edited = False

    def edit(event: Any) -> None:
        nonlocal edited
        if event["type"] == "http.response.body" and not edited:
            edited = True
            with site.path.open("r+b") as file:
                file.seek(len(content) // 2)
                file.write(b"new " * 1000)

    async def run() -> Recorder:
        recorder = Recorder(http_scope(), on_event=edit)
        await site.response(site.path)(recorder.scope, recorder.receive, recorder.send)
        return recorder

    answer = asyncio.run(run())
    assert edited
    assert answer.complete is not is_ours(site)
    if not is_ours(site):
        assert b"old new " in answer.content
        assert len(answer.content) == len(content)


def test_a_download_that_is_resumed_below_gzip(site: Site) -> None:
    site.gzips = True
    first = site.get(Accept_Encoding="gzip")
    got: bytes = first.extensions["raw"][:100]
    rest = site.get(Accept_Encoding="gzip", Range="bytes=100-", If_Range=first.headers["etag"])
    assert rest.status_code == 206
    assert (got + rest.extensions["raw"] == TEXT) is is_ours(site)


def test_uploaded_html_is_shown(site: Site) -> None:
    site.path = site.path.with_name("page.html")
    site.path.write_bytes(b"<script>alert(1)</script>")
    policy = site.get().headers.get("content-security-policy", "")
    assert ("sandbox" in policy) is is_ours(site)


def test_a_file_that_is_not_there(site: Site) -> None:
    site.path.unlink()
    assert site.get().status_code == (404 if is_ours(site) else 500)
