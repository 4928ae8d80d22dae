"""The framing of multipart/byteranges (RFC 9110 §14.6): parts are segments, so their bytes are sent as any others."""

import secrets
from collections.abc import Sequence

from asgi_downloads.http.message import ByteRange, Segment


def fresh_boundary() -> bytes:
    """A boundary that nobody could have put into a file: 104 random bits, drawn after the content was fixed.

    The one thing in this room that is no pure function, hence a parameter of `plan`.
    """
    return secrets.token_hex(13).encode()


def content_type(boundary: bytes) -> bytes:
    """The Content-Type of the whole answer."""
    return b"multipart/byteranges; boundary=" + boundary


def frame(parts: Sequence[ByteRange], size: int, part_type: bytes, boundary: bytes) -> tuple[Segment, ...]:
    """The parts with a delimiter and header before each and the closing delimiter behind the last.

    `part_type` is the representation's own Content-Type, `size` its complete length. Lines end in CRLF (§8.3.3).
    """
    segments: list[Segment] = []
    line_end = b""  # no preamble: the first delimiter opens the content
    for part in parts:
        segments.append(
            b"%b--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n"
            % (line_end, boundary, part_type, part.content_range(size))
        )
        segments.append(part)
        line_end = b"\r\n"
    segments.append(b"\r\n--%b--\r\n" % boundary)
    return tuple(segments)


def length(segments: Sequence[Segment]) -> int:
    """The bytes that segments make together."""
    return sum(segment.stop - segment.start if isinstance(segment, ByteRange) else len(segment) for segment in segments)
