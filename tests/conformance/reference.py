"""FastAPI beside us: the eleven endpoints, written carefully. What it answers is what `fastapi` cases demand.

`reference_app` is this for servers.
"""

import csv
import io
import mimetypes
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal
from urllib.parse import quote

import aiofiles
from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BeforeValidator
from starlette.background import BackgroundTask

BLOCK = 1 << 20
BATCH = 1000

PREVIEW_TYPES = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".txt": "text/plain",
}


Column = Literal["id", "name", "email", "created_at"]
COLUMNS: tuple[Column, ...] = ("id", "name", "email", "created_at")


def split_last(values: Any) -> Any:
    """The words of the last of several values; a default is left as it is."""
    return values[-1].split(",") if isinstance(values, list) else values


def locate(root: Path, name: str, missing: str) -> Path:
    """The regular file `name` in `root`; 400 if it lies elsewhere, 404 with detail `missing` if there is none."""
    try:
        resolved = (root / name).resolve()
        if not resolved.is_relative_to(root.resolve()):
            raise HTTPException(400, "Invalid file path")
        if not resolved.is_file():
            raise HTTPException(404, missing)
    except (ValueError, RuntimeError):  # a NUL in the name; links in a loop
        raise HTTPException(400, "Invalid file path") from None
    except OSError:  # a name longer than the file system allows
        raise HTTPException(404, missing) from None
    return root / name


def disposition(kind: Literal["attachment", "inline"], name: str) -> str:
    """Content-Disposition the way FileResponse writes it."""
    quoted = quote(name, safe="")
    return f'{kind}; filename="{name}"' if quoted == name else f"{kind}; filename*=utf-8''{quoted}"


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block


