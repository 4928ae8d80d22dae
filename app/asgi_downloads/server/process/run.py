"""Serving by uvicorn: its configuration from ours, our socket, our line when it is ready."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from asgi_downloads.asgi.types import ASGIApp
from asgi_downloads.server.around.stack import Surroundings
from asgi_downloads.server.http1.connection import Connection
from asgi_downloads.server.http1.deadlines import Limits
from asgi_downloads.server.http1.server_wide import automatic_parser
from asgi_downloads.server.process import listen, streams
from asgi_downloads.server.process.notify import notify
from asgi_downloads.server.process.server import Server
from asgi_downloads.server.process.supervisor import Supervisor
from asgi_downloads.service.settings import Settings

Announce = Callable[[str], None]
"""Called once with the URL, as soon as connections are served."""


def application(settings: Settings) -> ASGIApp:
    """The service; imported here so that a port in use is told at once."""
    from asgi_downloads.service.application import create_app

    return create_app(settings)


def run(
    settings: Settings, announce: Announce | None = None, create: Callable[[Settings], ASGIApp] = application
) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit code; raises `StartError` when it cannot listen.

    `create` gives what is served, by default our service: any ASGI application, a whole site. It is called in every
    process that serves. `announce` is called with the URL when the first of them does, by default to print it.
    """
    streams.open_missing()
    try:
        with _sigterm_interrupts(), listen.listening(settings) as sock:
            config = Config(settings, partial(create, settings))
            ready = partial(_ready, settings, announce, listen.url(sock))
            if settings.workers > 1:
                return Supervisor(config, sock, ready, config.surroundings, settings.drain_delay).run()
            return _serve_here(config, sock, ready)
    except KeyboardInterrupt:
        return 0  # uvicorn, if it ran, has shut down and passed the signal on


class Config(uvicorn.Config):
    """uvicorn's configuration from ours; whole in itself, so that a process needs nothing besides."""

    def __init__(self, settings: Settings, factory: Callable[[], ASGIApp]) -> None:
        surroundings = Surroundings(settings)
        super().__init__(
            factory,
            factory=True,
            interface="asgi3",
            http=partial(  # type: ignore[arg-type]
                Connection,
                automatic_parser(),
                limits=Limits(stall_seconds=settings.stall_timeout),
                observer=surroundings.observer(),
            ),
            ws="none",
            lifespan="on",
            server_header=False,
            workers=settings.workers,
            backlog=listen.BACKLOG,
            root_path=settings.root_path,
            proxy_headers=False,  # ours is laid around the application below
            log_level=settings.log_level,
            access_log=False,  # uvicorn's line is written when an answer begins, and knows nothing of its end
            timeout_keep_alive=settings.keep_alive_timeout,  # type: ignore[arg-type]
            timeout_graceful_shutdown=settings.graceful_timeout,  # type: ignore[arg-type]
        )
        self.settings = settings
        self.surroundings = surroundings

    def load(self) -> None:
        """Load as uvicorn does, then lay around the application what the settings ask for."""
        super().load()
        self.loaded_app = self.surroundings.around(self.loaded_app)


def _ready(settings: Settings, announce: Announce | None, url: str) -> None:
    if announce is None:
        streams.tell(f"Serving {settings.data_dir} on {url}\n")
    else:
        announce(url)
    notify("READY=1")


def _serve_here(config: Config, sock: socket.socket, ready: Callable[[], None]) -> int:
    try:
        Server(config, ready, delay=config.settings.drain_delay).run(sockets=[sock])
        config.surroundings.close()
    except SystemExit as stop:  # the application could not start; uvicorn has logged why
        return stop.code if isinstance(stop.code, int) else STARTUP_FAILURE
    return 0


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does, before and after uvicorn's own handling: what is open is closed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
