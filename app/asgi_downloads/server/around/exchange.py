"""What is known of a request and its answer besides what the connection counts, for who wants to know."""

import random
import re
from collections.abc import Awaitable, Callable

from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.http.message import Headers

EXCHANGE = "asgi_downloads.exchange"
"""The key in the scope under which it lies."""

LONGEST = 256
"""Bytes of a Range that are kept."""

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
