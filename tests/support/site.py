"""A FastAPI site, for any server to load: mounts the service below the middlewares that the environment names."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware

from asgi_downloads.service.application import create_app
from asgi_downloads.service.settings import Settings

MIDDLEWARES = "SITE_MIDDLEWARES"
"""Names with commas between, the innermost first."""

DATA = "SITE_DATA"


def build() -> FastAPI:
    """The site, with the service at `/files`."""
    site = FastAPI()
    for name in filter(None, os.environ.get(MIDDLEWARES, "").split(",")):
        if name == "gzip":
            site.add_middleware(GZipMiddleware)
        elif name == "cors":
            site.add_middleware(CORSMiddleware, allow_origins=["*"])
        else:
            assert name == "http"

            @site.middleware("http")
            async def passing(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
                return await call(request)

    data = Path(os.environ[DATA])
    site.mount("/files", create_app(Settings(data_dir=data, state_dir=data / "state")))
    return site


site = build() if DATA in os.environ else None
