from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.http.accept import preferred, prefers


@dataclass(frozen=True)
class Case:
    id: str
    lines: tuple[bytes, ...]
    gzip: bool


CASES = [
    Case("no field", (), gzip=False),
    Case("an empty field", (b"",), gzip=False),
    Case("gzip", (b"gzip",), gzip=True),
    Case("gzip in capitals", (b"GZip",), gzip=True),
    Case("gzip by its old name", (b"x-gzip",), gzip=True),
    Case("gzip among others", (b"br, gzip;q=0.5 ,deflate",), gzip=True),
    Case("gzip in the second line", (b"br", b"gzip"), gzip=True),
    Case("only others", (b"br, zstd",), gzip=False),
    Case("zero is not acceptable", (b"gzip;q=0",), gzip=False),
    Case("zero with decimals too", (b"gzip;q=0.000",), gzip=False),
    Case("the least weight is some", (b"gzip;q=0.001",), gzip=True),
    Case("spaces around the semicolon", (b"gzip \t; q=1.000",), gzip=True),
    Case("Q in capitals", (b"gzip;Q=0",), gzip=False),
    Case("a star is any other", (b"*",), gzip=True),
    Case("a star does not outdo the name", (b"*, gzip;q=0",), gzip=False),
    Case("the name outdoes a star", (b"gzip, *;q=0",), gzip=True),
    Case("a star of zero shuts out identity", (b"*;q=0",), gzip=False),
    Case("unless that is named", (b"identity;q=0.1, *;q=0",), gzip=False),
    Case("identity shut out by name", (b"identity;q=0, gzip",), gzip=True),
    Case("identity shut out, nothing else named", (b"identity;q=0",), gzip=False),
    Case("identity liked better", (b"gzip;q=0.5, identity",), gzip=False),
    Case("identity liked as much", (b"gzip;q=0.5, identity;q=0.5",), gzip=True),
    Case("the greater of two weights", (b"gzip;q=0, gzip;q=0.2",), gzip=True),
    Case("a weight above one is malformed", (b"gzip;q=1.1",), gzip=False),
    Case("a weight with four decimals is malformed", (b"gzip;q=0.1234",), gzip=False),
    Case("a weight without digits is malformed", (b"gzip;q=",), gzip=False),
    Case("another parameter is malformed", (b"gzip;level=9",), gzip=False),
    Case("a longer name is another", (b"gzipped",), gzip=False),
    Case("a malformed member leaves the others", (b"b r, gzip",), gzip=True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_preferred(case: Case) -> None:
    headers = [(b"accept-encoding", line) for line in case.lines]
    assert prefers(headers, b"gzip") is case.gzip


def test_compress_has_an_old_name_too() -> None:
    assert prefers([(b"accept-encoding", b"x-compress")], b"compress")


@given(st.one_of(st.binary(max_size=30), st.text("gzip;q=01.,* ", max_size=30).map(str.encode)))
def test_no_value_breaks_it(value: bytes) -> None:
    prefers([(b"accept-encoding", value)], b"gzip")


HTML, JSON = b"text/html", b"application/json"
LIKED = [
    ("nothing is said", (), HTML),
    ("an empty field", (b"",), HTML),
    ("anything", (b"*/*",), HTML),
    ("one", (b"application/json",), JSON),
    ("in capitals", (b"Application/JSON",), JSON),
    ("one above all others", (b"*/*;q=0.9, application/json",), JSON),
    ("the named one, not its kind", (b"text/*, application/json;q=0.9",), HTML),
    ("its kind above all", (b"application/*, */*;q=0.1",), JSON),
    ("a named zero outdoes a star", (b"text/html;q=0, */*",), JSON),
    ("a named zero outdoes its kind", (b"text/html;q=0, text/*, application/json;q=0.001",), JSON),
    ("equal weights", (b"application/json, text/html",), HTML),
    ("the greater of two weights", (b"application/json;q=0.1, application/json, text/html;q=0.5",), JSON),
    ("two lines", (b"text/html;q=0.5", b"application/json"), JSON),
    ("a parameter", (b"application/json;charset=utf-8;q=0.9, text/html;q=0.8",), JSON),
    ("what follows the weight", (b"application/json;q=1;x=y, text/html;q=0.8",), JSON),
    ("a weight that is none", (b"application/json;q=2, text/html;q=0.1",), HTML),
    ("others only", (b"image/png",), HTML),
    ("none at all", (b"*/*;q=0",), HTML),
    ("no media type", (b"json, ;;, */", b"/"), HTML),
]


@pytest.mark.parametrize(("title", "lines", "kind"), LIKED, ids=[row[0] for row in LIKED])
def test_the_media_type_liked_most(title: str, lines: tuple[bytes, ...], kind: bytes) -> None:
    assert preferred([(b"accept", line) for line in lines], [HTML, JSON]) == kind


@given(st.binary(max_size=200))
def test_whatever_is_accepted_one_is_offered(value: bytes) -> None:
    assert preferred([(b"accept", value)], [HTML, JSON]) in (HTML, JSON)
