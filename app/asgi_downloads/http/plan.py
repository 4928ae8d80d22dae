"""The order of decisions for a GET or HEAD of something with a length (RFC 9110 §13.2.2), from request to `Plan`."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from asgi_downloads.http import conditionals, multipart
from asgi_downloads.http import ranges as range_requests
from asgi_downloads.http.errors import MalformedRange, PreconditionFailed
from asgi_downloads.http.headers import OWS
from asgi_downloads.http.message import ByteRange, Header, Headers, Plan, Representation
from asgi_downloads.http.ranges import IntRange, SuffixRange
from asgi_downloads.http.validators import http_date, is_strong

_DECISIVE = frozenset(
    {b"if-match", b"if-unmodified-since", b"if-none-match", b"if-modified-since", b"if-range", b"range"}
)
_OUT_OF_THE_ORDINARY = _DECISIVE | {b"want-repr-digest", b"want-digest"}
_ACCEPT_RANGES = (b"accept-ranges", b"bytes")

# Of `Representation.fields`, those that describe the content itself. Who has the content has them.
_METADATA = frozenset({b"content-encoding", b"content-language", b"content-disposition"})
_METADATA_AND_DIGEST = _METADATA | {b"repr-digest", b"digest"}


def plan(
    method: str,
    headers: Headers,
    representation: Representation,
    *,
    now: int,
    ranges: bool = True,
    boundary: Callable[[], bytes] = multipart.fresh_boundary,
) -> Plan:
    """Decide the answer: a `Plan` with status 200, 206 or 304, or an error that says 400, 412 or 416.

    `now` is the second that the Date field will say. `ranges` is False for content that the next request would not
    find alike. Raises `MalformedRange`, `PreconditionFailed`, `RangeNotSatisfiable`.
    """
    last_modified = representation.last_modified
    if last_modified is not None and last_modified > now:
        last_modified = now  # RFC 9110 §8.8.2.1: MUST replace a time in the future by that of the message
    asked = _asked(headers)
    if asked:
        if not _is_wanted(asked, representation.etag, last_modified, now):
            return _not_modified(representation, last_modified)
        if ranges and method == "GET":  # RFC 9110 §14.2: MUST ignore Range where it is not defined; HEAD is not
            parts = _parts(asked, representation, last_modified, now)
            if parts:
                return _partial(representation, last_modified, parts, b"if-range" in asked, boundary)
    return _whole(method, representation, last_modified, ranges)


def is_plain(headers: Headers) -> bool:
    """Whether the request leaves nothing to decide: no precondition, no range, no digest wanted."""
    return _OUT_OF_THE_ORDINARY.isdisjoint([name for name, _ in headers])


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The content that `plan` will most likely want: all, or one range, and of which version."""

    part: IntRange | SuffixRange | None = None
    etag: bytes | None = None


def foresee(method: str, headers: Headers) -> Foreseen | None:
    """What to ask of a store that gives facts and content in one answer; None where the facts must be known first.

    It decides nothing: `plan` does, by the facts that come with the content.
    """
    asked = _asked(headers)
    validator = asked.pop(b"if-range", None)
    value = asked.pop(b"range", None)
    if method != "GET" or asked:
        return None
    if value is None:
        return Foreseen()  # RFC 9110 §13.1.5: If-Range without Range MUST be ignored
    with suppress(MalformedRange):
        specs = range_requests.parse(value)
        if specs and len(specs) == 1 and (validator is None or is_strong(validator)):
            return Foreseen(specs[0], validator)
    return None


def is_one_range(headers: Headers) -> bool:
    """Whether the request leaves nothing to decide but a range, on no condition."""
    return _OUT_OF_THE_ORDINARY.intersection(name for name, _ in headers) <= {b"range"}


def _asked(headers: Headers) -> dict[bytes, bytes]:
    """The fields that decide anything, several lines of one name combined (RFC 9110 §5.2)."""
    lines: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _DECISIVE:
            lines.setdefault(name, []).append(value.strip(OWS))
    return {name: b", ".join(values) for name, values in lines.items()}


