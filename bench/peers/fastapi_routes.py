"""FastAPI with our response class in its route: what `fastapi_guide` does with its own."""

import os
from pathlib import Path

from fastapi import FastAPI

from asgi_downloads.starlette import FileResponse

DOWNLOADS = Path(os.environ["BENCH_DATA"]) / "downloads"

app = FastAPI()


@app.get("/download/{filename}")
async def download(filename: str) -> FileResponse:
    return FileResponse(filename, within=DOWNLOADS, filename=filename, media_type="application/octet-stream")
