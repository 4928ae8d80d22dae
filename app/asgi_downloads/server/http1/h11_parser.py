"""The parser on h11, for where httptools is not installed. h11 reads heads, one `h11.Connection` for each."""

import re
from collections import deque

import h11

from asgi_downloads.server.http1.request_content import ContentReader
from asgi_downloads.server.http1.request_head import Head, Refused, check_codings
from asgi_downloads.server.http1.request_parser import END, Event, Upgrade
from asgi_downloads.server.http1.websocket import wants_websocket

_BARE_LINE_END = re.compile(rb"\r[^\n]|(?<!\r)\n")  # RFC 9112 §2.2
_LENIENCIES = re.compile(
    rb"\r[^\n]|(?<!\r)\n"
    rb"|\r\n[ \t]"  # RFC 9112 §5.2: a folded line
    rb"|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]"  # RFC 9110 §5.5
    rb"|(?i:\r\ncontent-length:)[^\r]*(?:,|\r\n(?:.*\r\n)?(?i:content-length:))",  # RFC 9112 §6.3: h11 joins them
    re.DOTALL,
)
"""What h11 lets pass in a head."""
_SPACES = re.compile(rb" +")  # RFC 9112 §3: several may be taken for one, as llhttp does
_CODINGS = re.compile(rb"(?i)\r\ntransfer-encoding:[ \t]*([^\r]*)")


class H11Parser:
    """`RequestParser` on h11."""

    def __init__(self, events: deque[Event], *, websockets: bool) -> None:
        self.done = False
        self._events = events
        self._websockets = websockets
        self._head = bytearray()
        """What has come of a head; it is known of its first `_searched` bytes that they are good, and not the whole."""
        self._searched = 0
        self._persists = True
        self._content: ContentReader | None = None

    @property
    def target_length(self) -> int:
        """Bytes of a target of which the head has not ended, with its method."""
        return len(self._head.partition(b"\r\n")[0])

    def feed(self, data: bytes) -> None:
        """Take in bytes and append the events that they complete."""
        rest: bytes | None = data
        try:
            while rest and not self.done:
                rest = self._parse(rest) if self._content is None else self._read(self._content, rest)
        except Refused as refused:
            self._events.append(refused)
            self.done = True

    def close(self) -> None:
        """Nothing here refers to itself."""

    def _parse(self, data: bytes) -> bytes | None:
        """Collect a head and read it when it is whole; what follows it, None while there is nothing."""
        head = self._head
        head += data if head else data.lstrip(b"\r\n")  # RFC 9112 §2.2: empty lines before a request
        end = head.find(b"\r\n\r\n", max(0, self._searched - 3)) + 4
        if end < 4:
            if _BARE_LINE_END.search(head, max(0, self._searched - 1)):  # The end may never come.
                raise Refused(400)
            self._searched = len(head)
            return None
        whole, rest = bytes(head[:end]), bytes(head[end:])
        head.clear()
        self._searched = 0
        read = _read_head(whole)
        content = b"content-length" in read.fields or b"transfer-encoding" in read.fields
        if self._websockets and not content and wants_websocket(read):
            self.done = True
            self._events.append(Upgrade(read))
            return None
        self._persists = read.persists
        self._events.append(read)
        self._content = ContentReader(read.fields)
        return self._read(self._content, rest)

    def _read(self, content: ContentReader, data: bytes) -> bytes | None:
        """Read content; what follows the request when it is whole, else None."""
        rest = content.feed(data, self._events)
        if rest is not None:
            self._content = None
            self._events.append(END)
            self.done = not self._persists
        return rest


def _read_head(whole: bytes) -> Head:
    """A head as h11 reads it. Raises `Refused`."""
    if _LENIENCIES.search(whole):
        raise Refused(400)
    codings = _CODINGS.findall(whole)
    if codings:
        check_codings(b",".join(codings))  # h11 takes those that may not be for those that are not known
    line, fields = whole.split(b"\r\n", 1)
    message = h11.Connection(h11.SERVER)
    try:
        message.receive_data(_SPACES.sub(b" ", line) + b"\r\n" + fields)
        event = message.next_event()
    except h11.RemoteProtocolError:
        raise Refused(400) from None
    if not isinstance(event, h11.Request):
        raise Refused(400)
    headers = [(bytes(name), bytes(value)) for name, value in event.headers]
    return Head(bytes(event.method), bytes(event.target), event.http_version.decode("ascii"), headers, dict(headers))
