"""Values that a response is planned with. No rule lives here, only what rules take and give."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

Header = tuple[bytes, bytes]
"""One field line: lower-case name, value without surrounding white space."""

Headers = Sequence[Header]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `[start, stop)` of a representation; half-open here, inclusive only on the wire."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def content_range(self, size: int) -> bytes:
        """The Content-Range value for this part of `size` bytes (RFC 9110 §14.4)."""
        return b"bytes %d-%d/%d" % (self.start, self.stop - 1, size)


Segment = bytes | ByteRange
"""A part of the content: framing of our own, or bytes of the representation."""


@dataclass(frozen=True, slots=True)
class Representation:
    """What a 200 would say of the selected representation (RFC 9110 §3.2).

    `size` is in bytes, `last_modified` in whole seconds since the epoch, `etag` with its quotes.
    `fields` are the further field lines of the 200: Content-Disposition, Cache-Control and the like.
    """

    size: int
    content_type: bytes
    etag: bytes | None = None
    last_modified: int | None = None
    fields: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer decided but not sent: status, field lines, and which segments make the content."""

    status: int
    headers: list[Header]
    segments: tuple[Segment, ...] = field(default=())


def with_status(plan: Plan, status: int) -> Plan:
    """The plan with another status where it says 200."""
    return replace(plan, status=status) if plan.status == 200 != status else plan
