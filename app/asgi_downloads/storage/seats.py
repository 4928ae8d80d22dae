"""Bounds on what may be under way at a time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from asgi_downloads.storage.errors import Busy

PATIENCE = 2.0
"""Seconds that one waits for a seat."""


class Seats:
    """A number of seats, and as many places to wait for one; who finds no place, or waits too long, is turned away."""

    def __init__(self, seats: int, patience: float = PATIENCE) -> None:
        self._seats = self._places = seats
        self._patience = patience
        self._free = asyncio.Semaphore(seats)

    @asynccontextmanager
    async def seat(self) -> AsyncGenerator[None]:
        """A seat for the length of the block; raises `Busy`. Needs a task."""
        if self._free.locked() and not self._places:
            raise Busy(f"{self._seats} are under way, and as many wait")
        self._places -= 1
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise Busy(f"{self._seats} are under way") from None
        finally:
            self._places += 1
        try:
            yield
        finally:
            self._free.release()
