"""Jobs give their results in order and leave nothing behind."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial

import anyio
import pytest

from asgi_downloads.bodies.in_order import Given, Heavy, Job, Ready, in_order
from asgi_downloads.storage.threads import in_thread

pytestmark = pytest.mark.anyio


class Result:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def giving(number: int) -> Callable[[], Awaitable[int]]:
    async def job() -> int:
        return number

    return job


@pytest.mark.parametrize("parallel", [1, 3])
async def test_results_come_in_the_order_of_the_jobs(parallel: int) -> None:
    last_done = asyncio.Event()

    async def job(number: int) -> int:
        if parallel > 1 and number == 0:
            await last_done.wait()  # the first ends last
        if number == parallel - 1:
            last_done.set()
        return number

    jobs: list[Job[int]] = [lambda n=n: job(n) for n in range(5)]  # type: ignore[misc]
    assert [result async for result in in_order(jobs, parallel)] == [0, 1, 2, 3, 4]


async def test_a_heavy_job_counts_for_several() -> None:
    running, most = 0, 0

    async def job(weight: int) -> int:
        nonlocal running, most
        running += weight
        most = max(most, running)
        await asyncio.sleep(0)
        running -= weight
        return weight

    weights = [1, 1, 3, 1, 4, 2, 9, 1, 1]
    jobs = [Heavy(lambda weight=weight: job(weight), weight) for weight in weights]  # type: ignore[misc]
    assert [result async for result in in_order(jobs, 4)] == weights
    assert most == 9  # one that is too heavy runs alone


async def test_a_job_that_counts_for_all_begins_when_those_before_it_have_been_taken() -> None:
    done: list[int] = []

    async def job(number: int) -> list[int]:
        await asyncio.sleep(0.001 * (5 - number))
        done.append(number)
        return list(done)

    jobs: list[Given[list[int]]] = [*(partial(job, number) for number in range(4)), Heavy(partial(job, 4), 4)]
    last = [result async for result in in_order(jobs, 4)][-1]
    assert sorted(last) == [0, 1, 2, 3, 4]
    assert last[-1] == 4


async def test_the_next_job_runs_while_a_result_is_used() -> None:
    second = threading.Event()
    jobs: list[Job[None]] = [lambda: in_thread(lambda: None), lambda: in_thread(second.set)]
    async with aclosing(in_order(jobs)) as made:
        await anext(made)
        assert await asyncio.to_thread(second.wait, 5)


@pytest.mark.parametrize("way", ["closed", "cancelled", "cancelled-by-its-task"])
async def test_who_ends_early_waits_for_the_thread_under_way_and_its_result_is_closed(way: str) -> None:
    go_on, started, result = threading.Event(), threading.Event(), Result()

    def long() -> Result:
        started.set()
        assert go_on.wait(5)
        return result

    async def first() -> Result:
        return Result()

    async def use() -> None:
        async with aclosing(in_order([first, lambda: in_thread(long)])) as made:
            await anext(made)
            assert await asyncio.to_thread(started.wait, 5)
            if way != "closed":
                await anext(made)
            asyncio.get_running_loop().call_later(0.01, go_on.set)

    if way == "cancelled":
        async with anyio.create_task_group() as group:
            group.start_soon(use)
            assert await asyncio.to_thread(started.wait, 5)
            asyncio.get_running_loop().call_later(0.01, go_on.set)
            group.cancel_scope.cancel()
    else:
        task = asyncio.create_task(use())
        assert await asyncio.to_thread(started.wait, 5)
        if way != "closed":
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.01, go_on.set)
            task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled() == (way != "closed")
    assert result.closed


async def test_a_job_that_waits_is_cancelled() -> None:
    cancelled = False

    async def wait() -> int:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        finally:
            cancelled = True
        return 2

    async with aclosing(in_order([giving(1), wait])) as made:
        assert await anext(made) == 1
        await asyncio.sleep(0)
    assert cancelled


async def test_what_is_ready_takes_its_turn_without_a_task() -> None:
    jobs: list[Job[int] | Ready[int]] = [giving(1), Ready(2), Ready(3), giving(4)]
    assert [result async for result in in_order(jobs)] == [1, 2, 3, 4]


async def test_what_is_ready_is_closed_too_when_no_one_takes_it() -> None:
    taken, left = Result(), Result()
    async with aclosing(in_order([Ready(taken), Ready(left)])) as made:
        assert await anext(made) is taken
    assert left.closed
    assert not taken.closed


async def test_the_error_of_a_job_is_raised_in_its_turn() -> None:
    async def fail() -> int:
        raise LookupError

    async with aclosing(in_order([giving(1), fail, giving(3)], 3)) as made:
        assert await anext(made) == 1
        with pytest.raises(LookupError):
            await anext(made)
