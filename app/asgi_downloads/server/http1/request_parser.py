"""What arrives on a connection, as events: heads, pieces of content, ends; and what is none of these, refused.

No I/O and no clock: bytes in, events out, parsed no further than somebody asks for them.
"""

from collections import deque
from typing import NamedTuple, Protocol

from asgi_downloads.server.http1.request_head import Head, Refused

SLICE = 16384
"""Bytes of input that are parsed at a time, so that a burst of pipelined requests does not become a heap of objects."""


class End:
    """The end of a request, after its head and content."""


END = End()


class Upgrade(NamedTuple):
    """A request to go on as a WebSocket; its client waits for an answer before it sends more (RFC 6455 §4.1)."""

    head: Head


Event = Head | bytes | End | Refused | Upgrade
"""In the order of arrival: for each request a `Head`, its content, `END`. `Upgrade` is the last one, and so is
`Refused`, which stands in the place of what cannot be read."""


class RequestParser(Protocol):
    """Parser of one connection's input, which appends to `events`.

    With `websockets`, a wish for one is an `Upgrade`; else it is passed over.
    """

    done: bool
    """Whether nothing that still arrives is a request: after one that does not persist, `Refused` or `Upgrade`."""

    def __init__(self, events: deque[Event], *, websockets: bool) -> None: ...

    @property
    def target_length(self) -> int:
        """Bytes of a target of which the head has not ended."""

    def feed(self, data: bytes) -> None:
        """Take in bytes; content is passed on in as many pieces as it comes."""

    def close(self) -> None:
        """Let go of what would keep the parser alive."""


class RequestReader:
    """Events of one connection's input, in order; `limit` is the most bytes that may come without any event."""

    def __init__(self, parser: type[RequestParser], limit: int, *, websockets: bool = False) -> None:
        self.events: deque[Event] = deque()
        """Those that were parsed and not taken."""
        self.unparsed = b""
        self.ended = False
        """Whether the client sends no more."""
        self.begun = False
        """Whether something was parsed of which there is no event yet: a part of a head."""
        self._parser = parser(self.events, websockets=websockets)
        self._limit = limit
        self._room = limit
        """Bytes that may still come before there is an event."""

    @property
    def pending(self) -> bool:
        """Whether there is something to be taken, or to be parsed."""
        return bool(self.events or self.unparsed)

    def feed(self, data: bytes) -> None:
        """Take in bytes that have arrived; what is no request any more is thrown away."""
        if not self._parser.done:
            self.unparsed = self.unparsed + data if self.unparsed else data

    def next(self) -> Event | None:
        """The next event, for which more is parsed if need be; None while there is none."""
        events = self.events
        while not events:
            data = self.unparsed
            if not data:
                return None
            most = min(SLICE, self._room)
            if len(data) <= most:
                self.unparsed = b""
            elif most:
                data, self.unparsed = data[:most], data[most:]
            else:
                self.refuse(414 if 2 * self._parser.target_length > self._limit else 431)
                break
            self._parser.feed(data)
            self.begun = not events
            self._room = self._limit if events else self._room - len(data)
            if self._parser.done:
                self.unparsed = b""
        return events.popleft()

    def refuse(self, status: int) -> None:
        """Nothing more is a request; `status` answers what has begun, after the answers to all that was whole."""
        if not self._parser.done:
            self._parser.done = True
            self.unparsed = b""
            self.events.append(Refused(status))

    def close(self) -> None:
        """Throw away what has arrived and what still will."""
        self._parser.done = True
        self._parser.close()
        self.unparsed = b""
        self.events.clear()
