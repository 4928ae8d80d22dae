import pytest

from asgi_downloads.http.message import ByteRange


@pytest.mark.parametrize(
    ("part", "size", "want"),
    [
        pytest.param(ByteRange(0, 1), 10, b"bytes 0-0/10", id="one byte is first and last"),
        pytest.param(ByteRange(3, 10), 10, b"bytes 3-9/10", id="the last position is inclusive"),
        pytest.param(ByteRange(2**40, 2**63), 2**63, b"bytes %d-%d/%d" % (2**40, 2**63 - 1, 2**63), id="huge"),
    ],
)
def test_content_range(part: ByteRange, size: int, want: bytes) -> None:
    assert part.content_range(size) == want


def test_the_length_of_a_range_is_what_it_covers() -> None:
    assert len(ByteRange(3, 10)) == 7
