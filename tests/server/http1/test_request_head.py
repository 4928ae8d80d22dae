"""Which heads may be answered, apart from any parser, and what is read out of them."""

from dataclasses import dataclass

import pytest

from asgi_downloads.server.http1.request_head import Head, Refused, check_codings, persists, valid_host

HOST = (b"host", b"a")
LENGTH = (b"content-length", b"3")
CHUNKED = (b"transfer-encoding", b"chunked")


def head(
    method: bytes = b"GET",
    target: bytes = b"/",
    version: str = "1.1",
    headers: tuple[tuple[bytes, bytes], ...] = (HOST,),
) -> Head:
    return Head(method, target, version, list(headers), dict(headers))


@dataclass(frozen=True)
class Case:
    id: str
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    status: int  # 0: none


CASES = [
    Case("plain", "1.1", (HOST,), 0),
    Case("http-1.0-without-host", "1.0", (), 0),
    Case("http-0.9", "0.9", (), 400),
    Case("http-2", "2.0", (HOST,), 505),
    Case("host-missing", "1.1", (), 400),
    Case("host-twice", "1.1", (HOST, HOST), 400),
    Case("host-malformed", "1.1", ((b"host", b"a b"),), 400),
    Case("host-malformed-in-http-1.0", "1.0", ((b"host", b"a/b"),), 400),
    Case("other-fields-twice", "1.1", (HOST, (b"accept", b"a"), (b"accept", b"b")), 0),
    Case("length", "1.1", (HOST, LENGTH), 0),
    Case("length-empty", "1.1", (HOST, (b"content-length", b"")), 400),
    Case("length-not-ascii-digits", "1.1", (HOST, (b"content-length", "٣".encode())), 400),
    Case("length-beyond-64-bits", "1.1", (HOST, (b"content-length", b"1" * 20)), 400),
    Case("same-length-twice", "1.1", (HOST, LENGTH, LENGTH), 400),
    Case("different-lengths", "1.1", (HOST, LENGTH, (b"content-length", b"4")), 400),
    Case("length-and-coding", "1.1", (HOST, LENGTH, CHUNKED), 400),
    Case("coding", "1.1", (HOST, CHUNKED), 0),
    Case("coding-in-capitals", "1.1", (HOST, (b"transfer-encoding", b"Chunked")), 0),
    Case("coding-before-chunked", "1.1", (HOST, (b"transfer-encoding", b"gzip"), CHUNKED), 501),
    Case("coding-twice", "1.1", (HOST, CHUNKED, CHUNKED), 400),
    Case("coding-in-http-1.0", "1.0", (HOST, CHUNKED), 400),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_head_may_be_answered_or_is_refused(case: Case) -> None:
    if case.status == 0:
        assert head(version=case.version, headers=case.headers).headers == list(case.headers)
        return
    with pytest.raises(Refused) as caught:
        head(version=case.version, headers=case.headers)
    assert caught.value.status == case.status


CODINGS = [
    (b"chunked", 0),
    (b"CHUNKED ", 0),
    (b"", 400),
    (b"x", 400),  # RFC 9112 §6.3: where its content ends cannot be known
    (b"identity", 400),
    (b"chunked;a=b", 400),
    (b"chunked, gzip", 400),
    (b"chunked,", 400),
    (b"chunked, chunked", 400),
    (b"gzip, chunked", 501),
    (b",chunked", 501),
]


@pytest.mark.parametrize(("value", "status"), CODINGS, ids=lambda value: repr(value))
def test_there_is_no_coding_but_chunked(value: bytes, status: int) -> None:
    if not status:
        check_codings(value)
        return
    with pytest.raises(Refused) as caught:
        check_codings(value)
    assert caught.value.status == status


TARGETS = [
    (b"GET", b"/", (b"/", b"", b"a")),
    (b"GET", b"/a?b?c", (b"/a", b"b?c", b"a")),
    (b"GET", b"/a?", (b"/a", b"", b"a")),
    (b"GET", b"//a", (b"//a", b"", b"a")),
    (b"GET", b"http://b", (b"/", b"", b"b")),
    (b"GET", b"HTTPS://b:1/b?c", (b"/b", b"c", b"b:1")),
    (b"GET", b"http://b?c", (b"/", b"c", b"b")),
    (b"OPTIONS", b"*", (b"*", b"", b"a")),
    (b"GET", b"*", None),
    (b"GET", b"", None),
    (b"GET", b"a", None),
    (b"GET", b"/a#b", None),
    (b"GET", b"/a b", None),
    (b"GET", b"/\x7f", None),
    (b"GET", b"/\xff", None),
    (b"GET", b"http:///a", None),
    (b"GET", b"http://u@a/", None),
    (b"GET", b"http://a/b#c", None),
    (b"GET", b"ftp://a/", None),
    (b"CONNECT", b"a:443", None),
    (b"CONNECT", b"/", None),
    (b"FROBNICATE", b"/", None),
    (b"get", b"/", None),
]


@pytest.mark.parametrize(("method", "target", "want"), TARGETS)
def test_a_target_is_taken_apart(method: bytes, target: bytes, want: tuple[bytes, bytes, bytes] | None) -> None:
    if want is None:
        with pytest.raises(Refused) as caught:
            head(method, target)
        assert caught.value.status == 400
    else:
        found = head(method, target)
        assert (found.path, found.query, dict(found.headers)[b"host"]) == want


PERSISTENCE = [
    ("1.1", (), True),
    ("1.0", (), False),
    ("1.1", ((b"connection", b"a, CLOSE "),), False),
    ("1.1", ((b"connection", b"closed"),), True),
    ("1.0", ((b"connection", b"Keep-Alive"),), True),
    ("1.0", ((b"connection", b"close, keep-alive"),), False),  # RFC 9112 §9.3
    ("1.0", ((b"connection", b"keep-alive"), (b"connection", b"close")), False),
    ("1.0", ((b"proxy-connection", b"keep-alive"),), False),
    ("1.1", ((b"proxy-connection", b"close"),), False),
]


@pytest.mark.parametrize(("version", "headers", "want"), PERSISTENCE, ids=str)
def test_close_wins(version: str, headers: tuple[tuple[bytes, bytes], ...], want: bool) -> None:
    assert persists(version, list(headers)) == head(version=version, headers=(HOST, *headers)).persists == want


HOSTS = [
    b"example.com",
    b"example.com:80",
    b"EXAMPLE.com.",
    b"a-b_c~d!$&'()*+,;=",
    b"caf%C3%A9.example",
    b"127.0.0.1:8000",
    b"999.1.1.1",
    b"[::1]",
    b"[::1]:8000",
    b"[2001:db8::ff00:42:8329]",
    b"[::ffff:192.0.2.1]:1",
    b"[v1.fe80::a+en1]",
    b"[V1.x]:",
    b"example.com:",
    b":80",
    b"",
]
NO_HOSTS = [
    b"a b",
    b" a",
    b"a,b c",
    b"a/b",
    b"a?b",
    b"a#b",
    b"user@example.com",
    b"http://example.com",
    b"a\\b",
    b'a"b',
    b"a<b>",
    b"a%zz",
    b"a%4",
    b"a:b",
    b"a:80:80",
    b"a:-1",
    b"::1",
    b"[::1",
    b"::1]",
    b"[]",
    b"[:::1]",
    b"[::1]x",
    b"[1:2:3]",
    b"[::1%eth0]",
    b"[::1%25eth0]",
    b"[127.0.0.1]",
    b"[v.x]",
    b"[v1.]",
    b"[vx.y]",
    b"[12345::]",
    b"caf\xc3\xa9",
    b"a\x00",
    b"a\n",
    b"[::1]\n",
    b"\t",
]


@pytest.mark.parametrize("value", HOSTS, ids=lambda value: repr(value)[:40])
def test_a_host_is_valid(value: bytes) -> None:
    assert valid_host(value)


@pytest.mark.parametrize("value", NO_HOSTS, ids=lambda value: repr(value)[:40])
def test_a_host_is_not_valid(value: bytes) -> None:
    assert not valid_host(value)
