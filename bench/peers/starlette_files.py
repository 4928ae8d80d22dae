"""Starlette: FileResponse for stored files, StreamingResponse around zipstream-ng for bundles."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream  # type: ignore[import-untyped]

DATA = Path(os.environ["BENCH_DATA"])


async def download(request: Request) -> Response:
    name = request.path_params["filename"]
    root = (DATA / "downloads").resolve()
    path = root / name
    if not path.resolve().is_relative_to(root):
        raise HTTPException(400, "Invalid file path")
    if not path.exists():
        raise HTTPException(404, "File not found")
    return FileResponse(path, filename=name, media_type="application/octet-stream")


async def bundle(request: Request) -> Response:
    folder = DATA / "bundles" / request.path_params["bundle_id"]
    deflate = request.query_params.get("compression") == "deflate"
    if deflate:
        stream = ZipStream(compress_type=ZIP_DEFLATED, compress_level=6)
    else:
        stream = ZipStream(compress_type=ZIP_STORED, sized=True)
    for path in sorted(folder.iterdir()):
        stream.add_path(path, arcname=path.name)
    headers = {"Content-Disposition": f'attachment; filename="bundle-{folder.name}.zip"'}
    if not deflate:
        headers["Content-Length"] = str(len(stream))
    return StreamingResponse(stream, media_type="application/zip", headers=headers)


app = Starlette(
    routes=[Route("/download/{filename}", download), Route("/download/bundle/{bundle_id}", bundle)],
)
