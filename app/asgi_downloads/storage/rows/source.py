"""Which rows of the users table are wanted and how they are written; where they come from is a `RowSource`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

TABLE = "users"
COLUMNS = ("id", "name", "email", "created_at")
"""The columns that an export may have, in the order of an export that names none."""

BLOCK_SIZE = 1 << 17
"""Bytes that a block aims at: below 64 KiB handing blocks over costs, and a megabyte is memory held by each client."""

FIRST_ROWS = 100
"""Rows of the first block: few enough to be there at once, enough to guess the length of a row from."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows and columns of one export: `since` inclusive, `until` exclusive, both on created_at.

    `columns` are distinct members of `COLUMNS`; times without a zone are UTC; `limit` is in rows.
    """

    columns: tuple[str, ...] = COLUMNS
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Csv:
    """RFC 4180: CRLF after every line, quotes only around cells that need them, NULL as an empty cell.

    `for_excel` gives a text cell that a spreadsheet would run as a formula a leading apostrophe, and the file a byte
    order mark.
    """

    delimiter: str = ","
    for_excel: bool = False


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a line, LF after every line."""


Notation = Csv | JsonLines

FORMULA_STARTS = "=+-@\t\r"
"""What makes a spreadsheet take a cell for a formula when it comes first (CWE-1236)."""


class RowSource(Protocol):
    """A database with a users table. Text goes out as UTF-8; what is not valid UTF-8 becomes U+FFFD."""

    def lines(self, selection: Selection, notation: Notation) -> AsyncGenerator[bytes]:
        """The rows as lines, in blocks of whole lines: a small one at once, then about `BLOCK_SIZE` each.

        All rows are of one moment. Nothing is opened before the first block is asked for, at most one
        block is made ahead of the reader, and `aclose()` ends the query and frees what it holds.
        Raises `Unavailable`, `NotFound` (no such table) or `Exhausted`, at the first block or later.
        """
        ...

    async def check(self) -> None:
        """Raise as `lines` would if its first block could not be had now."""
        ...

    async def aclose(self) -> None:
        """Free what outlives a single export; none may be under way."""
        ...


_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def as_utc(time: datetime) -> datetime:
    """`time` in UTC; one that falls off the calendar by its offset becomes the calendar's first or last moment."""
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return _FIRST_MOMENT if time.year == _FIRST_MOMENT.year else _LAST_MOMENT
