"""One request and its response: the ASGI side. What is sent is counted and checked here, as `framing` has decided.

The head is held back until the first part of the body, so that a small answer is one write.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

from uvicorn.protocols.utils import ClientDisconnected, get_client_addr, get_path_with_query_string

from asgi_downloads.asgi.errors import BrokenTransfer
from asgi_downloads.asgi.extensions import BROKEN, SLICE
from asgi_downloads.asgi.types import ASGIApp, Message, Scope
from asgi_downloads.http.message import Header
from asgi_downloads.server.http1 import framing, response_head
from asgi_downloads.server.http1.framing import CHUNKED, CLOSE, LENGTH, NONE
from asgi_downloads.server.http1.path_send import send_path
from asgi_downloads.server.http1.server_wide import Shared
from asgi_downloads.server.wire.socket_wire import SocketWire
from asgi_downloads.server.wire.wire import Buffer, Wire

JOINED = 4096
"""Bytes up to which parts are joined before they are sent: cheaper than several to the kernel."""

BODY_LIMIT = 65536
"""How much of a request's content is kept for the application before the client has to wait."""


class Host(Protocol):
    """The connection of a cycle, as far as that has to do with it."""

    shared: Shared
    stepping: bool
    """Whether the first step of an application is being run, after which its head is sent."""

    def want_content(self) -> None:
        """The application waits for content of its request."""

    def break_off(self, *, reset: bool) -> None:
        """Close before the answer is whole."""

    def cycle_ended(self, cycle: "Cycle") -> None:
        """An answer is complete, or will never be."""


