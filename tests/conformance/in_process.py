"""An application without a server: what goes in and out is ASGI's events."""

import asyncio
import os
import threading
from collections.abc import Sequence
from typing import Any, Final, Self
from urllib.parse import unquote

from asgiref.testing import ApplicationCommunicator

from asgi_downloads.asgi.extensions import SLICE, Slice
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.conformance.case import Request
from tests.conformance.client import TIMEOUT, Answer

TAKEN: Final = "taken"
"""In an event as it was received: its content went by a slice of a file."""


class Unavailable(Exception):
    """The target cannot be set up here: that is no verdict on any rule."""


def communicate(app: Any, scope: dict[str, Any]) -> Any:
    """asgiref's communicator, which has no types."""
    return ApplicationCommunicator(app, scope)  # type: ignore[no-untyped-call]


class InProcess:
    """An ASGI application called directly, by way of asgiref's communicator, on an event loop of its own.

    With `zerocopy`, slices of files are taken, as our server does; `root_path` is where it is mounted.
    """

    def __init__(self, app: Any, *, zerocopy: bool = False, root_path: str = "") -> None:
        self.name = "in-process-zerocopy" if zerocopy else "in-process"
        self._app = _taking_slices(app) if zerocopy else app
        self._zerocopy, self._root_path = zerocopy, root_path
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name=self.name)
        self._running = threading.Event()
        self._state: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._running.wait()
        try:
            self._run(self._startup())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._run(self._shutdown())
        finally:
            self._end()

    async def _main(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._running.set()
        await self._ended.wait()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)

    async def _startup(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.3"}, "state": self._state}
        self._lifespan = communicate(self._app, scope)
        await self._lifespan.send_input({"type": "lifespan.startup"})
        message = await self._lifespan.receive_output(TIMEOUT)
        if message["type"] != "lifespan.startup.complete":
            raise Unavailable(f"start-up failed: {message}")

    async def _shutdown(self) -> None:
        await self._lifespan.send_input({"type": "lifespan.shutdown"})
        await self._lifespan.receive_output(TIMEOUT)
        await self._lifespan.wait()

    def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        return [self._run(self._answer(request)) for request in requests]

    def messages(self, request: Request) -> list[dict[str, Any]]:
        """What the application sends to answer `request`, event by event."""
        found: list[dict[str, Any]] = self._run(self._messages(request))
        return found

    def hang_up(self, request: Request) -> None:
        """Send `request`, leave at once, and wait until the application has ended."""
        self._run(self._hang_up(request))

    async def _begin(self, request: Request) -> Any:
        communicator = communicate(self._app, self._scope(request))
        await communicator.send_input({"type": "http.request", "body": request.body, "more_body": False})
        return communicator

    async def _hang_up(self, request: Request) -> None:
        communicator = await self._begin(request)
        await communicator.send_input({"type": "http.disconnect"})
        await communicator.wait(TIMEOUT)

    async def _messages(self, request: Request) -> list[dict[str, Any]]:
        communicator = await self._begin(request)
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["type"] == "http.response.start" or messages[-1].get("more_body"):
            messages.append(await communicator.receive_output(TIMEOUT))
        await communicator.wait()
        return messages

    async def _answer(self, request: Request) -> Answer:
        try:
            start, *rest = await self._messages(request)
            body = b"".join([message.get("body", b"") for message in rest])
        except Exception as error:
            return Answer(0, faults=(f"raised {error!r}",))
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
        return _finish(request, start["status"], headers, body)

    def _scope(self, request: Request) -> dict[str, Any]:
        """The scope that uvicorn would make of `request`."""
        raw_path, _, query = request.target.partition(b"?")
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers]
        if not any(name == b"host" for name, _ in headers):
            headers.insert(0, (b"host", b"testserver"))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version,
            "method": request.method,
            "scheme": "http",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": self._root_path,
            "headers": headers,
            "client": ("127.0.0.1", 40000),
            "server": ("127.0.0.1", 80),
            "state": dict(self._state),
            "extensions": {SLICE: {"in_flight": 1 << 16}} if self._zerocopy else {},
        }


def _taking_slices(app: ASGIApp) -> ASGIApp:
    """The application under a server that takes slices of files."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        async def taking(message: Message) -> None:
            piece: Slice | None = message.get(SLICE)
            if piece is not None:
                piece.taken = True
                sent = os.pread(piece.descriptor, piece.count, piece.offset)
                if len(sent) != piece.count:
                    raise EOFError(f"the file has {len(sent)} of {piece.count} bytes")
                message = {"type": message["type"], "body": sent, "more_body": True, TAKEN: True}
            await send(message)

        await app(scope, receive, taking)

    return around


def _finish(request: Request, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> Answer:
    """The answer as a correct server would put it on the wire, with what is wrong about it."""
    faults = [f"field name {name!r} is not lower-case" for name, _ in headers if name != name.lower()]
    faults += [f"unprintable {name}" for name, value in headers if not (value.isascii() and value.isprintable())]
    lengths = [value for name, value in headers if name == "content-length"]
    if len(lengths) > 1:
        faults.append(f"Content-Length {lengths}")
    if request.method == "HEAD" or status in (204, 304):
        if body and status in (200, 204, 206, 304):
            faults.append("content that no client will see")
        body = b""
    elif lengths and int(lengths[0]) != len(body):
        faults.append(f"Content-Length {lengths[0]}, content of {len(body)} bytes")
    return Answer(status, headers, body, "asgi", faults=tuple(faults))
