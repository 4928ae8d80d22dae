"""Serving by uvicorn: its configuration from ours, our socket, our line when it is ready."""

import math
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.server import listen
from app.server.limits import Limits
from app.settings import Settings

ASGIApp = Callable[..., Awaitable[None]]

Announce = Callable[[str], None]
"""Called once with the URL, as soon as connections are served."""


def application(settings: Settings) -> ASGIApp:
    """The service; imported here so that a port in use is told at once."""
    from app.application import create_app

    return create_app(settings)


def run(
    settings: Settings, announce: Announce | None = None, create: Callable[[Settings], ASGIApp] = application
) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit code; raises `StartError` when it cannot listen.

    `create` is called in every worker process, so it must be importable there.
    """
    try:
        with _sigterm_interrupts(), listen.listening(settings) as sock:
            config = Config(settings, partial(create, settings))
            ready = partial(announce or _announcer(settings), listen.url(sock))
            serve = _serve_in_workers if settings.workers > 1 else _serve_here
            return serve(config, sock, ready)
    except KeyboardInterrupt:
        return 0  # uvicorn, if it ran, has shut down and passed the signal on


class Config(uvicorn.Config):
    """uvicorn's configuration from ours; whole in itself, so that a worker process needs nothing besides."""

    def __init__(self, settings: Settings, factory: Callable[[], ASGIApp]) -> None:
        super().__init__(
            factory,
            factory=True,
            interface="asgi3",
            http="app.server.protocol:AutoZeroCopy",
            ws="none",
            lifespan="on",
            server_header=False,
            workers=settings.workers,
            backlog=listen.BACKLOG,
            root_path=settings.root_path,
            proxy_headers=bool(settings.forwarded_allow_ips),
            forwarded_allow_ips=settings.forwarded_allow_ips,
            log_level=settings.log_level,
            access_log=settings.access_log,
            timeout_graceful_shutdown=math.ceil(settings.graceful_timeout),
        )
        self.limits = Limits(stall_seconds=settings.stall_timeout)

    def load(self) -> None:
        """uvicorn's, and then the limits are laid upon the protocol class, which is made without arguments of ours."""
        super().load()
        self.http_protocol_class = type("Protocol", (self.http_protocol_class,), {"limits": self.limits})


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
