"""What all databases have in common: bounds on their exports, and a probe of their own."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from asgi_downloads.storage.errors import TimedOut
from asgi_downloads.storage.probe import PATIENCE, Probe
from asgi_downloads.storage.read_ahead import read_ahead
from asgi_downloads.storage.rows.notation import JsonLines, Notation
from asgi_downloads.storage.rows.source import Selection
from asgi_downloads.storage.seats import Seats

Put = Callable[[bytes], Awaitable[None]]


class Database(ABC):
    """A `RowSource` with `connections` exports at a time, each of which may take `query_timeout` seconds in all.

    An export runs in a task of its own, whatever called it (asyncpg and time limits need one). `check` reads one row
    past the bounds, so that it waits for no export.
    """

    def __init__(self, connections: int, query_timeout: float) -> None:
        self.query_timeout = query_timeout
        self.check = Probe(partial(self.read, Selection(limit=1), JsonLines(), _drop, PATIENCE, probing=True))
        self._seats = Seats(connections)

    def lines(self, selection: Selection, notation: Notation) -> AsyncGenerator[bytes]:
        async def produce(put: Put) -> None:
            async with self._seats.seat():
                await self.read(selection, notation, put, self.query_timeout)

        return read_ahead(produce)

    @abstractmethod
    async def read(
        self, selection: Selection, notation: Notation, put: Put, seconds: float, *, probing: bool = False
    ) -> None:
        """Put the blocks of `RowSource.lines`; raise `TimedOut` after so many seconds. Needs a task.

        What is read while `probing` waits for no other.
        """

    async def aclose(self) -> None:
        """Free what outlives an export."""
        return


async def _drop(block: bytes) -> None:
    """Where a check puts what it reads."""


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncGenerator[None]:
    """Cancel the block after so many seconds, and raise `TimedOut`. Needs a task."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TimedOut(f"not done after {seconds:g} s") from error
