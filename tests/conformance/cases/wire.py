"""Messages on the connection: rows N1 to N9. Servers differ here, so each case names those that it is about."""

import re

from tests.conformance import tree
from tests.conformance.case import (
    NGINX,
    OURS,
    UVICORN,
    WIRE,
    Case,
    Request,
    Want,
    choice,
    get,
    head,
    rfc,
    same,
    send,
    want,
)

TEN = "/download/ten.txt"
TARGET = TEN.encode()
OK = want(200, tree.TEN)
FEW = ("content-type", "content-length")


def _raw(data: bytes) -> Request:
    return Request(TARGET, raw=data)


def _piped(*requests: Request) -> list[Request]:
    return [Request(r.target, r.method, r.headers, r.version, r.body, r.raw, pipelined=True) for r in requests]


FRAMING = [
    same(
        "one-length",
        "N1",
        get(TEN),
        Want(200, (("transfer-encoding", None), ("content-length", "10")), tree.TEN, framing="length"),
        on=WIRE,
    ),
    same(
        "no-length-beside-chunks",
        "N1 J1",
        get("/export/users"),
        Want(200, (("content-length", None), ("transfer-encoding", "chunked")), framing="chunked"),
        compare=("content-type",),
        on=WIRE,
    ),
    same(
        "in-step-after-every-status",
        "N1 N2",
        [
            get(TEN),
            get("/nothing"),
            send("PUT", TEN),
            get("/file/ten.txt?download=x"),
            get("/download/ten.txt/"),
            get(TEN),
        ],
        OK,
        404,
        405,
        422,
        307,
        OK,
        on=WIRE,
    ),
    rfc(
        "in-step-after-head-and-304",
        "N1 N2",
        "RFC 9112 §6.3",
        [head(TEN), get(TEN, If_None_Match="*"), head("/nothing"), get(TEN, If_Match='"x"'), get(TEN)],
        want(200, b""),
        304,
        want(404, b""),
        412,
        OK,
        on=WIRE,
    ),
    rfc(
        "in-step-after-head-of-every-kind",
        "N1 B1",
        "9.3.2",
        [
            head("/export/users"),
            head("/export/data"),
            head("/download/bundle/docs"),
            head("/reports/generate/1"),
            get(TEN),
        ],
        *[want(200, b"")] * 4,
        OK,
        on=WIRE,
    ),
]

KEPT = [
    same("kept-open", "N2", [get(TEN)] * 5, *[Want(200, body=tree.TEN, closed=False)] * 5, on=WIRE),
    same(
        "close-is-honoured",
        "N2",
        get(TEN, Connection="close"),
        Want(200, (("connection", "close"),), tree.TEN, closed=True),
        on=WIRE,
    ),
    same(
        "close-in-upper-case",
        "N2",
        get(TEN, Connection="CLOSE"),
        Want(200, body=tree.TEN, closed=True),
        on=UVICORN | NGINX,
    ),
    same("close-after-404", "N2", get("/nothing", Connection="close"), Want(404, closed=True), on=WIRE),
    same(
        "close-after-chunks",
        "N2 J1",
        get("/export/data", Connection="close"),
        Want(200, closed=True),
        compare=("content-type",),
        on=WIRE,
    ),
    same(
        "close-after-206",
        "N2",
        get(TEN, Range="bytes=0-0", Connection="close"),
        Want(206, body=b"0", closed=True),
        compare=("content-range",),
        on=WIRE,
    ),
    choice(
        "pipelined",
        "N3",
        "answered in order, or one by one",
        _piped(get(TEN), get("/download/one.bin"), get("/nothing"), get(TEN)),
        OK,
        want(200, b"x"),
        404,
        OK,
        on=UVICORN,
    ),
    choice(
        "pipelined-with-content",
        "N3 N1",
        "no answer's bytes run into the next",
        _piped(get("/download/big.bin"), get("/export/users"), get(TEN, Range="bytes=0-0"), get(TEN)),
        200,
        200,
        want(206, b"0"),
        OK,
        on=UVICORN,
    ),
    rfc(
        "pipelined-heads",
        "N3 B1",
        "9.3.2",
        _piped(head(TEN), head("/download/big.bin"), get(TEN)),
        want(200, b""),
        want(200, b""),
        OK,
        on=UVICORN,
    ),
]

CLOSING = UVICORN | {"hypercorn"}
"""Servers that end an HTTP/1.0 connection; granian keeps it without being asked to."""

