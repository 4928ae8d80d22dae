"""One connection of a client: takes requests in order, runs the application for each, keeps the time.

      connected                      the answer is whole, and was not the last
          |      .-------------------------------------------------------------------------.
          v      v      part of a head came              the head is whole                  |
        IDLE ------------------------------> HEAD ----------------------------> ANSWERING --'
          |                                    |  it is refused, or late            |  the last answer is whole,
          |  the keep-alive time is over,      v                                    |  or will never be
          |  or the client has ended          LINGERING <---------------------------+
          v                                    |  the client has had a second to    |
        CLOSED <-------------------------------'  read what it was told             |
          ^---------------------------------------- nothing is left to be read -----'

The client may have ended its side (`RequestReader.ended`) and still be answered: RFC 9112 §9.6.
Stands in for uvicorn's protocol classes, with the same duties towards its server: `connections`, `tasks`,
`total_requests` and `shutdown()`.
"""

import asyncio
import contextvars
from enum import Enum
from time import monotonic
from typing import Any, Protocol
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from asgi_downloads.asgi.types import ASGIApp, Scope
from asgi_downloads.server.http1 import response_head
from asgi_downloads.server.http1.cycle import Cycle
from asgi_downloads.server.http1.deadlines import Deadline, Limits
from asgi_downloads.server.http1.request_head import Head, Refused
from asgi_downloads.server.http1.request_parser import END, RequestParser, RequestReader, Upgrade
from asgi_downloads.server.http1.server_wide import Shared
from asgi_downloads.server.http1.websocket import hand_over
from asgi_downloads.server.wire.socket_wire import SocketWire
from asgi_downloads.server.wire.wire import TransportWire, Wire

EVENTS_IN_A_TURN = 1024
"""How much input is acted upon in one turn of the loop; then the others have theirs."""

REQUEST_COST = 64
"""What a request counts towards `EVENTS_IN_A_TURN`, where a piece of content counts 1."""

LINGER_SECONDS = 1.0
"""After a refusal, how long what the client still sends is thrown away before the connection is closed."""

PATIENCE = 1.0
"""Seconds in which an answer must begin when the client has ended its side: it cannot be told from one that left."""


class State(Enum):
    """Where a connection stands; the picture is at the head of this module."""

    IDLE = "nothing of a request has come"
    HEAD = "a part of a head has come"
    ANSWERING = "a request is being answered"
    LINGERING = "our side is closed, and what still comes is thrown away"
    CLOSED = "nothing is read or sent any more"


IDLE, HEAD, ANSWERING, LINGERING, CLOSED = State


class Observer(Protocol):
    """Whoever wants to know what became of requests."""

    def finished(self, cycle: Cycle) -> None:
        """An answer has ended, well or not; `cycle` knows status, bytes, outcome and times. Called once for each."""

    def refused(self, status: int, client: tuple[str, int] | None) -> None:
        """What no application sees was answered with `status`."""


