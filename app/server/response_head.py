"""The head of a response as bytes: status line, checked field lines, a Date exact to the second.

Nothing that an application passes can split a message: a control character in a name or a value
is a `RuntimeError` before a byte is sent.
"""

import time
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus

from app.http.message import Header, Headers

_TCHAR = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"  # RFC 9110 §5.6.2, in lower case
_FIELD_VCHAR = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])  # RFC 9110 §5.5, with obs-text
_CRLFS = tuple(b"\r\n" * count for count in range(64))


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""  # RFC 9112 §4: the phrase may be empty, the space before it may not


STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, _phrase(status)) for status in range(200, 600)}
"""Status lines of final responses."""


def lower(headers: Iterable[Sequence[bytes]]) -> list[Header]:
    """The same field lines with names in lower case."""
    return [(bytes(name).lower(), bytes(value)) for name, value in headers]


def field_lines(headers: Headers, fields: dict[bytes, bytes]) -> bytes:
    """Field lines on the wire, each with its CRLF. `fields` is `dict(headers)`.

    Raises `RuntimeError` for a name that is no lower-case token or a value with a control
    character. Both checks run over all lines at once: what is left when every permitted byte has
    been deleted is exactly one CRLF for each line.
    """
    if not headers:
        return b""
    if b"".join(fields).translate(None, _TCHAR) or b"" in fields:
        raise RuntimeError("Invalid HTTP header name.")
    lines = b"\r\n".join([b": ".join(header) for header in headers]) + b"\r\n"
    count = len(headers)
    if lines.translate(None, _FIELD_VCHAR) != (_CRLFS[count] if count < 64 else b"\r\n" * count):
        raise RuntimeError("Invalid HTTP header value.")
    return lines


class _Clock:
    """Remembers the line for the current second; a new second makes a new one."""

    second = -1
    line = b""


def date_line() -> bytes:
    """A Date field line for this very second (RFC 9110 §6.6.1)."""
    now = int(time.time())
    if now != _Clock.second:
        _Clock.second = now
        _Clock.line = b"date: " + formatdate(now, usegmt=True).encode("ascii") + b"\r\n"
    return _Clock.line
