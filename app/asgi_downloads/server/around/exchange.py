"""What is known of a request and its answer besides what the connection counts, for who wants to know."""

import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.http.message import Headers
from asgi_downloads.server.http1.cycle import Cycle

EXCHANGE = "asgi_downloads.exchange"
"""The key in the scope under which it lies."""

LONGEST = 256
"""Characters of a path or a Range that are kept: with every one of them escaped a line of the log still fits a pipe."""

_SANE_ID = re.compile(rb"[0-9A-Za-z._~+/=-]{1,128}")
_TOTAL = re.compile(rb"bytes (?:[0-9]+-[0-9]+|\*)/([0-9]+)")


class Exchange:
    """`size` is that of the whole representation in bytes, None where the head does not say it."""

    __slots__ = ("offloaded", "range", "request_id", "size")

    def __init__(self, headers: Headers) -> None:
        self.offloaded = False
        self.size: int | None = None
        self.range: str | None = None
        self.request_id = ""
        for name, value in headers:
            if name == b"range":
                self.range = value[:LONGEST].decode("latin-1")
            elif name == b"x-request-id" and _SANE_ID.fullmatch(value):
                self.request_id = value.decode("ascii")
        if not self.request_id:
            self.request_id = f"{random.getrandbits(128):032x}"

    def note(self, status: int, headers: Headers) -> None:
        """The answer has a head."""
        for name, value in headers:
            if name == b"content-length" and status == 200:
                self.size = int(value)
            elif name == b"content-range" and (total := _TOTAL.fullmatch(value)):
                self.size = int(total[1])
            elif name == b"x-accel-redirect":
                self.offloaded = True
        if self.offloaded:
            self.size = None  # nginx knows, and its log says


class Observed:
    """An ASGI application around another: keeps an `Exchange` in the scope, and gives the answer its X-Request-ID.

    `begin` is called for each request.
    """

    def __init__(self, app: ASGIApp, begin: Callable[[], None] | None = None) -> None:
        self._app = app
        self._begin = begin
        self.eager = getattr(app, "eager", False)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        exchange = scope[EXCHANGE] = Exchange(scope["headers"])
        if self._begin is not None:
            self._begin()

        def observed(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers") or ())
                exchange.note(message["status"], headers)
                headers.append((b"x-request-id", exchange.request_id.encode("ascii")))
                message["headers"] = headers
            return send(message)

        return self._app(scope, receive, observed)


@dataclass(slots=True)
class Record:
    """What is known of an answer that has ended. Sizes are in bytes, times in seconds."""

    client: str | None
    status: int | None
    request_id: str | None = None
    method: str | None = None
    path: str | None = None
    bytes_sent: int = 0
    bytes_whole: int | None = None
    """Of the representation, as far as the head tells."""
    range: str | None = None
    duration: float = 0.0
    first_byte: float | None = None
    outcome: str = "complete"
    sent_by: str = "blocks"


def record(cycle: Cycle) -> Record:
    """An answer of the application."""
    scope = cycle.scope
    exchange: Exchange = scope[EXCHANGE]
    client, query, first = scope["client"], scope["query_string"], cycle.first_byte_at
    path = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
    return Record(
        client[0] if client else None,
        cycle.status or None,
        exchange.request_id,
        scope["method"],
        path[:LONGEST].decode("latin-1"),
        cycle.bytes_sent,
        exchange.size,
        exchange.range,
        monotonic() - cycle.arrived_at,
        None if first is None else first - cycle.arrived_at,
        cycle.outcome,
        sent_by(cycle),
    )


def refusal(status: int, client: tuple[str, int] | None) -> Record:
    """A head that was no request, and was answered with `status` before anybody saw it."""
    return Record(client[0] if client else None, status)


def sent_by(cycle: Cycle) -> str:
    """How the content went out: `zerocopy`, `blocks`, or `offload` where nginx sends it."""
    if cycle.scope[EXCHANGE].offloaded:
        return "offload"
    return "zerocopy" if cycle.zero_copy else "blocks"
