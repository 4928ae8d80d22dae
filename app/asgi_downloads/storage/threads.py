"""The way off the event loop for calls that may wait for a disk."""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio.to_thread

T = TypeVar("T")
Args = TypeVarTuple("Args")


async def in_thread(function: Callable[[*Args], T], *args: *Args) -> T:
    """Run a blocking call in a worker thread and return what it returns.

    Our server starts a request eagerly, before it has a task; anyio needs one. Yielding once to
    the loop turns the eager step into a task.
    """
    if asyncio.current_task() is None:
        await asyncio.sleep(0)
    return await anyio.to_thread.run_sync(function, *args)
