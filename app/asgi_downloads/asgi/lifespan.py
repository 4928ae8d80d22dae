"""Start and end of the application, as ASGI's lifespan protocol."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from asgi_downloads.asgi.types import Receive, Scope, Send

Resources = Callable[[], AbstractAsyncContextManager[None]]


async def run_lifespan(resources: Resources, scope: Scope, receive: Receive, send: Send) -> None:
    """Enter `resources()` at start-up, leave it at shutdown; a failure is told to the server, which exits."""
    await receive()
    stage = "startup"
    try:
        async with resources():
            await send({"type": "lifespan.startup.complete"})
            await receive()
            stage = "shutdown"
    except Exception as error:
        await send({"type": f"lifespan.{stage}.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})
