"""The only place that sends. What fails before the first byte is raised as it is; later it is `BrokenTransfer`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from asgi_downloads.asgi.disconnect import until_disconnect
from asgi_downloads.asgi.errors import BrokenTransfer, Disconnected
from asgi_downloads.asgi.request import SETTLE, ZERO_COPY
from asgi_downloads.asgi.types import Message, Receive, Scope, Send
from asgi_downloads.bodies.base import Body, FileSlice
from asgi_downloads.http.message import Header, Plan
from asgi_downloads.storage.files.openfile import OpenFile

COPY_LIMIT = 1 << 20
"""Content of up to this many bytes is read first and sent in one event, so that nothing changes under it."""

TAIL = 64 << 10
"""Bytes at the end of a large slice that are copied, and leave only after the file was seen unchanged."""

MOST_WAITS = 16
"""How often one answer may wait for its client, which has to have what was sent of a file without copying before that
is seen to be unchanged: a bundle of many files must not take a round trip for each."""

MOST_LENT = 8
"""Files that one wait may serve, and that are held open for it. Smaller slices than make that many waits are copied."""

BLOCK = 256 << 10
"""Bytes of one body event where the server cannot send from the file itself."""


async def respond(plan: Plan, body: Body, scope: Scope, receive: Receive, send: Send, *, block: int = BLOCK) -> None:
    """Send the planned answer with the content that `body` gives, in blocks of `block` bytes where it is copied.

    Raises what the body raises as long as nothing was sent, then `BrokenTransfer` or `Disconnected`.
    """
    total = sum(map(len, plan.segments))
    if total > COPY_LIMIT:
        await _respond_at_length(plan, body, scope, receive, send, block)
        return
    content = b""
    if total:
        content = _at_hand(plan, body) or await _collect(plan, body)
    await send_whole(plan.status, plan.headers, content, send)


async def send_whole(status: int, headers: list[Header], content: bytes, send: Send) -> None:
    """Send an answer whose content is at hand; raises `Disconnected`."""
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
    except OSError as error:
        raise Disconnected from error


async def respond_blocks(
    status: int, headers: list[Header], blocks: AsyncGenerator[bytes], scope: Scope, receive: Receive, send: Send
) -> None:
    """Send content of unknown length. The first block is made before the status goes out.

    HEAD makes none (RFC 9110 §9.3.2). Whatever happens, `blocks` is closed; a hang-up ends it.
    Raises what the blocks raise before the first one, then `BrokenTransfer` or `Disconnected`.
    """
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    async with aclosing(blocks):
        if scope["method"] == "HEAD":
            await send_whole(status, headers, b"", send)
            return

        async def work() -> None:
            first = await anext(blocks, b"")
            await _send_all(start, _block_events(first, blocks), send)

        await asyncio.sleep(0)  # a task group needs a task, and our server may have begun without one
        await until_disconnect(receive, work)


async def _respond_at_length(plan: Plan, body: Body, scope: Scope, receive: Receive, send: Send, block: int) -> None:
    start: Message = {"type": "http.response.start", "status": plan.status, "headers": plan.headers}
    extensions = scope.get("extensions") or {}
    if ZERO_COPY in extensions:
        lender = _Lender(sum(map(len, plan.segments)), together=SETTLE in extensions)
        events = _settled(_events(plan, body, lender, block), lender)
    else:
        events = _events(plan, body, None, block)
    if _send_tells(scope):
        await _send_all(start, events, send)
        return

    async def work() -> None:
        await _send_all(start, events, send, patient=True)

    await asyncio.sleep(0)  # as above
    await until_disconnect(receive, work)


async def _send_all(start: Message, events: AsyncGenerator[Message], send: Send, *, patient: bool = False) -> None:
    """Send all of them and the end; `patient` lets the loop notice a hang-up that `send` keeps silent about."""
    async with aclosing(events):
        try:
            await send(start)
            while event := await _next(events):
                await send(event)
                if patient:
                    await asyncio.sleep(0)
            await send({"type": "http.response.body"})
        except OSError as error:
            raise Disconnected from error


async def _next(events: AsyncGenerator[Message]) -> Message | None:
    try:
        return await anext(events, None)
    except Exception as error:
        raise BrokenTransfer(f"{type(error).__name__}: {error}") from error


async def _block_events(first: bytes, blocks: AsyncGenerator[bytes]) -> AsyncGenerator[Message]:
    yield _body(first)
    async for block in blocks:
        yield _body(block)


def least_slice(total: int, most: int) -> int:
    """Slices of up to so many bytes are copied, so that an answer of `total` bytes has at most `most` larger ones."""
    return max(COPY_LIMIT, total // most)


class _Lender:
    """Files of which pages are on their way to the client, held open until its side has them."""

    def __init__(self, total: int, *, together: bool) -> None:
        self.alone = least_slice(total, MOST_WAITS)
        """Slices of more than so many bytes wait by themselves."""
        self.least = least_slice(total, MOST_WAITS * MOST_LENT) if together else self.alone
        """Slices of no more than so many bytes are copied."""
        self.files: list[OpenFile] = []

    def lend(self, file: OpenFile, count: int) -> bool:
        """Whether a slice of the file may leave without a wait; then `check` looks at the file later."""
        if count > self.alone or len(self.files) == MOST_LENT:
            return False
        try:
            self.files.append(file.duplicate())
        except OSError:  # no descriptor left
            return False
        return True

    def check(self) -> None:
        """The client has all that was lent: raise `FileChanged` if any of the files has changed meanwhile."""
        try:
            for file in self.files:
                file.check()
        finally:
            self.close()

    def close(self) -> None:
        files, self.files = self.files, []
        for file in files:
            file.close()


async def _settled(events: AsyncGenerator[Message], lender: _Lender) -> AsyncGenerator[Message]:
    """The events, the last of them only when the client has all that was lent, and nothing of it has changed."""
    held: Message | None = None
    try:
        async with aclosing(events):
            async for event in events:
                if held is not None:
                    yield held
                    held = None
                if event["type"] == ZERO_COPY:  # its file is open only until the next one is asked for
                    yield event
                else:
                    held = event
        if lender.files:
            yield _slice(lender.files[0], 0, 0, settle=True)
            lender.check()
        if held is not None:
            yield held
    finally:
        lender.close()


async def _events(plan: Plan, body: Body, lender: _Lender | None, block: int) -> AsyncGenerator[Message]:
    """The events that carry the planned segments; all is copied without a `lender`."""
    for segment in plan.segments:
        if isinstance(segment, bytes):
            yield _body(segment)
            continue
        async with aclosing(body.pieces(segment.start, segment.stop)) as pieces:
            async for piece in pieces:
                if isinstance(piece, bytes):
                    yield _body(piece)
                    continue
                async with aclosing(_slice_events(piece, lender, block)) as events:
                    async for event in events:
                        yield event


async def _slice_events(piece: FileSlice, lender: _Lender | None, block: int) -> AsyncGenerator[Message]:
    """One slice: without copying if it is worth it, but for its tail."""
    file, offset, stop = piece.file, piece.offset, piece.offset + piece.count
    if lender is not None and piece.count > lender.least:
        # sendfile(2) hands out page references: an edit in place would reach the client in a complete
        # answer, so the last bytes wait until the file was seen unchanged, and our server until the
        # client's side has what was sent (`settle`, which other servers do not know).
        count = piece.count - TAIL
        if lender.lend(file, piece.count):
            yield _slice(file, offset, count, lend=True)
        else:
            yield _slice(file, offset, count, settle=True)
            lender.check()
        offset += count
    while offset < stop:
        count = min(block, stop - offset)
        data = file.read_cached(offset, count)
        if data is None:
            data = await file.read(offset, count)
        offset += count
        if offset == stop:
            file.check()
        yield _body(data)


def _slice(file: OpenFile, offset: int, count: int, **how: bool) -> Message:
    return {"type": ZERO_COPY, "file": file, "offset": offset, "count": count, "more_body": True, **how}


def _body(content: bytes) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": True}


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
    async with aclosing(_events(plan, body, None, COPY_LIMIT)) as events:
        return b"".join([event["body"] async for event in events])


def _send_tells(scope: Scope) -> bool:
    """Whether `send` raises OSError after a hang-up (ASGI 2.4)."""
    major, _, minor = scope["asgi"].get("spec_version", "2.0").partition(".")
    return (int(major), int(minor)) >= (2, 4)
