"""Items of any iterable, in batches, and its end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest

from asgi_downloads.bodies.producer import Producer, one_by_one

pytestmark = pytest.mark.anyio


def by_tens(count: int) -> bool:
    return count >= 10


async def counting(stop: int) -> AsyncIterator[int]:
    for number in range(stop):
        yield number


class Cursor:
    """An iterator with a `close`, as a database's."""

    def __init__(self, coroutine: bool) -> None:
        self.coroutine = coroutine
        self.closed = 0
        self._numbers = iter(range(25))

    def __aiter__(self) -> "Cursor":
        return self

    async def __anext__(self) -> int:
        try:
            return next(self._numbers)
        except StopIteration:
            raise StopAsyncIteration from None

    def close(self) -> Any:
        self.closed += 1
        return asyncio.sleep(0) if self.coroutine else None


@pytest.mark.parametrize("stop", [0, 1, 9, 10, 11, 25])
@pytest.mark.parametrize("kind", [range, counting, lambda stop: (number for number in range(stop))])
async def test_all_items_come_in_order_at_every_border_of_a_batch(stop: int, kind: Any) -> None:
    async with Producer[int](kind(stop)) as producer:
        batches = [batch async for batch in producer.batches(by_tens)]
    assert [item for batch in batches for item in batch] == list(range(stop))
    assert all(len(batch) == 10 for batch in batches[:-1])
    assert all(batches)


async def test_an_iterable_is_asked_in_a_thread_and_an_async_one_on_the_loop() -> None:
    asked: list[threading.Thread] = []

    def plain() -> Iterator[int]:
        asked.append(threading.current_thread())
        yield 1

    async def on_loop() -> AsyncIterator[int]:
        asked.append(threading.current_thread())
        yield 1

    items: Iterable[Any] = (plain(), on_loop())
    for each in items:
        async with Producer[int](each) as producer:
            assert [batch async for batch in producer.batches(one_by_one)] == [[1]]
    assert asked[0] is not threading.current_thread()
    assert asked[1] is threading.current_thread()


@pytest.mark.parametrize("used", [0, 1, 25])
@pytest.mark.parametrize("kind", ["generator", "async generator", "close", "async close"])
async def test_it_is_closed_once_in_the_end_however_much_was_used(kind: str, used: int) -> None:
    closed: list[int] = []

    def plain() -> Iterator[int]:
        try:
            yield from range(25)
        finally:
            closed.append(1)

    async def on_loop() -> AsyncIterator[int]:
        try:
            for number in range(25):
                yield number
        finally:
            closed.append(1)

    cursor = Cursor(kind == "async close")
    makers: dict[str, Any] = {"generator": plain, "async generator": on_loop}
    async with Producer[int](makers.get(kind, lambda: cursor)()) as producer:
        taken = 0
        async for batch in producer.batches(one_by_one):
            taken += len(batch)
            if taken >= used:
                break
    began = kind.endswith("close") or used
    assert cursor.closed == kind.endswith("close")
    assert len(closed) == bool(began and not kind.endswith("close")) or (used == 0 and closed == [1])


async def test_it_is_closed_when_its_user_is_cancelled() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)  # as a connection that says goodbye
            closed.set()

    async def use() -> None:
        async with Producer[int](endless()) as producer:
            async for _ in producer.batches(one_by_one):
                pass

    using = asyncio.ensure_future(use())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    using.cancel()
    await asyncio.wait((using,))
    assert closed.is_set()


async def test_what_the_maker_raises_is_raised() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise LookupError("midway")

    async with Producer[int](fails()) as producer:
        batches = producer.batches(one_by_one)
        assert await anext(batches) == [1]
        with pytest.raises(LookupError, match="midway"):
            await anext(batches)
