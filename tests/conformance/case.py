"""The vocabulary of the cases: what is sent, what must come back, why. A case is data; nothing here acts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["fastapi", "rfc", "choice"]
"""`fastapi`: our answer equals FastAPI's. `rfc`: the RFC's, where FastAPI has less. `choice`: ours, with a reason."""

IN_PROCESS: Final = frozenset({"in-process", "in-process-zerocopy"})
OURS: Final = frozenset({"serve"})
UVICORN: Final = frozenset({"serve", "uvicorn"})
ASGI_SERVERS: Final = frozenset({"serve", "uvicorn", "hypercorn", "granian"})
NGINX: Final = frozenset({"nginx", "nginx-offload"})
WIRE: Final = ASGI_SERVERS | NGINX
EVERYWHERE: Final = IN_PROCESS | WIRE


@dataclass(frozen=True, slots=True)
class Request:
    """One request. In header values, `{etag}`, `{weak}` and `{last-modified}` stand for what the target says of it.

    `raw` is a whole message that replaces all the rest. `pipelined` requests of a case are sent in one piece.
    """

    target: bytes
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    version: str = "1.1"
    body: bytes = b""
    raw: bytes | None = None
    pipelined: bool = False


@dataclass(frozen=True, slots=True)
class Json:
    """The content is JSON of this value, in compact form and without escapes (row B8)."""

    value: Any


@dataclass(frozen=True, slots=True)
class Zip:
    """The content is a sound archive of exactly these members."""

    members: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Gzip:
    """The content, once decompressed, is this."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Parts:
    """The content is multipart/byteranges with these slices `[start, stop)` of `whole`, in this order."""

    whole: bytes
    slices: tuple[tuple[int, int], ...]
    content_type: str


@dataclass(frozen=True, slots=True)
class Covers:
    """A 206, single or multipart: its parts are right, hold all `slices`, and nothing farther than 256 bytes from one.

    The freedom is that of RFC 9110 §15.3.7.2: parts in any order, near ranges joined.
    """

    whole: bytes
    slices: tuple[tuple[int, int], ...]
    content_type: str


@dataclass(frozen=True, slots=True)
class Named:
    """Content-Disposition by its meaning: type, and the name after decoding (row F2)."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Leads:
    """Location by its meaning: the decoded path, and the query byte for byte."""

    path: bytes
    query: bytes = b""


@dataclass(frozen=True, slots=True)
class Lists:
    """A comma-separated list with at least these members."""

    members: tuple[str, ...]


Field = str | re.Pattern[str] | Named | Leads | Lists | None
"""How a field is tested: equal, by pattern, by meaning, or absent."""

Body = bytes | re.Pattern[bytes] | Json | Zip | Gzip | Parts | Covers | None
"""How the content is tested; None leaves it open."""


@dataclass(frozen=True, slots=True)
class Want:
    """One acceptable answer. `like` is the position in the exchange of the answer whose status and fields it shares."""

    status: int
    fields: tuple[tuple[str, Field], ...] = ()
    body: Body = None
    like: int | None = None
    framing: str | None = None
    closed: bool | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that must hold, as an exchange on one connection.

    `want[i]` are the acceptable answers to `exchange[i]`. For the kind `fastapi` the fields in `compare` must besides
    equal the reference's, and so must the content: its `bytes`, the `zip` members or the `ranges` in it, or `free`.
    """

    id: str
    rows: tuple[str, ...]
    kind: Kind
    exchange: tuple[Request, ...]
    want: tuple[tuple[Want, ...], ...]
    compare: tuple[str, ...] = ()
    content: Literal["bytes", "zip", "ranges", "free"] = "bytes"
    section: str = ""
    reason: str = ""
    on: frozenset[str] = EVERYWHERE

    def __post_init__(self) -> None:
        if len(self.exchange) != len(self.want) or not self.rows:
            raise ValueError(f"case {self.id}: {len(self.exchange)} requests, {len(self.want)} answers")
        if (self.kind == "rfc") != bool(self.section) or (self.kind == "choice") != bool(self.reason):
            raise ValueError(f"case {self.id}: an `rfc` case has a section, a `choice` a reason, `fastapi` neither")


