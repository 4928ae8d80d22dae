"""When descriptors run out: connections are turned away while there are still some left for files.

The kernel gives the lowest free number, so a connection whose descriptor has a number close to
the limit says that nearly all are in use.
"""

import asyncio
import resource
from time import monotonic
from typing import Any

RESERVE = 32
"""Descriptors that connections leave to files, the database and the log; an eighth of all if that is fewer."""


def highest_for_connections() -> int:
    """The highest descriptor number that a connection may have."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 30
    return limit - 1 - min(RESERVE, limit // 8)


def quieten_accept(loop: asyncio.AbstractEventLoop) -> None:
    """Let asyncio's own loop complain of an exhausted accept once a second.

    It does so once for each place in the backlog, with a traceback: thousands of them each second
    (CPython issue 151615). uvloop does not, and a handler that someone else has set stands.
    """
    if loop.get_exception_handler() is not None:
        return
    last = 0.0

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal last
        message = context.get("message", "")
        if "_start_serving" in message:
            return  # One of its thousands of attempts to listen again, after the server has been closed.
        if message == "socket.accept() out of system resource":
            now = monotonic()
            if now - last < 1.0:
                return
            last = now
        loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
