"""The composition root: settings in, one ASGI application out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.asgi.guard import Guard
from app.asgi.lifespan import lifespan
from app.asgi.router import Router
from app.asgi.types import Receive, Scope, Send
from app.endpoints.delivery import Delivery
from app.endpoints.operations import Ready
from app.routes import table
from app.settings import Settings
from app.storage.digests import Digests


class Application:
    """The service as an ASGI 3 application: run it, or mount it in another."""

    eager = True
    """Our server may run a request at once, without a task, as nothing here needs one before it first waits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        delivery = Delivery(Digests(), settings.chunk_size, settings.etag == "portable", settings.accel_prefix)
        self._http = Guard(Router(table(settings.data_dir, delivery, Ready({}))))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await lifespan(self._resources, scope, receive, send)
        else:
            await send({"type": "websocket.close"})  # before `websocket.accept`, so the client sees a 403

    @asynccontextmanager
    async def _resources(self) -> AsyncGenerator[None]:
        yield


def create_app(settings: Settings | None = None) -> Application:
    """The application for these settings, or for those of the environment; raises `SettingsError`."""
    return Application(settings or Settings.embedded())


def __getattr__(name: str) -> Application:
    """`app`, made from the environment when somebody first asks for it, as `uvicorn app.main:app` does."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app = globals()["app"] = create_app()
    return app
