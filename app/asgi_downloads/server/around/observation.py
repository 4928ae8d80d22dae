"""What is known of a request and its answer besides what the connection counts, for the log and the metrics."""

import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import quote

from asgi_downloads.asgi.exchange import loggable
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.http.message import Headers
from asgi_downloads.server.http1.cycle import Cycle

OBSERVATION = "asgi_downloads.observation"
"""The key in the scope under which it lies."""

LONGEST = 256
"""Characters of a path or a Range that are kept: with every one of them escaped a line of the log still fits a pipe."""

_SANE_ID = re.compile(rb"[0-9A-Za-z._~+/=-]{1,128}")
_TOTAL = re.compile(rb"bytes (?:[0-9]+-[0-9]+|\*)/([0-9]+)")


class Observation:
    """Facts of one request and its answer. `size` is that of the whole representation, None where the head hides it."""

    __slots__ = ("offloaded", "range", "request_id", "size")

    def __init__(self, headers: Headers) -> None:
        fields = dict(headers)
        sent, asked = fields.get(b"x-request-id"), fields.get(b"range")
        is_sane = sent is not None and _SANE_ID.fullmatch(sent)
        self.request_id = sent.decode("ascii") if sent and is_sane else f"{random.getrandbits(128):032x}"
        self.range = None if asked is None else asked[:LONGEST].decode("latin-1")
        self.offloaded = False
        self.size: int | None = None

    def note(self, status: int, headers: Headers) -> None:
        """The answer has a head."""
        fields = dict(headers)
        if b"x-accel-redirect" in fields:
            self.offloaded = True  # nginx knows the size, and its log says
        elif status == 200:
            self.size = int(fields[b"content-length"]) if b"content-length" in fields else None
        elif total := _TOTAL.fullmatch(fields.get(b"content-range", b"")):
            self.size = int(total[1])


class Observed:
    """ASGI application around another: keeps an `Observation` in the scope, and gives the answer its X-Request-ID.

    `begin` is called for each request.
    """

    def __init__(self, app: ASGIApp, begin: Callable[[], None] | None = None) -> None:
        self._app = app
        self._begin = begin

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        observation = scope[OBSERVATION] = Observation(scope["headers"])
        if self._begin is not None:
            self._begin()

        def observed(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers") or ())
                observation.note(message["status"], headers)
                headers.append((b"x-request-id", observation.request_id.encode("ascii")))
                message["headers"] = headers
            return send(message)

        return self._app(scope, receive, observed)


class Record(NamedTuple):
    """What is known of an answer that has ended. Sizes are in bytes, spans in seconds, `time` is RFC 3339 in UTC."""

    time: str
    request_id: str | None = None
    client: str | None = None
    method: str | None = None
    path: str | None = None
    status: int | None = None
    bytes_sent: int = 0
    bytes_whole: int | None = None
    range: str | None = None
    duration: float = 0.0
    first_byte: float | None = None
    outcome: str = "complete"
    sent_by: str = "blocks"


def record(cycle: Cycle) -> Record:
    """An answer of the application."""
    scope = cycle.scope
    observation: Observation = scope[OBSERVATION]
    client, query, first, arrived = scope["client"], scope["query_string"], cycle.first_byte_at, cycle.arrived_at
    path, said = scope["raw_path"], loggable(scope)
    if said != scope["path"]:  # a secret was left out, and would stand in the raw path
        path = quote(said, safe="/", errors="surrogateescape").encode()
    if query:
        path += b"?" + query
    return Record(
        _now(),
        observation.request_id,
        client[0] if client else None,
        scope["method"],
        path[:LONGEST].decode("latin-1"),
        cycle.status or None,
        cycle.bytes_sent,
        observation.size,
        observation.range,
        time.monotonic() - arrived,
        None if first is None else first - arrived,
        cycle.outcome,
        sent_by(cycle),
    )


def refusal(status: int, client: tuple[str, int] | None) -> Record:
    """A head that was no request, and was answered with `status` before anybody saw it."""
    return Record(_now(), client=client[0] if client else None, status=status)


def sent_by(cycle: Cycle) -> str:
    """How the content went out: `zerocopy`, `blocks`, or `offload` where nginx sends it."""
    if cycle.scope[OBSERVATION].offloaded:
        return "offload"
    return "zerocopy" if cycle.zero_copy else "blocks"


_second = (-1, "")
"""The last second that was written, and how; it is made once for all lines of that second."""


def _now() -> str:
    global _second
    now = time.time()
    if int(now) != _second[0]:
        _second = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{_second[1]}.{int(now * 1000) % 1000:03}Z"
