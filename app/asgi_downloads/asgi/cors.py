"""What scripts of other origins may read (the CORS protocol of the Fetch standard, §3.3)."""

from collections.abc import Awaitable, Iterable

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.http.headers import combined
from asgi_downloads.http.message import Header, Headers

ANY = "*"

_ALLOWED = (
    b"cache-control, if-match, if-modified-since, if-none-match, if-range, if-unmodified-since, range, want-digest,"
    b" want-repr-digest"
)

# Beyond what the standard lets everybody read: Cache-Control, Content-Length, Content-Type, Expires, Last-Modified.
_EXPOSED = (
    b"accept-ranges, content-disposition, content-encoding, content-range, date, digest, etag, repr-digest,"
    b" retry-after, x-bundle-omitted, x-report-id, x-request-id"
)

_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", _ALLOWED),
    (b"access-control-max-age", b"7200"),  # seconds, the most that Chromium keeps it
)
_EXPOSE: Header = (b"access-control-expose-headers", _EXPOSED)
_VARY: Header = (b"vary", b"origin")

_DONE = "asgi_downloads.cors"
"""In the scope: the answer gets these fields already."""


class Cors:
    """ASGI application around another, whose answers scripts of `origins` may read, errors too; `*` stands for all.

    Credentials are not for them. A preflight is answered here: it asks for leave, and nothing about the path.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self.app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _DONE in scope:
            await self.app(scope, receive, send)
            return
        scope[_DONE] = True
        asked = scope["headers"]
        allowed = self._allowed(asked)
        vary = () if ANY.encode() in self._origins else (_VARY,)  # RFC 9110 §12.5.5: also where no Origin is sent
        if allowed and scope["method"] == "OPTIONS" and combined(asked, b"access-control-request-method"):
            await send_whole(Exchange(scope, receive, send), 204, [*allowed, *_PREFLIGHT, *vary])
            return
        fields = (*allowed, _EXPOSE, *vary) if allowed else vary

        def with_fields(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *fields]}  # the list may be kept elsewhere
            return send(message)

        await self.app(scope, receive, with_fields)

    def _allowed(self, asked: Headers) -> tuple[Header, ...]:
        origin = ANY.encode() if ANY.encode() in self._origins else combined(asked, b"origin")
        return ((b"access-control-allow-origin", origin),) if origin in self._origins and origin else ()
