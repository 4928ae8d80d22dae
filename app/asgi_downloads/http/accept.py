"""What a client takes: media types (RFC 9110 §12.5.1) and content codings (§12.5.3)."""

import re
from collections.abc import Sequence

from asgi_downloads.http.headers import combined, elements
from asgi_downloads.http.message import Headers

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_WEIGHT = rb"[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)"  # RFC 9110 §12.4.2
_MEMBER = re.compile(rb"(?P<coding>%b)(?:%b)?" % (_TOKEN, _WEIGHT))
_MEDIA_RANGE = re.compile(
    rb"(?P<type>%b/%b)(?:[ \t]*;[ \t]*(?![qQ]=)[^;]*)*(?:%b(?:[ \t]*;.*)?)?" % (_TOKEN, _TOKEN, _WEIGHT)
)
_ALIASES = {b"x-gzip": b"gzip", b"x-compress": b"compress"}  # RFC 9110 §8.4.1: SHOULD be considered equivalent


def prefers(headers: Headers, coding: bytes) -> bool:
    """Whether the client takes `coding`, in lower case, and likes it no less than no coding at all.

    Without the field any coding is acceptable, but hardly decoded: then none is preferred.
    """
    weights = _weights(headers)
    weight = weights.get(coding, weights.get(b"*", 0))
    return weight > 0 and weight >= weights.get(b"identity", 0)


def preferred(headers: Headers, offers: Sequence[bytes]) -> bytes:
    """The media type that the client likes most, the first of those that it likes alike, and where it likes none."""
    weights: dict[bytes, float] = {}
    for element in elements(combined(headers, b"accept") or b"*/*"):
        if match := _MEDIA_RANGE.fullmatch(element):
            kind = match["type"].lower()
            weights[kind] = max(float(match["weight"] or b"1"), weights.get(kind, 0))

    def weight(offer: bytes) -> float:
        any_of = offer.partition(b"/")[0] + b"/*"
        return weights.get(offer, weights.get(any_of, weights.get(b"*/*", 0)))

    return max(offers, key=weight)


def _weights(headers: Headers) -> dict[bytes, int]:
    """Thousandths by coding, the greatest where one is named twice; malformed members are skipped."""
    weights: dict[bytes, int] = {}
    for element in elements(combined(headers, b"accept-encoding") or b""):
        if match := _MEMBER.fullmatch(element):
            coding = match["coding"].lower()
            coding = _ALIASES.get(coding, coding)
            weight = round(float(match["weight"] or b"1") * 1000)
            weights[coding] = max(weight, weights.get(coding, 0))
    return weights
