import re
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.http.message import ByteRange
from asgi_downloads.http.multipart import content_type, frame, fresh_boundary, length

DATA = bytes(range(100))


def _render(segments: tuple[bytes | ByteRange, ...]) -> bytes:
    return b"".join(
        DATA[segment.start : segment.stop] if isinstance(segment, ByteRange) else segment for segment in segments
    )


def test_the_framing_octet_for_octet() -> None:
    segments = frame((ByteRange(5, 7), ByteRange(0, 1)), 100, b"text/plain; charset=utf-8", b"B")
    assert segments == (
        b"--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 5-6/100\r\n\r\n",
        ByteRange(5, 7),
        b"\r\n--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-0/100\r\n\r\n",
        ByteRange(0, 1),
        b"\r\n--B--\r\n",
    )


def test_the_content_type_names_the_boundary() -> None:
    assert content_type(b"B") == b"multipart/byteranges; boundary=B"


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 100)).filter(lambda pair: pair[0] < pair[1]), min_size=1),
)
def test_another_parser_finds_every_part_with_its_bytes(pairs: list[tuple[int, int]]) -> None:
    boundary = fresh_boundary()
    segments = frame([ByteRange(*pair) for pair in pairs], 100, b"application/x-test", boundary)
    content = _render(segments)
    assert length(segments) == len(content)
    message = message_from_bytes(b"Content-Type: %b\r\n\r\n%b" % (content_type(boundary), content))
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert len(parts) == len(pairs)
    pieces = content.split(b"--" + boundary)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    for (start, stop), part, piece in zip(pairs, parts, pieces[1:-1], strict=True):
        assert isinstance(part, Message)
        assert part["Content-Type"] == "application/x-test"
        assert part["Content-Range"] == f"bytes {start}-{stop - 1}/100"
        _, _, body = piece.partition(b"\r\n\r\n")
        assert body == DATA[start:stop] + b"\r\n"


def test_the_length_of_parts_longer_than_memory() -> None:
    segments = frame((ByteRange(0, 2**63), ByteRange(2**64, 2**65)), 2**65, b"a/b", b"B")
    assert length(segments) > 2**63 + 2**64


def test_a_boundary_is_a_token_and_never_the_same() -> None:
    boundaries = {fresh_boundary() for _ in range(100)}
    assert len(boundaries) == 100
    assert all(re.fullmatch(rb"[0-9a-f]{26}", boundary) for boundary in boundaries)


@pytest.mark.parametrize("count", [1, 2, 100])
def test_framing_stays_below_two_hundred_bytes_a_part(count: int) -> None:
    size = 2**63
    parts = [ByteRange(size - 2 - i, size - 1 - i) for i in range(count)]
    segments = frame(parts, size, b"application/octet-stream", fresh_boundary())
    assert length(segments) <= count * 200 + 40
