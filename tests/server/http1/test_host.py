import pytest

from asgi_downloads.server.http1.host import valid_host

VALID = [
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
INVALID = [
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


@pytest.mark.parametrize("value", VALID, ids=repr)
def test_valid(value: bytes) -> None:
    assert valid_host(value)


@pytest.mark.parametrize("value", INVALID, ids=repr)
def test_invalid(value: bytes) -> None:
    assert not valid_host(value)
