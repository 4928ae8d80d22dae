"""Jobs in threads give their results in order and leave nothing behind."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing

import anyio
import pytest

from asgi_downloads.bodies.in_order import Ready, in_order

pytestmark = pytest.mark.anyio


class Result:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("workers", [1, 3])
async def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    last_done = threading.Event()

    def job(number: int) -> int:
        if workers > 1 and number == 0:
            assert last_done.wait(5)  # the first ends last
        if number == workers - 1:
            last_done.set()
        return number

    jobs = [lambda n=n: job(n) for n in range(5)]
    assert [result async for result in in_order(jobs, threading.Event(), workers)] == [0, 1, 2, 3, 4]


async def test_the_next_job_runs_while_a_result_is_used() -> None:
    second = threading.Event()
    async with aclosing(in_order([lambda: None, second.set], threading.Event())) as made:
        await anext(made)
        assert await asyncio.to_thread(second.wait, 5)


async def test_closing_early_stops_the_job_under_way_and_closes_its_result() -> None:
    end, started, result = threading.Event(), threading.Event(), Result()

    def long() -> Result:
        started.set()
        assert end.wait(5)
        return result

    jobs: list[Callable[[], Result]] = [Result, long]
    async with aclosing(in_order(jobs, end)) as made:
        await anext(made)
        assert await asyncio.to_thread(started.wait, 5)
    assert result.closed


async def test_cancelling_who_waits_also_waits_for_the_thread() -> None:
    end, started, result = threading.Event(), threading.Event(), Result()

    def long() -> Result:
        started.set()
        assert end.wait(5)
        return result

    async def use() -> None:
        async with aclosing(in_order([long], end)) as made:
            await anext(made)

    async with anyio.create_task_group() as group:
        group.start_soon(use)
        assert await asyncio.to_thread(started.wait, 5)
        group.cancel_scope.cancel()
    assert result.closed

    end.clear()
    started.clear()
    task = asyncio.create_task(use())
    assert await asyncio.to_thread(started.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert end.is_set()


async def test_what_is_ready_takes_its_turn_without_a_thread() -> None:
    jobs: list[Callable[[], int] | Ready[int]] = [lambda: 1, Ready(2), Ready(3), lambda: 4]
    assert [result async for result in in_order(jobs, threading.Event())] == [1, 2, 3, 4]


async def test_what_is_ready_is_closed_too_when_no_one_takes_it() -> None:
    taken, left = Result(), Result()
    async with aclosing(in_order([Ready(taken), Ready(left)], threading.Event())) as made:
        assert await anext(made) is taken
    assert left.closed
    assert not taken.closed


async def test_the_error_of_a_job_is_raised_in_its_turn() -> None:
    def fail() -> int:
        raise LookupError

    async with aclosing(in_order([lambda: 1, fail, lambda: 3], threading.Event(), 3)) as made:
        assert await anext(made) == 1
        with pytest.raises(LookupError):
            await anext(made)