OLD = [
    choice(
        "http-1.0",
        "N4",
        "answered in full, and the connection closed",
        Request(TARGET, version="1.0"),
        Want(200, body=tree.TEN, closed=True),
        on=CLOSING,
    ),
    choice(
        "http-1.0-with-host",
        "N4",
        "answered in full, and the connection closed",
        Request(TARGET, headers=(("Host", "x"),), version="1.0"),
        Want(200, body=tree.TEN, closed=True),
        on=CLOSING,
    ),
    choice(
        "http-1.0-range",
        "N4 G1",
        "a range is no matter of the version",
        Request(TARGET, headers=(("Range", "bytes=0-1"),), version="1.0"),
        [Want(206, body=b"01", closed=True), Want(200, body=tree.TEN, closed=True)],
        on=CLOSING,
    ),
    rfc(
        "http-1.0-gets-no-chunks",
        "N4",
        "RFC 9112 §6.1",
        Request(b"/export/users", version="1.0"),
        Want(200, (("transfer-encoding", None),), closed=True),
        on=OURS,
    ),
    rfc(
        "http-1.0-gets-no-chunks-of-data",
        "N4",
        "RFC 9112 §6.1",
        Request(b"/export/data", version="1.0"),
        Want(200, (("transfer-encoding", None),), closed=True),
        on=OURS,
    ),
    choice(
        "http-1.0-404",
        "N4",
        "errors are answered alike",
        Request(b"/nothing", version="1.0"),
        Want(404, closed=True),
        on=CLOSING,
    ),
]

