"""What of a folder is asked for: read, refused, matched, sorted, cut; and the two lists for programs."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.endpoints.browse.folder import Folder, View, as_json, as_text, matches
from asgi_downloads.http.errors import InvalidParameters
from asgi_downloads.storage.files.entries import Entry, sort_keys
from tests.support.asgi import http_scope


async def nothing(*event: object) -> Any:
    raise AssertionError


def asked(query: str = "", accept: str | None = None) -> View:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return View.asked(Exchange(http_scope(f"/?{query}", headers=headers), nothing, nothing))


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
FORMATS = [
    ("", None, "html"),
    ("", "*/*", "html"),
    ("", BROWSER, "html"),
    ("", "application/json", "json"),
    ("", "application/json, */*;q=0.1", "json"),
    ("", "text/html;q=0.5, application/json", "json"),
    ("", "application/json;q=0.5, text/html", "html"),
    ("", "text/plain", "text"),
    ("", "image/png", "html"),
    ("format=json", BROWSER, "json"),
    ("format=html", "application/json", "html"),
    ("format=text", None, "text"),
]


@pytest.mark.parametrize(("query", "accept", "wanted"), FORMATS)
def test_the_format_is_that_of_the_query_else_the_one_liked_best(query: str, accept: str | None, wanted: str) -> None:
    assert asked(query, accept).format == wanted


VIEWS = {
    "": View("", "name", "asc", 1, 1000, "html"),
    "format=json": View("", "name", "asc", 1, None, "json"),
    "format=json&limit=10000": View("", "name", "asc", 1, 10_000, "json"),
    "sort=size": View("", "size", "desc", 1, 1000, "html"),
    "sort=modified": View("", "modified", "desc", 1, 1000, "html"),
    "sort=size&order=asc": View("", "size", "asc", 1, 1000, "html"),
    "order=desc&page=3&limit=1": View("", "name", "desc", 3, 1, "html"),
    "q=a%2Bb+c": View("a+b c", "name", "asc", 1, 1000, "html"),
    "page=9223372036854775807": View("", "name", "asc", (1 << 63) - 1, 1000, "html"),
    "unknown=1&zap": View("", "name", "asc", 1, 1000, "html"),
}


@pytest.mark.parametrize("query", VIEWS)
def test_a_view_as_asked(query: str) -> None:
    assert asked(query) == VIEWS[query]


REFUSED = ["sort=type", "sort=", "order=up", "page=0", "page=-1", "page=x", "page=", "limit=0", "limit=10001"]
REFUSED += ["limit=1.5", "format=xml", "format=", "q=%00", "page=9223372036854775808", "page=" + "9" * 400]


@pytest.mark.parametrize("query", REFUSED)
def test_a_bad_value_is_refused(query: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        asked(query)
    (problem,) = refused.value.detail
    assert problem["loc"] == ["query", query.partition("=")[0]]


def entries(*names: str, sizes: Sequence[int] = (), times: Sequence[int] = ()) -> list[Entry]:
    keys = sort_keys([name.removesuffix("/") for name in names])
    facts = zip(sizes or [0] * len(names), times or [0] * len(names), strict=True)
    made = [Entry(key, name, *fact) for key, name, fact in zip(keys, names, facts, strict=True)]
    return sorted(made, key=lambda entry: (not entry.is_directory, entry))


THREE = entries("b/", "a/", "big", "img10", "Img2", sizes=[0, 0, 9, 5, 5], times=[5, 9, 1, 2, 3])
ORDERS = {
    "": "a/ b/ big Img2 img10",
    "order=desc": "b/ a/ img10 Img2 big",
    "sort=size": "a/ b/ big Img2 img10",
    "sort=size&order=asc": "a/ b/ Img2 img10 big",
    "sort=modified": "a/ b/ Img2 img10 big",
    "sort=modified&order=asc": "b/ a/ big img10 Img2",
    "q=IMG": "Img2 img10",
    "q=B": "b/ big",
    "q=/": "",
    "q=g1": "img10",
    "limit=2": "a/ b/",
    "limit=2&page=2": "big Img2",
    "limit=2&page=3": "img10",
    "limit=2&page=4": "",
    "page=9223372036854775807&limit=10000": "",
}


@pytest.mark.parametrize("query", ORDERS)
def test_folders_come_first_digits_by_value_in_every_order(query: str) -> None:
    found = Folder.of(THREE, asked(query))
    assert " ".join(entry.name for entry in found.shown) == ORDERS[query]


MATCHES = {"straße": "STRASSE.txt", "É": "é", "İ": "i̇", "zz": ""}


@pytest.mark.parametrize("q", MATCHES)
def test_a_search_folds_case(q: str) -> None:
    found = matches(entries("STRASSE.txt", "é", "i̇", "caf\udce9"), q)
    assert " ".join(entry.name for entry in found) == MATCHES[q]


def test_counts_are_of_all_that_matches_whatever_the_page() -> None:
    found = Folder.of(THREE, asked("q=i&limit=1&page=2"))
    value = json.loads(as_json("holiday/caf\udce9/", found))
    assert (value["total"], value["files"], value["bytes"]) == (3, 3, 19)
    assert [entry["name"] for entry in value["entries"]] == ["Img2"]
    assert value["path"] == "holiday/caf%E9/"


def test_json_has_this_shape() -> None:
    found = Folder.of(entries("d\n/", "caf\udce9 ü+.txt", sizes=[0, 7], times=[10**9, 2]), asked("format=json"))
    assert json.loads(as_json("", found)) == {
        "path": "",
        "entries": [
            {"name": "d\n", "href": "./d%0A/", "type": "directory", "size": None, "modified": "1970-01-01T00:00:01Z"},
            {
                "name": "caf\ufffd ü+.txt",
                "href": "./caf%E9%20%C3%BC%2B.txt",
                "type": "file",
                "size": 7,
                "modified": "1970-01-01T00:00:00Z",
            },
        ],
        "total": 2,
        "files": 1,
        "bytes": 7,
    }


def test_text_is_a_line_for_each_entry() -> None:
    found = Folder.of(entries("d/", "new\nline\x1b", sizes=[0, 123], times=[0, 0]), asked("format=text"))
    assert as_text(found).decode() == (
        "1970-01-01T00:00:00Z               - d/\n1970-01-01T00:00:00Z             123 new\\u000aline\\u001b\n"
    )
