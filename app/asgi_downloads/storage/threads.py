"""The way off the event loop for calls that may wait for a disk."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

T = TypeVar("T")
Args = TypeVarTuple("Args")


async def in_thread(function: Callable[[*Args], T], *args: *Args, limiter: anyio.CapacityLimiter | None = None) -> T:
    """Run a short blocking call in a worker thread and return what it returns; for long ones there are `Jobs`.

    At most 40 run at a time, or as many as `limiter` lets. One whose asker is cancelled is waited for (anyio's
    cancellation), so that nothing it uses is closed under it.
    """
    return await anyio.to_thread.run_sync(function, *args, limiter=limiter)


async def to_the_end(work: Awaitable[T]) -> T:
    """What `work` gives; it is waited for even if its asker is cancelled, as it uses what is closed after it."""
    doing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await asyncio.wait((doing,))
        raise
