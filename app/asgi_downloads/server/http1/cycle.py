"""One request and its response: the ASGI side. What is sent is framed, counted and checked here.

The head is held back until the first part of the body, so that a small answer is one write.
"""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected, get_client_addr, get_path_with_query_string

from asgi_downloads.asgi.types import ASGIApp, Message, Scope
from asgi_downloads.http.message import Header
from asgi_downloads.server.http1 import response_head
from asgi_downloads.server.http1.path_send import send_path
from asgi_downloads.server.wire.socket_wire import SocketWire
from asgi_downloads.server.wire.wire import BrokenTransfer, Buffer

if TYPE_CHECKING:
    from asgi_downloads.server.http1.connection import Connection

BODY_LIMIT = 65536
"""How much of a request's content is kept for the application before the client has to wait."""

JOIN_LIMIT = 65536
"""Parts of a write that are together no larger are copied into one; larger ones go one after another."""


class Cycle:
    """What an application gets as `receive` and `send`, and what is known of the answer.

    `outcome` is "" while it runs, then "complete", "aborted" (by the client), "stalled" or
    "failed" (by the application, or a file that changed). Times are `time.monotonic()` seconds.
    """

    # What a cycle begins with; attributes of the class, because most requests never change them.
    expects_continue = False
    disconnected = False
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
    ended_at: float | None = None
    _head_sent = False
    _held = b""
    _chunked = False
    _bodiless = False
    _ends_with_connection = False
    _remaining = 0
    _overhead = 0
    _accepted_before = 0
    _accepted_after = -1

    def __init__(self, connection: "Connection", scope: Scope, app: ASGIApp, keep_alive: bool) -> None:
        self.connection = connection
        self.wire = connection.wire
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
        logger = self.connection.logger
        try:
            result = await self.app(self.scope, self.receive, self.send)  # type: ignore[func-returns-value]
        except Exception as exc:
            if not (self._gone() and _is_disconnect(exc)):
                logger.error("Exception in ASGI application\n", exc_info=exc)
                await self._end_failed()
        except BaseException:
            self._break_off()
            raise
        else:
            if result is not None:
                self._break_off("ASGI callable should return None, but returned '%s'.", result)
            elif self.complete or self._gone():
                pass
            elif not self.started:
                logger.error("ASGI callable returned without starting response.")
                await self._end_failed()
            else:
                self._break_off("ASGI callable returned without completing response.")
        finally:
            if not self.complete:
                self.outcome = self.outcome or "aborted"
                self.connection.cycle_ended(self)

    async def _end_failed(self) -> None:
        """After an error of the application: a 500 while nothing is sent, else a visibly broken transfer."""
        if self.complete or self._gone():
            return
        self.outcome = "failed"
        if self._head_sent:
            self._break_off()
            return
        self._held = b""
        self._overhead = 0
        self.started = self._chunked = self._ends_with_connection = False
        content = b"Internal Server Error"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(content)),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        try:
            await self.send({"type": "http.response.start", "status": 500, "headers": headers})
            await self.send({"type": "http.response.body", "body": content})
        except ClientDisconnected:
            pass

    def _break_off(self, message: str = "", *args: object) -> None:
        """Close the connection so that the client cannot take what it has for the whole."""
        if message:
            self.connection.logger.error(message, *args)
        if self.complete or self._gone():
            return
        self.outcome = self.outcome or "failed"
        self.connection.break_off(reset=self._ends_with_connection and self._head_sent)

    def disconnect(self) -> None:
        """The client has gone. Wakes `receive`; every `send` from now on raises `ClientDisconnected`."""
        if not self.complete:
            self.disconnected = True
            self.outcome = self.outcome or "aborted"
        self._wake_receive()

    # -- request content

    def feed(self, data: bytes) -> None:
        """Content of the request has arrived."""
        if self.complete:
            return
        if self._body is None:
            self._body = bytearray()
        self._body += data
        if len(self._body) > BODY_LIMIT:
            self.connection.pause_reading()
        self._wake_receive()

    def feed_end(self) -> None:
        """The request is whole."""
        self.more_body = False
        self._wake_receive()

    def _wake_receive(self) -> None:
        if self._news is not None:
            self._news.set()

    def _gone(self) -> bool:
        return self.disconnected or self.wire.gone

    async def receive(self) -> Message:
        """ASGI receive: `http.request` until the content is read, then `http.disconnect` when that happens."""
        if self.expects_continue and not self.started and not self._gone():
            self.expects_continue = False
            self._overhead += 25
            await self.wire.send_rest([b"HTTP/1.1 100 Continue\r\n\r\n"])
        while not (self.complete or self._gone()):
            if self._body or not (self.more_body or self._body_given):
                body = bytes(self._body) if self._body else b""
                self._body = None
                self._body_given = not self.more_body
                return {"type": "http.request", "body": body, "more_body": self.more_body}
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            self.connection.want_content()  # May bring some at once, and then sets the event again.
            await self._news.wait()
        return {"type": "http.disconnect"}

    # -- response

    async def send(self, message: Message) -> None:
        """ASGI send, spec version 2.4: raises an `OSError` (`ClientDisconnected`) once the client has gone."""
        kind = message["type"]
        if self.complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        if self.disconnected or self.wire.gone:
            raise ClientDisconnected
        if not self.started:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{kind}'.")
            self._start(message)
            return
        more_body = message.get("more_body", False)
        if kind == "http.response.body":
            unsent = self._send_body(message.get("body", b""), more_body)
            if unsent is not None:
                await self._whole(self.wire.send_rest(unsent))
            if more_body:
                await self.wire.share(len(message.get("body", b"")))
        elif kind == "http.response.zerocopysend" and self.wire.can_send_files:
            await self._whole(self._zero_copy_send(message, more_body))
        elif kind == "http.response.pathsend" and self.wire.can_send_files:
            await self._whole(send_path(self, message["path"]))
            return  # It has sent a last body message of its own.
        else:
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        if not more_body:
            self._complete()

    async def _whole(self, sending: Coroutine[Any, Any, None]) -> None:
        """Send a part whole, or break off: what comes after half a part could be taken for the rest of it."""
        try:
            await sending
        except BrokenTransfer as exc:
            self._break_off("%s %r broken off: %s", self.scope["method"], self.scope["path"], exc)
            raise
        except RuntimeError:  # Nothing of the part has been sent.
            raise
        except BaseException:
            self._break_off()
            raise

    def _start(self, message: Message) -> None:
        connection = self.connection
        self.status = status = message["status"]
        headers: Sequence[Header] = message.get("headers") or ()
        if type(headers) is not list:
            headers = list(headers)
        try:
            lines, fields = response_head.encode(headers)
        except (RuntimeError, TypeError):
            headers = response_head.lower(headers)
            lines, fields = response_head.encode(headers)
        try:
            head = [response_head.STATUS_LINES[status], connection.static_lines, lines]
        except KeyError:
            raise RuntimeError(f"Invalid HTTP status code {status!r}.") from None
        if connection.dated and b"date" not in fields:
            head.append(response_head.date_line())
        scope = self.scope
        self._bodiless = scope["method"] == "HEAD" or status == 304 or status == 204
        if b"transfer-encoding" in fields or (status == 204 and b"content-length" in fields):
            fields = dict(fields)
            head[2] = self._without_framing(headers, fields, status)
        self._frame(headers, fields, head)
        if not self.keep_alive or b"connection" in fields or scope["http_version"] == "1.0":
            self._persist(headers, fields, head)
        head.append(b"\r\n")
        self._held = held = b"".join(head)
        self._overhead += len(held)
        self.started = True
        self.expects_continue = False
        if connection.access_log:
            self._log_access()
        if not connection.stepping:
            connection.loop.call_soon(self.flush_head)

    def _log_access(self) -> None:
        """uvicorn's access log line, at the time and in the form of uvicorn's own."""
        self.connection.access_logger.info(
            '%s - "%s %s HTTP/%s" %d',
            get_client_addr(self.scope),  # type: ignore[arg-type]
            self.scope["method"],
            get_path_with_query_string(self.scope),  # type: ignore[arg-type]
            self.scope["http_version"],
            self.status,
        )

    def _without_framing(self, headers: Sequence[Header], fields: dict[bytes, bytes], status: int) -> bytes:
        """Field lines less Transfer-Encoding, which is ours to choose, and without any framing for a 204."""
        chosen = fields.pop(b"transfer-encoding", b"chunked")
        if chosen.lower() != b"chunked":
            raise RuntimeError("An application may not choose a transfer coding but chunked.")
        drop = {b"transfer-encoding"}
        if status == 204:
            drop.add(b"content-length")  # RFC 9110 §8.6
            fields.pop(b"content-length", None)
        elif chosen and b"content-length" in fields:
            drop.add(b"content-length")  # RFC 9112 §6.2
            fields.pop(b"content-length")
        kept = [header for header in headers if header[0] not in drop]
        return response_head.field_lines(kept, dict(kept))

    def _frame(self, headers: Sequence[Header], fields: dict[bytes, bytes], head: list[bytes]) -> None:
        """Decide how the end of the content is told (RFC 9112 §6.3)."""
        length = fields.get(b"content-length")
        if length is not None:
            if len(fields) != len(headers) and sum(name == b"content-length" for name, _ in headers) > 1:
                raise RuntimeError("Invalid Content-Length.")
            if not length.isdigit():
                raise RuntimeError("Invalid Content-Length.")
            self._remaining = int(length)
        elif self._bodiless:
            pass
        elif self.scope["http_version"] == "1.0":
            self._ends_with_connection = True  # RFC 9112 §6.1: no transfer coding to an HTTP/1.0 client
            self.keep_alive = False
        else:
            self._chunked = True
            head.append(b"transfer-encoding: chunked\r\n")

    def _persist(self, headers: Sequence[Header], fields: dict[bytes, bytes], head: list[bytes]) -> None:
        """Say whether the connection goes on, where that does not go without saying (RFC 9112 §9.3, §9.6)."""
        if b"connection" in fields:
            options = [value.lower() for name, value in headers if name == b"connection"]
            if b"close" in [option.strip() for value in options for option in value.split(b",")]:
                self.keep_alive = False
                return
        if not self.keep_alive:
            head.append(b"connection: close\r\n")
        elif b"connection" not in fields:
            head.append(b"connection: keep-alive\r\n")

    def flush_head(self) -> None:
        """Send the head that waits for a body; the loop has turned without one."""
        if self._held and not self.complete and not self._gone():
            try:
                sent = self.wire.send_now(self._held)
            except ClientDisconnected:
                return
            if sent and not self._head_sent:
                self._head_sent = True
                self.first_byte_at = monotonic()
            self._held = self._held[sent:]

    def _send_body(self, body: Buffer, more_body: bool) -> Sequence[Buffer] | None:
        """Send a part of the content as far as it goes at once; what is left, or None."""
        held = self._held
        if self._bodiless:
            data: Buffer = held
        elif self._chunked:
            if len(body) > JOIN_LIMIT:
                return self._take_held(*self._chunk(body, more_body))
            data = b"".join((held, *self._chunk(body, more_body)))
        else:
            self._count(len(body), more_body)
            if held and len(body) > JOIN_LIMIT:
                return self._take_held(body)
            data = b"".join((held, body)) if held else body
        if not data:
            return None
        sent = self.wire.send_now(data)
        if held:
            self._held = b""
            self._head_sent = True
            if more_body and self.first_byte_at is None:  # Otherwise the first byte is also the last.
                self.first_byte_at = monotonic()
        return None if sent == len(data) else [memoryview(data)[sent:]]

    def _take_held(self, *parts: Buffer) -> list[Buffer]:
        """The head, if it still waits, and the parts, to be sent one after another."""
        if not self._held:
            return list(parts)
        held, self._held = self._held, b""
        self._head_sent = True
        self.first_byte_at = self.first_byte_at or monotonic()
        return [held, *parts]

    def _chunk(self, body: Buffer, more_body: bool) -> Sequence[Buffer]:
        """The content in chunked framing (RFC 9112 §7.1)."""
        size = len(body)
        if not size and more_body:
            return ()  # A chunk of no bytes would be the last.
        before = b"%x\r\n" % size if size else b""
        after = (b"\r\n" if size else b"") + (b"" if more_body else b"0\r\n\r\n")
        self._overhead += len(before) + len(after)
        return before, body, after

    def _count(self, size: int, more_body: bool) -> None:
        """Hold the application to its Content-Length."""
        if self._ends_with_connection:
            return
        if size > self._remaining:
            raise RuntimeError("Response content longer than Content-Length")
        if not more_body and size < self._remaining:
            raise RuntimeError("Response content shorter than Content-Length")
        self._remaining -= size

    async def _zero_copy_send(self, message: Message, more_body: bool) -> None:
        """`http.response.zerocopysend`; `settle` and `lend` are our additions, see `SocketWire.send_file`."""
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
        settle, lend = message.get("settle", False), message.get("lend", False)
        await self.send_slice(descriptor, offset, count, more_body, settle, lend)
        if moves and not isinstance(file, int):
            file.seek(offset + count)
        elif moves:
            os.lseek(descriptor, offset + count, os.SEEK_SET)

    async def send_slice(
        self, descriptor: int, offset: int, count: int, more_body: bool, settle: bool = False, lend: bool = False
    ) -> None:
        """Send a part of an open file as a part of the content; `settle` and `lend` as in `SocketWire.send_file`."""
        wire = self.wire
        assert isinstance(wire, SocketWire)
        if self._bodiless:
            count, settle = 0, False
        elif not self._chunked:
            self._count(count, more_body)
        before, after = b"", b""
        if self._chunked and not self._bodiless:
            before = b"%x\r\n" % count if count else b""
            after = (b"\r\n" if count else b"") + (b"" if more_body else b"0\r\n\r\n")
            self._overhead += len(before) + len(after)
        await wire.send_rest(self._take_held(before) if self._held or before else ())
        if count or settle:
            self.zero_copy = True
            await wire.send_file(descriptor, offset, count, settle, lend)
        if after:
            await wire.send_rest((after,))
        if more_body:
            await wire.share(0)

    @property
    def length_left(self) -> int | None:
        """What Content-Length still asks for; None if there is none or no content is sent."""
        return None if self._chunked or self._ends_with_connection or self._bodiless else self._remaining

    def _complete(self) -> None:
        self.complete = True
        self.outcome = self.outcome or "complete"
        self._accepted_after = self.wire.accepted
        self._wake_receive()
        self.connection.cycle_ended(self)


def _is_disconnect(exc: BaseException) -> bool:
    """Whether an exception goes back to our `ClientDisconnected`, however a framework has wrapped it."""
    pending: list[BaseException | None] = [exc]
    seen = set()
    while pending:
        exc_or_none = pending.pop()
        if exc_or_none is None or id(exc_or_none) in seen:
            continue
        if isinstance(exc_or_none, ClientDisconnected):
            return True
        seen.add(id(exc_or_none))
        pending += [exc_or_none.__cause__, exc_or_none.__context__]
        if isinstance(exc_or_none, BaseExceptionGroup):
            pending += exc_or_none.exceptions
    return False
