"""Items made by a plain generator in worker threads, ahead of the reader by no more than two.

A thread goes on while the reader keeps up, so that neither waits for the other to wake; while the reader is slow, no
thread is held.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Executor
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")

AHEAD = 2
"""Items that may wait for the reader."""


async def ahead(pool: Executor, make: Callable[[threading.Event], Generator[T]]) -> AsyncGenerator[T]:
    """The items of `make(stopped)`, made in `pool` while the ones before are being used.

    `make` looks at its event now and then and ends when it is set. Closing this iterator sets it, waits for the item
    under way, and closes the generator in the pool, so that what that holds is freed.
    """
    stopped = threading.Event()
    maker = _Maker(make(stopped), pool, stopped)
    try:
        while (item := await maker.take()) is not None:
            yield item
    finally:
        stopped.set()
        closed = pool.submit(maker.close)  # takes place even if nobody can wait for it
        with anyio.CancelScope(shield=True):
            await asyncio.wrap_future(closed)


class _Maker(Generic[T]):
    """A generator that one thread at a time drives; `take` belongs to the event loop, the rest to the pool."""

    def __init__(self, items: Generator[T], pool: Executor, stopped: threading.Event) -> None:
        self._items = items
        self._pool = pool
        self._stopped = stopped
        self._loop = asyncio.get_running_loop()
        self._driving = threading.Lock()
        self._state = threading.Lock()
        self._ready: deque[T | BaseException | None] = deque()
        self._works = False
        self._ended = False
        self._arrived = asyncio.Event()

    async def take(self) -> T | None:
        """The next item, None after the last; raises what the generator raised."""
        while True:
            with self._state:
                self._arrived.clear()
                arrived = bool(self._ready)
                item = self._ready.popleft() if arrived else None
                if not self._works and not self._ended:
                    self._works = True
                    self._pool.submit(self._work)
            if isinstance(item, BaseException):
                raise item
            if arrived:
                return item
            await self._arrived.wait()

    def _work(self) -> None:
        goes_on = True
        while goes_on and not self._stopped.is_set():
            try:
                with self._driving:
                    item: T | BaseException | None = next(self._items, None)
            except BaseException as error:
                item = error
            with self._state:
                self._ready.append(item)
                self._ended = item is None or isinstance(item, BaseException)
                goes_on = self._works = not self._ended and len(self._ready) < AHEAD
            self._loop.call_soon_threadsafe(self._arrived.set)

    def close(self) -> None:
        """Free what the generator holds, after the item under way."""
        with self._driving:
            self._items.close()
