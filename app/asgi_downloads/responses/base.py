"""What all response classes have in common: each is an ASGI callable that answers one request, on its own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.guard import Answer, answer_error, guarded
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.http import media_types
from asgi_downloads.http.disposition import Kind, content_disposition
from asgi_downloads.http.message import Header

Background = Callable[[], Awaitable[None]]
"""What is awaited once an answer was sent to its end."""

_PLANNED = frozenset(
    {b"content-length", b"transfer-encoding", b"accept-ranges", b"content-range", b"content-type", b"etag"}
    | {b"last-modified", b"content-encoding"}
)
"""Fields that the plan of an answer has of its own."""


class Response:
    """Base of the response classes. A subclass says in `answer` what is sent, and raises before the first byte.

    `headers` are fields of the caller's own, which stand instead of ours of the same name; `background` is awaited
    once the answer was sent to its end, and not after an error or a client that left.
    """

    on_error: Answer = staticmethod(answer_error)
    """What becomes of an error before anything was sent."""

    def __init__(
        self,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: Background | None = None,
    ) -> None:
        self.status_code = status_code
        self.background: Any = background  # Starlette declares a class of its own for it
        self.raw_headers: list[Header] = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()
        ]

    async def answer(self, exchange: Exchange) -> None:
        """Send the answer; raises `HTTPError` and errors of storage before the first byte."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self.answer(Exchange(scope, receive, send))

        complete = await guarded(app, Exchange(scope, receive, send), self.on_error)
        if complete and self.background is not None:
            await self.background()

    def asked(self, exchange: Exchange) -> Exchange:
        """What is asked of content of a known length: ranges and preconditions only of a 200 to GET or HEAD.

        RFC 9110 §14.2 defines ranges for GET alone; another status says that this is no plain representation.
        """
        if self.status_code == 200 and exchange.method in ("GET", "HEAD"):
            return exchange
        method = "HEAD" if exchange.method == "HEAD" else "GET"
        return Exchange({**exchange.scope, "method": method, "headers": []}, exchange.receive, exchange.send)

    def fields(self, *ours: Header) -> tuple[Header, ...]:
        """Our fields but for those that the caller has set, and the caller's."""
        theirs = [line for line in self.raw_headers if line[0] not in _PLANNED]
        names = {name for name, _ in theirs}
        return (*(line for line in ours if line[0] not in names), *theirs)

    def given(self, name: bytes) -> bytes | None:
        """What the caller has set a field to."""
        return next((value for field, value in self.raw_headers if field == name), None)

    def content_type(self, name: str, media_type: str | None) -> bytes:
        """The Content-Type: what the caller has set, else that of a media type, else that of a name."""
        given = self.given(b"content-type")
        if given is not None:
            return given
        return media_types.guess(name) if media_type is None else media_types.content_type(media_type)

    def content_fields(
        self, content_type: bytes, filename: str | None, kind: Kind, cache_control: str | None
    ) -> tuple[Header, ...]:
        """The fields of content that is shown, or saved as `filename`."""
        ours: list[Header] = []
        if cache_control is not None:
            ours.append((b"cache-control", cache_control.encode("latin-1")))
        if filename is not None:
            ours.append((b"content-disposition", content_disposition(kind, filename)))
        is_inline = filename is None or kind == "inline"
        ours += media_types.inline_fields(content_type) if is_inline else (media_types.NOSNIFF,)
        return self.fields(*ours)
