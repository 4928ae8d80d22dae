"""Outermost: every error becomes an answer if nothing was sent yet, and a broken transfer if something was."""

import logging
from collections.abc import Awaitable, Callable

from asgi_downloads.asgi.answer import send_error, send_whole
from asgi_downloads.asgi.errors import BrokenTransfer, Disconnected
from asgi_downloads.asgi.exchange import Exchange, loggable
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

Answer = Callable[[Exception, Exchange], Awaitable[None]]
"""What becomes of an error before anything was sent."""


class Guard:
    """An ASGI application around another; no exception of its endpoints reaches the server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await guarded(self.app, Exchange(scope, receive, send), answer_error)


async def guarded(app: ASGIApp, exchange: Exchange, answer: Answer) -> bool:
    """Run `app`; whether its answer was sent to the end. What `answer` raises is raised."""
    started = False
    scope, send = exchange.scope, exchange.send

    def tracked(message: Message) -> Awaitable[None]:
        nonlocal started
        started = True
        return send(message)

    try:
        try:
            await app(scope, exchange.receive, tracked)
        except (BrokenTransfer, Disconnected):
            raise
        except Exception as error:
            if started:
                logger.exception("failed after the answer to %r had begun", loggable(scope))
                await break_off(send)
            else:
                await answer(error, exchange)
        else:
            return True
    except Disconnected:
        pass
    except BrokenTransfer as error:
        # Raising would add a traceback to the log.
        logger.warning("transfer of %r broken off: %s", loggable(scope), error)
        await break_off(send)
    return False


async def answer_error(error: Exception, exchange: Exchange) -> None:
    """Send the answer that the error is; for a fault of ours 500."""
    answer = to_http(error, exchange)
    if answer is not None:
        await send_error(exchange, answer)
        return
    logger.error("failed to answer %r", loggable(exchange.scope), exc_info=error)
    # What is our fault says nothing of its cause, and ends the connection, as in FastAPI.
    content = b"Internal Server Error"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        NOSNIFF,
        (b"connection", b"close"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send_whole(exchange, 500, headers, content)


def to_http(error: Exception, exchange: Exchange) -> HTTPError | None:
    """The answer that an error means, its cause being logged where an operator can do something; None for our fault."""
    if isinstance(error, HTTPError):
        return error
    if isinstance(error, OSError | Unavailable | Exhausted):
        cause = error if error.__cause__ is None else error.__cause__
        logger.error("cannot answer %r: %s: %s", loggable(exchange.scope), type(cause).__name__, cause)
    if isinstance(error, OSError) and error.errno is not None:
        error = from_oserror(error)
        if isinstance(error, NotFound | OutsideRoot):
            error = Unavailable()  # endpoints say themselves what is not there
    for kind, (status, detail) in _ANSWERS.items():
        if isinstance(error, kind):
            return HTTPError(status, detail, RETRY if status == 503 else ())
    return None
