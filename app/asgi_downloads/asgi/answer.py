"""Answers whose content is at hand: sent whole, in two events."""

import json

from asgi_downloads.asgi.errors import Disconnected
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header

NO_STORE: Header = (b"cache-control", b"no-store")


async def send_whole(exchange: Exchange, status: int, headers: list[Header], content: bytes = b"") -> None:
    """Send this head and content; raises `Disconnected`."""
    if exchange.method == "HEAD":  # RFC 9110 §9.3.2: the fields of GET, never its content
        content = b""
    try:
        await exchange.send({"type": "http.response.start", "status": status, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": content})
    except OSError as error:
        raise Disconnected from error


async def send_redirect(exchange: Exchange, status: int, location: bytes, *fields: Header) -> None:
    """Send the client to `location`, with these fields besides; raises `Disconnected`.

    RFC 9110 §10.2.2: a relative reference, so that a forged Host cannot steer it.
    """
    await send_whole(exchange, status, [(b"location", location), *fields, (b"content-length", b"0")])


def with_query(location: bytes, exchange: Exchange) -> bytes:
    """The location with the query of the request."""
    return location + b"?" + exchange.query_string if exchange.query_string else location


async def send_json(exchange: Exchange, status: int, value: object, *fields: Header) -> None:
    """Send `value` as compact JSON, with these fields besides; raises `Disconnected`."""
    await _send(exchange, status, json.dumps(value, separators=(",", ":")).encode(), fields)


async def send_error(exchange: Exchange, error: HTTPError) -> None:
    """Send the answer that an error is; raises `Disconnected`."""
    await _send(exchange, error.status, error.body(), error.headers)


async def _send(exchange: Exchange, status: int, content: bytes, fields: tuple[Header, ...]) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        NOSNIFF,
        *fields,
    ]
    await send_whole(exchange, status, headers, content)
