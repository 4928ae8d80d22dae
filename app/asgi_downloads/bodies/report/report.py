"""What a report says, and the way to have it made. reportlab itself is known to `pdf` alone."""

import json
import logging
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from asgi_downloads.storage.errors import Exhausted, StorageError
from asgi_downloads.storage.rows.notation import JsonLines
from asgi_downloads.storage.rows.source import COLUMNS, RowSource, Selection

logger = logging.getLogger("asgi_downloads")

ROWS = 40


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, and `rows` with a cell for each of `columns`."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A title's id, a time with its zone, and a table."""

    report_id: str
    made_at: datetime
    table: Table


SAMPLE = Table(
    "Sample figures",
    ("month", "downloads", "gigabytes"),
    tuple((f"2024-{month:02}", str(1200 + 37 * month), str(80 + 3 * month)) for month in range(1, 13)),
)


async def users_table(source: RowSource | None) -> Table:
    """The first users of the database; sample figures if it has none, or cannot be read.

    Raises `Exhausted`: who asks again in a moment gets the users.
    """
    if source is None:
        return SAMPLE
    try:
        async with aclosing(source.lines(Selection(limit=ROWS), JsonLines())) as lines:
            text = b"".join([block async for block in lines])
    except Exhausted:
        raise
    except StorageError:
        return SAMPLE
    users = [json.loads(line) for line in text.splitlines()]
    rows = tuple(tuple("" if user[name] is None else str(user[name]) for name in COLUMNS) for user in users)
    return Table("The first users of the database", COLUMNS, rows) if rows else SAMPLE
