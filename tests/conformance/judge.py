"""Says what is wrong with an answer: as a message, against what a case wants, and beside the reference's."""

import gzip
import json
import re
from collections.abc import Sequence
from itertools import chain
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from tests.conformance.case import Case, Covers, Field, Gzip, Json, Leads, Lists, Named, Parts, Request, Want, Zip
from tests.conformance.client import Answer
from tests.conformance.contents import Malformed, read_content_range, read_disposition, read_parts, read_zip

NEAR = 256
"""Ranges this close together may be joined (row H4)."""

_VOLATILE = frozenset({"date", "connection", "keep-alive", "transfer-encoding", "content-length", "server"})
_SINGLE = ("content-type", "content-range", "etag", "last-modified", "date", "location", "content-disposition")
_ENTITY_TAG = re.compile(r'"[\x21\x23-\x7e]*"')


def faults(case: Case, answers: Sequence[Answer], reference: Sequence[Answer] | None = None) -> list[str]:
    """Everything wrong with `answers`, in words; `reference` is needed for the kind `fastapi` alone."""
    found = []
    for at, (request, answer, wanted) in enumerate(zip(case.exchange, answers, case.want, strict=True)):
        here = [*ill_formed(answer)] if answer.status else list(answer.faults)
        if wanted:
            here += _nearest([_against(want, request, answer, answers) for want in wanted])
        if reference is not None:
            here += beside(case, request, answer, reference[at])
        found += [f"answer {at + 1}: {fault}" if len(answers) > 1 else fault for fault in here]
    return found


def _nearest(alternatives: list[list[str]]) -> list[str]:
    return min(alternatives, key=len)


def ill_formed(answer: Answer) -> list[str]:
    """What no answer may be: row N1, and row B7's word that no request of these gets a 5xx."""
    found = list(answer.faults)
    if answer.trailing:
        found.append(f"bytes after the message: {answer.trailing[:60]!r}")
    if answer.status >= 500 and answer.status != 501:
        found.append(f"status {answer.status}")
    if answer.status == 304 and answer.get("content-range"):
        found.append("a 304 with Content-Range")
    etag = answer.get("etag")
    if etag is not None and not _ENTITY_TAG.fullmatch(etag):
        found.append(f"ETag {etag} is not a strong entity-tag")
    return found + [f"{name} twice" for name in _SINGLE if len(answer.get_all(name)) > 1]


def _against(want: Want, request: Request, answer: Answer, answers: Sequence[Answer]) -> list[str]:
    found = []
    if answer.status != want.status:
        found.append(f"status {answer.status}, not {want.status}")
    for name, field in want.fields:
        if (fault := _field(name, field, request, answer)) is not None:
            found.append(fault)
    if want.framing is not None and answer.framing not in (want.framing, "asgi"):
        found.append(f"framed by {answer.framing}, not {want.framing}")
    if want.closed is not None and answer.framing != "asgi" and answer.closed != want.closed:
        found.append("the connection was kept open" if want.closed else "the connection was closed")
    if want.like is not None:
        found += _like(answer, answers[want.like])
    try:
        found += _body(want, answer)
    except Malformed as error:
        found.append(str(error))
    return found


def _field(name: str, field: Field, request: Request, answer: Answer) -> str | None:
    value = answer.get(name)
    if field is None:
        return None if value is None else f"{name}: {value} should be absent"
    if value is None:
        return f"{name} is absent"
    try:
        right = _matches(field, value, request)
    except (Malformed, UnicodeDecodeError) as error:
        return f"{name}: {value} ({error})"
    return None if right else f"{name}: {value}, not {field.pattern if isinstance(field, re.Pattern) else field}"


def _matches(field: Field, value: str, request: Request) -> bool:
    match field:
        case re.Pattern():
            return field.fullmatch(value) is not None
        case Named(kind, name):
            found = read_disposition(value)
            return (found.kind, found.name) == (kind, name)
        case Leads():
            return leads(value, request) == field
        case Lists(members):
            return set(members) <= {item.strip() for item in value.split(",")}
        case _:
            return value == field


def leads(location: str, request: Request) -> Leads:
    """Where a Location leads from `request`; no fragment, and nothing but URI characters (RFC 3986 §2)."""
    if re.search(r"[^!$&'()*+,;=:@/?%\[\]~.0-9A-Za-z_-]", location) or re.search(r"%(?![0-9A-Fa-f]{2})", location):
        raise Malformed("not a URI reference")
    # A path that is there already is left as it is: to remove its dot segments would be the client's affair.
    split = urlsplit(
        location if location.startswith("/") else urljoin(f"http://host{request.target.decode()}", location)
    )
    return Leads(unquote_to_bytes(split.path), split.query.encode())


def _like(answer: Answer, other: Answer) -> list[str]:
    """Same status and fields, save those of the connection; Content-Length may be left out (RFC 9110 §8.6)."""
    found = [] if answer.status == other.status else [f"status {answer.status}, where {other.status} is due"]
    ours, theirs = (sorted(field for field in a.headers if field[0] not in _VOLATILE) for a in (answer, other))
    found += [f"{name}: {value} is missing" for name, value in theirs if (name, value) not in ours]
    found += [f"{name}: {value} is not in the other answer" for name, value in ours if (name, value) not in theirs]
    length = answer.get("content-length")
    if length is not None and other.get(
        "content-length",
    ) not in (None, length):
        found.append(f"content-length: {length}, not {other.get('content-length')}")
    return found


