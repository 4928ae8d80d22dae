"""The protocol class on h11, for where httptools is not installed.

h11 only reads: each request gets an `h11.Connection` of its own, and what it leaves over is the next one's.
"""

import asyncio
import re
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.server import ServerState

from asgi_downloads.server.http1.connection import Connection
from asgi_downloads.server.http1.request_head import BARE_LINE_END, Refused
from asgi_downloads.server.http1.websocket import hand_over, wants_websocket

_HEAD_END = re.compile(rb"\r\n\r\n")


class H11ZeroCopy(Connection):
    """uvicorn's `http=` class with zero-copy sending, on h11."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head = bytearray()
        self._searched = 0
        self._message: h11.Connection | None = None

    def _parse(self, data: bytes) -> None:
        rest: bytes | None = data
        while rest and not (self._deaf and self._message is None):
            rest = self._parse_head(rest) if self._message is None else self._parse_content(rest)

    def _parse_head(self, data: bytes) -> bytes | None:
        """Collect a head and act on it when it is whole; what follows it, None while there is nothing."""
        head = self._head
        head += data
        while head.startswith(b"\r\n"):  # RFC 9112 §2.2: empty lines before a request are ignored
            del head[:2]
            self._searched = 0
        if not head or head == b"\r":
            return None
        match = _HEAD_END.search(head, max(0, self._searched - 3))
        if match is None:
            if BARE_LINE_END.search(head, max(0, self._searched - 3)):  # Its end may never come.
                raise Refused(400)
            self._searched = len(head)
            return None
        whole, rest = bytes(head[: match.end()]), bytes(head[match.end() :])
        head.clear()
        self._searched = 0
        if BARE_LINE_END.search(whole):
            raise Refused(400)
        message = h11.Connection(h11.SERVER, self._limits.head_bytes + 1)
        try:
            message.receive_data(whole)
            event = message.next_event()
        except h11.RemoteProtocolError:
            raise Refused(400) from None
        assert isinstance(event, h11.Request)
        headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        fields = dict(headers)
        if self.idle() and wants_websocket(self.config, fields):
            hand_over(self, event.method, event.target, headers, rest)
            return None
        # RFC 9112 §9.3: what h11 made of version and Connection decides whether the connection goes on.
        persist = message.their_state is not h11.MUST_CLOSE and _persists(event.http_version, headers)
        self._request(
            event.method.decode("ascii"),
            bytes(event.target),
            event.http_version.decode("ascii"),
            headers,
            fields,
            persist,
        )
        self._message = message
        return self._events(message) if not rest else self._parse_content(rest)

    def _parse_content(self, data: bytes) -> bytes | None:
        message = self._message
        assert message is not None
        try:
            message.receive_data(data)
            return self._events(message)
        except h11.RemoteProtocolError:
            raise Refused(400) from None

    def _events(self, message: h11.Connection) -> bytes | None:
        """Pass on content; what follows the request when it is whole, else None."""
        while True:
            event = message.next_event()
            if isinstance(event, h11.Data):
                self._content(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._message = None
                self._request_end()
                return message.trailing_data[0]
            else:
                return None


def _persists(version: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    options = [
        option.strip() for name, value in headers if name == b"connection" for option in value.lower().split(b",")
    ]
    return b"close" not in options if version >= b"1.1" else b"keep-alive" in options
