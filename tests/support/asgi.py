"""A server in a few lines: runs an ASGI application and records what it sends."""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from asgi_downloads.asgi.errors import BrokenTransfer
from asgi_downloads.asgi.extensions import BROKEN, SLICE, Slice
from asgi_downloads.asgi.types import ASGIApp, Message, Scope


def http_scope(
    target: str = "/",
    method: str = "GET",
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    extensions: Iterable[str] = (),
    in_flight: int | None = None,
    spec_version: str = "2.4",
    root_path: str = "",
    literal: bool = False,
) -> Scope:
    """A scope as uvicorn makes it; `target` is the decoded path and, unless `literal`, the query behind `?`.

    With `in_flight` it is one of our server, which takes slices of files.
    """
    path, query = target, ""
    if not literal:
        path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": root_path,
        "headers": list(headers),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "extensions": {
            **{name: {} for name in extensions},
            **({} if in_flight is None else {SLICE: {"in_flight": in_flight}}),
        },
    }


@dataclass
class Recorder:
    """One exchange. `hang_up_after` events the client leaves: `receive` says so, and from ASGI 2.4 on `send` raises.

    `takes_slices` is False for what stands between and drops what it does not know.
    """

    scope: Scope
    hang_up_after: int | None = None
    on_event: Callable[[Message], None] = lambda event: None
    takes_slices: bool = True
    broken: bool = False
    """Whether the answer was broken off."""
    events: list[Message] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._gone = asyncio.Event()
        self._asked = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Message) -> None:
        if self.hang_up_after is not None and len(self.events) >= self.hang_up_after:
            self._gone.set()
            if self.scope["asgi"]["spec_version"] >= "2.4":
                raise OSError("client disconnected")
            return
        if event["type"] == BROKEN:
            self.broken = True
        if self.broken:
            raise OSError("broken off")
        self.events.append(event)
        if event["type"] == "http.response.body":
            self.content += event.get("body", b"")
        if SLICE in event and self.takes_slices:
            piece: Slice = event[SLICE]
            piece.taken = True
            content = os.pread(piece.descriptor, piece.count, piece.offset)
            if piece.check is not None:
                try:
                    piece.check()
                except Exception as error:
                    raise BrokenTransfer(str(error)) from error
            self.content += content
        self.on_event(event)

    @property
    def status(self) -> int:
        return int(self.events[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The field lines of the answer, which must each be there once."""
        pairs = list(self.events[0]["headers"])
        fields = dict(pairs)
        assert len(fields) == len(pairs), pairs
        return fields

    @property
    def complete(self) -> bool:
        return bool(self.events) and not self.events[-1].get("more_body", self.events[-1]["type"].endswith("start"))


def exchange(app: ASGIApp, target: str = "/", method: str = "GET", **scope: Any) -> Recorder:
    """Run one request to its end on a loop of its own."""

    async def run() -> Recorder:
        recorder = Recorder(http_scope(target, method, **scope))
        await app(recorder.scope, recorder.receive, recorder.send)
        return recorder

    return asyncio.run(run())
