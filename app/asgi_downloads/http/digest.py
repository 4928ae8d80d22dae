"""Integrity of the whole representation: RFC 9530, read with the grammar of RFC 9651, and what it obsoletes, RFC 3230,
which download managers speak. Computing is done elsewhere."""

import base64
import re

from asgi_downloads.http.headers import combined, elements
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


# RFC 3230 §4.1.1, §4.3.1: names in any case; without q, or with one above 0, it is wanted.
_WANTED = re.compile(rb"sha-256(?:[ \t]*;[ \t]*q=(?:0\.[0-9]{0,2}[1-9][0-9]{0,2}|1(?:\.0*)?))?", re.IGNORECASE)


def wanted_fields(headers: Headers) -> tuple[bytes, ...]:
    """The fields that are asked for with SHA-256, the one algorithm we offer: `repr-digest`, `digest`."""
    fields = []
    value = combined(headers, b"want-repr-digest")
    if value is not None and _preferences(value).get(b"sha-256", 0) > 0:
        fields.append(b"repr-digest")
    value = combined(headers, b"want-digest")
    if value is not None and any(_WANTED.fullmatch(element) for element in elements(value)):
        fields.append(b"digest")
    return tuple(fields)


def digest_line(field: bytes, sha256: bytes) -> Header:
    """The line of one of those fields for the 32 bytes of the whole representation's SHA-256, also in a 206."""
    form = b"sha-256=:%b:" if field == b"repr-digest" else b"SHA-256=%b"
    return field, form % base64.b64encode(sha256)


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
