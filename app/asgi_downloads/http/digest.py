"""Integrity of the whole representation: RFC 9530, read with the grammar of RFC 9651. Computing is done elsewhere."""

import base64
import re

from asgi_downloads.http.headers import combined
from asgi_downloads.http.message import Header, Headers

# RFC 9651 §3.2: a dictionary. Only integers are weights; other values are read over, so that one strange member
# does not spoil its neighbours. What does not parse at all is ignored as a whole (§4.2).
_KEY = rb"[a-z*][a-z0-9_\-.*]*"
_BARE_ITEM = (
    rb"(?:-?[0-9]{1,12}\.[0-9]{1,3}|-?[0-9]{1,15}"
    rb'|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
    rb"|[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*"
    rb"|:[A-Za-z0-9+/=]*:|\?[01]|@-?[0-9]{1,15})"
)
_PARAMETERS = rb"(?:; *%b(?:=%b)?)*" % (_KEY, _BARE_ITEM)
_MEMBER = re.compile(rb"(?P<key>%b)(?:=(?P<value>%b))?%b" % (_KEY, _BARE_ITEM, _PARAMETERS))
_COMMA = re.compile(rb"[ \t]*,[ \t]*")
_WEIGHT = re.compile(rb"10|[0-9]")  # RFC 9530 §4: 0 to 10, and 0 is "not acceptable"


def wants_sha256(headers: Headers) -> bool:
    """Whether Want-Repr-Digest asks for sha-256, the one algorithm we offer."""
    value = combined(headers, b"want-repr-digest")
    return value is not None and _preferences(value).get(b"sha-256", 0) > 0


def repr_digest(sha256: bytes) -> Header:
    """The Repr-Digest line for the 32 bytes of the whole representation's SHA-256, also in a 206."""
    return b"repr-digest", b"sha-256=:%b:" % base64.b64encode(sha256)


def _preferences(value: bytes) -> dict[bytes, int]:
    """Weights by algorithm; empty if the field does not parse."""
    weights: dict[bytes, int] = {}
    position = 0
    while match := _MEMBER.match(value, position):
        weight = match["value"]
        weights[match["key"]] = int(weight) if weight is not None and _WEIGHT.fullmatch(weight) else 0
        if match.end() == len(value):
            return weights
        comma = _COMMA.match(value, match.end())
        if comma is None:
            break
        position = comma.end()
    return {}