class _Drain(io.RawIOBase):
    """A sink that `zipfile` cannot seek in; what was written is taken out again by `take`."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


def zipped(members: list[Path]) -> Iterator[bytes]:
    drain = _Drain()
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in members:
            with (
                path.open("rb") as source,
                archive.open(zipfile.ZipInfo.from_file(path, path.name, strict_timestamps=False), "w") as sink,
            ):
                while block := source.read(BLOCK):
                    sink.write(block)
                    if data := drain.take():
                        yield data
    yield drain.take()


def user_rows(database: Path) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["id", "name", "email", "created_at"])
    connection = sqlite3.connect(database, check_same_thread=False)
    try:
        cursor = connection.execute("SELECT id, name, email, created_at FROM users ORDER BY id")
        while rows := cursor.fetchmany(BATCH):
            writer.writerows(rows)
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    finally:
        connection.close()
    yield buffer.getvalue()


def create_app(data_dir: Path) -> FastAPI:
    """The eleven endpoints over the directory `data_dir`."""
    mimetypes.knownfiles = []  # Python's own table, whatever the machine's mime.types say (row E2)
    mimetypes.init()
    app = FastAPI(title="The reference")
    downloads, large_files, files = data_dir / "downloads", data_dir / "large-files", data_dir / "files"
    reports, videos, bundles = data_dir / "reports", data_dir / "videos", data_dir / "bundles"

    @app.get("/download/{filename}")
    def download(filename: str) -> FileResponse:
        path = locate(downloads, filename, "File not found")
        return FileResponse(path, filename=filename, media_type="application/octet-stream")

    @app.get("/download/large/{filename}")
    def download_large(filename: str) -> StreamingResponse:
        file = locate(large_files, filename, "File not found").open("rb")
        return StreamingResponse(
            blocks(file),
            media_type="application/octet-stream",
            headers={
                "Content-Disposition": disposition("attachment", filename),
                "Content-Length": str(os.fstat(file.fileno()).st_size),
            },
        )

    @app.get("/download/async/{filename}")
    def download_async(filename: str) -> StreamingResponse:
        path = locate(files, filename, "File not found")

        async def read() -> AsyncIterator[bytes]:
            async with aiofiles.open(path, "rb") as file:
                while block := await file.read(BLOCK):
                    yield block

        return StreamingResponse(
            read(),
            media_type="application/octet-stream",
            headers={"Content-Disposition": disposition("attachment", filename)},
        )

    @app.get("/download/bundle/{bundle_id}")
    def download_bundle(
        bundle_id: str, compression: Literal["store", "deflate", "auto"] = "store", recursive: bool = False
    ) -> StreamingResponse:
        directory = bundles / bundle_id
        try:
            root = directory.resolve()
            if not root.is_relative_to(bundles.resolve()):
                raise HTTPException(400, "Invalid file path")
            if root == bundles.resolve() or not root.is_dir():
                raise HTTPException(404, "Bundle not found")
            entries = sorted(directory.iterdir())
        except (ValueError, RuntimeError):
            raise HTTPException(400, "Invalid file path") from None
        except OSError:
            raise HTTPException(404, "Bundle not found") from None
        members = [path for path in entries if path.resolve().is_relative_to(root) and path.is_file()]
        if not members:
            raise HTTPException(404, "No files in bundle")
        return StreamingResponse(
            zipped(members),
            media_type="application/zip",
            headers={"Content-Disposition": disposition("attachment", f"bundle-{bundle_id}.zip")},
        )

    @app.get("/reports/{report_id}")
    def report(report_id: str) -> FileResponse:
        path = locate(reports, f"{report_id}.pdf", "Report not found")
        return FileResponse(
            path,
            filename=f"report-{report_id}.pdf",
            media_type="application/pdf",
            headers={"Cache-Control": "private, max-age=3600", "X-Report-ID": report_id},
        )

    @app.get("/reports/generate/{report_id}")
    def generate_report(report_id: str) -> FileResponse:
        text = f"Report {report_id} generated at {datetime.now(UTC).isoformat()}".encode("utf-8", "replace")
        with tempfile.NamedTemporaryFile(suffix=".pdf", delete=False) as file:
            file.write(text)
        return FileResponse(
            file.name,
            filename=f"report-{report_id}.pdf",
            media_type="application/pdf",
            background=BackgroundTask(os.unlink, file.name),
        )

    @app.get("/export/users")
    def export_users(
        format: Literal["csv", "jsonl"] = "csv",  # noqa: A002 - the parameter's name
        delimiter: Literal["comma", "semicolon", "tab"] = "comma",
        excel: bool = False,
        columns: Annotated[tuple[Column, ...], Query(), BeforeValidator(split_last)] = COLUMNS,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    ) -> StreamingResponse:
        # The parameters are validated and no more: what they select is for cases that say so in full.
        name = f"users-{datetime.now(UTC):%Y%m%d-%H%M%S}.csv"
        return StreamingResponse(
            user_rows(data_dir / "app.db"),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @app.get("/export/data")
    def export_data() -> Response:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - `blocks` closes it
        file.write(b"id,name,value\n")
        file.writelines(b"%d,item-%d,%d\n" % (i, i, i * 100) for i in range(10_000))
        file.seek(0)
        return StreamingResponse(
            blocks(file),
            media_type="text/csv",
            headers={"Content-Disposition": disposition("attachment", "export.csv")},
        )

    @app.get("/file/{filename}")
    def inline_or_attached(filename: str, download: Annotated[bool, Query()] = False) -> FileResponse:
        path = locate(files, filename, "File not found")
        return FileResponse(path, filename=filename, content_disposition_type="attachment" if download else "inline")

    @app.get("/preview/{filename}")
    def preview(filename: str) -> FileResponse:
        path = locate(files, filename, "File not found")
        media_type = PREVIEW_TYPES.get(Path(filename).suffix.lower(), "application/octet-stream")
        return FileResponse(path, filename=filename, media_type=media_type, content_disposition_type="inline")

    @app.get("/video/{filename}")
    def video(filename: str) -> FileResponse:
        return FileResponse(locate(videos, filename, "Video not found"), media_type="video/mp4")

    return app
