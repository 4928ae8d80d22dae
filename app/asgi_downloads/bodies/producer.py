"""What a caller makes while it is sent: items of an iterable, or of an async one, taken some at a time."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from inspect import isawaitable
from typing import Generic, Self, TypeVar

import anyio

from asgi_downloads.storage.threads import in_thread

T = TypeVar("T")

Enough = Callable[[int], bool]
"""Whether a batch of so many items is to be used now."""


def one_by_one(count: int) -> bool:
    """An `Enough` for items that are large."""
    return True


class Producer(Generic[T]):
    """Items in order. An iterable is asked in a worker thread, an async one on the event loop.

    `async with Producer(items) as producer:` closes it in the end, used or not: by its `aclose`, or its `close`.
    """

    def __init__(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        self._source: Iterator[T] | AsyncIterator[T] = aiter(items) if isinstance(items, AsyncIterable) else iter(items)

    async def batches(self, enough: Enough) -> AsyncGenerator[list[T]]:
        """The items in batches, none of them empty; raises what their maker raises."""
        if isinstance(self._source, Iterator):
            while batch := await in_thread(_take_blocking, self._source, enough):
                yield batch
            return
        batch = []
        async for item in self._source:
            batch.append(item)
            if enough(len(batch)):
                yield batch
                batch = []
        if batch:
            yield batch

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
        if close is None:
            return
        with anyio.CancelScope(shield=True):
            if isinstance(self._source, Iterator):
                await in_thread(close)
            elif isawaitable(closing := close()):
                await closing


def _take_blocking(source: Iterator[T], enough: Enough) -> list[T]:
    batch: list[T] = []
    for item in source:
        batch.append(item)
        if enough(len(batch)):
            break
    return batch