class Connection(asyncio.Protocol):
    """A connection whose input the `parser` reads; uvicorn gives what follows."""

    def __init__(
        self,
        parser: type[RequestParser],
        *,
        limits: Limits,
        observer: Observer | None = None,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.shared = shared = Shared.of(config)
        self.config = config
        self.server_state = server_state
        self.app_state = app_state
        self.state = IDLE
        self.stepping = False
        self.transport: asyncio.Transport
        self.wire: Wire
        self._limits = limits
        self._observer = observer
        self._reader = RequestReader(parser, limits.head_bytes, websockets=shared.websockets)
        self._deadline = Deadline(shared.loop, self._expired)
        self._current: Cycle | None = None
        """The request that is being answered."""
        self._incoming: Cycle | None = None
        """The request whose content is still arriving; it may have been answered."""
        self._draining = False
        """Whether the next answer is the last."""
        self._paused = False
        self._later = False
        """Whether the loop will come back to what has arrived."""

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.server_state.connections.add(self)  # type: ignore[arg-type]
        shared = self.shared
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
            self.wire = TransportWire(transport, shared.loop, self._watch_stall)
        else:
            self.wire = SocketWire(transport, shared.loop, self._watch_stall, sock, shared.outbox)
        self._extensions = shared.extensions(self.wire.in_flight)
        self._deadline.set(self._limits.head_seconds)
        if sock is not None and sock.fileno() > shared.highest_descriptor:
            shared.logger.warning("Nearly out of file descriptors; a connection was turned away.")
            self._answer_alone(503)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if not self._later:
            self._advance()

    def eof_received(self) -> bool:
        """The client sends no more. It may still read, so answers under way are finished (RFC 9112 §9.6)."""
        self._reader.ended = True
        self.wire.hand_over()
        if self._encrypted or self._incoming is not None or self.wire.gone:
            return False
        if self._current is not None and not self._current.started:
            self._deadline.set(PATIENCE)
        return self._current is not None or self._reader.pending

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        if self._current is not None:
            self._current.disconnect()

    def pause_writing(self) -> None:
        if isinstance(self.wire, TransportWire):
            self.wire.pause()

    def resume_writing(self) -> None:
        if isinstance(self.wire, TransportWire):
            self.wire.resume()

    # -- our server, and uvicorn's

    def shutdown(self) -> None:
        """Close when the answer that is under way has been sent; at once if there is none."""
        self.drain()
        if self._current is None:
            self.close()

    def drain(self) -> None:
        """Answer what is on its way, as the last of this connection; an idle one stays open until `shutdown`."""
        self._draining = True
        if self._current is not None:
            self._current.keep_alive = False

    def idle(self) -> bool:
        """Whether nothing is being answered or waits to be."""
        return self._current is None and not self._reader.pending

    # -- requests in order

    def _advance(self) -> None:
        """Act upon what has arrived: one request at a time, no more parsed than is needed, and not all in one turn."""
        reader = self._reader
        events = reader.events
        left = EVENTS_IN_A_TURN
        while not self.wire.gone:
            incoming = self._incoming
            if incoming.full if incoming is not None else self._current is not None:
                break
            if left <= 0:
                self._come_back()
                break
            event = events.popleft() if events else reader.next() if reader.unparsed else None
            if event is None:
                break
            left -= 1
            if type(event) is Head:
                left -= REQUEST_COST
                self._begin(event)
            elif isinstance(event, Refused):
                self._refuse(event.status)
            elif isinstance(event, Upgrade):
                self._hand_over(event)
            elif incoming is not None:
                if isinstance(event, bytes):
                    incoming.feed(event)
                else:
                    incoming.feed_end()
                    self._incoming = None
        if events or reader.unparsed or (self._incoming is not None and self._incoming.full):
            if not self._paused and not self.wire.gone:
                self._paused = True
                self.transport.pause_reading()
        elif self._current is None and (reader.begun or reader.ended or self._paused):
            self._await_more()
        elif self._incoming is not None:
            self._resume_reading()

    def _await_more(self) -> None:
        """Nothing is being answered, and nothing has arrived that could be acted upon."""
        if self.wire.gone:
            return
        if self._reader.ended:
            self.close()
        elif self._reader.begun and self.state is IDLE:
            self.state = HEAD
            self._deadline.set(self._limits.head_seconds)
        self._resume_reading()

    def _come_back(self) -> None:
        if not self._later:
            self._later = True
            self.shared.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._later = False
        self._advance()

    def _begin(self, head: Head) -> None:
        """Run the application for a request."""
        shared = self.shared
        raw_path, root_path = head.path, shared.root_path
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        if root_path:
            path = root_path + path
            raw_path = root_path.encode("ascii") + raw_path
        scope: Scope = {
            **self._scope,
            "http_version": head.version,
            "method": head.method,
            "path": path,
            "raw_path": raw_path,
            "query_string": head.query,
            "headers": head.headers,
            "state": self.app_state.copy(),
            "extensions": self._extensions.copy(),
        }
        app = shared.app if shared.limit_concurrency is None else self._admit(shared.limit_concurrency)
        # RFC 9112 §9.6: the last answer says so
        cycle = Cycle(self, self.wire, scope, app, head.persists and not self._draining)
        if b"expect" in head.fields and head.fields[b"expect"].lower() == b"100-continue" and head.version == "1.1":
            cycle.expects_continue = True  # RFC 9110 §10.1.1: an HTTP/1.0 client's is ignored
        self._current = cycle
        self.state = ANSWERING
        events = self._reader.events
        if events and events[0] is END:
            events.popleft()
            cycle.more_body = False
        else:
            self._incoming = cycle
        if self._reader.ended:
            self._deadline.set(PATIENCE)
        context = contextvars.Context() if shared.reset_contextvars else contextvars.copy_context()
        self.stepping = True
        try:
            task = shared.starter.start(cycle.run(), context)
        finally:
            self.stepping = False
        if task is not None:
            cycle.flush_head()
            self.server_state.tasks.add(task)
            task.add_done_callback(self.server_state.tasks.discard)

    def _admit(self, limit: int) -> ASGIApp:
        """The application, or as in uvicorn one that says 503 when there are too many connections or tasks."""
        if len(self.server_state.connections) < limit and len(self.server_state.tasks) < limit:
            return self.shared.app
        self.shared.logger.warning("Exceeded concurrency limit.")
        return service_unavailable  # type: ignore[return-value]

    def _refuse(self, status: int) -> None:
        """What has arrived is no request, or never becomes one."""
        if self._incoming is not None:  # Its head was good and was answered, or is being; but its content never ends.
            self.close(linger=True)
        else:
            self.shared.logger.warning("Invalid HTTP request received.")
            self._answer_alone(status)

    def _answer_alone(self, status: int) -> None:
        """A last answer of our own."""
        status_line = response_head.STATUS_LINES[status]
        content = b"Invalid HTTP request received." if status == 400 else status_line[13:-2]
        lines = [
            status_line,
            self.shared.static_lines,
            response_head.date_line() if self.shared.dated else b"",
            b"content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\nconnection: close\r\n",
            b"content-length: %d\r\n\r\n" % len(content),
            content,
        ]
        self.wire.hand_over()
        self.transport.write(b"".join(lines))
        if self._observer is not None:
            self._observer.refused(status, self._client)
        self.close(linger=True)

    def _hand_over(self, upgrade: Upgrade) -> None:
        """Another protocol takes the transport over."""
        self.wire.hand_over()
        self._let_go()
        if self._paused:
            self.transport.resume_reading()
        hand_over(self.transport, self.config, self.server_state, self.app_state, upgrade.head)

    # -- the host of a cycle

    def cycle_ended(self, cycle: Cycle) -> None:
        """An answer is complete, or will never be."""
        if cycle is not self._current:
            return
        self._current = None
        self.server_state.total_requests += 1
        if self.wire.watched >= 0:
            self.wire.release()
        now = monotonic()
        if cycle.first_byte_at is None and cycle.complete:
            cycle.first_byte_at = now
        if self._observer is not None:
            self._observer.finished(cycle)
        if self.wire.gone:
            return
        if not cycle.keep_alive or not cycle.complete or self._draining:
            self.close(linger=self._incoming is not None)
            return
        self.state = IDLE
        self._deadline.set(self.shared.keep_alive_seconds, now)
        if self.stepping:
            return  # `_advance` goes on.
        if self._reader.pending:
            self._come_back()
        else:
            self._await_more()

    def want_content(self) -> None:
        """The application waits for content of its request."""
        if not self._later:
            self._advance()

    def _resume_reading(self) -> None:
        if self._paused and not self.wire.gone and not self._reader.ended:
            self._paused = False
            self.transport.resume_reading()

    # -- ends

    def close(self, *, linger: bool = False) -> None:
        """Close when everything is sent; with `linger`, first let the client read what it was told (RFC 9112 §9.6)."""
        if self.state is LINGERING or self.state is CLOSED:
            return
        self._reader.close()
        self.wire.hand_over()
        self.wire.lose()
        if self._current is not None:
            self._current.disconnect()
        if linger and not self._reader.ended and not self._encrypted and self.transport.can_write_eof():
            self.state = LINGERING
            if self._paused:
                self.transport.resume_reading()
            self.transport.write_eof()
            self._deadline.set(LINGER_SECONDS)
        else:
            self.state = CLOSED
            self.transport.close()
            if self.wire.pending():
                self._watch_stall()

    def break_off(self, *, reset: bool) -> None:
        """Close before the answer is whole. With `reset`, so that the end cannot be taken for the content's own."""
        if reset and isinstance(self.wire, SocketWire):
            self.wire.reset_on_close()
        self.close()

    def _let_go(self) -> None:
        """The transport is no longer ours."""
        self.server_state.connections.discard(self)
        self.state = CLOSED
        self._reader.close()
        self.wire.lose()
        self._deadline.cancel()

    # -- time

    def _watch_stall(self) -> None:
        self._deadline.set(self._limits.stall_seconds / 4)

    def _expired(self) -> None:
        """A deadline has passed."""
        if self.wire.pending():
            stall = self._limits.stall_seconds
            left = stall - self.wire.stalled_for(monotonic())
            if left <= 0:
                self._drop_stalled()
            else:
                self._deadline.set(min(left, stall / 4))
        elif self.state is ANSWERING:
            if self._reader.ended and self._current is not None and not self._current.started:
                self.close()  # Whoever ended its side a while ago and was told nothing has left.
        elif self.state is HEAD:
            self._reader.refuse(408)
            self._advance()
        elif self.state is IDLE:
            self.close()
        else:
            self.transport.abort()

    def _drop_stalled(self) -> None:
        if self._current is not None:
            self._current.outcome = "stalled"
        client = ":".join(map(str, self._client)) if self._client else "A client"
        self.shared.logger.info("%s took nothing for %g s; connection dropped.", client, self._limits.stall_seconds)
        self.state = CLOSED
        self.wire.lose()
        self.transport.abort()
