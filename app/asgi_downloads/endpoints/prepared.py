"""Content that is made at the start, but for the address at which it is asked for."""

import time
from collections.abc import Iterable
from urllib.parse import quote

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.spooled_file import content_tag
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header, Representation
from asgi_downloads.http.plan import plan

BASE = "https://address.of.this.service.invalid"
"""Stands in the content for scheme, host and mount point."""


class Prepared:
    """An ASGI callable; its `content` is set before the first request."""

    def __init__(self, content_type: bytes) -> None:
        self.content = b""
        self.content_type = content_type
        self.fields: Iterable[Header] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        content = self.content.replace(BASE.encode(), _base(exchange))
        fields = ((b"cache-control", b"no-cache"), NOSNIFF, *self.fields)
        representation = Representation(len(content), self.content_type, content_tag(content), fields=fields)
        decided = plan(exchange.method, exchange.headers, representation, now=int(time.time()), ranges=False)
        await send_whole(exchange, decided.status, decided.headers, content if decided.segments else b"")


def _base(exchange: Exchange) -> bytes:
    """Where the client sees us."""
    return f"{exchange.origin}{quote(exchange.scope.get('root_path', ''), errors='surrogateescape')}".encode()