FIELDS: Final = (
    "content-type",
    "content-length",
    "content-disposition",
    "content-range",
    "accept-ranges",
    "last-modified",
    "etag",
    "cache-control",
    "x-report-id",
    "location",
    "content-encoding",
    "vary",
)
"""The fields that a `fastapi` case compares unless it says otherwise; `etag` by presence, for its text is free (E5)."""

UNSIZED: Final = tuple(
    name for name in FIELDS if name not in {"content-length", "accept-ranges", "last-modified", "etag"}
)
"""For streamed answers, whose length and validators are free (rows K3, K8, G23, I13)."""

PARTIAL: Final = tuple(name for name in FIELDS if name != "accept-ranges")
"""For a 206, where Accept-Ranges is free (row E3)."""

STATUS_ONLY: Final = ("content-range",)
"""For answers of which only the status and Content-Range bind (rows G5, G7)."""

Target = str | bytes
Fields = dict[str, Field]


def encode(target: Target) -> bytes:
    """A target as bytes; text must be ASCII already."""
    return target.encode("ascii") if isinstance(target, str) else target


def slug(text: str) -> str:
    """`text` as a part of an id: short, ASCII, the same for ever; other characters are told by their code."""
    written = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else f"_{ord(c):x}" for c in text) or "nothing"
    return written if len(written) <= 48 else f"{written[:32]}-{len(text)}-long"


def get(target: Target, /, **headers: str) -> Request:
    """A GET; `if_none_match='*'` is the field If-None-Match."""
    return send("GET", target, **headers)


def head(target: Target, /, **headers: str) -> Request:
    return send("HEAD", target, **headers)


def send(method: str, target: Target, /, **headers: str) -> Request:
    """A request; underscores in header names are dashes."""
    return Request(encode(target), method, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def want(status: int, body: Body = None, /, **fields: Field) -> Want:
    """An acceptable answer; underscores in field names are dashes."""
    return Want(status, tuple((name.replace("_", "-"), value) for name, value in fields.items()), body)


Exchange = Request | Sequence[Request]
Wanted = Want | int | Sequence[Want | int]


def _exchange(requests: Exchange) -> tuple[Request, ...]:
    return (requests,) if isinstance(requests, Request) else tuple(requests)


def _alternatives(wanted: Wanted) -> tuple[Want, ...]:
    items = [wanted] if isinstance(wanted, Want | int) else wanted
    return tuple(Want(item) if isinstance(item, int) else item for item in items)


def same(
    id_: str,
    rows: str,
    requests: Exchange,
    /,
    *wanted: Wanted,
    compare: tuple[str, ...] = FIELDS,
    content: Literal["bytes", "zip", "ranges", "free"] = "bytes",
    on: frozenset[str] = EVERYWHERE,
) -> Case:
    """A `fastapi` case: as the reference answers; `wanted`, one for each request, says it in words too."""
    wants = tuple(map(_alternatives, wanted))
    return Case(id_, tuple(rows.split()), "fastapi", _exchange(requests), wants, compare, content, on=on)


def rfc(
    id_: str, rows: str, section: str, requests: Exchange, /, *wanted: Wanted, on: frozenset[str] = EVERYWHERE
) -> Case:
    """An `rfc` case: `section` is of RFC 9110 unless it names another."""
    wants = tuple(map(_alternatives, wanted))
    return Case(id_, tuple(rows.split()), "rfc", _exchange(requests), wants, section=section, on=on)


def choice(
    id_: str, rows: str, reason: str, requests: Exchange, /, *wanted: Wanted, on: frozenset[str] = EVERYWHERE
) -> Case:
    """A `choice` case: `reason` says why this answer, or these answers."""
    wants = tuple(map(_alternatives, wanted))
    return Case(id_, tuple(rows.split()), "choice", _exchange(requests), wants, reason=reason, on=on)
