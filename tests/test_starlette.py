"""The response classes in routes of FastAPI and Starlette: what is returned, raised, set and described there."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Mount, Route

from asgi_downloads.starlette import (
    CSVResponse,
    FileResponse,
    Files,
    JSONLinesResponse,
    SpooledResponse,
    ZipResponse,
    openapi,
)

ran: list[str] = []


class Client:
    """Asks a site in this process, one request at a time."""

    def __init__(self, site: Starlette) -> None:
        self.site = site

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(self.site, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
                return await client.request(method, path, **more)

        return asyncio.run(run())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)


def note(word: str) -> None:
    ran.append(word)


def user(authorization: str = Header("")) -> str:
    if authorization != "Bearer good":
        raise HTTPException(401, "Who are you?")
    return "ada"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("below")
    ran.clear()
    return tmp_path


@pytest.fixture
def client(root: Path) -> Client:
    site = FastAPI()

    @site.exception_handler(404)
    @site.exception_handler(400)
    @site.exception_handler(412)
    @site.exception_handler(416)
    async def ours(request: Request, error: Any) -> Response:
        return PlainTextResponse(f"the site says {error.status_code}", error.status_code, error.headers)

    @site.api_route(
        "/file/{name:path}",
        methods=["GET", "HEAD", "POST"],
        include_in_schema=False,  # FastAPI would warn of three operations with one id
    )
    async def file(name: str, tasks: BackgroundTasks, who: str = Depends(user)) -> FileResponse:
        tasks.add_task(note, f"{who} had {name}")
        answer = FileResponse(name, within=root, filename=f"for-{who}.txt")
        answer.headers["X-Site"] = "ours"
        answer.headers["Cache-Control"] = "private"
        answer.set_cookie("seen", "yes")
        return answer

    @site.get("/path", response_class=FileResponse)
    async def path() -> str:
        return str(root / "a.txt")

    @site.get("/task")
    def task() -> FileResponse:
        return FileResponse(root / "a.txt", background=BackgroundTask(note, "own"))

    @site.get("/zip/{name}", response_class=ZipResponse)
    async def archive(name: str) -> ZipResponse:
        return ZipResponse({"a": root / name, "s": root / "sub"}, filename="all.zip")

    @site.get("/csv")
    async def table() -> CSVResponse:
        async def rows() -> AsyncIterator[dict[str, Any]]:
            yield {"id": 1, "name": "Ada"}

        return CSVResponse(rows())

    @site.get("/lines")
    def lines() -> JSONLinesResponse:
        return JSONLinesResponse([[1, "Ada"]], columns=["id", "name"])

    @site.get("/made", response_class=SpooledResponse, responses=openapi("image/png"))
    def made() -> SpooledResponse:
        return SpooledResponse((b"made" for _ in range(2)), filename="a.png")

    @site.get("/fails")
    def fails() -> CSVResponse:
        return CSVResponse(1 // 0 for _ in range(2))

    site.mount("/files", Files(root, bundle=True))
    return Client(site)


GOOD = {"Authorization": "Bearer good"}


def test_a_file_after_the_sites_own_checks(client: Client) -> None:
    assert client.get("/file/a.txt").status_code == 401
    found = client.get("/file/a.txt", headers=GOOD)
    assert (found.status_code, found.text) == (200, "hello")
    assert found.headers["content-disposition"] == 'attachment; filename="for-ada.txt"'
    assert found.headers["x-site"] == "ours"
    assert found.headers["cache-control"] == "private"
    assert found.cookies["seen"] == "yes"
    assert found.headers["content-length"] == "5"
    assert ran == ["ada had a.txt"]


def test_it_resumes_and_is_asked_about(client: Client) -> None:
    tag = client.get("/file/a.txt", headers=GOOD).headers["etag"]
    part = client.get("/file/a.txt", headers={**GOOD, "Range": "bytes=1-", "If-Range": tag})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "ello", "bytes 1-4/5")
    assert part.headers["x-site"] == "ours"
    assert client.get("/file/a.txt", headers={**GOOD, "If-None-Match": tag}).status_code == 304
    head = client.request("HEAD", "/file/a.txt", headers=GOOD)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "5", b"")
    assert client.request("POST", "/file/a.txt", headers={**GOOD, "Range": "bytes=1-"}).text == "hello"


ERRORS = [
    ("/file/none", {}, 404),
    ("/file/%2e%2e/x", {}, 400),
    ("/file/sub", {}, 404),
    ("/file/a.txt", {"If-Match": '"other"'}, 412),
    ("/file/a.txt", {"Range": "bytes=9-"}, 416),
    ("/file/a.txt", {"Range": "bytes=x"}, 400),
    ("/zip/none", {}, 404),
    ("/zip/a.txt", {"If-Match": '"other"'}, 412),
    ("/zip/a.txt", {"Range": "bytes=99999-"}, 416),
    ("/made", {"Range": "bytes=9-"}, 416),
    ("/files/none", {}, 404),
    ("/files/a.txt", {"Range": "bytes=9-"}, 416),
]


@pytest.mark.parametrize(("path", "fields", "status"), ERRORS, ids=repr)
def test_errors_go_through_the_sites_handlers(path: str, fields: dict[str, str], status: int, client: Client) -> None:
    found = client.get(path, headers={**GOOD, **fields})
    assert (found.status_code, found.text) == (status, f"the site says {status}")
    assert ("content-range" in found.headers) == (status == 416)
    assert ran == []


def test_a_fault_of_the_producer_is_the_sites_own(client: Client) -> None:
    assert client.get("/fails").status_code == 500


def test_a_path_is_enough_where_the_class_is_that_of_the_route(client: Client) -> None:
    found = client.get("/path")
    assert (found.text, found.headers["content-type"]) == ("hello", "text/plain; charset=utf-8")
    assert "content-disposition" not in found.headers
    assert found.headers["etag"]


def test_starlettes_own_tasks_run_after_the_answer(client: Client) -> None:
    assert client.get("/task").text == "hello"
    assert ran == ["own"]


def test_archives_rows_and_made_content(client: Client) -> None:
    with zipfile.ZipFile(io.BytesIO(client.get("/zip/a.txt").content)) as archive:
        assert archive.namelist() == ["a", "s/b.txt"]
    assert client.get("/csv").text == "id,name\r\n1,Ada\r\n"
    assert client.get("/lines").text == '{"id":1,"name":"Ada"}\n'
    made = client.get("/made")
    assert (made.content, made.headers["content-type"]) == (b"mademade", "image/png")
    assert client.get("/files/sub/b.txt").text == "below"
    with zipfile.ZipFile(io.BytesIO(client.get("/files/sub/?zip").content)) as archive:
        assert archive.namelist() == ["b.txt"]


def test_content_is_described_as_bytes(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    binary = {"schema": {"type": "string", "format": "binary"}}
    answers = paths["/made"]["get"]["responses"]
    assert answers["200"]["content"] == answers["206"]["content"] == {"image/png": binary}
    assert {"304", "404", "412", "416"} <= set(answers)
    assert set(openapi("text/csv", ranges=False)) == {200, 404}


def test_they_are_starlettes_responses() -> None:
    for kind in (CSVResponse, FileResponse, JSONLinesResponse, SpooledResponse, ZipResponse):
        assert issubclass(kind, Response)


def test_plain_starlette_takes_them_too(root: Path) -> None:
    async def file(request: Request) -> Response:
        return FileResponse(request.path_params["name"], within=root)

    site = Starlette(
        routes=[Route("/file/{name}", file), Mount("/files", Files(root))],
        exception_handlers={404: lambda request, error: JSONResponse({"ours": True}, 404)},
    )
    client = Client(site)
    assert client.get("/file/a.txt").text == "hello"
    assert client.get("/file/none").json() == {"ours": True}
    assert client.get("/files/none").json() == {"ours": True}