EXPECT = [
    choice(
        "expect-100",
        "N5",
        "100 may come first; the answer comes either way",
        Request(TARGET, headers=(("Expect", "100-continue"), ("Content-Length", "2")), body=b"hi"),
        OK,
        on=UVICORN,
    ),
    choice(
        "expect-100-without-content",
        "N5",
        "there is nothing to wait for",
        get(TEN, Expect="100-continue"),
        OK,
        on=UVICORN,
    ),
    choice(
        "expect-something-else",
        "N5",
        "other expectations are ignored, or 417",
        get(TEN, Expect="tea"),
        [OK, 417],
        on=UVICORN,
    ),
    same("get-with-content", "N6", [Request(TARGET, body=b"dropped"), get(TEN)], OK, OK, on=WIRE),
    same("get-with-much-content", "N6", [Request(TARGET, body=b"x" * 100_000), get(TEN)], OK, OK, on=UVICORN | NGINX),
    same(
        "get-with-chunked-content",
        "N6",
        [Request(TARGET, headers=(("Transfer-Encoding", "chunked"),), body=b"3\r\nabc\r\n0\r\n\r\n"), get(TEN)],
        OK,
        OK,
        on=UVICORN | NGINX,
    ),
    same(
        "get-with-content-like-a-request",
        "N6",
        [Request(TARGET, body=b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"), get("/download/one.bin")],
        OK,
        want(200, b"x"),
        on=WIRE,
    ),
    same(
        "post-with-content-is-405", "N6 B2", [Request(TARGET, "POST", body=b"a=b" * 1000), get(TEN)], 405, OK, on=WIRE
    ),
]

_REFUSED = Want(400, closed=True)
_LINE = b"GET /download/ten.txt HTTP/1.1\r\n"
_HOST = b"Host: a.example\r\n"
DAMAGED: dict[str, tuple[str, bytes]] = {
    "space-in-the-target": ("RFC 9112 §3.2", b"GET /download/with space.txt HTTP/1.1\r\n" + _HOST + b"\r\n"),
    "nul-in-the-target": ("RFC 9112 §3.2", b"GET /download/ten\0.txt HTTP/1.1\r\n" + _HOST + b"\r\n"),
    "raw-utf-8-in-the-target": ("RFC 9112 §3.2", "GET /download/caf\u00e9.txt HTTP/1.1\r\n".encode() + _HOST + b"\r\n"),
    "space-before-the-colon": ("RFC 9112 §5.1", _LINE + b"Host : a.example\r\n\r\n"),
    "folded-field": ("RFC 9112 §5.2", _LINE + _HOST + b"X-A: b\r\n c\r\n\r\n"),
    "nul-in-a-field": ("5.5", _LINE + _HOST + b"X-A: b\0c\r\n\r\n"),
    "length-with-transfer-encoding": (
        "RFC 9112 §6.3",
        _LINE + _HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "two-lengths": ("RFC 9112 §6.3", _LINE + _HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "negative-length": ("RFC 9112 §6.3", _LINE + _HOST + b"Content-Length: -1\r\n\r\n"),
    "length-with-plus": ("RFC 9112 §6.3", _LINE + _HOST + b"Content-Length: +3\r\n\r\nabc"),
    "unknown-transfer-encoding": (
        "RFC 9112 §6.1",
        _LINE + _HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    "no-host": ("RFC 9112 §3.2", _LINE + b"\r\n"),
    "two-hosts": ("RFC 9112 §3.2", _LINE + _HOST + b"Host: b.example\r\n\r\n"),
    "two-equal-hosts": ("RFC 9112 §3.2", _LINE + _HOST + _HOST + b"\r\n"),
    "host-with-a-space": ("RFC 9112 §3.2", _LINE + b"Host: a b\r\n\r\n"),
    "host-with-a-path": ("RFC 9112 §3.2", _LINE + b"Host: a.example/x\r\n\r\n"),
    "host-with-userinfo": ("RFC 9112 §3.2", _LINE + b"Host: user@a.example\r\n\r\n"),
    "host-with-a-bad-port": ("RFC 9112 §3.2", _LINE + b"Host: a.example:http\r\n\r\n"),
    "no-version": ("RFC 9112 §3", b"GET /download/ten.txt\r\n\r\n"),
    "garbage": ("RFC 9112 §3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
}
"""Messages that must be refused, by our server at least; behind a proxy they never arrive."""

DAMAGE = [
    rfc(
        f"refused-{name}",
        "N7",
        section,
        _raw(data),
        [_REFUSED, Want(505, closed=True)] if name == "no-version" else _REFUSED,
        on=OURS,
    )
    for name, (section, data) in DAMAGED.items()
] + [
    choice(
        "absolute-form",
        "N7",
        "its path counts (RFC 9112 §3.2.2), or it is no path of ours",
        _raw(b"GET http://a.example/download/ten.txt HTTP/1.1\r\n" + _HOST + b"Connection: close\r\n\r\n"),
        [OK, 404, 400],
        on=UVICORN,
    ),
    choice(
        "options-star",
        "N7",
        "there is nothing to say of the server as a whole",
        _raw(b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"Connection: close\r\n\r\n"),
        [404, 200, 204, 400, 405],
        on=UVICORN,
    ),
    choice(
        "lower-case-fields",
        "N7",
        "names of fields are case-insensitive",
        _raw(b"GET /download/ten.txt HTTP/1.1\r\nhost: a.example\r\nrange: bytes=0-1\r\nconnection: close\r\n\r\n"),
        want(206, b"01"),
        on=WIRE,
    ),
    choice("host-with-port", "N7", "any valid Host is accepted", get(TEN, Host="a.example:8080"), OK),
    choice("host-ipv6", "N7", "any valid Host is accepted", get(TEN, Host="[::1]:8080"), OK),
    same("many-fields", "N7", Request(TARGET, headers=tuple((f"X-{i}", "y") for i in range(60))), OK),
    choice(
        "websocket",
        "N7",
        "there is no WebSocket here",
        get(
            TEN,
            Connection="Upgrade",
            Upgrade="websocket",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        ),
        [403, 400, 404, 426, 200],
        on=UVICORN,
    ),
]

SPACES = [
    rfc("trailing-spaces-in-range", "N8", "5.5", get(TEN, Range="bytes=0-1  "), want(206, b"01"), on=WIRE),
    rfc("trailing-tab-in-if-none-match", "N8", "5.5", get(TEN, If_None_Match="{etag}\t"), 304, on=WIRE),
    rfc(
        "trailing-space-in-if-range",
        "N8",
        "5.5",
        get(TEN, Range="bytes=0-1", If_Range="{etag} "),
        want(206, b"01"),
        on=WIRE,
    ),
    rfc("trailing-space-in-a-date", "N8", "5.5", get(TEN, If_Modified_Since=tree.LAST_MODIFIED + " "), 304, on=WIRE),
]

_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] [A-Z][a-z]{2} 20[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
)
DATED = [
    *(
        same(f"date-of-{status}", "N9", get(target), want(status, date=_DATE), on=WIRE)
        for target, status in ((TEN, 200), ("/nothing", 404), ("/download/ten.txt/", 307))
    ),
    rfc("date-of-304", "N9 I11", "6.6.1", get(TEN, If_None_Match="*"), want(304, date=_DATE), on=WIRE),
    rfc("date-of-206", "N9", "6.6.1", get(TEN, Range="bytes=0-1"), want(206, date=_DATE), on=WIRE),
    rfc("date-of-416", "N9", "6.6.1", get(TEN, Range="bytes=99-"), want(416, date=_DATE), on=WIRE),
]

CASES: list[Case] = [*FRAMING, *KEPT, *OLD, *EXPECT, *DAMAGE, *SPACES, *DATED]
