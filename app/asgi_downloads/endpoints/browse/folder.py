"""What of a folder is asked for, and how programs get it: JSON, or a list for a terminal."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.endpoints.browse import words
from asgi_downloads.http.accept import preferred
from asgi_downloads.http.parameters import Query
from asgi_downloads.storage.files.entries import Entry

MEDIA_TYPES = {"html": b"text/html", "json": b"application/json", "text": b"text/plain"}
PAGE = 1000
"""Entries of a page, if nobody asks for fewer: what a browser shows at once."""

VIEW = {
    parameter.name: parameter
    for parameter in (
        Parameter("q", default=""),
        Parameter("sort", default="name", choices=("name", "size", "modified")),
        Parameter("order", choices=("asc", "desc")),
        Parameter("page", "integer", default=1, least=1),
        Parameter("limit", "integer", least=1, most=10_000),
        Parameter("format", choices=tuple(MEDIA_TYPES)),
    )
}
"""By name. `order` is ascending for names and else descending, if not given."""


@dataclass(frozen=True, slots=True)
class View:
    """How a folder is to be seen: which of its entries, in which order, and as what."""

    q: str
    sort: str
    order: str
    page: int
    limit: int | None
    format: str

    @classmethod
    def asked(cls, exchange: Exchange) -> "View":
        """What query and Accept say; raises `InvalidParameters`."""
        with Query(exchange.query_string) as query:
            read = {name: parameter.read(query) for name, parameter in VIEW.items()}
        if read["format"] is None:
            liked = preferred(exchange.headers, list(MEDIA_TYPES.values()))
            read["format"] = next(name for name, kind in MEDIA_TYPES.items() if kind == liked)
        if read["limit"] is None and read["format"] == "html":
            read["limit"] = PAGE
        read["order"] = read["order"] or natural_order(str(read["sort"]))
        return cls(**read)  # type: ignore[arg-type] # each as its parameter says


def natural_order(sort: str) -> str:
    """In which order people look first: from A, or from what is largest or newest."""
    return "asc" if sort == "name" else "desc"


@dataclass(frozen=True, slots=True)
class Folder:
    """The entries of a folder that match, sorted, and those of them that are on the page."""

    matching: Sequence[Entry]
    shown: Sequence[Entry]
    first: int
    """Which of all the first one shown is, from 0."""
    files: int
    """How many of all that match are files."""
    bytes: int
    """What those hold."""

    @classmethod
    def of(cls, entries: Sequence[Entry], view: View) -> "Folder":
        """Of all entries, as `entries_blocking` gives them."""
        matching = matches(entries, view.q)
        if view.sort != "name":
            field = 2 if view.sort == "size" else 3
            matching.sort(key=lambda entry: cast(int, entry[field]), reverse=view.order == "desc")
            matching.sort(key=lambda entry: not entry.is_directory)
        elif view.order == "desc":
            matching.reverse()
            matching.sort(key=lambda entry: not entry.is_directory)
        limit = view.limit or len(matching)
        first = (view.page - 1) * limit
        directories = sum(name.endswith("/") for _, name, _, _ in matching)
        size = sum(size for _, _, size, _ in matching)
        return cls(matching, matching[first : first + limit], first, len(matching) - directories, size)


def matches(entries: Sequence[Entry], q: str) -> list[Entry]:
    """Those whose name has `q` in it, in any case."""
    folded = q.casefold()
    return [entry for entry in entries if folded in entry.name.removesuffix("/").casefold()] if q else list(entries)


def as_json(path: str, folder: Folder) -> bytes:
    """The object that programs read: `path` and `href` are percent-encoded bytes."""
    # Each by itself: json holds all threads up until it has ended.
    entries = [
        _dumped(
            {
                "name": words.text(entry.name.removesuffix("/")),
                "href": f"./{words.encoded(entry.name)}",
                "type": "directory" if entry.is_directory else "file",
                "size": None if entry.is_directory else entry.size,
                "modified": words.moment(entry.mtime_ns) or None,
            }
        )
        for entry in folder.shown
    ]
    totals = _dumped({"total": len(folder.matching), "files": folder.files, "bytes": folder.bytes})
    return f'{{"path":"{words.encoded(path)}","entries":[{",".join(entries)}],{totals[1:]}'.encode()


_dumped = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_text(folder: Folder) -> bytes:
    """A line for each entry: when it was modified, its size in bytes, and its name."""
    lines = []
    for entry in folder.shown:
        size = "-" if entry.is_directory else str(entry.size)
        lines.append(f"{words.moment(entry.mtime_ns) or '-':>20} {size:>15} {words.printable(entry.name)}\n")
    return "".join(lines).encode()
