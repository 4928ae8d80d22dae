"""Items arrive in order, one ahead at most, and what makes them ends with its reader."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing
from typing import Any

import pytest

from asgi_downloads.storage.read_ahead import read_ahead

pytestmark = pytest.mark.anyio

Put = Callable[[int], Awaitable[None]]


class Maker:
    """Puts numbers, and tells what has become of it."""

    def __init__(self, count: int, *, fails: bool = False, slow_to_end: bool = False) -> None:
        self.count = count
        self.fails = fails
        self.slow_to_end = slow_to_end
        self.made = 0
        self.ended = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, put: Put) -> None:
        try:
            for number in range(self.count):
                self.made += 1
                await put(number)
            if self.fails:
                raise LookupError
            await asyncio.sleep(0)
        finally:
            if self.slow_to_end:
                await self.may_end.wait()
            self.ended.set()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 500])
async def test_all_items_in_order_and_then_the_end(count: int) -> None:
    maker = Maker(count)
    assert [item async for item in read_ahead(maker)] == [*range(count)]
    assert maker.ended.is_set()


async def test_nothing_is_made_before_the_first_item_is_asked_for() -> None:
    maker = Maker(3)
    await read_ahead(maker).aclose()
    assert not maker.made
    assert not maker.ended.is_set()


async def test_one_item_waits_while_another_is_used_and_no_more() -> None:
    maker = Maker(100)
    async with aclosing(read_ahead(maker)) as items:
        for number in range(3):
            assert await anext(items) == number
            for _ in range(10):  # turns of the loop in which more could be made
                await asyncio.sleep(0)
            assert maker.made == number + 2
        assert [item async for item in items] == [*range(3, 100)]


async def test_an_error_comes_after_the_items_before_it() -> None:
    items = read_ahead(Maker(2, fails=True))
    assert [await anext(items), await anext(items)] == [0, 1]
    with pytest.raises(LookupError):
        await anext(items)
    await items.aclose()


async def test_an_error_that_no_reader_waits_for_is_nobody_s_business() -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    maker = Maker(1, fails=True)
    async with aclosing(read_ahead(maker)) as items:
        await anext(items)
        await maker.ended.wait()
    assert not errors


async def test_it_begins_in_a_step_that_has_no_task() -> None:
    """As our server begins requests: what needs a task finds one all the same."""

    async def produce(put: Put) -> None:
        async with asyncio.timeout(5):
            await put(1)

    async def read() -> list[int]:
        return [item async for item in read_ahead(produce)]

    @types.coroutine
    def rest(begun: Coroutine[Any, Any, list[int]], waits_for: object) -> Generator[Any, Any, list[int]]:
        yield waits_for
        items: list[int] = yield from begun
        return items

    def step() -> None:
        assert asyncio.current_task() is None
        begun = read()
        done.set_result(asyncio.ensure_future(rest(begun, begun.send(None))))

    done: asyncio.Future[asyncio.Task[list[int]]] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(step)
    assert await (await done) == [1]


async def leave(task: "asyncio.Task[None]") -> None:
    task.cancel()


async def leave_twice(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()


@pytest.mark.parametrize("how", [leave, leave_twice])
async def test_a_reader_that_is_cancelled_ends_what_makes_items(
    how: Callable[["asyncio.Task[None]"], Awaitable[None]],
) -> None:
    maker = Maker(3, slow_to_end=True)
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(read_ahead(maker)) as items:
            await anext(items)
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await begun.wait()
    await how(task)
    maker.may_end.set()
    await asyncio.wait((task,))
    assert task.cancelled()
    async with asyncio.timeout(5):
        await maker.ended.wait()
