"""How the end of an answer's content is told, and what becomes of the connection (RFC 9112 §6, §7.1, §9).

Pure: takes the status and the fields that an application chose. `fields` is always `dict(headers)`.
What no answer can be framed for is a `RuntimeError`: the application's mistake.
"""

from collections.abc import Sequence
from enum import Enum

from asgi_downloads.http.headers import get_all
from asgi_downloads.http.message import Header
from asgi_downloads.server.http1.request_head import connection_options


class Framing(Enum):
    """Where the content ends."""

    NONE = "there is no content"
    LENGTH = "after Content-Length bytes"
    CHUNKED = "with the last chunk"
    CLOSE = "with the connection"


NONE, LENGTH, CHUNKED, CLOSE = Framing


def without_framing(headers: Sequence[Header], fields: dict[bytes, bytes], status: int) -> list[Header]:
    """The fields less Transfer-Encoding, which is ours to choose, and a Content-Length that must not be sent."""
    coding = fields.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise RuntimeError("An application may not choose a transfer coding but chunked.")
    drop = {b"transfer-encoding"}
    if coding is not None or status == 204:  # RFC 9112 §6.2, RFC 9110 §8.6
        drop.add(b"content-length")
    return [header for header in headers if header[0] not in drop]


def choose(
    method: str, version: str, status: int, headers: Sequence[Header], fields: dict[bytes, bytes]
) -> tuple[Framing, int]:
    """The framing (RFC 9112 §6.3), and how many bytes Content-Length promises."""
    length = fields.get(b"content-length")
    if length is None:
        promised = -1
    elif not length.isdigit() or (len(fields) != len(headers) and len(get_all(headers, b"content-length")) > 1):
        raise RuntimeError("Invalid Content-Length.")
    else:
        promised = int(length)
    if method == "HEAD" or status == 304 or status == 204:
        return NONE, 0
    if promised >= 0:
        return LENGTH, promised
    # RFC 9112 §6.1: no transfer coding to an HTTP/1.0 client
    return (CLOSE if version == "1.0" else CHUNKED), 0


def persistence(
    keep_alive: bool, version: str, headers: Sequence[Header], fields: dict[bytes, bytes]
) -> tuple[bool, bytes]:
    """Whether the connection goes on, and the line that says so where it does not go without saying (RFC 9112 §9.3)."""
    if b"connection" in fields and b"close" in connection_options(headers):
        return False, b""
    if not keep_alive:
        return False, b"connection: close\r\n"  # RFC 9112 §9.6
    if version == "1.0" and b"connection" not in fields:
        return True, b"connection: keep-alive\r\n"
    return True, b""


def chunk(size: int, more: bool) -> tuple[bytes, bytes]:
    """What stands before and after `size` bytes in chunked content (RFC 9112 §7.1); the end of all if not `more`."""
    if not size:  # A chunk of no bytes would be the last.
        return b"", b"" if more else b"0\r\n\r\n"
    return b"%x\r\n" % size, b"\r\n" if more else b"\r\n0\r\n\r\n"
