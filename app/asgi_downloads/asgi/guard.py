"""Outermost: every error becomes an answer if nothing was sent yet, and a broken transfer if something was."""

import errno
import logging
from collections.abc import Awaitable

from asgi_downloads.asgi.errors import BrokenTransfer, Disconnected
from asgi_downloads.asgi.respond import send_whole
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header
from asgi_downloads.storage.errors import Exhausted, FileChanged, NotFound, OutsideRoot, StorageError, Unavailable

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

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC)


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
                else:
                    await _answer(error, scope, send)
        except Disconnected:
            pass
        except BrokenTransfer as error:
            # Returning unfinished makes the server close; raising would add a traceback to the log.
            logger.warning("transfer of %r broken off: %s", scope["path"], error)


async def _answer(error: Exception, scope: Scope, send: Send) -> None:
    answer = _to_http(error)
    if isinstance(error, OSError | Unavailable | Exhausted):
        cause = error if error.__cause__ is None else error.__cause__
        logger.error("cannot answer %r: %s: %s", scope["path"], type(cause).__name__, cause)
    headers: list[Header]
    if answer is None:
        logger.error("failed to answer %r", scope["path"], exc_info=error)
        # What is our fault says nothing of its cause, and ends the connection, as in FastAPI.
        status, content = 500, b"Internal Server Error"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), NOSNIFF, (b"connection", b"close")]
    else:
        status, content = answer.status, answer.body()
        headers = [(b"content-type", b"application/json"), NOSNIFF, *answer.headers]
    headers.append((b"content-length", b"%d" % len(content)))
    # RFC 9110 §9.3.2: HEAD has the fields of GET, never its content.
    await send_whole(status, headers, b"" if scope["method"] == "HEAD" else content, send)


def _to_http(error: Exception) -> HTTPError | None:
    if isinstance(error, HTTPError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        error = Exhausted() if error.errno in _EXHAUSTED else Unavailable()  # a disk that fails is no mistake of ours
    for kind, (status, detail) in _ANSWERS.items():
        if isinstance(error, kind):
            return HTTPError(status, detail, RETRY if status == 503 else ())
    return None
