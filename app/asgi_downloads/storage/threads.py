"""The way off the event loop for calls that may wait for a disk."""

from collections.abc import Callable
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
