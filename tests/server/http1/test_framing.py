"""How an answer is framed, apart from any connection."""

import pytest

from asgi_downloads.http.message import Header
from asgi_downloads.server.http1 import framing
from asgi_downloads.server.http1.framing import CHUNKED, CLOSE, LENGTH, NONE, Framing

SIZED = (b"content-length", b"7")
CODED = (b"transfer-encoding", b"Chunked")
OTHER = (b"etag", b"1")


CHOICES = [
    ("GET", "1.1", 200, [SIZED], (LENGTH, 7)),
    ("GET", "1.0", 206, [SIZED], (LENGTH, 7)),
    ("GET", "1.1", 200, [], (CHUNKED, 0)),
    ("GET", "1.0", 200, [], (CLOSE, 0)),  # RFC 9112 §6.1
    ("HEAD", "1.1", 200, [SIZED], (NONE, 0)),  # RFC 9112 §6.3
    ("HEAD", "1.1", 200, [], (NONE, 0)),
    ("GET", "1.1", 304, [SIZED], (NONE, 0)),
    ("GET", "1.1", 204, [], (NONE, 0)),
]


@pytest.mark.parametrize(("method", "version", "status", "headers", "want"), CHOICES)
def test_the_end_of_the_content_is_told(
    method: str, version: str, status: int, headers: list[Header], want: tuple[Framing, int]
) -> None:
    assert framing.choose(method, version, status, headers, dict(headers)) == want


@pytest.mark.parametrize("headers", [[(b"content-length", b"+7")], [(b"content-length", b"")], [SIZED, SIZED]], ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_length_that_is_none_is_a_mistake(headers: list[Header], method: str) -> None:
    with pytest.raises(RuntimeError, match="Invalid Content-Length"):
        framing.choose(method, "1.1", 200, headers, dict(headers))


@pytest.mark.parametrize(
    ("headers", "status", "want"),
    [
        ([CODED, OTHER], 200, [OTHER]),
        ([CODED, SIZED, OTHER], 200, [OTHER]),  # RFC 9112 §6.2
        ([SIZED, OTHER], 204, [OTHER]),  # RFC 9110 §8.6
    ],
)
def test_framing_is_ours_to_choose(headers: list[Header], status: int, want: list[Header]) -> None:
    assert framing.without_framing(headers, dict(headers), status) == want


def test_no_other_coding_can_be_chosen() -> None:
    with pytest.raises(RuntimeError, match="transfer coding"):
        framing.without_framing([], {b"transfer-encoding": b"gzip"}, 200)


@pytest.mark.parametrize(
    ("keep_alive", "version", "value", "want"),
    [
        (True, "1.1", None, (True, b"")),
        (True, "1.0", None, (True, b"connection: keep-alive\r\n")),
        (False, "1.1", None, (False, b"connection: close\r\n")),
        (True, "1.1", b"a, Close", (False, b"")),
        (True, "1.0", b"keep-alive", (True, b"")),
        (False, "1.0", b"keep-alive", (False, b"connection: close\r\n")),
    ],
)
def test_what_becomes_of_the_connection_is_told(
    keep_alive: bool, version: str, value: bytes | None, want: tuple[bool, bytes]
) -> None:
    headers = [] if value is None else [(b"connection", value)]
    assert framing.persistence(keep_alive, version, headers, dict(headers)) == want


@pytest.mark.parametrize(
    ("size", "more", "want"),
    [
        (0, True, (b"", b"")),
        (0, False, (b"", b"0\r\n\r\n")),
        (26, True, (b"1a\r\n", b"\r\n")),
        (26, False, (b"1a\r\n", b"\r\n0\r\n\r\n")),
    ],
)
def test_a_chunk_is_framed(size: int, more: bool, want: tuple[bytes, bytes]) -> None:
    assert framing.chunk(size, more) == want
