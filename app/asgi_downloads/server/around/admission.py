"""How many answers there are at a time, in all and to one client, over all processes.

A process first counts itself in and then looks, so that two that look at once may both be sent
away but never both let in too many.
"""

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address

from asgi_downloads.asgi.answer import send_error
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.server.around.shared_counters import Counters

RETRY_AFTER = b"5"
"""Seconds after which a client that was sent away may try again."""

_BUCKETS = 1 << 15


class Admission(Counters):
    """Count of the answers under way; 0 stands for any number. A process calls `take_row` before it lets anybody in.

    Clients are counted in buckets by a hash of their address: two that share one share the limit, which among 1,000
    clients happens to one in thirty.
    """

    def __init__(self, workers: int, in_all: int, per_client: int) -> None:
        columns = 1 + (_BUCKETS if per_client else 1)
        super().__init__(workers, columns, present=columns)
        self.in_all = in_all
        self.per_client = per_client

    def enter(self, client: str) -> bool:
        """Count one more answer to `client`; False, and not counted, if that is too many."""
        bucket = self._bucket(client)
        self.row[0] += 1
        self.row[bucket] += 1
        if (self.in_all and self.total(0) > self.in_all) or (self.per_client and self.total(bucket) > self.per_client):
            self.leave(client)
            return False
        return True

    def leave(self, client: str) -> None:
        """An answer to `client` that was let in has ended."""
        self.row[0] -= 1
        self.row[self._bucket(client)] -= 1

    def _bucket(self, client: str) -> int:
        if not self.per_client:
            return 1
        address: object = client
        if ":" in client:
            with suppress(ValueError):  # who has one IPv6 address has the whole network of 2^64
                address = int(IPv6Address(client)) >> 64
        return 1 + hash(address) % _BUCKETS  # keyed, and forked processes have the same key


class Admitted:
    """ASGI application around another, which answers 503 when there are too many, but never to `probes`, some paths."""

    def __init__(self, app: ASGIApp, admission: Admission, probes: Iterable[str]) -> None:
        self._app = app
        self._admission = admission
        self._probes = frozenset(probes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._probes:
            await self._app(scope, receive, send)
            return
        client = scope["client"][0] if scope["client"] else ""
        if not self._admission.enter(client):
            retry = (b"retry-after", RETRY_AFTER)  # RFC 9110 §10.2.3
            await send_error(Exchange(scope, receive, send), HTTPError(503, "Too many downloads", (retry,)))
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._admission.leave(client)
