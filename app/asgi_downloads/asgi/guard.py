"""Outermost: every error becomes an answer if nothing was sent yet, and a broken transfer if something was."""

import logging
from collections.abc import Awaitable

from asgi_downloads.asgi.answer import send_error, send_whole
from asgi_downloads.asgi.errors import BrokenTransfer, Disconnected
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import break_off
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.storage.errors import (
    Exhausted,
    FileChanged,
    NotFound,
    OutsideRoot,
    StorageError,
    Unavailable,
    from_oserror,
)

logger = logging.getLogger("asgi_downloads")

RETRY = ((b"retry-after", b"1"),)  # RFC 9110 §10.2.3, in seconds

_ANSWERS: dict[type[StorageError], tuple[int, str | None]] = {
    NotFound: (404, None),
    OutsideRoot: (400, "Invalid file path"),
    Exhausted: (503, None),
    Unavailable: (503, None),
    FileChanged: (503, "The file is being changed"),
}
"""What an error of storage means to a client whose endpoint had no better word."""


class Guard:
    """An ASGI application around another; no exception of its endpoints reaches the server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        def tracked(message: Message) -> Awaitable[None]:
            nonlocal started
            started = True
            return send(message)

        try:
            try:
                await self.app(scope, receive, tracked)
            except (BrokenTransfer, Disconnected):
                raise
            except Exception as error:
                if started:
                    logger.exception("failed after the answer to %r had begun", scope["path"])
                    await break_off(send)
                else:
                    await _answer(error, Exchange(scope, receive, send))
        except Disconnected:
            pass
        except BrokenTransfer as error:
            # Raising would add a traceback to the log.
            logger.warning("transfer of %r broken off: %s", scope["path"], error)
            await break_off(send)


async def _answer(error: Exception, exchange: Exchange) -> None:
    path = exchange.scope["path"]
    if isinstance(error, OSError | Unavailable | Exhausted):
        cause = error if error.__cause__ is None else error.__cause__
        logger.error("cannot answer %r: %s: %s", path, type(cause).__name__, cause)
    answer = to_http(error)
    if answer is not None:
        await send_error(exchange, answer)
        return
    logger.error("failed to answer %r", path, exc_info=error)
    # What is our fault says nothing of its cause, and ends the connection, as in FastAPI.
    content = b"Internal Server Error"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        NOSNIFF,
        (b"connection", b"close"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send_whole(exchange, 500, headers, content)


def to_http(error: Exception) -> HTTPError | None:
    """The answer that an error means; None for a fault of ours."""
    if isinstance(error, HTTPError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        error = from_oserror(error)
        if isinstance(error, NotFound | OutsideRoot):
            error = Unavailable()  # endpoints say themselves what is not there
    for kind, (status, detail) in _ANSWERS.items():
        if isinstance(error, kind):
            return HTTPError(status, detail, RETRY if status == 503 else ())
    return None
