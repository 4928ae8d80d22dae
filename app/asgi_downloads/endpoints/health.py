"""`/livez`, `/readyz`, `/healthz`: what an orchestrator asks."""

import json
from collections.abc import Awaitable, Callable, Mapping

from asgi_downloads.asgi.respond import send_whole
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header

Check = Callable[[], Awaitable[str | None]]
"""What is wrong, in words that may be shown, or None."""


async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """200 as long as the process answers at all."""
    await _send(200, {"status": "ok"}, scope, send)


DRAINING = "asgi_downloads.draining"
"""A key in the application's state (ASGI lifespan), by which a server says that it is about to end."""


class Ready:
    """200 while every check passes, else 503 with what is wrong."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("state", {}).get(DRAINING):
            await _send(503, {"status": "unavailable", "checks": {"server": "draining"}}, scope, send)
            return
        results = {name: await check() for name, check in self.checks.items()}
        wrong = {name: word for name, word in results.items() if word is not None}
        if wrong:
            await _send(503, {"status": "unavailable", "checks": wrong}, scope, send)
        else:
            await _send(200, {"status": "ok"}, scope, send)


async def _send(status: int, answer: object, scope: Scope, send: Send) -> None:
    content = json.dumps(answer, separators=(",", ":")).encode()
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
        NOSNIFF,
    ]
    await send_whole(status, headers, b"" if scope["method"] == "HEAD" else content, send)
