"""Content as we read it ourselves; what both parsers must make of it is in the table of `requests`."""

import pytest

from asgi_downloads.server.http1.request_content import ContentReader
from asgi_downloads.server.http1.request_head import Refused

CHUNKED = {b"transfer-encoding": b"chunked"}


@pytest.mark.parametrize(
    ("fields", "data", "content", "rest"),
    [
        ({}, b"GET", b"", b"GET"),
        ({b"content-length": b"0"}, b"", b"", b""),
        ({b"content-length": b"3"}, b"ab", b"ab", None),
        ({b"content-length": b"3"}, b"abcGET", b"abc", b"GET"),
        (CHUNKED, b"3\r\nabc\r\n0\r\n\r\nGET", b"abc", b"GET"),
        (CHUNKED, b"3\r\nabc\r\n0\r\n\r", b"abc", None),
        (CHUNKED, b"FFFFFFFFFFFFFFFF\r\nabc", b"abc", None),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_content_ends_where_its_framing_says(
    fields: dict[bytes, bytes], data: bytes, content: bytes, rest: bytes | None, size: int
) -> None:
    reader = ContentReader(fields)
    pieces: list[bytes] = []
    left: bytes | None = None
    for at in range(0, len(data) or 1, size):
        left = reader.feed(data[at : at + size], pieces)
        if left is not None:
            left += data[at + size :]
            break
    assert (b"".join(pieces), left) == (content, rest)


def test_a_line_of_many_extensions_is_read_in_linear_time() -> None:
    reader = ContentReader(CHUNKED)
    with pytest.raises(Refused):
        reader.feed(b"3" + b";a=b" * 16000 + b" \r\n", [])
