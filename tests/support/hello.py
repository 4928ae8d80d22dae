"""A stand-in for the service: the smallest application that a server can run. Importable in workers."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.service.settings import Settings, as_toml


def create(settings: Settings) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Answers `hello` to all; notes the end of its lifespan in `<data dir>/ended`."""

    async def hello(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(Path(str(settings.data_dir)), receive, send)
            return
        body = f"hello from {os.getpid()}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    return hello


def create_telling(settings: Settings) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Answers with the settings that it was made with, as TOML."""

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = "\n".join(as_toml(settings, {})).encode()
            length = (b"content-length", b"%d" % len(body))
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": body})
        else:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    return tell


def create_broken(settings: Settings) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Its lifespan fails at the start."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "it is broken"})

    return broken


async def _lifespan(directory: Path, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    (directory / "ended").touch()
    await send({"type": "lifespan.shutdown.complete"})