class Cycle:
    """What an application gets as `receive` and `send`, and what is known of the answer.

    `outcome` is "" while it runs, then "complete", "aborted" (by the client), "stalled" or
    "failed" (by the application, or a file that changed). Times are `time.monotonic()` seconds.
    """

    # What a cycle begins with; attributes of the class, because most requests never change them.
    expects_continue = False
    more_body = True
    """Whether content of the request is still to come from the client."""
    _body: bytearray | None = None
    _body_given = False
    _news: asyncio.Event | None = None

    started = False
    complete = False
    status = 0
    outcome = ""
    zero_copy = False
    first_byte_at: float | None = None
    _head_sent = False
    _held = b""
    _framing = NONE
    _remaining = 0
    """Bytes of content that Content-Length still promises."""
    _overhead = 0
    _accepted_before = 0
    _accepted_after = -1

    def __init__(self, host: Host, wire: Wire, scope: Scope, app: ASGIApp, keep_alive: bool) -> None:
        self._host = host
        self.wire = wire
        self.scope = scope
        self.app = app
        self.keep_alive = keep_alive
        self.arrived_at = monotonic()

    # -- counters for an access log

    @property
    def bytes_sent(self) -> int:
        """Bytes of content that the socket has accepted; framing and head not counted."""
        now = self.wire.accepted if self._accepted_after < 0 else self._accepted_after
        return max(0, now - self._accepted_before - self._overhead) if self._head_sent else 0

    # -- the application's run

    async def run(self) -> None:
        """Call the application and see to it that its response ends, well or visibly broken."""
        self._accepted_before = self.wire.accepted
        logger = self._host.shared.logger
        try:
            result = await self.app(self.scope, self.receive, self.send)  # type: ignore[func-returns-value]
        except Exception as exc:
            broken = _cause(exc, BrokenTransfer)
            if broken is not None:
                self._break_off("%s %r broken off: %s", self.scope["method"], self.scope["path"], broken)
            elif not (self.wire.gone and _cause(exc, ClientDisconnected)):
                logger.error("Exception in ASGI application\n", exc_info=exc)
                await self._end_failed()
        except BaseException:
            self._break_off()
            raise
        else:
            if result is not None:
                self._break_off("ASGI callable should return None, but returned '%s'.", result)
            elif self.complete or self.wire.gone:
                pass
            elif not self.started:
                logger.error("ASGI callable returned without starting response.")
                await self._end_failed()
            else:
                self._break_off("ASGI callable returned without completing response.")
        finally:
            if not self.complete:
                self.outcome = self.outcome or "aborted"
                self._host.cycle_ended(self)

    async def _end_failed(self) -> None:
        """After an error of the application: a 500 while nothing is sent, else a visibly broken transfer."""
        if self.complete or self.wire.gone:
            return
        self.outcome = "failed"
        if self._head_sent:
            self._break_off()
            return
        self._held = b""
        self._overhead = 0
        self.started = False
        content = b"Internal Server Error"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(content)),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        with suppress(ClientDisconnected):
            await self.send({"type": "http.response.start", "status": 500, "headers": headers})
            await self.send({"type": "http.response.body", "body": content})

    def _break_off(self, message: str = "", *args: object) -> None:
        """Close the connection so that the client cannot take what it has for the whole."""
        if message:
            self._host.shared.logger.error(message, *args)
        if self.complete or self.wire.gone:
            return
        self.outcome = self.outcome or "failed"
        self._host.break_off(reset=self._framing is CLOSE and self._head_sent)

    def disconnect(self) -> None:
        """The client has gone: `receive` tells, and with the wire every `send`."""
        self.outcome = self.outcome or "aborted"
        self._wake_receive()

    # -- request content

    @property
    def full(self) -> bool:
        """Whether there is so much content that the application has to take some first."""
        return self._body is not None and len(self._body) > BODY_LIMIT and not self.complete

    def feed(self, data: bytes) -> None:
        """Content of the request has arrived."""
        if self.complete:
            return
        if self._body is None:
            self._body = bytearray()
        self._body += data
        self._wake_receive()

    def feed_end(self) -> None:
        """The request is whole."""
        self.more_body = False
        self._wake_receive()

    def _wake_receive(self) -> None:
        if self._news is not None:
            self._news.set()

    async def receive(self) -> Message:
        """ASGI receive: `http.request` until the content is read, then `http.disconnect` when that happens."""
        if self.expects_continue and not self.started and not self.wire.gone:
            self.expects_continue = False
            self._overhead += 25
            await self.wire.send([b"HTTP/1.1 100 Continue\r\n\r\n"])
        while not (self.complete or self.wire.gone):
            if self._body or not (self.more_body or self._body_given):
                body = bytes(self._body) if self._body else b""
                self._body = None
                self._body_given = not self.more_body
                return {"type": "http.request", "body": body, "more_body": self.more_body}
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            self._host.want_content()  # May bring some at once, and then sets the event again.
            await self._news.wait()
        return {"type": "http.disconnect"}

    # -- response

    async def send(self, message: Message) -> None:
        """ASGI send, spec version 2.4: raises an `OSError` (`ClientDisconnected`) once the client has gone."""
        kind = message["type"]
        if self.complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        if self.wire.gone:
            raise ClientDisconnected
        if not self.started:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{kind}'.")
            self._start(message)
            return
        more_body = message.get("more_body", False)
        if kind == "http.response.body":
            body = message.get("body", b"")
            if SLICE in message and not body and self._takes_slices():
                part = message[SLICE]
                part.taken = True
                await self._whole(self._send_slice(part.descriptor, part.offset, part.count, more_body, part.check))
            else:
                rest = self._send_body(body, more_body)
                if rest is not None:
                    await self._whole(rest)
                if more_body:
                    await self.wire.share(len(body))
        elif kind == BROKEN:
            self._break_off()
            return
        elif kind == "http.response.zerocopysend" and self.wire.in_flight is not None:
            await self._whole(self._zero_copy_send(message, more_body))
        elif kind == "http.response.pathsend" and self.wire.in_flight is not None:
            if self._framing is NONE:
                await self.send({"type": "http.response.body"})
            else:
                length = self._remaining if self._framing is LENGTH else None
                await self._whole(send_path(message["path"], length, self.wire.in_flight, self.send))
            return  # The last event of the body has been among them.
        else:
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        if not more_body:
            self._complete()

    async def _whole(self, sending: Awaitable[None]) -> None:
        """Send a part whole, or break off: what comes after half a part could be taken for the rest of it."""
        try:
            await sending
        except RuntimeError:  # Nothing of the part has been sent.
            raise
        except BaseException:
            self._break_off()
            raise

    def _start(self, message: Message) -> None:
        shared = self._host.shared
        self.status = status = message["status"]
        headers: Sequence[Header] = message.get("headers") or ()
        if type(headers) is not list:
            headers = list(headers)
        try:
            lines, fields = response_head.encode(headers)
        except (RuntimeError, TypeError):
            headers = response_head.lower(headers)
            lines, fields = response_head.encode(headers)
        if b"transfer-encoding" in fields or (status == 204 and b"content-length" in fields):
            headers = framing.without_framing(headers, fields, status)
            lines, fields = response_head.encode(headers)
        try:
            head = [response_head.STATUS_LINES[status], shared.static_lines, lines]
        except KeyError:
            raise RuntimeError(f"Invalid HTTP status code {status!r}.") from None
        if shared.dated and b"date" not in fields:
            head.append(response_head.date_line())
        version = self.scope["http_version"]
        self._framing, self._remaining = framing.choose(self.scope["method"], version, status, headers, fields)
        if self._framing is CHUNKED:
            head.append(b"transfer-encoding: chunked\r\n")
        elif self._framing is CLOSE:
            self.keep_alive = False
        if not self.keep_alive or b"connection" in fields or version == "1.0":
            self.keep_alive, line = framing.persistence(self.keep_alive, version, headers, fields)
            head.append(line)
        head.append(b"\r\n")
        self._held = held = b"".join(head)
        self._overhead += len(held)
        self.started = True
        self.expects_continue = False
        if shared.access_log:
            self._log_access()
        if not self._host.stepping:
            shared.loop.call_soon(self.flush_head)

    def _log_access(self) -> None:
        """uvicorn's access log line, at the time and in the form of uvicorn's own."""
        self._host.shared.access_logger.info(
            '%s - "%s %s HTTP/%s" %d',
            get_client_addr(self.scope),  # type: ignore[arg-type]
            self.scope["method"],
            get_path_with_query_string(self.scope),  # type: ignore[arg-type]
            self.scope["http_version"],
            self.status,
        )

    def flush_head(self) -> None:
        """Send the head that waits for a body; the loop has turned without one."""
        if self._held and not self.complete and not self.wire.gone:
            with suppress(ClientDisconnected):
                sent = self.wire.try_send((self._held,))
                if sent and not self._head_sent:
                    self._head_sent = True
                    self.first_byte_at = monotonic()
                self._held = self._held[sent:]

    def _send_body(self, body: Buffer, more_body: bool) -> Awaitable[None] | None:
        """Send a part of the content as far as it goes at once; what sends the rest, or None."""
        held, size = self._held, len(body)
        parts: tuple[Buffer, ...] = (held, body)
        if self._framing is LENGTH:
            if size != self._remaining or more_body:
                self._check_length(size, more_body)
            self._remaining -= size
        elif self._framing is CHUNKED:
            before, after = self._chunk(size, more_body)
            parts = (held, before, body, after)
            size += len(before) + len(after)
        elif self._framing is NONE:
            parts, size = (held,), 0
        size += len(held)
        if not size:
            return None
        if size > JOINED:
            sent = self.wire.try_send(parts)
        else:
            parts = (joined := b"".join(parts),)
            sent = self.wire.try_send(parts) if more_body or not self.keep_alive else self.wire.put(joined)
        if held:
            self._held = b""
            self._head_sent = True
            if more_body and self.first_byte_at is None:  # Otherwise the first byte is also the last.
                self.first_byte_at = monotonic()
        return None if sent == size else self.wire.send_rest(parts, sent)

    def _chunk(self, size: int, more_body: bool) -> tuple[bytes, bytes]:
        """What frames `size` bytes of content as a chunk."""
        before, after = framing.chunk(size, more_body)
        self._overhead += len(before) + len(after)
        return before, after

    def _check_length(self, size: int, more_body: bool) -> None:
        """Hold the application to its Content-Length."""
        if size > self._remaining:
            raise RuntimeError("Response content longer than Content-Length")
        if not more_body and size < self._remaining:
            raise RuntimeError("Response content shorter than Content-Length")

    def _takes_slices(self) -> bool:
        """Whether a slice can be sent for what it is: in chunks, somebody may have changed the content."""
        return self.wire.in_flight is not None and (self._framing is LENGTH or self._framing is NONE)

    async def _zero_copy_send(self, message: Message, more_body: bool) -> None:
        """`http.response.zerocopysend`, without `offset` from the file's position on, which moves."""
        file: Any = message["file"]
        descriptor: int = file if isinstance(file, int) else file.fileno()
        offset: int | None = message.get("offset")
        moves = offset is None
        if offset is None:
            offset = os.lseek(descriptor, 0, os.SEEK_CUR) if isinstance(file, int) else file.tell()
        count: int | None = message.get("count")
        if count is None:
            count = max(0, os.fstat(descriptor).st_size - offset)
        if offset < 0 or count < 0:
            raise RuntimeError("A file has no bytes before its start.")
        await self._send_slice(descriptor, offset, count, more_body)
        if moves and not isinstance(file, int):
            file.seek(offset + count)
        elif moves:
            os.lseek(descriptor, offset + count, os.SEEK_SET)

    async def _send_slice(
        self, descriptor: int, offset: int, count: int, more_body: bool, check: Callable[[], None] | None = None
    ) -> None:
        """Send a part of an open file as a part of the content; with a `check` it is copied and looked at."""
        wire = self.wire
        assert isinstance(wire, SocketWire)
        before, after = b"", b""
        if self._framing is NONE:
            count = 0
        elif self._framing is CHUNKED:
            before, after = self._chunk(count, more_body)
        elif self._framing is LENGTH:
            self._check_length(count, more_body)
            self._remaining -= count
        head, self._held = self._held + before, b""
        if head:
            self._head_sent = True
            self.first_byte_at = self.first_byte_at or monotonic()
        if count:
            self.zero_copy = True
            await wire.send_slice(head, descriptor, offset, count, check)
        elif head:
            await wire.send((head,))
        if after:
            await wire.send((after,))
        if more_body:
            await wire.share(0)

    def _complete(self) -> None:
        self.complete = True
        self.outcome = self.outcome or "complete"
        self._accepted_after = self.wire.accepted
        if self._news is not None:
            self._news.set()
        self._host.cycle_ended(self)


def _cause(exc: BaseException, kind: type[BaseException]) -> BaseException | None:
    """What an exception goes back to, if that is of the given kind, however a framework has wrapped it."""
    pending: list[BaseException | None] = [exc]
    seen = set()
    while pending:
        found = pending.pop()
        if found is None or id(found) in seen:
            continue
        if isinstance(found, kind):
            return found
        seen.add(id(found))
        pending += [found.__cause__, found.__context__]
        if isinstance(found, BaseExceptionGroup):
            pending += found.exceptions
    return None