def _body(want: Want, answer: Answer) -> list[str]:
    match want.body:
        case None:
            return []
        case bytes():
            return [] if answer.body == want.body else [f"content {_brief(answer.body)}, not {_brief(want.body)}"]
        case re.Pattern():
            return [] if want.body.fullmatch(answer.body) else [f"content {_brief(answer.body)}"]
        case Json(value):
            due = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
            return [] if answer.body == due else [f"content {_brief(answer.body)}, not {_brief(due)}"]
        case Gzip(content):
            try:
                text = gzip.decompress(answer.body)
            except (OSError, EOFError) as error:
                return [f"no gzip: {error}"]
            return [] if text == content else [f"content {_brief(text)}, not {_brief(content)}"]
        case Zip(members):
            return _zip(read_zip(answer.body), dict(members))
        case Parts(whole, slices, content_type):
            parts = read_parts(answer.get("content-type") or "", answer.body)
            due_parts = [(content_type, a, b, len(whole), whole[a:b]) for a, b in slices]
            got = [(p.content_type, p.start, p.stop, p.size, p.data) for p in parts]
            return [] if got == due_parts else [f"parts {[g[:4] for g in got]}, not {[d[:4] for d in due_parts]}"]
        case Covers():
            return _covers(want.body, answer)


def _zip(got: dict[str, bytes], due: dict[str, bytes]) -> list[str]:
    if got.keys() != due.keys():
        return [f"members {sorted(got)}, not {sorted(due)}"]
    return [f"member {name} differs" for name in due if got[name] != due[name]]


def pieces(answer: Answer) -> list[tuple[int, int, int, bytes]]:
    """What a 206 carries, single or multipart: start, stop, size and bytes of each part."""
    content_range = answer.get("content-range")
    if content_range is not None:
        start, stop, size = read_content_range(content_range)
        return [(start, stop, size, answer.body)]
    return [(p.start, p.stop, p.size, p.data) for p in read_parts(answer.get("content-type") or "", answer.body)]


def joined(slices: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """`slices` in order, those nearer than `NEAR` made one: equal for all answers that row H4 allows."""
    result: list[tuple[int, int]] = []
    for start, stop in sorted(slices):
        if result and start <= result[-1][1] + NEAR:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def _covers(due: Covers, answer: Answer) -> list[str]:
    if answer.status != 206:
        return [f"no 206, so no parts of {due.slices}"]
    got, found = pieces(answer), []
    for start, stop, size, data in got:
        if size != len(due.whole) or data != due.whole[start:stop]:
            found.append(f"part {start}-{stop - 1}/{size} has other bytes")
    if answer.get("content-range") is None:
        parts = read_parts(answer.get("content-type") or "", answer.body)
        if {part.content_type for part in parts} != {due.content_type}:
            found.append(f"part types {[part.content_type for part in parts]}")
        if len(parts) < 2:
            found.append("a multipart of one part")
    elif answer.get("content-type") != due.content_type:
        found.append(f"content-type: {answer.get('content-type')}")
    covered = joined([piece[:2] for piece in got])
    asked = set(chain.from_iterable(range(start, stop) for start, stop in due.slices))
    sent = set(chain.from_iterable(range(piece[0], piece[1]) for piece in got))
    if covered != joined(due.slices) or not asked <= sent:
        found.append(f"parts {[piece[:2] for piece in got]}, not {list(due.slices)}")
    return found


def beside(case: Case, request: Request, answer: Answer, reference: Answer) -> list[str]:
    """Where `answer` is not the reference's, in the fields and the content that the case compares."""
    found = []
    if answer.status != reference.status:
        found.append(f"status {answer.status}, FastAPI {reference.status}")
    ranged = case.content == "ranges" and reference.status == answer.status == 206
    for name in case.compare:
        if ranged and name in ("content-type", "content-length", "content-range"):
            continue
        ours, theirs = answer.get(name), reference.get(name)
        if request.method == "HEAD" and name == "content-length" and ours is None:
            continue
        if not _equal(name, ours, theirs, request):
            found.append(f"{name}: {ours}, FastAPI {theirs}")
    try:
        if ranged:
            found += _same_ranges(answer, reference)
        elif case.content == "zip" and answer.status == 200:
            found += _zip(read_zip(answer.body), read_zip(reference.body))
        elif case.content in ("bytes", "ranges") and answer.body != reference.body:
            found.append(f"content {_brief(answer.body)}, FastAPI {_brief(reference.body)}")
    except Malformed as error:
        found.append(str(error))
    return found


_DEPARTURES = {("cache-control", "no-cache", None)}
"""Where we say more than FastAPI, on purpose: the cases `cache-control-...` say why."""


def _equal(name: str, ours: str | None, theirs: str | None, request: Request) -> bool:
    if (name, ours, theirs) in _DEPARTURES:
        return True
    if ours is None or theirs is None:
        return ours is theirs
    try:
        match name:
            case "etag":
                return True
            case "content-disposition":
                a, b = read_disposition(ours), read_disposition(theirs)
                return (a.kind, a.name) == (b.kind, b.name)
            case "location":
                return leads(ours, request) == leads(theirs, request)
    except (Malformed, UnicodeDecodeError):
        return False
    return ours == theirs


def _same_ranges(answer: Answer, reference: Answer) -> list[str]:
    ours, theirs = pieces(answer), pieces(reference)
    if joined([p[:2] for p in ours]) != joined([p[:2] for p in theirs]):
        return [f"parts {[p[:2] for p in ours]}, FastAPI {[p[:2] for p in theirs]}"]
    known = {at: byte for start, _, _, data in theirs for at, byte in enumerate(data, start)}
    sent = {at: byte for start, _, _, data in ours for at, byte in enumerate(data, start)}
    if any(sent.get(at) != byte for at, byte in known.items()) or {p[2] for p in ours} != {p[2] for p in theirs}:
        return ["the parts have other bytes than FastAPI's"]
    return []


def _brief(data: bytes) -> str:
    return repr(data) if len(data) <= 120 else f"{data[:60]!r}... ({len(data)} bytes)"