def _is_wanted(asked: dict[bytes, bytes], etag: bytes | None, last_modified: int | None, now: int) -> bool:
    """Steps 1 to 4 of RFC 9110 §13.2.2: False for a 304; raises `PreconditionFailed`."""
    holds = conditionals.if_match(asked.get(b"if-match"), etag)
    if holds is None:
        holds = conditionals.if_unmodified_since(asked.get(b"if-unmodified-since"), last_modified, now)
    if holds is False:
        raise PreconditionFailed
    holds = conditionals.if_none_match(asked.get(b"if-none-match"), etag)
    if holds is None:
        holds = conditionals.if_modified_since(asked.get(b"if-modified-since"), last_modified, now)
    return holds is not False


def _parts(
    asked: dict[bytes, bytes], representation: Representation, last_modified: int | None, now: int
) -> tuple[ByteRange, ...]:
    """Step 5 of RFC 9110 §13.2.2: the parts to send, none for the whole; 400 and 416 are raised."""
    value = asked.get(b"range")
    if value is None:
        return ()  # RFC 9110 §13.1.5: If-Range without Range MUST be ignored
    if conditionals.if_range(asked.get(b"if-range"), representation.etag, last_modified, now) is False:
        return ()  # RFC 9110 §13.1.5: Range MUST be ignored, be it as malformed as it likes
    specs = range_requests.parse(value)
    return range_requests.resolve(specs, representation.size) if specs else ()


def _whole(method: str, representation: Representation, last_modified: int | None, ranges: bool) -> Plan:
    size = representation.size
    lines: list[Header] = [(b"content-type", representation.content_type), (b"content-length", b"%d" % size)]
    if ranges:
        lines.append(_ACCEPT_RANGES)
    if representation.etag is not None:
        lines.append((b"etag", representation.etag))
    if last_modified is not None:
        lines.append((b"last-modified", http_date(last_modified)))
    lines += representation.fields
    if size == 0 or method == "HEAD":  # RFC 9110 §9.3.2: the fields of GET, no content
        return Plan(200, lines)
    return Plan(200, lines, (ByteRange(0, size),))


def _partial(
    representation: Representation,
    last_modified: int | None,
    parts: tuple[ByteRange, ...],
    resumes: bool,
    boundary: Callable[[], bytes],
) -> Plan:
    """A 206. One that `resumes` (If-Range held) leaves out what the client has from before.

    RFC 9110 §15.3.7: such an answer SHOULD NOT have representation fields that nothing requires, any other MUST have
    all of the 200. That includes Content-Type, whose absence lets the client keep its own.
    """
    size = representation.size
    lines: list[Header]
    if len(parts) == 1:
        part = parts[0]
        segments: tuple[bytes | ByteRange, ...] = parts
        lines = [] if resumes else [(b"content-type", representation.content_type)]
        lines.append((b"content-length", b"%d" % (part.stop - part.start)))
        lines.append((b"content-range", part.content_range(size)))
    else:
        mark = boundary()
        segments = multipart.frame(parts, size, representation.content_type, mark)
        lines = [
            (b"content-type", multipart.content_type(mark)),
            (b"content-length", b"%d" % multipart.length(segments)),
        ]  # RFC 9110 §15.3.7.2: MUST NOT have a Content-Range here, each part has its own
    lines.append(_ACCEPT_RANGES)
    if representation.etag is not None:
        lines.append((b"etag", representation.etag))
    if last_modified is not None and not resumes:
        lines.append((b"last-modified", http_date(last_modified)))
    lines += _without(_METADATA, representation.fields) if resumes else representation.fields
    return Plan(206, lines, segments)


def _not_modified(representation: Representation, last_modified: int | None) -> Plan:
    """A 304: what a cache updates its entry with and nothing about the content (RFC 9110 §15.4.5)."""
    lines: list[Header] = []
    if representation.etag is not None:
        lines.append((b"etag", representation.etag))
    elif last_modified is not None:  # of use only where there is no entity tag
        lines.append((b"last-modified", http_date(last_modified)))
    lines += _without(_METADATA_AND_DIGEST, representation.fields)
    return Plan(304, lines)


def _without(names: frozenset[bytes], fields: Iterable[Header]) -> list[Header]:
    return [line for line in fields if line[0] not in names]
