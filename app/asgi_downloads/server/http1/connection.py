"""One connection of a client: takes requests in order, runs the application for each, keeps the time.

Stands in for uvicorn's protocol classes, with the same constructor and the same duties towards
its server: `connections`, `tasks`, `total_requests` and `shutdown()`. A subclass brings the parser.
"""

import asyncio
import contextvars
import logging
from collections import deque
from time import monotonic
from typing import Any
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from asgi_downloads.asgi.types import ASGIApp, Scope
from asgi_downloads.http.message import Header
from asgi_downloads.server.http1 import eager, response_head
from asgi_downloads.server.http1.cycle import Cycle
from asgi_downloads.server.http1.limits import Limits
from asgi_downloads.server.http1.request_head import Refused, check_fields, split_target
from asgi_downloads.server.http1.server_wide import Shared
from asgi_downloads.server.wire.socket_wire import SocketWire
from asgi_downloads.server.wire.wire import TransportWire, Wire

SLICE = 16384
"""How much input is parsed at a time, so that a burst of pipelined requests does not become a heap of objects."""

LINGER_SECONDS = 1.0
"""After a refusal, how long what the client still sends is thrown away before the connection is closed."""

NEVER = float("inf")


class Connection(asyncio.Protocol):
    """The part of a protocol class that does not depend on the parser.

    The parser's part implements `_parse` and calls `_request`, `_content` and `_request_end`.
    """

    limits: Limits | None = None
    """Set in a subclass, these stand instead of those from the environment."""

    logger = logging.getLogger("uvicorn.error")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self._shared = shared = Shared.of(config)
        self.config = config
        self.loop = _loop or asyncio.get_running_loop()
        self.server_state = server_state
        self.app_state = app_state
        self.static_lines = shared.static_lines
        self.dated = shared.dated
        self.access_log = shared.access_log
        self.access_logger = shared.access_logger
        self._limits = self.limits or shared.limits
        self.stepping = False

        self.transport: asyncio.Transport
        self.wire: Wire
        self._current: Cycle | None = None
        """The request that is being answered."""
        self._incoming: Cycle | None = None
        """The request whose content is still arriving."""
        self._host: bytes | None = None
        """The last Host of this connection, known to be well-formed."""
        self._queue: deque[Cycle | Refused] = deque()
        self._unparsed = b""
        self._unsettled = 0
        """Bytes parsed since the last request, content or end of a request came of it."""
        self._deaf = False
        """Nothing that still arrives is a request."""
        self._half_closed = False
        self._closing = False
        self._stopping = False
        self._advancing = False
        self._reading = True
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._deadline = NEVER
        self._head_begun = False

    # -- for others to override

    def on_finished(self, cycle: Cycle) -> None:
        """An answer has ended, well or not; `cycle` knows status, bytes, outcome and times. Called once for each."""

    def on_refused(self, status: int) -> None:
        """What no application sees was answered with `status`."""

    # -- the parser's part

    def _parse(self, data: bytes) -> None:
        """Take in `data`. Raises `Refused` for what is no request."""
        raise NotImplementedError

    def _request(
        self, method: str, target: bytes, version: str, headers: list[Header], fields: dict[bytes, bytes], persist: bool
    ) -> None:
        """A request's head is complete. Raises `Refused`."""
        host = fields.get(b"host")
        if (
            host is None
            or host != self._host
            or version != "1.1"
            or len(fields) != len(headers)
            or b"content-length" in fields
            or b"transfer-encoding" in fields
        ):  # Otherwise there is nothing in it that has not been checked before.
            check_fields(version, headers, fields)
            self._host = host
        raw_path, query, authority = split_target(method, target)
        if authority is not None:  # RFC 9112 §3.2.2: the target's authority stands instead of Host
            headers[:] = [header for header in headers if header[0] != b"host"]
            headers.append((b"host", authority))
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        shared = self._shared
        root_path = shared.root_path
        if root_path:
            path = root_path + path
            raw_path = root_path.encode("ascii") + raw_path
        scope: Scope = {
            **self._scope,
            "http_version": version,
            "method": method,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "state": self.app_state.copy(),
            "extensions": self._extensions.copy(),
        }
        cycle = Cycle(self, scope, shared.app if shared.limit_concurrency is None else self._admit(), persist)
        if b"expect" in fields and version == "1.1" and fields[b"expect"].lower() == b"100-continue":
            cycle.expects_continue = True  # RFC 9110 §10.1.1: an HTTP/1.0 client's is ignored
        self._incoming = cycle
        self._unsettled = 0
        self._head_begun = False
        self._queue.append(cycle)
        if not persist:
            self._deaf = True

    def _admit(self) -> ASGIApp:
        """The application, or as in uvicorn one that says 503 when there are too many connections or tasks."""
        limit = self._shared.limit_concurrency or 0
        if len(self.server_state.connections) < limit and len(self.server_state.tasks) < limit:
            return self._shared.app
        self.logger.warning("Exceeded concurrency limit.")
        return service_unavailable  # type: ignore[return-value]

    def _content(self, data: bytes) -> None:
        """Content of the current request."""
        self._unsettled = 0
        if self._incoming is not None:
            self._incoming.feed(data)

    def _request_end(self) -> None:
        """The current request is whole."""
        self._unsettled = 0
        if self._incoming is not None:
            self._incoming.feed_end()
            self._incoming = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.server_state.connections.add(self)  # type: ignore[arg-type]
        shared = self._shared
        self._encrypted = is_ssl(transport)
        self._client = get_remote_addr(transport)
        self._scope: Scope = {  # What is the same for all requests of the connection.
            "type": "http",
            "asgi": shared.asgi,
            "server": get_local_addr(transport),
            "client": self._client,
            "scheme": "https" if self._encrypted else "http",
            "root_path": shared.root_path,
        }
        sock = transport.get_extra_info("socket")
        if self._encrypted or sock is None:
            self.wire = TransportWire(transport, self.loop, self._watch_stall)
        else:
            self.wire = SocketWire(transport, self.loop, self._watch_stall, sock.fileno())
        self._extensions = shared.file_extensions if self.wire.can_send_files else shared.extensions
        self._deadline = monotonic() + self._limits.head_seconds
        self._arm(self._limits.head_seconds)
        if sock is not None and sock.fileno() > shared.highest_descriptor:
            self.logger.warning("Nearly out of file descriptors; a connection was turned away.")
            self._answer_alone(503)

    def data_received(self, data: bytes) -> None:
        if self._deaf and self._incoming is None:
            return
        if self._unparsed or len(data) > SLICE:
            self._unparsed += data
        else:
            self._take(data)
        if self._queue or self._unparsed:
            self._advance()
        if self._unsettled and not self._head_begun and self._current is None:
            self._head_begun = True
            self._deadline = monotonic() + self._limits.head_seconds
            self._arm(self._limits.head_seconds)

    def eof_received(self) -> bool:
        """The client sends no more. It may still read, so answers under way are finished (RFC 9112 §9.6)."""
        if self._encrypted or self._incoming is not None or self._closing:
            return False
        self._half_closed = True
        return self._current is not None or bool(self._queue) or bool(self._unparsed)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.connections.discard(self)
        self._closing = self._deaf = True
        self._unparsed = b""
        self._queue.clear()
        self.wire.lose()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._current is not None:
            self._current.disconnect()

    def pause_writing(self) -> None:
        if isinstance(self.wire, TransportWire):
            self.wire.pause()

    def resume_writing(self) -> None:
        if isinstance(self.wire, TransportWire):
            self.wire.resume()

    # -- uvicorn's server

    def shutdown(self) -> None:
        """Close when the answer that is under way has been sent; at once if there is none."""
        self._stopping = True
        if self._current is None:
            self.close()
        else:
            self._current.keep_alive = False

    def drain(self) -> None:
        """Answer what is on its way, as the last of this connection; an idle one stays open until `shutdown`."""
        self._stopping = True
        if self._current is not None:
            self._current.keep_alive = False

    # -- requests in order

    def _take(self, data: bytes) -> None:
        """Parse some input; a refusal takes its place among the requests."""
        self._unsettled += len(data)
        try:
            if self._unsettled > self._limits.head_bytes:
                raise Refused(431)
            self._parse(data)
        except Refused as refused:
            self._refuse(refused)

    def _refuse(self, refused: Refused) -> None:
        self._unparsed = b""
        if self._deaf and self._incoming is None:
            return  # What follows a last request is not looked at.
        self._deaf = True
        broken, self._incoming = self._incoming, None
        if broken is not None and broken is self._current:
            broken.disconnect()  # Its head was good and it is being answered, but its content never ends.
            broken.keep_alive = False
            return
        if broken is not None:
            self._queue.remove(broken)
        self._queue.append(refused)

    def _advance(self) -> None:
        """Start what can be started: one request at a time, and no more input parsed than is needed."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while not self._closing:
                if self._current is None and self._queue:
                    self._start(self._queue.popleft())
                elif self._unparsed and not self._queue and (self._current is None or self._incoming is not None):
                    data, self._unparsed = self._unparsed[:SLICE], self._unparsed[SLICE:]
                    self._take(data)
                else:
                    break
        finally:
            self._advancing = False
        if self._queue or self._unparsed:
            self.pause_reading()
        elif not self._reading and not self._closing and self._current is None:
            self._resume_reading()

    def _start(self, request: Cycle | Refused) -> None:
        if isinstance(request, Refused):
            self._answer_refused(request.status)
            return
        self._current = request
        if self._stopping:
            request.keep_alive = False  # RFC 9112 §9.6: the last answer says so
        shared = self._shared
        context = contextvars.Context() if shared.reset_contextvars else contextvars.copy_context()
        if shared.eager and request.app is shared.app:
            self.stepping = True
            try:
                task = eager.start(request.run(), self.loop, context)
            finally:
                self.stepping = False
            if task is None:
                return
            request.flush_head()
        else:
            task = self.loop.create_task(request.run(), context=context)
        self.server_state.tasks.add(task)
        task.add_done_callback(self.server_state.tasks.discard)

    def cycle_ended(self, cycle: Cycle) -> None:
        """An answer is complete, or will never be."""
        if cycle is not self._current:
            return
        self._current = None
        self.server_state.total_requests += 1
        if self.wire.watched >= 0:
            self.wire.release()
        cycle.ended_at = now = monotonic()
        if cycle.first_byte_at is None and cycle.complete:
            cycle.first_byte_at = now
        self.on_finished(cycle)
        if self._closing:
            return
        if not cycle.keep_alive or not cycle.complete or self._stopping:
            self.close(linger=self._incoming is not None)
            return
        if self._queue or self._unparsed:
            if not self._advancing:
                self.loop.call_soon(self._advance)
        elif self._half_closed:
            self.close()
        elif not self._reading:
            self._resume_reading()
        keep_alive = self._shared.keep_alive_seconds
        self._deadline = now + keep_alive
        if self._deadline < self._timer_at:
            self._arm(keep_alive)

    def want_content(self) -> None:
        """The application waits for content of its request."""
        if self._unparsed:
            self._advance()
        if not self._queue and not self._unparsed:
            self._resume_reading()

    def pause_reading(self) -> None:
        if self._reading and not self._closing:
            self._reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and not self._closing and not self._half_closed:
            self._reading = True
            self.transport.resume_reading()

    # -- ends

    def close(self, linger: bool = False) -> None:
        """Close when everything is sent; with `linger`, first let the client read what it was told (RFC 9112 §9.6)."""
        if self._closing:
            return
        self._closing = self._deaf = True
        self._unparsed = b""
        self._queue.clear()
        self.wire.lose()
        if linger and not self._half_closed and not self._encrypted and self.transport.can_write_eof():
            if not self._reading:
                self.transport.resume_reading()
            self.transport.write_eof()
            self._deadline = monotonic() + LINGER_SECONDS
            self._arm(LINGER_SECONDS)
        else:
            self.transport.close()
            if self.wire.pending():
                self._arm(self._limits.stall_seconds / 4)

    def break_off(self, reset: bool = False) -> None:
        """Close before the answer is whole. With `reset`, so that the end cannot be taken for the content's own."""
        if reset and isinstance(self.wire, SocketWire):
            self.wire.reset_on_close()
        self.close()

    def _answer_refused(self, status: int) -> None:
        """Say what is wrong with a request that no application sees, and end the connection."""
        self.logger.warning("Invalid HTTP request received.")
        self._answer_alone(status)

    def _answer_alone(self, status: int) -> None:
        """A last answer of our own."""
        status_line = response_head.STATUS_LINES[status]
        content = b"Invalid HTTP request received." if status == 400 else status_line[13:-2]
        lines = [
            status_line,
            self.static_lines,
            response_head.date_line() if self.dated else b"",
            b"content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\nconnection: close\r\n",
            b"content-length: %d\r\n\r\n" % len(content),
            content,
        ]
        self.transport.write(b"".join(lines))
        self.on_refused(status)
        self.close(linger=True)

    def idle(self) -> bool:
        """Whether nothing is being answered or waits to be."""
        return self._current is None and not self._queue

    def detach(self) -> None:
        """Another protocol takes the transport over."""
        self.server_state.connections.discard(self)
        self._closing = self._deaf = True
        self.wire.lose()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- time

    def _arm(self, delay: float) -> None:
        """See to it that `_tick` runs in `delay` seconds or earlier."""
        at = monotonic() + delay
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer = self.loop.call_later(delay, self._tick)
        self._timer_at = at

    def _watch_stall(self) -> None:
        self._arm(self._limits.stall_seconds / 4)

    def _tick(self) -> None:
        """Look at the clock; one timer for each connection does for all its limits."""
        self._timer = None
        self._timer_at = NEVER
        now = monotonic()
        if self.wire.pending():
            stall = self._limits.stall_seconds
            left = stall - self.wire.stalled_for(now)
            if left <= 0:
                self._drop_stalled()
            else:
                self._arm(min(left, stall / 4))
        elif self._current is not None and not self._closing:
            pass  # The application is at work. Its end sets a deadline and the timer.
        elif now < self._deadline:
            self._arm(min(self._deadline - now, 3600.0))
        elif self._head_begun and not self._closing:
            self._refuse(Refused(408))
            self._advance()
        elif self._closing:
            self.transport.abort()
        else:
            self.close()

    def _drop_stalled(self) -> None:
        cycle = self._current
        if cycle is not None:
            cycle.outcome = "stalled"
        client = ":".join(map(str, self._client)) if self._client else "A client"
        self.logger.info("%s took nothing for %g s; connection dropped.", client, self._limits.stall_seconds)
        self._closing = self._deaf = True
        self.wire.lose()
        self.transport.abort()
