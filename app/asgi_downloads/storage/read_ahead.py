"""Items that one task makes while another uses the ones before."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def read_ahead(
    produce: Callable[[Callable[[T], Awaitable[None]]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[T]:
    """What `produce(put)` puts, in order; then raises what it raised.

    `await put(item)` lasts until the reader has taken the item, so that one waits at most while another is used.
    `produce` runs in a task of its own, from the first item asked for on: it may use whatever needs a task. Closing
    this iterator cancels it and waits for its end.
    """
    items: asyncio.Queue[T | None] = asyncio.Queue()

    async def put(item: T) -> None:
        items.put_nowait(item)
        await items.join()

    def end(task: "asyncio.Task[None]") -> None:
        items.put_nowait(None)
        if not task.cancelled():
            task.exception()  # counts as seen, though the reader may have left

    producing = asyncio.ensure_future(produce(put))
    producing.add_done_callback(end)
    try:
        while (item := await items.get()) is not None:
            items.task_done()
            yield item
        producing.result()
    finally:
        producing.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait((producing,))
