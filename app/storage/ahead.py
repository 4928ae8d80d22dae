"""Blocks made by a plain generator in worker threads, at most one ahead of the reader.

No thread is held while the reader is slow: each block is a job of its own.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Executor, Future
from typing import TypeVar

import anyio

T = TypeVar("T")

Blocks = Generator[bytes]


async def one_ahead(pool: Executor, make: Callable[[threading.Event], Blocks]) -> AsyncGenerator[bytes]:
    """The blocks of `make(stopped)`, each made in `pool` while the one before it is being used.

    `make` looks at its event now and then and ends when it is set. Closing this iterator sets it, waits
    for the block under way, and closes the generator in the pool, so that what that holds is freed.
    """
    stopped = threading.Event()
    job = _Job(make(stopped))
    try:
        ahead = pool.submit(job.next_block)
        while block := await _outcome(ahead):
            ahead = pool.submit(job.next_block)
            yield block
    finally:
        stopped.set()
        closed = pool.submit(job.close)  # takes place even if nobody can wait for it
        with anyio.CancelScope(shield=True):
            await _outcome(closed)


class _Job:
    """A generator that threads may call in turns; `close` waits for a call under way."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._lock = threading.Lock()

    def next_block(self) -> bytes:
        """The next block; empty at the end."""
        with self._lock:
            return next(self._blocks, b"")

    def close(self) -> None:
        with self._lock:
            self._blocks.close()


async def _outcome(future: Future[T]) -> T:
    return await asyncio.wrap_future(future)
