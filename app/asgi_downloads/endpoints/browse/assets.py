"""What pages use: style sheet, script and icon, each by a name that changes with it."""

from asgi_downloads import pages
from asgi_downloads.asgi.answer import send_redirect, with_query
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import respond
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.bodies.base import Held
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Representation
from asgi_downloads.http.plan import plan

FOREVER = b"public, max-age=31536000, immutable"  # RFC 8246 §2


async def asset(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI callable that answers with the file that its path names."""
    exchange = Exchange(scope, receive, send)
    (name,) = exchange.path_params.values()
    if name not in pages.assets():
        raise HTTPError(404)
    kind, content = pages.assets()[name]
    tag = f'"{name}"'.encode()
    decided = plan(
        exchange.method,
        exchange.headers,
        Representation(len(content), kind, tag, None, ((b"cache-control", FOREVER), NOSNIFF)),
        now=0,
    )
    await respond(exchange, decided, Held(content))


def leads_to(location: str, status: int = 307) -> ASGIApp:
    """An ASGI callable that answers with a redirect, by a relative reference (RFC 9110 §10.2.2)."""

    async def redirect(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        await send_redirect(exchange, status, with_query(location.encode(), exchange))

    return redirect
