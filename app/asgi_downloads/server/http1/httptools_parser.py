"""The parser on httptools: llhttp reads, and `Head` says what may be answered."""

from collections import deque

import httptools

from asgi_downloads.http.message import Header
from asgi_downloads.server.http1.request_content import ContentReader
from asgi_downloads.server.http1.request_head import NOT_IN_TRAILERS, Head, Refused
from asgi_downloads.server.http1.request_parser import END, Event, Upgrade
from asgi_downloads.server.http1.websocket import wants_websocket


class HttpToolsParser:
    """`RequestParser` on llhttp."""

    def __init__(self, events: deque[Event], *, websockets: bool) -> None:
        self.done = False
        self._events = events
        self._websockets = websockets
        self._llhttp = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[Header] = []
        self._in_head = True
        self._persists = True
        self._content: ContentReader | None = None
        """Reads what llhttp takes for another protocol: content of a request whose wish to upgrade is passed over."""

    @property
    def target_length(self) -> int:
        """Bytes of a target of which the head has not ended."""
        return len(self._target)

    def feed(self, data: bytes) -> None:
        """Take in bytes and append the events that they complete."""
        rest: bytes | None = data
        while rest is not None:  # Once, but for a wish to upgrade.
            try:
                if self._content is None:
                    self._llhttp.feed_data(rest)
                    rest = None
                else:
                    rest = self._read(self._content, rest)
            except httptools.HttpParserUpgrade as wish:
                assert rest is not None
                rest = None if self.done else rest[wish.args[0] :]
            except (httptools.HttpParserError, Refused) as error:
                rest = None
                if not self.done:  # Otherwise it is our own way to stop.
                    self.done = True
                    self._events.append(_refusal(error))

    def close(self) -> None:
        """Let go of llhttp, which refers to our callbacks."""
        self.__dict__.pop("_llhttp", None)

    def _read(self, content: ContentReader, data: bytes) -> bytes | None:
        """Read content without llhttp; what follows the request when it is whole, else None."""
        rest = content.feed(data, self._events)
        if rest is not None:
            self._content = None
            self.on_message_complete()
        return rest

    # -- llhttp's callbacks

    def on_url(self, url: bytes) -> None:
        self._target = self._target + url if self._target else url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            if value.endswith(b"\t") and name.lower() == b"transfer-encoding":
                raise Refused(400)  # as llhttp does where it reads the content itself
            self._headers.append((name.lower(), value.rstrip(b" \t")))
        elif name.lower() in NOT_IN_TRAILERS:  # RFC 9110 §6.5.1: no other is merged into the head
            raise Refused(400)

    def on_headers_complete(self) -> None:
        self._in_head = False
        llhttp = self._llhttp
        target, self._target = self._target, b""
        headers, self._headers = self._headers, []
        fields = dict(headers)
        # What persists unasked is HTTP/1.1 (RFC 9112 §9.3); to ask llhttp makes a string each time.
        unasked = b"connection" not in fields and b"proxy-connection" not in fields and llhttp.should_keep_alive()
        version = "1.1" if unasked else llhttp.get_http_version()
        head = Head(llhttp.get_method(), target, version, headers, fields)
        self._persists = head.persists
        if b"upgrade" in fields and llhttp.should_upgrade():
            if b"content-length" in fields or b"transfer-encoding" in fields:
                self._content = ContentReader(fields)
            elif self._websockets and wants_websocket(head):
                self.done = True
                self._events.append(Upgrade(head))
                return
        self._events.append(head)

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._content is not None or self.done:
            return
        self._in_head = True
        self._events.append(END)
        if not self._persists:
            self.done = True
            raise Refused(400)  # llhttp stops; what follows is not looked at (RFC 9112 §9.6)


def _refusal(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error.__context__, Refused):
        return error.__context__
    # RFC 9110 §15.6.6: digits and a dot, but no version that there is
    return Refused(505 if error.args == ("Invalid HTTP version",) else 400)
