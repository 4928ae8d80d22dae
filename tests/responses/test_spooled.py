"""Content made for one request: whole, resumable, and gone after it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads import SpooledResponse
from tests.support.asgi import Recorder, exchange, http_scope

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


def blocks() -> Iterator[bytes | str]:
    yield b"hel"
    yield "lö"


async def async_blocks() -> AsyncIterator[bytes]:
    yield b"hel"
    yield "lö".encode()


CONTENTS: dict[str, Callable[[], Any]] = {
    "bytes": lambda: "hellö".encode(),
    "text": lambda: "hellö",
    "iterable": blocks,
    "async": async_blocks,
    "list": lambda: [b"hel", "lö"],
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_content_of_every_kind_has_a_length_a_tag_and_ranges(kind: str, tmp_path: Path) -> None:
    def answer(method: str = "GET", *headers: tuple[bytes, bytes]) -> Recorder:
        content: Any = CONTENTS[kind]()
        response = SpooledResponse(content, filename="a.txt", temp_dir=tmp_path)
        return exchange(response, method=method, headers=headers)

    whole = answer()
    assert whole.content == "hellö".encode()
    assert whole.headers == {
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": b"6",
        b"accept-ranges": b"bytes",
        b"etag": whole.headers[b"etag"],
        b"cache-control": b"no-store",
        b"content-disposition": b'attachment; filename="a.txt"',
        b"x-content-type-options": b"nosniff",
    }
    tag = whole.headers[b"etag"]
    rest = answer("GET", (b"range", b"bytes=3-"), (b"if-range", tag))
    assert (rest.status, bytes(rest.content)) == (206, "lö".encode())
    assert answer("GET", (b"if-none-match", tag)).status == 304
    assert answer("GET", (b"if-match", b'"other"')).status == 412
    assert answer("GET", (b"range", b"bytes=6-")).status == 416
    head = answer("HEAD")
    assert (head.headers, bytes(head.content)) == (whole.headers, b"")
    assert list(tmp_path.iterdir()) == []


def test_the_tag_is_that_of_the_content() -> None:
    tags = [exchange(SpooledResponse(text)).headers[b"etag"] for text in ("one", "one", "two", ["o", "ne"])]
    assert tags[0] == tags[1] == tags[3] != tags[2]


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ({}, b"application/octet-stream"),
        ({"media_type": "image/png"}, b"image/png"),
        ({"filename": "a.svg"}, b"image/svg+xml"),
        ({"headers": {"Content-Type": "x/y"}}, b"x/y"),
    ],
)
def test_the_type_is_that_which_is_given_or_of_the_name(more: dict[str, Any], want: bytes) -> None:
    assert exchange(SpooledResponse(b"x", **more)).headers[b"content-type"] == want


def test_what_the_producer_raises_is_an_error_before_the_first_byte(tmp_path: Path) -> None:
    def fails() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise LookupError

    found = exchange(SpooledResponse(fails(), temp_dir=tmp_path))
    assert found.status == 500
    assert list(tmp_path.iterdir()) == []


def test_no_place_for_it_is_503(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert exchange(SpooledResponse(b"x", temp_dir=tmp_path / "file" / "below")).status == 503


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
def test_a_client_that_leaves_ends_the_making(spec_version: str) -> None:
    closed: list[int] = []

    async def run() -> None:
        gone = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x"
                    gone.set()
            finally:
                closed.append(1)

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        recorder = Recorder(http_scope(spec_version=spec_version))
        await SpooledResponse(endless())(recorder.scope, receive, recorder.send)
        assert recorder.events == []

    asyncio.run(run())
    assert closed == [1]


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("GET", 201), ("HEAD", 201)])
def test_ranges_are_for_a_200_to_get_alone(method: str, status: int) -> None:
    found = exchange(SpooledResponse(b"hello", status), method=method, headers=[(b"range", b"bytes=0-1")])
    assert found.status == status
    assert bytes(found.content) == (b"" if method == "HEAD" else b"hello")
