"""What may arrive on a connection, and what it is: one table for both parsers, alone and on the wire."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`data`, and what it is: the content of each request by method and target, or the status of a refusal."""

    id: str
    data: bytes
    want: tuple[tuple[str, bytes, bytes] | int, ...]
    persists: bool = True
    """Whether what follows is looked at."""


GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
CHUNKED = POST + TE + b"\r\n"
CLOSE = b"Connection: close\r\n"
ABC = b"3\r\nabc\r\n0\r\n\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


def root(method: str = "GET", content: bytes = b"") -> tuple[tuple[str, bytes, bytes]]:
    return ((method, b"/", content),)


def refused(name: str, data: bytes, status: int = 400) -> Case:
    return Case(name, data, (status,), persists=False)


def head(line: bytes) -> bytes:
    return line + b"\r\nHost: a\r\n\r\n"


REFUSED = [
    # The request line: RFC 9112 §3
    refused("no-version", head(b"GET /")),
    refused("http-0.9", head(b"GET / HTTP/0.9")),
    refused("http-2", head(b"GET / HTTP/2.0"), 505),
    refused("http-4", head(b"GET / HTTP/4.0"), 505),
    refused("http-1.2", head(b"GET / HTTP/1.2"), 505),
    refused("http-11.1", head(b"GET / HTTP/11.1")),
    refused("http-letters", head(b"GET / HTTP/x.y")),
    refused("http-in-lower-case", head(b"GET / http/1.1")),
    refused("space-after-version", head(b"GET / HTTP/1.1 ")),
    refused("space-before-method", head(b" GET / HTTP/1.1")),
    refused("tab-after-method", head(b"GET\t/ HTTP/1.1")),
    refused("method-unknown", head(b"FROBNICATE / HTTP/1.1")),
    refused("method-in-lower-case", head(b"get / HTTP/1.1")),
    refused("method-no-token", head(b"G(T / HTTP/1.1")),
    refused("http-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    refused("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    # The target: RFC 9112 §3.2
    refused("nul-in-target", head(b"GET /\0 HTTP/1.1")),
    refused("space-in-target", head(b"GET /a b HTTP/1.1")),
    refused("8-bit-in-target", head(b"GET /\xc3\xa4 HTTP/1.1")),
    refused("fragment-in-target", head(b"GET /a#b HTTP/1.1")),
    refused("relative-target", head(b"GET a HTTP/1.1")),
    refused("query-alone", head(b"GET ?a HTTP/1.1")),
    refused("asterisk-without-options", head(b"GET * HTTP/1.1")),
    refused("asterisk-and-more", head(b"OPTIONS *a HTTP/1.1")),
    refused("other-scheme", head(b"GET ftp://a/ HTTP/1.1")),
    refused("user-in-target", head(b"GET http://u@a/ HTTP/1.1")),
    refused("connect", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    refused("connect-with-content", b"CONNECT / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n" + GET + b"\r\n"),
    # Host: RFC 9112 §3.2
    refused("host-missing", b"GET / HTTP/1.1\r\n\r\n"),
    refused("host-twice", GET + b"Host: a\r\n\r\n"),
    refused("host-twice-different", GET + b"Host: b\r\n\r\n"),
    refused("host-with-path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    refused("host-with-user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    refused("host-with-space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    refused("host-list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    refused("host-port-not-digits", b"GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"),
    refused("host-longer-than-a-name", b"GET / HTTP/1.1\r\nHost: " + b"a" * 400 + b"\r\n\r\n"),
    refused("host-malformed-in-http-1.0", b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    # Field lines: RFC 9112 §5, §2.2
    refused("space-before-colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    refused("space-before-name", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    refused("folded-line", GET + b"X: b\r\n c\r\n\r\n"),
    refused("folded-line-tab", GET + b"X: b\r\n\tc\r\n\r\n"),
    refused("field-name-empty", GET + b": b\r\n\r\n"),
    refused("field-name-no-token", GET + b"X(y: b\r\n\r\n"),
    refused("field-without-colon", GET + b"X\r\n\r\n"),
    refused("bare-lf-after-request-line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    refused("bare-lf-after-field", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    refused("bare-lf-at-the-end", GET + b"\n"),
    refused("bare-lf-only", b"GET / HTTP/1.1\nHost: a\n\n"),
    refused("bare-cr-in-value", GET + b"X: b\rc\r\n\r\n"),
    refused("nul-in-value", GET + b"X: b\0c\r\n\r\n"),
    refused("control-in-value", GET + b"X: b\x01c\r\n\r\n"),
    refused("delete-in-value", GET + b"X: b\x7fc\r\n\r\n"),
    # Framing: RFC 9112 §6
    refused("length-and-chunked", POST + b"Content-Length: 3\r\n" + TE + b"\r\n"),
    refused("chunked-and-length", POST + TE + b"Content-Length: 3\r\n\r\n"),
    refused("lengths-differ", POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    refused("lengths-alike", POST + b"Content-Length: 3\r\nX: y\r\nContent-Length: 3\r\n\r\nabc"),
    refused("length-list", POST + b"Content-Length: 3, 3\r\n\r\nabc"),
    refused("length-empty", POST + b"Content-Length:\r\n\r\nabc"),
    refused("length-with-plus", POST + b"Content-Length: +3\r\n\r\nabc"),
    refused("length-negative", POST + b"Content-Length: -3\r\n\r\nabc"),
    refused("length-of-21-digits", POST + b"Content-Length: 100000000000000000000\r\n\r\nabc"),
    refused("length-of-20-digits", POST + b"Content-Length: 10000000000000000000\r\n\r\nabc"),
    refused("coding-unknown", POST + b"Transfer-Encoding: x\r\n\r\n" + ABC),
    refused("coding-empty", POST + b"Transfer-Encoding:\r\n\r\n" + ABC),
    refused("coding-with-a-tab-behind", POST + b"Transfer-Encoding: chunked\t\r\n\r\n" + ABC, 400),
    refused(
        "coding-with-a-tab-behind-and-a-wish-to-upgrade",
        POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\t\r\n\r\n" + ABC,
        400,
    ),
    refused("coding-before-chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + ABC, 501),
    refused("coding-on-two-lines", POST + b"Transfer-Encoding: gzip\r\n" + TE + b"\r\n" + ABC, 501),
    refused("coding-after-chunked", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + ABC),
    refused("chunked-twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + ABC),
    refused("chunked-on-two-lines", POST + TE + TE + b"\r\n" + ABC),
    refused("chunked-in-http-1.0", b"POST / HTTP/1.0\r\nHost: a\r\n" + TE + b"\r\n" + ABC),
]
"""Requests that nobody sees."""

BROKEN = [
    refused("chunk-size-not-hexadecimal", CHUNKED + b"x\r\nabc\r\n0\r\n\r\n"),
    refused("chunk-size-missing", CHUNKED + b"\r\nabc\r\n0\r\n\r\n"),
    refused("chunk-size-negative", CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n"),
    refused("chunk-size-with-prefix", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
    refused("chunk-size-of-17-digits", CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    refused("space-after-chunk-size", CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n"),
    refused("bare-lf-after-chunk-size", CHUNKED + b"3\nabc\r\n0\r\n\r\n"),
    refused("bare-lf-after-chunk", CHUNKED + b"3\r\nabc\n0\r\n\r\n"),
    refused("chunk-longer-than-its-size", CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    refused("extension-empty", CHUNKED + b"3;\r\nabc\r\n0\r\n\r\n"),
    refused("extension-after-space", CHUNKED + b"3 ;a\r\nabc\r\n0\r\n\r\n"),
    refused("control-in-extension", CHUNKED + b"3;a=\x01\r\nabc\r\n0\r\n\r\n"),
    refused("control-in-quotes", CHUNKED + b'3;a="\x01"\r\nabc\r\n0\r\n\r\n'),
    refused("8-bit-in-extension", CHUNKED + b"3;a=\x80\r\nabc\r\n0\r\n\r\n"),
    refused("quotes-never-end", CHUNKED + b'3;a="b\r\nabc\r\n0\r\n\r\n'),
    refused("bare-lf-in-trailer", CHUNKED + b"0\r\nX: y\n\r\n"),
    refused("bare-lf-after-trailer", CHUNKED + b"0\r\nX: y\r\n\n"),
    refused("control-in-trailer", CHUNKED + b"0\r\nX: \x01\r\n\r\n"),
    refused("folded-trailer", CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n"),
    refused("trailer-without-colon", CHUNKED + b"0\r\nX\r\n\r\n"),
    refused("length-in-trailer", CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n"),
    refused("coding-in-trailer", CHUNKED + b"0\r\n" + TE + b"\r\n"),
    refused("close-in-trailer", CHUNKED + b"0\r\n" + CLOSE + b"\r\n"),
]
"""Content that breaks its framing, of requests whose heads are good."""

ACCEPTED = [
    Case("plain", GET + b"\r\n", root()),
    Case("host-empty", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", root()),
    Case("host-ipv6", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", root()),
    Case("no-host-in-http-1.0", b"GET / HTTP/1.0\r\n\r\n", root(), persists=False),
    Case("empty-lines-first", b"\r\n\r\n" + GET + b"\r\n", root()),
    Case("odd-line-ends-first", b"\n\r\r\n" + GET + b"\r\n", root()),
    Case("spaces-around-value", b"GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", root()),
    Case("spaces-in-request-line", head(b"GET  /   HTTP/1.1"), root()),  # RFC 9112 §3 lets a recipient read this
    Case("8-bit-in-value", GET + b"X: \xff\xfe\r\n\r\n", root()),
    Case("options-asterisk", head(b"OPTIONS * HTTP/1.1"), (("OPTIONS", b"*", b""),)),
    Case("method-with-hyphen", head(b"M-SEARCH / HTTP/1.1"), root("M-SEARCH")),
    Case("punctuation-in-target", head(b'GET /"<>\\^`{|}~?%zz HTTP/1.1'), (("GET", b'/"<>\\^`{|}~?%zz', b""),)),
    Case("absolute-form", head(b"GET http://b/c?d HTTP/1.1"), (("GET", b"/c?d", b""),)),
    Case("two", head(b"GET / HTTP/1.1") + head(b"HEAD /2 HTTP/1.1"), (*root(), ("HEAD", b"/2", b""))),
    Case("length", POST + b"Content-Length: 3\r\n\r\nabc", root("POST", b"abc")),
    Case("length-with-zeros", POST + b"Content-Length: 0003\r\n\r\nabc", root("POST", b"abc")),
    Case("length-nought", POST + b"Content-Length: 0\r\n\r\n", root("POST")),
    Case("chunked", CHUNKED + ABC, root("POST", b"abc")),
    Case("chunked-in-capitals", POST + b"transfer-encoding:CHUNKED\r\n\r\n" + ABC, root("POST", b"abc")),
    Case("chunked-nought", CHUNKED + b"0\r\n\r\n", root("POST")),
    Case("chunks", CHUNKED + b"1\r\na\r\n0002\r\nbc\r\n00\r\n\r\n", root("POST", b"abc")),
    Case("extensions", CHUNKED + b'3;a;b=c;d="e;\\"f\xff"\r\nabc\r\n0;g\r\n\r\n', root("POST", b"abc")),
    Case("trailers", CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\nHost: b\r\n\r\n", root("POST", b"abc")),
    Case("close", GET + CLOSE + b"\r\n", root(), persists=False),
    Case("close-among-others", GET + b"Connection: a, Close\r\n\r\n", root(), persists=False),
    Case("close-on-a-second-line", GET + b"Connection: keep-alive\r\n" + CLOSE + b"\r\n", root(), persists=False),
    Case("keep-alive-in-http-1.0", b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", root()),
    Case("close-wins-in-http-1.0", b"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", root(), persists=False),
    Case("proxy-keep-alive-is-none", b"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", root(), persists=False),
    Case("proxy-close-is-one", GET + b"Proxy-Connection: close\r\n\r\n", root(), persists=False),
    Case("upgrade", GET + H2C + b"\r\n", root()),
    Case("upgrade-with-content", POST + H2C + b"Content-Length: 3\r\n\r\nabc", root("POST", b"abc")),
    Case("upgrade-with-no-content", POST + H2C + b"Content-Length: 0\r\n\r\n", root("POST")),
    Case("upgrade-with-chunks", POST + H2C + TE + b"\r\n" + ABC, root("POST", b"abc")),
    Case("upgrade-and-close", GET + b"Connection: upgrade, close\r\nUpgrade: h2c\r\n\r\n", root(), persists=False),
    Case("websocket-not-wanted", GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", root()),
]
"""Requests that are answered."""
