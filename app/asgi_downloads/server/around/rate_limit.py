"""So many bytes per second for one answer, and no more. Slices of files are cut, never copied."""

import asyncio
from time import monotonic

from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send

ZERO_COPY = "http.response.zerocopysend"

TICK = 0.125
"""Seconds' worth of bytes in one piece."""


class Bucket:
    """A token bucket: `rate` bytes per second, of which those of one second may be saved up."""

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


class Paced:
    """An ASGI application around another. What nginx sends it is asked to send no faster."""

    def __init__(self, app: ASGIApp, rate: int) -> None:
        self._app = app
        self._rate = rate
        self.eager = getattr(app, "eager", False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bucket = Bucket(self._rate)
        bodiless = scope["method"] == "HEAD"

        async def paced(message: Message) -> None:
            kind = message["type"]
            if kind == "http.response.start":
                if any(name == b"x-accel-redirect" for name, _ in message["headers"]):
                    message["headers"] = [*message["headers"], (b"x-accel-limit-rate", b"%d" % self._rate)]
            elif not bodiless and kind == ZERO_COPY:
                await self._slices(message, bucket, send)
                return
            elif not bodiless and message.get("body"):
                await self._blocks(message, bucket, send)
                return
            await send(message)

        await self._app(scope, receive, paced)

    async def _blocks(self, message: Message, bucket: Bucket, send: Send) -> None:
        body, more = memoryview(message["body"]), message.get("more_body", False)
        while len(body) > bucket.piece:
            await self._piece({"type": message["type"], "body": body[: bucket.piece], "more_body": True}, bucket, send)
            body = body[bucket.piece :]
        await self._piece({"type": message["type"], "body": body, "more_body": more}, bucket, send)

    async def _slices(self, message: Message, bucket: Bucket, send: Send) -> None:
        offset, count = message["offset"], message["count"]
        while count > bucket.piece:
            part = {**message, "offset": offset, "count": bucket.piece, "more_body": True, "settle": False}
            await self._piece(part, bucket, send)
            offset += bucket.piece
            count -= bucket.piece
        await self._piece({**message, "offset": offset, "count": count}, bucket, send)

    async def _piece(self, message: Message, bucket: Bucket, send: Send) -> None:
        delay = bucket.take(message["count"] if message["type"] == ZERO_COPY else len(message["body"]))
        if delay:
            await asyncio.sleep(delay)
        await send(message)
