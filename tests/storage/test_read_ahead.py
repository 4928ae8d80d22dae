"""Items arrive in order, two ahead at most, and what makes them ends with its reader."""

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from asgi_downloads.storage.read_ahead import AHEAD, ahead

pytestmark = pytest.mark.anyio


@pytest.fixture
def pool() -> Generator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


class Maker:
    """A generator of numbers that tells what has become of it."""

    def __init__(self, count: int, wait_before: int | None = None) -> None:
        self.count = count
        self.wait_before = wait_before
        self.made = 0
        self.waiting = threading.Event()
        self.go_on = threading.Event()
        self.closed = threading.Event()
        self.closed_in: str | None = None
        self.stopped: threading.Event | None = None

    def __call__(self, stopped: threading.Event) -> Generator[int]:
        self.stopped = stopped
        try:
            for number in range(self.count):
                if number == self.wait_before:
                    self.waiting.set()
                    assert self.go_on.wait(5)
                self.made += 1
                yield number
        finally:
            self.closed_in = threading.current_thread().name
            self.closed.set()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 500])
async def test_all_items_in_order_and_then_the_end(count: int, pool: ThreadPoolExecutor) -> None:
    maker = Maker(count)
    assert [item async for item in ahead(pool, maker)] == [*range(count)]
    assert maker.closed.is_set()


async def test_nothing_is_made_before_the_first_item_is_asked_for(pool: ThreadPoolExecutor) -> None:
    maker = Maker(3)
    await ahead(pool, maker).aclose()
    assert maker.stopped is None


async def test_a_reader_that_stalls_has_a_few_made_and_no_thread_held(pool: ThreadPoolExecutor) -> None:
    with ThreadPoolExecutor(1) as only_one:
        maker = Maker(100)
        async with aclosing(ahead(only_one, maker)) as items:
            assert await anext(items) == 0
            # The one thread takes this when it no longer works ahead.
            await asyncio.wrap_future(only_one.submit(lambda: None))
            assert maker.made <= 1 + AHEAD
            assert [item async for item in items] == [*range(1, 100)]


async def test_the_next_item_is_made_while_one_is_used(pool: ThreadPoolExecutor) -> None:
    maker = Maker(3, wait_before=1)
    async with aclosing(ahead(pool, maker)) as items:
        assert await anext(items) == 0
        assert await asyncio.to_thread(maker.waiting.wait, 5)
        maker.go_on.set()


async def test_an_error_comes_after_the_items_before_it(pool: ThreadPoolExecutor) -> None:
    def failing(stopped: threading.Event) -> Generator[int]:
        yield 1
        raise LookupError

    items = ahead(pool, failing)
    assert await anext(items) == 1
    with pytest.raises(LookupError):
        await anext(items)
    await items.aclose()


async def test_leaving_stops_the_maker_and_closes_it_in_the_pool(pool: ThreadPoolExecutor) -> None:
    maker = Maker(100)
    async with aclosing(ahead(pool, maker)) as items:
        await anext(items)
    assert maker.stopped is not None
    assert maker.stopped.is_set()
    assert maker.closed.is_set()
    assert maker.closed_in != threading.main_thread().name
    assert maker.made < 100


async def leave_by_cancelling(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


async def leave_twice(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.sleep(0)
    await leave_by_cancelling(task)


@pytest.mark.parametrize("leave", [leave_by_cancelling, leave_twice])
async def test_a_cancelled_reader_waits_for_the_item_under_way(
    leave: Callable[["asyncio.Task[object]"], "asyncio.Future[None]"], pool: ThreadPoolExecutor
) -> None:
    maker = Maker(3, wait_before=1)

    async def read() -> None:
        async with aclosing(ahead(pool, maker)) as items:
            async for _ in items:
                pass

    task = asyncio.create_task(read())
    assert await asyncio.to_thread(maker.waiting.wait, 5)
    asyncio.get_running_loop().call_later(0.05, maker.go_on.set)
    await leave(task)
    assert await asyncio.to_thread(maker.closed.wait, 5)
    assert maker.made <= 2
