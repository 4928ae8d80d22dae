"""Which heads are refused, apart from any parser."""

from dataclasses import dataclass

import pytest

from asgi_downloads.server.http1.request_head import BARE_LINE_END, Refused, check_fields, split_target

HOST = (b"host", b"a")
LENGTH = (b"content-length", b"3")
CHUNKED = (b"transfer-encoding", b"chunked")


@dataclass(frozen=True)
class Case:
    id: str
    version: str
    headers: list[tuple[bytes, bytes]]
    status: int


CASES = [
    Case("plain", "1.1", [HOST], 0),
    Case("http-1.0-without-host", "1.0", [], 0),
    Case("http-0.9", "0.9", [], 400),
    Case("http-2", "2.0", [HOST], 505),
    Case("host-missing", "1.1", [], 400),
    Case("host-twice", "1.1", [HOST, HOST], 400),
    Case("host-malformed", "1.1", [(b"host", b"a b")], 400),
    Case("host-malformed-in-http-1.0", "1.0", [(b"host", b"a/b")], 400),
    Case("other-fields-twice", "1.1", [HOST, (b"accept", b"a"), (b"accept", b"b")], 0),
    Case("length", "1.1", [HOST, LENGTH], 0),
    Case("length-empty", "1.1", [HOST, (b"content-length", b"")], 400),
    Case("length-not-ascii-digits", "1.1", [HOST, (b"content-length", "٣".encode())], 400),
    Case("same-length-twice", "1.1", [HOST, LENGTH, LENGTH], 0),
    Case("different-lengths", "1.1", [HOST, LENGTH, (b"content-length", b"4")], 400),
    Case("length-and-coding", "1.1", [HOST, LENGTH, CHUNKED], 400),
    Case("coding", "1.1", [HOST, CHUNKED], 0),
    Case("coding-in-capitals", "1.1", [HOST, (b"transfer-encoding", b"Chunked")], 0),
    Case("coding-unknown", "1.1", [HOST, (b"transfer-encoding", b"gzip, chunked")], 501),
    Case("coding-twice", "1.1", [HOST, CHUNKED, CHUNKED], 400),
    Case("coding-in-http-1.0", "1.0", [HOST, CHUNKED], 400),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_check_fields(case: Case) -> None:
    if case.status == 0:
        check_fields(case.version, case.headers, dict(case.headers))
        return
    with pytest.raises(Refused) as caught:
        check_fields(case.version, case.headers, dict(case.headers))
    assert caught.value.status == case.status


TARGETS = [
    ("GET", b"/", (b"/", b"", None)),
    ("GET", b"/a?b?c", (b"/a", b"b?c", None)),
    ("GET", b"/a?", (b"/a", b"", None)),
    ("GET", b"//a", (b"//a", b"", None)),
    ("GET", b"http://a", (b"/", b"", b"a")),
    ("GET", b"HTTPS://a:1/b?c", (b"/b", b"c", b"a:1")),
    ("GET", b"http://a?c", (b"/", b"c", b"a")),
    ("OPTIONS", b"*", (b"*", b"", None)),
    ("GET", b"*", None),
    ("GET", b"", None),
    ("GET", b"a", None),
    ("GET", b"/a#b", None),
    ("GET", b"/a b", None),
    ("GET", b"/\x7f", None),
    ("GET", b"/\xff", None),
    ("GET", b"http:///a", None),
    ("GET", b"http://u@a/", None),
    ("GET", b"http://a/b#c", None),
    ("GET", b"ftp://a/", None),
    ("CONNECT", b"a:443", None),
]


@pytest.mark.parametrize(("method", "target", "want"), TARGETS)
def test_split_target(method: str, target: bytes, want: tuple[bytes, bytes, bytes | None] | None) -> None:
    if want is None:
        with pytest.raises(Refused) as caught:
            split_target(method, target)
        assert caught.value.status == 400
    else:
        assert split_target(method, target) == want


@pytest.mark.parametrize("text", [b"a\nb", b"\nb", b"a\rb", b"a\r\n b", b"a\r\n\tb", b"a\r\rb"])
def test_line_ends_that_are_refused(text: bytes) -> None:
    assert BARE_LINE_END.search(text)


@pytest.mark.parametrize("text", [b"a\r\nb", b"a\r\n\r\n", b"a\r", b""])
def test_line_ends_that_are_not(text: bytes) -> None:
    assert not BARE_LINE_END.search(text)
