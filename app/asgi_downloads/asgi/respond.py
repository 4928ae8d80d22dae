"""The way out: a plan and a body, or blocks of unknown length, become the events of an answer.

Under uvicorn's own protocol classes `send` stays silent after a hang-up. So where it does not tell, and wherever
content is made while it is sent, the client is also watched by `receive`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.errors import BrokenTransfer, Disconnected
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.extensions import BROKEN, SLICE
from asgi_downloads.asgi.sender import COPIED, Sender
from asgi_downloads.asgi.types import Message, Send
from asgi_downloads.bodies.base import Body
from asgi_downloads.http.message import Header, Plan

AT_ONCE = 256 << 10
"""Bytes of content that go out with their head, in one event, where the server reads larger ones itself."""


async def respond(exchange: Exchange, plan: Plan, body: Body) -> None:
    """Send the planned answer with the content that `body` gives.

    Raises what the body raises as long as nothing was sent, then `BrokenTransfer` or `Disconnected`.
    """
    total = sum(map(len, plan.segments))
    headers = _left_alone(exchange, plan.headers) if plan.status < 300 else plan.headers
    server = exchange.extensions.get(SLICE)
    if total <= (COPIED if server is None else AT_ONCE):
        content = b""
        if total:
            content = _at_hand(plan, body) or await _collect(plan, body)
        await send_whole(exchange, plan.status, headers, content)
        return
    sender = Sender(plan, body, None if server is None else server["in_flight"], exchange.chunk_size)
    start: Message = {"type": "http.response.start", "status": plan.status, "headers": headers}
    if exchange.send_tells:
        await _send_all(start, sender.events(), exchange.send)
    else:
        await exchange.while_connected(lambda: _send_all(start, sender.events(), exchange.send, patient=True))


async def respond_blocks(exchange: Exchange, status: int, headers: list[Header], blocks: AsyncGenerator[bytes]) -> None:
    """Send content of unknown length. The first block is made before the status goes out.

    HEAD makes none (RFC 9110 §9.3.2). Whatever happens, `blocks` is closed; a hang-up ends it.
    Raises what the blocks raise before the first one, then `BrokenTransfer` or `Disconnected`.
    """
    headers = _left_alone(exchange, headers)
    async with aclosing(blocks):
        if exchange.method == "HEAD":
            await send_whole(exchange, status, headers)
            return

        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        await exchange.while_connected(lambda: _send_all(start, _block_events(blocks), exchange.send))


async def break_off(send: Send) -> None:
    """Make an answer that has begun arrive as a broken transfer, whatever stands between us and the server.

    Our server breaks off at the first event. Others, and middlewares that drop what they do not know, fail on one of
    those after it: a file that no disk has, and a body that is no bytes. None can take that for the end of the content.
    """
    for event in (
        {"type": BROKEN, "more_body": True},
        {"type": "http.response.pathsend", "path": "\0"},
        {"type": "http.response.body", "body": object(), "more_body": True},
    ):
        with suppress(Exception):
            await send(event)


def _left_alone(exchange: Exchange, headers: list[Header]) -> list[Header]:
    """The head, with a word against Starlette's GZipMiddleware where it may stand between.

    That would keep our strong ETag and Accept-Ranges on content that it has compressed, so that a resumed download is
    stitched of two encodings; and it would end the content of a transfer that is broken off. RFC 9110 §8.4.1 would
    rather not see `identity` here, but it is what leaves the content alone.
    """
    if "app" not in exchange.scope or any(name == b"content-encoding" for name, _ in headers):
        return headers
    return [*headers, (b"content-encoding", b"identity")]


async def _send_all(start: Message, events: AsyncGenerator[Message], send: Send, *, patient: bool = False) -> None:
    """Send all of them and the end; `patient` lets the loop notice a hang-up that `send` keeps silent about.

    The first event is made before `start` is sent, so that what fails at once is still an answer.
    """
    async with aclosing(events):
        event = await anext(events, None)
        try:
            await send(start)
            while event:
                await send(event)
                if patient:
                    await asyncio.sleep(0)
                event = await _next(events)
            await send({"type": "http.response.body"})
        except OSError as error:
            raise Disconnected from error


async def _next(events: AsyncGenerator[Message]) -> Message | None:
    try:
        return await anext(events, None)
    except Exception as error:
        raise BrokenTransfer(f"{type(error).__name__}: {error}") from error


async def _block_events(blocks: AsyncGenerator[bytes]) -> AsyncGenerator[Message]:
    async for block in blocks:
        yield {"type": "http.response.body", "body": block, "more_body": True}


def _at_hand(plan: Plan, body: Body) -> bytes | None:
    """The whole content, if it can be had without waiting."""
    parts = []
    for segment in plan.segments:
        part = segment if isinstance(segment, bytes) else body.at_hand(segment.start, segment.stop)
        if part is None:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _collect(plan: Plan, body: Body) -> bytes:
    """The whole content, waiting for the disk where it must."""
    async with aclosing(Sender(plan, body, None, COPIED).events()) as events:
        return b"".join([event["body"] async for event in events])
