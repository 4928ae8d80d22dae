"""The head of a request: which may be answered, and what of it matters to those who answer.

What the parsers let through wrongly is refused here, so that both of them behave as one.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from asgi_downloads.http.headers import combined, elements
from asgi_downloads.http.message import Header, Headers

METHODS = {
    name: name.decode("ascii")
    for name in (
        b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY"
        b" MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SUBSCRIBE UNBIND UNLINK UNLOCK"
        b" UNSUBSCRIBE"
    ).split()
}
"""Those that llhttp knows, but for CONNECT: nobody here is a proxy (RFC 9110 §9.3.6)."""

NOT_IN_TRAILERS = frozenset((b"connection", b"content-length", b"proxy-connection", b"transfer-encoding", b"upgrade"))
"""Fields about the message itself, which must have come before its content (RFC 9110 §6.5.1)."""

_ONCE = (b"host", b"content-length")
_LONGEST_LENGTH = 19
"""Digits of a Content-Length; no more of them are counted in 64 bits by everybody on the way."""

_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]+)(/[^?#]*)?(\?[^#]*)?")
_VISIBLE = bytes(byte if 0x21 <= byte < 0x7F and byte != 0x23 else 0 for byte in range(256))
"""A table that keeps visible ASCII but "#": no target holds anything else (RFC 9112 §3.2)."""

_LONGEST_HOST = 300
"""Bytes of a Host: a name has 255 at most (RFC 1035 §2.3.4), so nothing longer is looked at, or remembered."""

_PORT = rb"(?::[0-9]*)?"
_NAME = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%%[0-9A-Fa-f]{2})*%b" % _PORT)  # reg-name, also IPv4
_LITERAL = re.compile(rb"\[(?:(?P<ipv6>[0-9A-Fa-f:.]+)|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]%b" % _PORT)


class Refused(Exception):
    """A request that gets no other answer than `status`, and then the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Head:
    """Head of a request that may be answered; the constructor raises `Refused` for any other.

    `headers` are in order, their names in lower case; `fields` is `dict(headers)`. `path` and `query` are as they were
    sent. `persists` says whether the connection goes on after the answer (RFC 9112 §9.3).
    """

    __slots__ = ("fields", "headers", "method", "path", "persists", "query", "version")

    def __init__(
        self, method: bytes, target: bytes, version: str, headers: list[Header], fields: dict[bytes, bytes]
    ) -> None:
        name = METHODS.get(method)
        if name is None:
            raise Refused(400)  # RFC 9110 §9.1 says 501; llhttp cannot tell an unknown method from what is none
        self.method = name
        self.version = version
        self.headers = headers
        self.fields = fields
        framed = b"content-length" in fields or b"transfer-encoding" in fields
        if framed or version != "1.1" or len(fields) != len(headers):
            _check_framing(version, headers, fields)
        host = fields.get(b"host")
        if host is None:
            if version == "1.1":
                raise Refused(400)  # RFC 9112 §3.2
        elif len(host) > _LONGEST_HOST or not valid_host(host):
            raise Refused(400)  # RFC 9112 §3.2
        if target.startswith(b"/"):
            if target.translate(_VISIBLE) != target:
                raise Refused(400)
            self.path, _, self.query = target.partition(b"?")
        else:
            self._split(target)
        asked = b"connection" in fields or b"proxy-connection" in fields
        self.persists = persists(version, headers) if asked else version == "1.1"

    def _split(self, target: bytes) -> None:
        """Take in a target in absolute form, or `*` (RFC 9112 §3.2)."""
        if target == b"*" and self.method == "OPTIONS":
            self.path, self.query = target, b""
            return
        match = _ABSOLUTE.fullmatch(target)
        if match is None or target.translate(_VISIBLE) != target:
            raise Refused(400)
        if len(match[1]) > _LONGEST_HOST or not valid_host(match[1]):
            raise Refused(400)
        self.path, self.query = match[2] or b"/", (match[3] or b"?")[1:]
        # RFC 9112 §3.2.2: the target's authority stands instead of Host
        self.headers[:] = [header for header in self.headers if header[0] != b"host"]
        self.headers.append((b"host", match[1]))


def _check_framing(version: str, headers: list[Header], fields: dict[bytes, bytes]) -> None:
    """Raise `Refused` where one recipient could see another message than the next one does."""
    if version not in ("1.0", "1.1"):
        raise Refused(400 if version < "1" else 505)
    if len(fields) != len(headers):
        seen = set()
        for name, _ in headers:
            if name in seen and name in _ONCE:
                raise Refused(400)  # RFC 9112 §3.2, §6.3
            seen.add(name)
    length, coded = fields.get(b"content-length"), b"transfer-encoding" in fields
    if length is not None and (coded or not length.isdigit() or len(length) > _LONGEST_LENGTH):
        raise Refused(400)  # RFC 9112 §6.3: smuggling is about to be tried
    if coded:
        if version == "1.0":
            raise Refused(400)  # RFC 9112 §6.1: HTTP/1.0 has no transfer codings, so the framing is faulty
        check_codings(b",".join([value for name, value in headers if name == b"transfer-encoding"]))


def check_codings(value: bytes) -> None:
    """Raise `Refused` for a Transfer-Encoding other than `chunked`."""
    *others, last = [coding.strip(b" ") for coding in value.lower().split(b",")]
    if last != b"chunked" or b"chunked" in others:
        raise Refused(400)  # RFC 9112 §6.3: where such content ends cannot be known
    if others:
        raise Refused(501)  # RFC 9112 §6.1


def persists(version: str, headers: list[Header]) -> bool:
    """Whether the connection goes on: `close` wins over all else (RFC 9112 §9.3), also where llhttp alone reads it."""
    options = connection_options(headers)
    if b"close" in options or b"close" in connection_options(headers, b"proxy-connection"):
        return False
    return version == "1.1" or b"keep-alive" in options


def connection_options(headers: Headers, name: bytes = b"connection") -> list[bytes]:
    """Options of Connection, in lower case (RFC 9110 §7.6.1)."""
    return elements((combined(headers, name) or b"").lower())


@lru_cache(256)
def valid_host(value: bytes) -> bool:
    """Whether a Host value is `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2); an empty one is."""
    if _NAME.fullmatch(value):
        return True
    match = _LITERAL.fullmatch(value)
    return match is not None and (match["ipv6"] is None or _is_ipv6(match["ipv6"]))


def _is_ipv6(text: bytes) -> bool:
    try:
        IPv6Address(text.decode())
    except AddressValueError:
        return False
    return True
