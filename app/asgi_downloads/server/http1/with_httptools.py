"""The protocol class on httptools: llhttp parses, we say what may be answered."""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from asgi_downloads.http.message import Header
from asgi_downloads.server.http1.connection import Connection
from asgi_downloads.server.http1.request_head import Refused
from asgi_downloads.server.http1.websocket import hand_over, wants_websocket

_METHODS = {b"GET": "GET", b"HEAD": "HEAD"}


class HttpToolsZeroCopy(Connection):
    """uvicorn's `http=` class with zero-copy sending, on httptools."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[Header] = []
        self._in_head = True
        self._refused: Refused | None = None
        self._websocket: tuple[bytes, bytes, list[Header]] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        del self._parser  # It refers to our callbacks.

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            rest = data[exc.args[0] :]
            if self._websocket is not None:
                hand_over(self, *self._websocket, rest)
            elif rest:  # The upgrade was ignored, and what follows is the next request.
                self._parse(rest)
        except httptools.HttpParserError:
            refused, self._refused = self._refused, None
            raise refused or Refused(400) from None

    # -- httptools' callbacks

    def on_url(self, url: bytes) -> None:
        self._target = self._target + url if self._target else url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # RFC 9110 §6.5.1: trailer fields are not merged into the head
            self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        parser = self._parser
        target, self._target = self._target, b""
        headers, self._headers = self._headers, []
        fields = dict(headers)
        method = parser.get_method()
        persist = parser.should_keep_alive()
        # A connection that persists unasked is HTTP/1.1 (RFC 9112 §9.3); asking llhttp makes a string each time.
        version = "1.1" if persist and b"connection" not in fields else parser.get_http_version()
        try:
            if b"upgrade" in fields and parser.should_upgrade() and self._upgrades(method, target, headers, fields):
                return
            self._request(_METHODS.get(method) or method.decode("ascii"), target, version, headers, fields, persist)
        except Refused as refused:
            self._refused = refused
            raise

    def _upgrades(self, method: bytes, target: bytes, headers: list[Header], fields: dict[bytes, bytes]) -> bool:
        """Whether the connection becomes a WebSocket; if not, the wish is ignored (RFC 9110 §7.8)."""
        if self.idle() and wants_websocket(self.config, fields):
            self._websocket = (method, target, headers)
            return True
        if b"content-length" in fields or b"transfer-encoding" in fields:
            raise Refused(501)  # llhttp takes content after an upgrade for the new protocol
        return False

    def on_body(self, body: bytes) -> None:
        self._content(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._request_end()
