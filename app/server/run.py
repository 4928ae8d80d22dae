"""Serving by uvicorn: its configuration from ours, our socket, our line when it is ready."""

import math
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.asgi.types import ASGIApp
from app.server import listen
from app.settings import Settings

Announce = Callable[[str], None]
"""Called once with the URL, as soon as connections are served."""

PROTOCOL = "app.server.protocol"


def application(settings: Settings) -> ASGIApp:
    """The service; imported here so that a port in use is told at once."""
    from app.main import create_app

    return create_app(settings)


def run(
    settings: Settings, announce: Announce | None = None, create: Callable[[Settings], ASGIApp] = application
) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit code; raises `StartError` when it cannot listen.

    `create` is called in every worker process, so it must be importable there.
    """
    try:
        with _sigterm_interrupts(), listen.listening(settings) as sock:
            config = configure(settings, partial(create, settings))
            ready = partial(announce or _announcer(settings), listen.url(sock))
            serve = _serve_in_workers if settings.workers > 1 else _serve_here
            return serve(config, sock, ready)
    except KeyboardInterrupt:
        return 0  # uvicorn, if it ran, has shut down and passed the signal on


def configure(settings: Settings, factory: Callable[[], ASGIApp]) -> uvicorn.Config:
    """uvicorn's configuration; whole in itself, so that a worker process needs nothing besides."""
    ours = find_spec(PROTOCOL) is not None
    return uvicorn.Config(
        factory,
        factory=True,
        interface="asgi3",
        http=f"{PROTOCOL}:AutoProtocol" if ours else "auto",
        ws="none",
        lifespan="on",
        date_header=not ours,
        server_header=not ours,
        workers=settings.workers,
        backlog=listen.BACKLOG,
        root_path=settings.root_path,
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        log_level=settings.log_level,
        access_log=settings.access_log,
        timeout_graceful_shutdown=math.ceil(settings.graceful_timeout),
    )


def _announcer(settings: Settings) -> Announce:
    return lambda url: print(f"Serving {settings.data_dir} on {url}", flush=True)


class _Server(uvicorn.Server):
    """Says when it is ready; uvicorn itself is silent when it is handed a socket."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _serve_here(config: uvicorn.Config, sock: socket.socket, ready: Callable[[], None]) -> int:
    try:
        _Server(config, ready).run(sockets=[sock])
    except SystemExit as stop:  # the application could not start; uvicorn has logged why
        return stop.code if isinstance(stop.code, int) else STARTUP_FAILURE
    return 0


def _serve_in_workers(config: uvicorn.Config, sock: socket.socket, ready: Callable[[], None]) -> int:
    workers = Multiprocess(config, sockets=[sock])
    ready()  # the socket listens, so what connects now is served when a worker has started
    workers.run()
    failed = any(worker.process.exitcode == STARTUP_FAILURE for worker in workers.processes)
    return STARTUP_FAILURE if failed else 0


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
