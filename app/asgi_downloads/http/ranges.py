"""From the text of a Range field to the bytes it selects (RFC 9110 §14.1 and §14.2).

Ranges are half-open inside; the inclusive form of the wire is met only in `parse`. Every step is linear
in the length of the field, whatever it says.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asgi_downloads.http.errors import MalformedRange, RangeNotSatisfiable
from asgi_downloads.http.headers import OWS
from asgi_downloads.http.message import ByteRange

MOST_ELEMENTS = 100
"""A list with more members, empty ones included, is ignored: RFC 9110 §14.2 allows it, §17.15 advises it."""

NEAR = 80
"""Ranges with a smaller gap are joined: RFC 9110 §15.3.7.2 counts 80 bytes for a part, ours cost more."""

_BEYOND = 10**19
"""Stands for every longer number: more than any file has, and cheap to compute with."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SPEC = re.compile(rb"([0-9]*)-([0-9]*)")  # RFC 9110 §14.1.1 says DIGIT; int() alone would take "+1" and "1_0"


@dataclass(frozen=True, slots=True)
class IntRange:
    """`first-last`, both inclusive; `last` is None for "to the end"."""

    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class SuffixRange:
    """`-length`: the last `length` bytes."""

    length: int


RangeSpec = IntRange | SuffixRange


def parse(value: bytes) -> tuple[RangeSpec, ...] | None:
    """The ranges that a Range field asks for, in its order; None when the field is to be ignored.

    Raises `MalformedRange` when any member breaks the grammar, also beside valid ones.
    """
    unit, equals, members = value.partition(b"=")
    if not equals or not _TOKEN.fullmatch(unit):
        raise MalformedRange("expected bytes=first-last")
    if unit.lower() != b"bytes":  # RFC 9110 §14.1: range units are case-insensitive
        return None  # RFC 9110 §14.2: MUST ignore a unit that it does not understand
    if members.count(b",") >= MOST_ELEMENTS:
        return None
    specs = tuple(_parse_spec(member) for part in members.split(b",") if (member := part.strip(OWS)))
    if not specs:
        raise MalformedRange("no range in it")
    return specs


def _parse_spec(text: bytes) -> RangeSpec:
    match = _SPEC.fullmatch(text)
    if match is None or len(text) == 1:
        raise MalformedRange("a range is first-last, first- or -length, in decimal digits")
    first, last = (digits.lstrip(b"0") for digits in match.groups())
    if not match[1]:
        return SuffixRange(_number(last))
    if not match[2]:
        return IntRange(_number(first), None)
    if (len(first), first) > (len(last), last):  # RFC 9110 §14.1.1: then the int-range is invalid
        raise MalformedRange("a range ends before it starts")
    return IntRange(_number(first), _number(last))


def _number(digits: bytes) -> int:
    """The value of digits without leading zeros (RFC 9110 §14.1.2: numbers of any length, no overflow)."""
    return int(digits or b"0") if len(digits) < 20 else _BEYOND


def resolve(specs: Sequence[RangeSpec], size: int) -> tuple[ByteRange, ...]:
    """The parts of `size` bytes to send for `specs`: disjoint, within the bytes, in the order asked.

    No part at all means that the whole is to be sent. Raises `RangeNotSatisfiable` if no spec selects a byte.
    """
    if size == 0 and any(isinstance(spec, SuffixRange) and spec.length for spec in specs):
        # Satisfiable (RFC 9110 §14.1.2), but Content-Range has no words for no bytes. §14.2: MAY ignore.
        return ()
    kept = [part for spec in specs if (part := _clip(spec, size)) is not None]
    if not kept:
        raise RangeNotSatisfiable(size)
    return tuple(_join(kept)) if len(kept) > 1 else tuple(kept)


def _clip(spec: RangeSpec, size: int) -> ByteRange | None:
    if isinstance(spec, SuffixRange):
        start, stop = max(0, size - spec.length), size
    else:
        start, stop = spec.first, size if spec.last is None else min(spec.last + 1, size)
    return ByteRange(start, stop) if start < stop else None


def _join(parts: Iterable[ByteRange]) -> list[ByteRange]:
    """Overlapping, adjacent and near parts made one, each in the place of its first member (§15.3.7.2)."""
    joined: list[tuple[int, ByteRange]] = []
    for place, part in sorted(enumerate(parts), key=lambda item: item[1].start):
        if joined and part.start - joined[-1][1].stop < NEAR:
            first_place, before = joined[-1]
            joined[-1] = min(place, first_place), ByteRange(before.start, max(before.stop, part.stop))
        else:
            joined.append((place, part))
    return [part for _, part in sorted(joined, key=lambda item: item[0])]
