"""The content of a request, read strictly: where llhttp does not read it, or is not there."""

import re
from collections.abc import MutableSequence
from typing import Any

from asgi_downloads.server.http1.request_head import NOT_IN_TRAILERS, Refused

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_SIZE = re.compile(
    # RFC 9112 §7.1, and as llhttp without white space around the extensions, whose parts may be empty
    rb"0*([0-9A-Fa-f]{1,16})(?:;(?!\r)%b*(?:=%b*(?:%b)?)?)*\r\n" % (_TOKEN, _TOKEN, _QUOTED)
)
_FIELD = re.compile(rb"(%b+):[\t -~\x80-\xff]*\r\n" % _TOKEN)  # RFC 9112 §5


class ContentReader:
    """Reader of one request's content; `fields` are those of its head, which has been checked."""

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        self._chunked = b"transfer-encoding" in fields
        self._left = int(fields.get(b"content-length", b"0"))
        """Bytes of the content, or of its present chunk, that are still to come."""
        self._line = b""
        """A line of which the end has not come."""
        self._read_line = self._size

    def feed(self, data: bytes, content: MutableSequence[Any]) -> bytes | None:
        """Append to `content` what there is of it; returns what follows the message, None while that has not ended.

        Raises `Refused` when the framing is broken.
        """
        at, data, self._line = 0, self._line + data, b""
        while self._left or self._chunked:
            if self._left:
                piece = data[at : at + self._left]
                if not piece:
                    return None
                content.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            end = data.find(b"\n", at) + 1
            if not end:
                self._line = data[at:]
                return None
            self._read_line(data[at:end])
            at = end
        return data[at:]

    def _size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise Refused(400)
        self._left = int(match[1], 16)
        self._read_line = self._chunk_end if self._left else self._trailer

    def _chunk_end(self, line: bytes) -> None:
        if line != b"\r\n":
            raise Refused(400)
        self._read_line = self._size

    def _trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self._chunked = False
            return
        match = _FIELD.fullmatch(line)
        if match is None or match[1].lower() in NOT_IN_TRAILERS:
            raise Refused(400)
