"""A file as the answer of a route: what Starlette's class would say, and what RFC 9110 asks beyond it."""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads import FileResponse
from asgi_downloads.responses.file import tree_at
from tests.support.asgi import Recorder, exchange, http_scope

pytestmark = pytest.mark.usefixtures("no_descriptor_left_but_roots")


@pytest.fixture
def no_descriptor_left_but_roots(no_descriptor_left: None) -> None:
    """Trees are kept open between requests; here each is let go of at once."""
    tree_at.cache_clear()


def answer(path: Any, *, method: str = "GET", request: Iterable[tuple[bytes, bytes]] = (), **more: Any) -> Recorder:
    from asgi_downloads.responses.file import tree_at

    found = exchange(FileResponse(path, **more), "/", method, headers=request)
    tree_at.cache_clear()
    return found


@dataclass(frozen=True)
class Case:
    id: str
    given: dict[str, Any]
    want: dict[bytes, bytes | None]
    path: str = "a.txt"
    method: str = "GET"
    request: list[tuple[bytes, bytes]] = field(default_factory=list)
    status: int = 200
    content: bytes = b"hello"


SANDBOX = b"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; sandbox"
TEXT = b"text/plain; charset=utf-8"
RANGE = [(b"range", b"bytes=1-2")]

CASES = [
    Case("plain", {}, {b"content-type": TEXT, b"content-disposition": None, b"cache-control": b"no-cache"}),
    Case("length", {}, {b"content-length": b"5", b"accept-ranges": b"bytes", b"x-content-type-options": b"nosniff"}),
    Case("date", {}, {b"last-modified": b"Tue, 14 Nov 2023 22:13:20 GMT"}),
    Case("named", {"filename": "b.pdf"}, {b"content-disposition": b'attachment; filename="b.pdf"'}),
    Case("type-of-the-filename", {"filename": "b.pdf"}, {b"content-type": b"application/pdf"}),
    Case(
        "inline",
        {"filename": "b.txt", "content_disposition_type": "inline"},
        {b"content-disposition": b'inline; filename="b.txt"'},
    ),
    Case("media-type", {"media_type": "application/x-own"}, {b"content-type": b"application/x-own"}),
    Case("media-type-of-text", {"media_type": "text/csv"}, {b"content-type": b"text/csv; charset=utf-8"}),
    Case("charset-of-its-own", {"media_type": "text/csv; charset=x"}, {b"content-type": b"text/csv; charset=x"}),
    Case("cache", {"cache_control": "private"}, {b"cache-control": b"private"}),
    Case(
        "own-fields",
        {"headers": {"X-Own": "1", "Cache-Control": "max-age=9", "Content-Length": "99"}},
        {b"x-own": b"1", b"cache-control": b"max-age=9", b"content-length": b"5"},
    ),
    Case("own-validator", {"headers": {"ETag": '"mine"'}}, {b"etag": b'"mine"'}),
    Case(
        "own-validator-decides",
        {"headers": {"ETag": '"mine"'}},
        {b"etag": b'"mine"', b"content-length": None},
        request=[(b"if-none-match", b'"mine"')],
        status=304,
        content=b"",
    ),
    Case(
        "own-date",
        {"headers": {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}},
        {b"last-modified": b"Mon, 01 Jan 2024 00:00:00 GMT"},
    ),
    Case("html-alone", {}, {b"content-security-policy": SANDBOX}, "page.html", content=b"<script>alert(1)</script>"),
    Case(
        "html-saved",
        {"filename": "page.html"},
        {b"content-security-policy": None},
        "page.html",
        content=b"<script>alert(1)</script>",
    ),
    Case("head", {}, {b"content-length": b"5"}, method="HEAD", content=b""),
    Case("range", {}, {b"content-range": b"bytes 1-2/5"}, request=RANGE, status=206, content=b"el"),
    Case("range-of-head", {}, {b"content-range": None}, method="HEAD", request=RANGE, content=b""),
    Case("range-of-post", {}, {b"content-range": None}, method="POST", request=RANGE),
    Case("range-of-201", {"status_code": 201}, {b"content-range": None}, request=RANGE, status=201),
    Case("precondition-of-post", {}, {}, method="POST", request=[(b"if-match", b'"other"')]),
    Case("unsatisfiable", {}, {b"content-range": b"bytes */5"}, request=[(b"range", b"bytes=9-")], status=416),
    Case("malformed", {}, {}, request=[(b"range", b"bytes=x")], status=400),
    Case("precondition", {}, {}, request=[(b"if-match", b'"other"')], status=412),
    Case(
        "digest",
        {},
        {b"repr-digest": b"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"},
        request=[(b"want-repr-digest", b"sha-256=1")],
    ),
    Case("missing", {}, {b"content-type": b"application/json"}, "none", status=404),
    Case("directory", {}, {}, "sub", status=404),
    Case("link", {}, {b"content-length": b"5"}, "in"),
    Case("empty", {}, {b"content-length": b"0"}, "empty", content=b""),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("within", [False, True], ids=["path", "within"])
def test_an_answer(case: Case, within: bool, root: Path) -> None:
    place = {"within": root} if within else {}
    found = answer(
        case.path if within else root / case.path, method=case.method, request=case.request, **place, **case.given
    )
    assert found.status == case.status
    if case.status < 400:
        assert bytes(found.content) == case.content
    assert {name: found.headers.get(name) for name in case.want} == case.want


@pytest.mark.parametrize(
    ("name", "status"),
    [("../outside", 400), ("/etc/hostname", 400), ("sub/../../outside", 400), ("out", 400), ("a\0b", 400), ("", 404)],
)
def test_nothing_outside_of_a_directory_is_ever_sent(name: str, status: int, root: Path) -> None:
    found = answer(name, within=root)
    assert found.status == status
    assert b"outside" not in found.content


def test_a_path_of_our_own_may_lead_anywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bytes(answer(root / "out").content) == b"outside"
    monkeypatch.chdir(root / "sub")
    assert bytes(answer("../a.txt").content) == b"hello"
    assert bytes(answer(os.fsencode(root / "a.txt").decode()).content) == b"hello"


def test_a_replaced_file_is_another_and_a_copy_too_unless_tags_are_portable(root: Path) -> None:
    tags: dict[str, list[bytes]] = {}
    for kind in ("strict", "portable"):
        tags[kind] = [answer(root / "a.txt", etag=kind).headers[b"etag"]]
    facts = os.stat(root / "a.txt")
    (root / "copy").write_bytes(b"hello")
    os.utime(root / "copy", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (root / "copy").replace(root / "a.txt")
    for kind in tags:
        tags[kind].append(answer(root / "a.txt", etag=kind).headers[b"etag"])
    assert tags["strict"][0] != tags["strict"][1]
    assert tags["portable"][0] == tags["portable"][1]


@pytest.mark.parametrize(
    ("path", "method", "request_fields", "runs"),
    [
        ("a.txt", "GET", [], True),
        ("a.txt", "HEAD", [], True),
        ("a.txt", "GET", [(b"range", b"bytes=0-1")], True),
        ("big.bin", "GET", [], True),
        ("none", "GET", [], False),
        ("a.txt", "GET", [(b"range", b"bytes=9-")], False),
    ],
)
def test_a_background_task_runs_after_an_answer_and_after_nothing_else(
    path: str, method: str, request_fields: list[tuple[bytes, bytes]], runs: bool, root: Path
) -> None:
    ran: list[str] = []

    async def task() -> None:
        ran.append("ran")

    found = answer(root / path, method=method, request=request_fields, background=task)
    assert found.complete
    assert ran == (["ran"] if runs else [])


def test_no_background_task_runs_for_a_client_that_left(root: Path) -> None:
    ran: list[str] = []

    async def task() -> None:
        ran.append("ran")

    async def run() -> None:
        recorder = Recorder(http_scope("/"), hang_up_after=2)
        await FileResponse(root / "big.bin", background=task)(recorder.scope, recorder.receive, recorder.send)

    asyncio.run(run())
    assert ran == []


def test_large_content_goes_to_a_server_that_takes_slices_without_a_copy(root: Path) -> None:
    (root / "huge.bin").write_bytes(b"huge" * (2 << 20))
    found = exchange(FileResponse(root / "huge.bin"), "/", in_flight=1 << 18)
    assert bytes(found.content) == b"huge" * (2 << 20)
    assert any(not event.get("body") and event.get("more_body") for event in found.events)
