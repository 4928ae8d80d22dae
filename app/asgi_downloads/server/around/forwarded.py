"""Client and scheme as a trusted proxy tells them; what anybody else says of them changes nothing.

uvicorn's middleware, but for three things: who connects by a Unix socket is a proxy (the socket's
directory decides who may), a client is an address or it is not believed, and there is no coroutine around each request.
"""

from collections.abc import Awaitable
from ipaddress import ip_address
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.http.message import Header

_TOLD = (b"x-forwarded-for", b"x-forwarded-proto")
_SCHEMES = {b"http": "http", b"https": "https"}


class Forwarded(ProxyHeadersMiddleware):
    """ASGI application around another. `trusted` is a list of addresses and networks, or `*`."""

    def __init__(self, app: ASGIApp, trusted: str) -> None:
        super().__init__(app, trusted)  # type: ignore[arg-type]
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        if scope["type"] == "http":
            told = [line for line in scope["headers"] if line[0] in _TOLD]
            client = scope["client"]
            # To look whether it is trusted takes longer than all else here.
            if told and (client is None or client[0] in self.trusted_hosts):
                self._believe(scope, told)
        return self._app(scope, receive, send)

    def _believe(self, scope: Scope, told: list[Header]) -> None:
        chain: list[bytes] = []
        for name, value in told:
            if name == b"x-forwarded-for":
                chain.append(value)
            else:
                scope["scheme"] = _SCHEMES.get(value.strip().lower(), scope["scheme"])
        if chain:
            # Each proxy adds at the end, so the last address that is not one of ours is the client's.
            host, port = self.trusted_hosts.get_trusted_client_address(b",".join(chain).decode("latin-1"))
            if _is_address(host):
                scope["client"] = (host, port)


def _is_address(host: Any) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
