"""The export of computed data: the same bytes each time."""

from functools import cache

from asgi_downloads.bodies.spooled_file import content_tag
from asgi_downloads.storage.rows.notation import Csv

ROWS = 10_000
COLUMNS = ("id", "name", "value")


@cache
def data_export() -> tuple[bytes, bytes]:
    """A row for each number as CSV with LF line ends, and its ETag. The first call takes milliseconds."""
    notation = Csv(line_end="\n")
    rows = [(number, f"item-{number}", number * 100) for number in range(ROWS)]
    content = notation.head(COLUMNS) + notation.lines(COLUMNS, rows)
    return content, content_tag(content)
