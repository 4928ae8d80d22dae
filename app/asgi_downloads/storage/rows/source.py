"""Which rows are wanted; where they come from is a `RowSource`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from asgi_downloads.storage.rows.notation import Notation

TABLE = "users"
COLUMNS = ("id", "name", "email", "created_at")
"""The columns that an export of users may have, in the order of an export that names none."""

BLOCK_SIZE = 1 << 17
"""Bytes that a block aims at: below 64 KiB handing blocks over costs, and a megabyte is memory held by each client."""

FIRST_ROWS = 100
"""Rows of the first block: few enough to be there at once, enough to guess the length of a row from."""

QUERY_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows and columns of a table: `since` inclusive, `until` exclusive, both on its column `moment`.

    Names of tables and columns are words of our own, which need no quotes and come from no client; times without a
    zone are UTC; `limit` is in rows.
    """

    columns: tuple[str, ...] = COLUMNS
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    table: str = TABLE
    moment: str = "created_at"

    @property
    def span(self) -> dict[str, datetime]:
        """The bounds that are given, each by its comparison; in UTC."""
        bounds = {">=": self.since, "<": self.until}
        return {comparison: _as_utc(time) for comparison, time in bounds.items() if time is not None}


class RowSource(Protocol):
    """A database. Text goes out as UTF-8; what is not UTF-8 is an error, or becomes U+FFFD and the log says so."""

    def lines(self, selection: Selection, notation: Notation) -> AsyncGenerator[bytes]:
        """The head and the rows as lines, in blocks of whole lines: a small one at once, then about `BLOCK_SIZE` each.

        All rows are of one moment. Nothing is opened before the first block is asked for, one block is made ahead of
        the reader, and `aclose()` ends the query and frees what it holds; so does its time limit, however slow the
        reader. Raises, at the first block or later, `Unavailable` or `Exhausted` for what may pass, `TimedOut`, and
        `Unusable` for what will not: no such table or column, no right to read it, values that cannot be read.
        """
        ...

    async def check(self) -> None:
        """Raise as `lines` would, if the table cannot be read now; waits for no export, and for a second at most."""
        ...

    async def aclose(self) -> None:
        """Free what outlives a single export; none may be under way."""
        ...


_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _as_utc(time: datetime) -> datetime:
    """`time` in UTC; one that falls off the calendar by its offset becomes the calendar's first or last moment."""
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return _FIRST_MOMENT if time.year == _FIRST_MOMENT.year else _LAST_MOMENT
