"""FastAPI as guides to it teach: FileResponse, generators, aiofiles, CSV row by row in OFFSET pages."""

import csv
import io
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import aiofiles
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse

DATA = Path(os.environ["BENCH_DATA"])
DATABASE_URL = os.environ.get("BENCH_DATABASE_URL", "")
STREAM_BLOCK = 1024 * 1024
VIDEO_BLOCK = 64 * 1024
PAGE = 1000

app = FastAPI()


def found(folder: str, name: str) -> Path:
    path = DATA / folder / name
    if not path.exists():
        raise HTTPException(status_code=404, detail="File not found")
    return path


@app.get("/download/{filename}")
async def download(filename: str) -> FileResponse:
    root = DATA / "downloads"
    if not (root / filename).resolve().is_relative_to(root.resolve()):
        raise HTTPException(status_code=400, detail="Invalid file path")
    return FileResponse(found("downloads", filename), filename=filename, media_type="application/octet-stream")


def blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(STREAM_BLOCK):
            yield block


@app.get("/download/large/{filename}")
async def download_large(filename: str) -> StreamingResponse:
    path = found("large-files", filename)
    headers = {
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Content-Length": str(path.stat().st_size),
    }
    return StreamingResponse(blocks(path), media_type="application/octet-stream", headers=headers)


async def async_blocks(path: Path) -> AsyncIterator[bytes]:
    async with aiofiles.open(path, "rb") as file:
        while block := await file.read(STREAM_BLOCK):
            yield block


@app.get("/download/async/{filename}")
async def download_async(filename: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(
        async_blocks(found("files", filename)), media_type="application/octet-stream", headers=headers
    )


def slice_of(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with open(path, "rb") as file:
        file.seek(start)
        while start < stop and (block := file.read(min(VIDEO_BLOCK, stop - start))):
            start += len(block)
            yield block


@app.get("/video/{filename}")
async def video(filename: str, request: Request) -> StreamingResponse:
    path = found("videos", filename)
    size = path.stat().st_size
    start, stop, status, headers = 0, size, 200, {"Accept-Ranges": "bytes"}
    asked = request.headers.get("range", "")
    if asked.startswith("bytes="):
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, stop, status = int(first), min(int(last) + 1 if last else size, size), 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    return StreamingResponse(slice_of(path, start, stop), status_code=status, media_type="video/mp4", headers=headers)


Row = Mapping[str, Any]


def read_page(offset: int, size: int) -> Sequence[Row]:
    connection = sqlite3.connect(DATA / "app.db")
    connection.row_factory = sqlite3.Row
    try:
        query = "SELECT id, name, email, created_at FROM users ORDER BY id LIMIT ? OFFSET ?"
        return [dict(row) for row in connection.execute(query, (size, offset))]
    finally:
        connection.close()


async def sqlite_page(offset: int, size: int) -> Sequence[Row]:
    return await run_in_threadpool(read_page, offset, size)


_pools: list[Any] = []


async def postgres_page(offset: int, size: int) -> Sequence[Row]:
    import asyncpg

    if not _pools:
        _pools.append(await asyncpg.create_pool(DATABASE_URL, min_size=1, max_size=4))
    query = "SELECT id, name, email, created_at FROM users ORDER BY id LIMIT $1 OFFSET $2"
    rows: list[Row] = await _pools[0].fetch(query, size, offset)
    return rows


async def users_csv(limit: int | None) -> AsyncIterator[str]:
    page_of = postgres_page if DATABASE_URL.startswith("postgresql") else sqlite_page
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["id", "name", "email", "created_at"])
    yield buffer.getvalue()
    buffer.seek(0)
    buffer.truncate(0)
    offset = 0
    while limit is None or offset < limit:
        rows = await page_of(offset, PAGE if limit is None else min(PAGE, limit - offset))
        if not rows:
            break
        for row in rows:
            writer.writerow([row["id"], row["name"], row["email"], row["created_at"]])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate(0)
        offset += len(rows)


@app.get("/export/users")
async def export_users(limit: int | None = None) -> StreamingResponse:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")  # noqa: DTZ005  # as the guides have it
    headers = {"Content-Disposition": f'attachment; filename="users-{stamp}.csv"'}
    return StreamingResponse(users_csv(limit), media_type="text/csv", headers=headers)
