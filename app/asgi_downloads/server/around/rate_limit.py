"""So many bytes per second for one answer, and no more. Slices of files are cut, never copied."""

import asyncio
from time import monotonic

from asgi_downloads.asgi.extensions import SLICE, Slice
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send

TICK = 0.125
"""Seconds' worth of bytes in one piece."""

_UNCUT = ("http.response.zerocopysend", "http.response.pathsend")
"""Extensions by which other applications would send whole files; without them they send blocks."""


class TokenBucket:
    """Token bucket: `rate` bytes per second, of which those of one second may be saved up."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.piece = max(1, int(rate * TICK))
        self._tokens = float(rate)
        self._at = monotonic()

    def take(self, count: int) -> float:
        """Take `count` tokens, and return how many seconds it takes until they have come in."""
        now = monotonic()
        self._tokens = min(self._tokens + (now - self._at) * self.rate, self.rate) - count
        self._at = now
        return max(0.0, -self._tokens / self.rate)


class RateLimited:
    """ASGI application around another. What nginx sends it is asked to send no faster."""

    def __init__(self, app: ASGIApp, rate: int) -> None:
        self._app = app
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self._app(scope, receive, send)
            return
        bucket = TokenBucket(self._rate)
        for name in _UNCUT:
            (scope.get("extensions") or {}).pop(name, None)

        async def limited(message: Message) -> None:
            if message["type"] == "http.response.body" and (message.get("body") or SLICE in message):
                await _in_pieces(message, bucket, send)
                return
            if message["type"] == "http.response.start":
                headers = list(message.get("headers") or ())
                if any(name == b"x-accel-redirect" for name, _ in headers):
                    message["headers"] = [*headers, (b"x-accel-limit-rate", b"%d" % self._rate)]
            await send(message)

        await self._app(scope, receive, limited)


async def _in_pieces(message: Message, bucket: TokenBucket, send: Send) -> None:
    """Send a body event as several, each when its time has come. A slice that is not taken is left as it is."""
    body = memoryview(message.get("body") or b"")
    whole: Slice | None = None if body else message[SLICE]
    size = len(body) if whole is None else whole.count
    for start in range(0, max(size, 1), bucket.piece):
        count = min(bucket.piece, size - start)
        if delay := bucket.take(count):
            await asyncio.sleep(delay)
        piece: Message = {
            "type": message["type"],
            "body": body[start : start + count],
            "more_body": message.get("more_body", False) or start + count < size,
        }
        if whole is not None:
            check = whole.check if whole.check is None or start + count == size else _no_check
            piece[SLICE] = cut = Slice(whole.descriptor, whole.offset + start, count, check)
        await send(piece)
        if whole is not None and not cut.taken:
            if start:
                raise RuntimeError("A server takes all slices of an answer, or none.")
            bucket.take(-count)
            return
    if whole is not None:
        whole.taken = True


def _no_check() -> None:
    """Of a piece that others follow."""
