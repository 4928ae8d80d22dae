"""Whether a request's head may be answered at all. What the parsers let through wrongly is refused here.

Pure: takes the parts of a head, gives a status. 0 means that nothing is wrong.
"""

import re

from asgi_downloads.http.message import Header
from asgi_downloads.server.http1.host import valid_host

_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]+)(/[^?#]*)?(\?[^#]*)?")
_VISIBLE = bytes(byte if 0x21 <= byte < 0x7F and byte != 0x23 else 0 for byte in range(256))
"""A table that keeps visible ASCII but "#": no target holds anything else (RFC 9112 §3.2)."""
BARE_LINE_END = re.compile(rb"\r[^\n]|(?<!\r)\n|\r\n[ \t]")
"""A CR or LF alone (RFC 9112 §2.2), or a folded line (§5.2); for the parser that takes them."""


class Refused(Exception):
    """A head that gets no other answer than `status`, and then the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def check_fields(version: str, headers: list[Header], fields: dict[bytes, bytes]) -> None:
    """Raise `Refused` for an ambiguous or incomplete head. `fields` is `dict(headers)`; names are lower-case."""
    if version != "1.1":
        if version != "1.0":
            raise Refused(400 if version < "1" else 505)
        if b"transfer-encoding" in fields:
            raise Refused(400)  # RFC 9112 §6.1: HTTP/1.0 has no transfer codings, so the framing is faulty
    elif b"host" not in fields:
        raise Refused(400)  # RFC 9112 §3.2
    if b"host" in fields and not valid_host(fields[b"host"]):
        raise Refused(400)  # RFC 9112 §3.2
    if b"content-length" in fields:
        if not fields[b"content-length"].isdigit():
            raise Refused(400)  # RFC 9110 §8.6
        if b"transfer-encoding" in fields:
            raise Refused(400)  # RFC 9112 §6.3: smuggling is about to be tried
    elif b"transfer-encoding" in fields and fields[b"transfer-encoding"].lower() != b"chunked":
        raise Refused(501)  # RFC 9112 §6.1
    if len(fields) != len(headers):
        _check_repeated(headers)


def _check_repeated(headers: list[Header]) -> None:
    seen: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in (b"host", b"content-length", b"transfer-encoding"):
            if name in seen and (name != b"content-length" or value != seen[name]):
                raise Refused(400)  # RFC 9112 §3.2, §6.1, §6.3
            seen[name] = value


def split_target(method: str, target: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Path, query and authority (None unless the target has one) of a request target (RFC 9112 §3.2).

    Raises `Refused` for anything but origin-form, absolute-form and `OPTIONS *`.
    """
    if not target.startswith(b"/"):
        return _split_absolute(method, target)
    if target.translate(_VISIBLE) != target:
        raise Refused(400)
    if b"?" not in target:
        return target, b"", None
    path, _, query = target.partition(b"?")
    return path, query, None


def _split_absolute(method: str, target: bytes) -> tuple[bytes, bytes, bytes | None]:
    if target == b"*" and method == "OPTIONS":
        return b"*", b"", None
    match = _ABSOLUTE.fullmatch(target)
    if match is None or target.translate(_VISIBLE) != target or not valid_host(match[1]):
        raise Refused(400)
    return match[2] or b"/", (match[3] or b"?")[1:], match[1]
