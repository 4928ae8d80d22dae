"""A site as people have one: FastAPI, checks of its own by `Depends`, SQLAlchemy, middlewares; and our classes.

    SITE_ROOT=/srv/site uvicorn tests.support.own_site:site

`python -m tests.support.own_site` serves it by our launcher.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import create_async_engine

from asgi_downloads import Settings, run
from asgi_downloads.starlette import (
    CSVResponse,
    FileResponse,
    Files,
    JSONLinesResponse,
    SpooledResponse,
    ZipResponse,
    openapi,
)

ROOT = Path(os.environ.get("SITE_ROOT", "."))
PEOPLE = 5000
FILES = ("invoice.pdf", "film.mp4", "notes.txt")
BOTH = ["GET", "HEAD"]

engine = create_async_engine(f"sqlite+aiosqlite:///{ROOT}/people.db")


def current_user(authorization: Annotated[str, Header()] = "") -> str:
    """Who asks; 401 for nobody."""
    if authorization != "Bearer ada":
        raise HTTPException(401, "Who are you?", {"WWW-Authenticate": "Bearer"})
    return "ada"


User = Annotated[str, Depends(current_user)]


async def people() -> AsyncIterator[Row[Any]]:
    """All of them, as the database gives them."""
    async with engine.connect() as connection:
        async for row in await connection.stream(text("SELECT id, name FROM people ORDER BY id")):
            yield row


async def people_that_break() -> AsyncIterator[Row[Any]]:
    """As many as fit into some blocks, and then a fault."""
    async for row in people():
        yield row
        if row.id == PEOPLE - 1:
            raise RuntimeError("the database has gone")


def chart(user: str) -> Iterator[bytes]:
    """Something that takes time to make."""
    for number in range(2000):
        yield f"{user} {number:07}\n".encode() * 100


site = FastAPI()
site.add_middleware(GZipMiddleware)


@site.middleware("http")
async def passing(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """What sites have for logs, timings and headers."""
    answer = await call(request)
    answer.headers["X-Site"] = "own"
    return answer


@site.api_route("/invoices/{name}", methods=BOTH, response_class=FileResponse, include_in_schema=False)
async def invoice(name: str, user: User) -> FileResponse:
    return FileResponse(name, within=ROOT / "files", filename=f"{user}-{name}")


@site.get("/all.zip", response_class=ZipResponse, responses=openapi("application/zip"))
async def everything(user: User) -> ZipResponse:
    members = {f"for {user}/{name}": ROOT / "files" / name for name in FILES}
    return ZipResponse({**members, "folder": ROOT / "files"}, filename="all.zip")


@site.get("/people.csv", response_class=CSVResponse, responses=openapi("text/csv", ranges=False))
async def people_csv(user: User, excel: bool = False) -> CSVResponse:
    return CSVResponse(people(), filename="people.csv", excel=excel)


@site.get("/people.jsonl", response_class=JSONLinesResponse)
async def people_lines(user: User) -> JSONLinesResponse:
    return JSONLinesResponse(people(), columns=["name", "id"])


@site.get("/broken.csv")
async def broken_csv(user: User) -> CSVResponse:
    return CSVResponse(people_that_break())


@site.get("/chart.txt", response_class=SpooledResponse, responses=openapi("text/plain"))
def chart_of(user: User) -> SpooledResponse:
    return SpooledResponse(chart(user), filename="chart.txt")


site.mount("/public", Files(ROOT / "files", show="inline", bundle=True))


if __name__ == "__main__":
    run(Settings(port=0, log_level="warning"), create=lambda settings: site)
