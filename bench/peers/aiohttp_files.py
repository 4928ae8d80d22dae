"""aiohttp: FileResponse, which sends by sendfile on asyncio's own loop. `python -m bench.peers.aiohttp_files PORT`."""

import os
import sys
from pathlib import Path

from aiohttp import web

DATA = Path(os.environ["BENCH_DATA"])


async def download(request: web.Request) -> web.StreamResponse:
    name = request.match_info["filename"]
    root = (DATA / "downloads").resolve()
    path = root / name
    if not path.resolve().is_relative_to(root):
        raise web.HTTPBadRequest(text="Invalid file path")
    if not path.exists():
        raise web.HTTPNotFound(text="File not found")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": "application/octet-stream"}
    return web.FileResponse(path, headers=headers)


def main() -> None:
    app = web.Application()
    app.router.add_get("/download/{filename}", download)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, backlog=2048)


if __name__ == "__main__":
    main()
