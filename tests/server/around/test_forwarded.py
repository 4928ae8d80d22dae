"""Who the client is: what a trusted proxy says, and nothing that anybody else says."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.around.forwarded import Forwarded
from tests.support.asgi import http_scope

Client = tuple[str, int] | None
PROXY = ("127.0.0.1", 5000)
UNIX = None
OTHER = ("192.0.2.9", 5000)
DEFAULT = "127.0.0.1,::1"


@dataclass(frozen=True)
class Case:
    id: str
    peer: Client
    lines: tuple[tuple[str, str], ...]
    client: Client
    scheme: str = "http"
    trusted: str = DEFAULT


FOR, PROTO = "x-forwarded-for", "x-forwarded-proto"
CASES = [
    Case("nothing-said", PROXY, (), PROXY),
    Case("a-proxy-says", PROXY, ((FOR, "192.0.2.1"), (PROTO, "https")), ("192.0.2.1", 0), "https"),
    Case("by-unix-socket", UNIX, ((FOR, "192.0.2.1"), (PROTO, "https")), ("192.0.2.1", 0), "https"),
    Case("by-unix-socket-nothing-said", UNIX, (), UNIX),
    Case("anybody-says", OTHER, ((FOR, "192.0.2.1"), (PROTO, "https")), OTHER),
    Case("a-client-lied-before-the-proxy", UNIX, ((FOR, "6.6.6.6, 192.0.2.1"),), ("192.0.2.1", 0)),
    Case("a-client-lied-in-a-line-of-its-own", UNIX, ((FOR, "6.6.6.6"), (FOR, "192.0.2.1")), ("192.0.2.1", 0)),
    Case("two-proxies", PROXY, ((FOR, "192.0.2.1, 10.0.0.2"),), ("192.0.2.1", 0), trusted="127.0.0.1,10.0.0.0/8"),
    Case("with-a-port", PROXY, ((FOR, "192.0.2.1:4711"),), ("192.0.2.1", 4711)),
    Case("ipv6", PROXY, ((FOR, "2001:db8::1"),), ("2001:db8::1", 0)),
    Case("no-address", PROXY, ((FOR, "unknown"),), PROXY),
    Case("markup", UNIX, ((FOR, "<script>"),), UNIX),
    Case("no-scheme", PROXY, ((PROTO, "gopher"),), PROXY),
    Case("everybody-trusted", OTHER, ((FOR, "192.0.2.1"),), ("192.0.2.1", 0), trusted="*"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_client_and_scheme(case: Case) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope)

    scope = http_scope(headers=[(name.encode(), value.encode()) for name, value in case.lines])
    scope["client"] = case.peer
    asyncio.run(_call(Forwarded(app, case.trusted), scope))
    assert seen["client"] == case.client
    assert seen["scheme"] == case.scheme


async def _call(app: Any, scope: Scope) -> None:
    await app(scope, None, None)
