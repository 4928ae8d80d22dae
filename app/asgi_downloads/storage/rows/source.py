"""Which rows are wanted, and what is promised of wherever they come from."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from asgi_downloads.storage.errors import TimedOut
from asgi_downloads.storage.probe import PATIENCE, Probe
from asgi_downloads.storage.read_ahead import read_ahead
from asgi_downloads.storage.rows.notation import JsonLines, Notation
from asgi_downloads.storage.rows.statement import Statement
from asgi_downloads.storage.seats import Seats

COLUMNS = ("id", "name", "email", "created_at")
"""The columns that an export of users may have, in the order of an export that names none."""

BLOCK_SIZE = 1 << 17
"""Bytes that a block aims at: below 64 KiB handing blocks over costs, and a megabyte is memory held by each client."""

QUERY_TIMEOUT = 600.0

Put = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows and columns of a table: `since` inclusive, `until` exclusive, both on its column `moment`.

    Names are words of our own, which need no quotes and come from no client; times without a zone are UTC; `limit` is
    in rows.
    """

    columns: tuple[str, ...] = COLUMNS
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    table: str = "users"
    moment: str = "created_at"

    @property
    def span(self) -> dict[str, datetime]:
        """The bounds that are given, each by its comparison; in UTC."""
        bounds = {">=": self.since, "<": self.until}
        return {comparison: _as_utc(time) for comparison, time in bounds.items() if time is not None}


Wanted = Selection | Statement
"""What is read: rows of a table, or of a query of the operator's own."""


class RowSource(ABC):
    """A database with `connections` exports at a time, each of which may take `query_timeout` seconds in all.

    An export runs in a task of its own, as drivers and time limits need one.
    """

    def __init__(self, connections: int, query_timeout: float = QUERY_TIMEOUT) -> None:
        self.query_timeout = query_timeout
        self._seats = Seats(connections)
        self._probe = Probe(partial(self._within, PATIENCE, Selection(limit=1), JsonLines(), _drop, probing=True))

    def lines(self, wanted: Wanted, notation: Notation, timeout: float | None = None) -> AsyncGenerator[bytes]:
        """The head and the rows as lines, in blocks of whole lines: a small one at once, then about `BLOCK_SIZE` each.

        All rows are of one moment. Text goes out as UTF-8; what is not UTF-8 is an error, or becomes U+FFFD and the log
        says so. Nothing is opened before the first block is asked for, one block is made ahead of the reader, and
        `aclose()` ends the query and frees what it holds; so does its time limit, however slow the reader: `timeout`
        seconds, or `query_timeout`. Raises, at
        the first block or later, `Unavailable`, `Exhausted` or `FileChanged` for what may pass, `TimedOut`, and other
        `StorageError`s for what will not: no such table or column, no right to read it, values that cannot be read.
        """

        async def produce(put: Put) -> None:
            async with self._seats.seat():
                await self._within(timeout or self.query_timeout, wanted, notation, put)

        return read_ahead(produce)

    async def check(self) -> None:
        """Raise as `lines` would, if no row can be read now; waits for no export, and for a second at most."""
        await self._probe()

    async def aclose(self) -> None:
        """Free what outlives a single export; none may be under way."""
        return

    @abstractmethod
    async def describe(self, statement: Statement) -> tuple[str, ...]:
        """The names of the columns that a query gives; nothing of it is run.

        Raises as `lines` does before the first block; `Unusable` for what is no query, or one that writes.
        """

    @abstractmethod
    async def read(
        self, wanted: Wanted, notation: Notation, put: Put, seconds: float, *, probing: bool = False
    ) -> None:
        """Put the blocks of `lines`; all that is held for them is freed, also when cancelled.

        Ends within so many seconds, or is cancelled. What is read while `probing` waits for nothing that is not.
        """

    async def _within(
        self, seconds: float, wanted: Wanted, notation: Notation, put: Put, *, probing: bool = False
    ) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.read(wanted, notation, put, seconds, probing=probing)
        except TimeoutError as error:
            raise TimedOut(f"not done after {seconds:g} s") from error


async def _drop(block: bytes) -> None:
    """Where a probe puts what it reads."""


_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _as_utc(time: datetime) -> datetime:
    """`time` in UTC; one that falls off the calendar by its offset becomes the calendar's first or last moment."""
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return _FIRST_MOMENT if time.year == _FIRST_MOMENT.year else _LAST_MOMENT
