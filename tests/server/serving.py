"""A connection of ours behind a real listening socket, on a loop in a thread, with raw clients."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, TypeVar

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.http1.connection import Connection
from asgi_downloads.server.http1.cycle import Cycle
from asgi_downloads.server.http1.deadlines import Limits
from asgi_downloads.server.http1.h11_parser import H11Parser
from asgi_downloads.server.http1.httptools_parser import HttpToolsParser
from asgi_downloads.server.http1.request_parser import RequestParser
from asgi_downloads.server.http1.server_wide import Shared

T = TypeVar("T")
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TIMEOUT = 10.0
"""Seconds after which a test that waits has failed."""


@dataclass(frozen=True)
class Setup:
    """A parser and an event loop."""

    id: str
    parser: type[RequestParser]
    new_loop: Callable[[], asyncio.AbstractEventLoop]


SETUPS = [
    Setup("httptools-uvloop", HttpToolsParser, uvloop.new_event_loop),
    Setup("httptools-asyncio", HttpToolsParser, asyncio.new_event_loop),
    Setup("h11-uvloop", H11Parser, uvloop.new_event_loop),
    Setup("h11-asyncio", H11Parser, asyncio.new_event_loop),
]


def _descriptors() -> set[str]:
    """Files and sockets that are open, by descriptor and name; not the pipes that libuv keeps for good."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if not target.startswith(("pipe:", "anon_inode:")) and "/proc" not in target:
                found.add(f"{name} {target}")
    return found


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Served:
    """An application that is being served on 127.0.0.1; leaves no task and no descriptor behind."""

    def __init__(self, setup: Setup, app: App, *, limits: Limits | None = None, **options: Any) -> None:
        self.state = ServerState()
        self.answered: list[Cycle] = []
        limits = limits or Limits(head_seconds=TIMEOUT, stall_seconds=TIMEOUT)
        options = {"log_config": None, "access_log": False, "lifespan": "off", "proxy_headers": False, **options}
        protocol: Any = partial(Connection, setup.parser, limits=limits, observer=self)
        self.config = uvicorn.Config(app, http=protocol, **options)
        self.config.load()
        self.setup = setup
        self._log = _Records()

    def __enter__(self) -> Self:
        self._descriptors = _descriptors()
        logging.getLogger("uvicorn.error").addHandler(self._log)
        logging.getLogger("uvicorn.error").setLevel(logging.INFO)
        ready: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        self.address = ready.result(TIMEOUT)
        return self

    def _run(self, ready: "Future[Any]") -> None:
        with asyncio.Runner(loop_factory=self.setup.new_loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: "Future[Any]") -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()

        def protocol() -> asyncio.Protocol:
            return self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.state, app_state={}, _loop=self.loop
            )

        if self.config.uds:
            server = await self.loop.create_unix_server(protocol, self.config.uds)
        else:
            server = await self.loop.create_server(protocol, "127.0.0.1", 0, ssl=self.config.ssl)
        ready.set_result(server.sockets[0].getsockname())
        await self._stop.wait()
        server.close()
        for item in list(self.state.connections):
            item.shutdown()
        async with asyncio.timeout(TIMEOUT):
            while self.state.connections or self.state.tasks:
                await asyncio.sleep(0.002)
        await server.wait_closed()

    def __exit__(self, *exc: object) -> None:
        self.call(self._stop.set)
        self._thread.join(2 * TIMEOUT)
        logging.getLogger("uvicorn.error").removeHandler(self._log)
        if exc[0] is None:
            assert not self._thread.is_alive(), "the server did not stop"
            assert not (left := _descriptors() - self._descriptors), f"left open: {left}"

    def finished(self, cycle: Cycle) -> None:
        """Observer of our connections."""
        self.answered.append(cycle)

    def refused(self, status: int, client: tuple[str, int] | None) -> None:
        """Observer of our connections."""

    @property
    def log(self) -> list[str]:
        """Lines that were logged, tracebacks included."""
        formatter = logging.Formatter()
        return [formatter.format(record) for record in self._log.records]

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the server's loop and give what it returns."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(function())
            except BaseException as exc:
                result.set_exception(exc)

        self.loop.call_soon_threadsafe(run)
        return result.result(TIMEOUT)

    def until(self, condition: Callable[[], bool], seconds: float = TIMEOUT) -> None:
        """Wait until `condition` holds on the server's loop; an error when it does not in time."""

        async def wait() -> None:
            async with asyncio.timeout(seconds):
                while not condition():
                    await asyncio.sleep(0.002)

        asyncio.run_coroutine_threadsafe(wait(), self.loop).result(seconds + 1)

    def shared(self) -> object:
        """What the connections of this server have in common."""
        return self.call(lambda: Shared.of(self.config))

    def drain(self) -> None:
        """Have all connections answer once more (on the server's loop)."""
        for item in self.state.connections:
            assert isinstance(item, Connection)
            item.drain()

    def waiting(self) -> bool:
        """Whether a client is being waited for (on the server's loop)."""
        return any(isinstance(item, Connection) and item.wire.pending() for item in self.state.connections)

    # -- clients

    def connect(self, *, receive_buffer: int | None = None, tls: ssl.SSLContext | None = None) -> "Client":
        """A raw client; the connection is closed with it."""
        sock = socket.socket(socket.AF_UNIX if self.config.uds else socket.AF_INET)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(TIMEOUT)
        sock.connect(self.address)
        return Client(tls.wrap_socket(sock) if tls else sock)

    def exchange(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send `data`, and give everything that comes until the server closes."""
        with self.connect() as client:
            client.send(data)
            if half_close:
                client.sock.shutdown(socket.SHUT_WR)
            return client.rest()

    def get(self, path: str = "/", *fields: str, method: str = "GET") -> "Response":
        """One request on a connection of its own."""
        with self.connect() as client:
            client.request(path, *fields, method=method)
            return client.response(method)


@dataclass
class Response:
    """A response as a client has read it; `complete` says whether its framing came to its end."""

    status: int
    fields: list[tuple[str, str]]
    content: bytes
    complete: bool = True
    version: str = "HTTP/1.1"
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = [name for name, _ in self.fields]

    def __getitem__(self, name: str) -> str:
        values = [value for key, value in self.fields if key == name]
        assert len(values) == 1, f"{name}: {values}"
        return values[0]


class Client:
    """A client that speaks bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def request(self, path: str = "/", *fields: str, method: str = "GET") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: test", *fields, "", ""]
        self.send("\r\n".join(lines).encode("latin-1"))

    def rest(self) -> bytes:
        """Everything until the server closes; a reset ends it too."""
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := self.file.read1(65536):
                parts.append(part)
        return b"".join(parts)

    def response(self, method: str = "GET") -> Response:
        """Read one response by its framing."""
        version, status, _ = self.file.readline().decode("latin-1").split(" ", 2)
        fields = []
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, value = line.decode("latin-1").rstrip("\r\n").split(": ", 1)
            fields.append((name, value))
        found = dict(fields)
        response = Response(int(status), fields, b"", version=version)
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if "transfer-encoding" in found:
            assert found["transfer-encoding"] == "chunked"
            assert "content-length" not in found
            self._chunks(response)
        elif "content-length" in found:
            response.content = self._read(int(found["content-length"]))
            response.complete = len(response.content) == int(found["content-length"])
        else:
            response.content = self.rest()
        return response

    def _read(self, count: int) -> bytes:
        try:
            return self.file.read(count)
        except ConnectionResetError:
            return b""

    def _chunks(self, response: Response) -> None:
        parts = []
        response.complete = False
        with contextlib.suppress(ConnectionResetError):
            while line := self.file.readline():
                size = int(line.removesuffix(b"\r\n"), 16)
                parts.append(self.file.read(size))
                if self.file.read(2) != b"\r\n":
                    break
                if not size:
                    response.complete = True
                    break
        response.content = b"".join(parts)


@pytest.fixture(params=SETUPS, ids=lambda setup: setup.id)
def setup(request: pytest.FixtureRequest) -> Setup:
    """Each parser on each loop."""
    value: Setup = request.param
    return value


@contextlib.contextmanager
def temporarily(target: object, name: str, value: object) -> Iterator[None]:
    """Replace an attribute for a while."""
    before = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        setattr(target, name, before)
