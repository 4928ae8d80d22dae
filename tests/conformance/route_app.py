"""The URLs of stored files as routes of a FastAPI site that returns `asgi_downloads.starlette.FileResponse`."""

import os
from pathlib import Path
from typing import Literal

from fastapi import FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from starlette.responses import Response

from asgi_downloads.http.disposition import header_value
from asgi_downloads.http.media_types import for_preview
from asgi_downloads.starlette import FileResponse

OCTET_STREAM = "application/octet-stream"
MISSING = {"reports": "Report not found", "video": "Video not found"}


def create_app(data_dir: Path) -> FastAPI:
    """The site over the directory `data_dir`."""
    site = FastAPI()

    @site.exception_handler(404)
    async def missing(request: Request, error: HTTPException) -> Response:
        if "endpoint" in request.scope:
            detail = MISSING.get(request.url.path.split("/")[1], "File not found")
            error = HTTPException(404, detail, error.headers)
        return await http_exception_handler(request, error)

    def shown(directory: str, name: str, kind: Literal["attachment", "inline"], media_type: str | None) -> FileResponse:
        place = data_dir / directory
        return FileResponse(name, 200, None, media_type, None, name, None, kind, within=place)

    @site.api_route("/download/{name}", methods=["GET", "HEAD"])
    async def download(name: str) -> FileResponse:
        return shown("downloads", name, "attachment", OCTET_STREAM)

    @site.api_route("/download/large/{name}", methods=["GET", "HEAD"])
    async def download_large(name: str) -> FileResponse:
        return shown("large-files", name, "attachment", OCTET_STREAM)

    @site.api_route("/download/async/{name}", methods=["GET", "HEAD"])
    async def download_async(name: str) -> FileResponse:
        return shown("files", name, "attachment", OCTET_STREAM)

    @site.api_route("/file/{name}", methods=["GET", "HEAD"])
    async def file(name: str, download: bool = False) -> FileResponse:
        return shown("files", name, "attachment" if download else "inline", None)

    @site.api_route("/preview/{name}", methods=["GET", "HEAD"])
    async def preview(name: str) -> FileResponse:
        return shown("files", name, "inline", for_preview(name).decode())

    @site.api_route("/video/{name}", methods=["GET", "HEAD"])
    async def video(name: str) -> FileResponse:
        return FileResponse(name, media_type="video/mp4", within=data_dir / "videos")

    @site.api_route("/reports/{report_id}", methods=["GET", "HEAD"])
    async def report(report_id: str) -> FileResponse:
        return FileResponse(
            f"{report_id}.pdf",
            headers={"Cache-Control": "private, max-age=3600", "X-Report-ID": header_value(report_id).decode()},
            media_type="application/pdf",
            filename=f"report-{report_id}.pdf",
            within=data_dir / "reports",
        )

    return site


app = create_app(Path(os.environ["DOWNLOADS_DATA_DIR"])) if "DOWNLOADS_DATA_DIR" in os.environ else None
