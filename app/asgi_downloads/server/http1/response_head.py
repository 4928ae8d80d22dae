"""The head of a response as bytes: status line, checked field lines, a Date exact to the second.

Nothing that an application passes can split a message: a control character in a name or a value
is a `RuntimeError` before a byte is sent.
"""

import time
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus

from asgi_downloads.http.message import Header, Headers

_TCHAR = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"  # RFC 9110 §5.6.2, in lower case
_UNCONTROLLED = bytes(
    byte if (byte >= 0x20 and byte != 0x7F) or byte in b"\t\r\n" else 0x3F for byte in range(256)
)  # RFC 9110 §5.5: a table that keeps what a value may hold, and the line ends between values

_known_names: set[bytes] = set()
_KNOWN_NAMES_LIMIT = 1000

_known_heads: dict[tuple[Header, ...], tuple[bytes, dict[bytes, bytes]]] = {}
_KNOWN_HEADS_LIMIT = 512
_LONGEST_KNOWN_HEAD = 2048


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""  # RFC 9112 §4: the phrase may be empty, the space before it may not


STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, _phrase(status)) for status in range(200, 600)}
"""Status lines of final responses."""


def lower(headers: Iterable[Sequence[bytes]]) -> list[Header]:
    """Field lines as `Header`s: names in lower case, both bytes."""
    return [(bytes(name).lower(), bytes(value)) for name, value in headers]


def field_lines(headers: Headers, fields: dict[bytes, bytes]) -> bytes:
    """Field lines on the wire, each with its CRLF. `fields` is `dict(headers)`.

    Raises `RuntimeError` for a name that is no lower-case token or a value with a control
    character. The values are checked all at once: every line brings one CR and one LF, and one more of
    either means that a value has it.
    """
    if not headers:
        return b""
    if not _known_names.issuperset(fields):
        _check_names(fields)
    count = len(headers)
    lines = b"\r\n".join([*[b": ".join(header) for header in headers], b""])
    if lines.translate(_UNCONTROLLED) != lines or lines.count(b"\r") != count or lines.count(b"\n") != count:
        raise RuntimeError("Invalid HTTP header value.")
    return lines


def encode(headers: list[Header]) -> tuple[bytes, dict[bytes, bytes]]:
    """Field lines as by `field_lines`, and the fields by name, not to be changed; remembered for heads sent again."""
    key = tuple(headers)
    known = _known_heads.get(key)
    if known is None:
        fields = dict(headers)
        known = field_lines(headers, fields), fields
        if len(known[0]) <= _LONGEST_KNOWN_HEAD:
            if len(_known_heads) >= _KNOWN_HEADS_LIMIT:
                del _known_heads[next(iter(_known_heads))]
            _known_heads[key] = known
    return known


def _check_names(names: Iterable[bytes]) -> None:
    """Raise `RuntimeError` for a name that is no token in lower case; remember those that are."""
    for name in names:
        if not name or name.translate(None, _TCHAR):
            raise RuntimeError("Invalid HTTP header name.")
        if len(_known_names) < _KNOWN_NAMES_LIMIT:
            _known_names.add(name)


class _Clock:
    """The line for one second, from `begin` until `end` on time.time()'s scale."""

    begin = end = 0
    line = b""


def date_line() -> bytes:
    """A Date field line for this very second (RFC 9110 §6.6.1)."""
    now = time.time()
    if not _Clock.begin <= now < _Clock.end:
        _Clock.begin = int(now)
        _Clock.end = _Clock.begin + 1
        _Clock.line = b"date: " + formatdate(_Clock.begin, usegmt=True).encode("ascii") + b"\r\n"
    return _Clock.line
