"""The export of computed data: the same bytes each time, so their length and tag are known before they are written."""

from collections.abc import Iterator
from functools import cache

from asgi_downloads.bodies.spooled_file import content_tag

ROWS = 10_000
_BLOCK_ROWS = 2_500


def data_blocks() -> Iterator[bytes]:
    """CSV with LF line ends: `id,name,value`, then a row for each number."""
    yield b"id,name,value\n"
    for first in range(0, ROWS, _BLOCK_ROWS):
        yield b"".join([b"%d,item-%d,%d\n" % (i, i, i * 100) for i in range(first, first + _BLOCK_ROWS)])


@cache
def data_facts() -> tuple[int, bytes]:
    """The length in bytes and the ETag; the first call takes milliseconds."""
    content = b"".join(data_blocks())
    return len(content), content_tag(content)
