"""`/livez`, `/readyz`, `/healthz`: what an orchestrator asks."""

from collections.abc import Awaitable, Callable, Mapping

from asgi_downloads.asgi.answer import NO_STORE, send_json
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.extensions import DRAINING
from asgi_downloads.asgi.types import Receive, Scope, Send

Check = Callable[[], Awaitable[str | None]]
"""What is wrong, in words that may be shown, or None."""


async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """200 as long as the process answers at all."""
    await send_json(Exchange(scope, receive, send), 200, {"status": "ok"}, NO_STORE)


class Readiness:
    """200 while every check passes, else 503 with what is wrong."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("state", {}).get(DRAINING):
            wrong: dict[str, str] = {"server": "draining"}
        else:
            results = {name: await check() for name, check in self.checks.items()}
            wrong = {name: word for name, word in results.items() if word is not None}
        status, answer = (503, {"status": "unavailable", "checks": wrong}) if wrong else (200, {"status": "ok"})
        await send_json(Exchange(scope, receive, send), status, answer, NO_STORE)
