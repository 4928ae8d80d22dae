"""A long job is one for all who ask for the same, ends with the last of them, and keeps nobody else waiting."""

import asyncio
import gc
import threading
from collections.abc import Awaitable
from functools import partial

import pytest

from asgi_downloads.storage.errors import Busy
from asgi_downloads.storage.jobs import Jobs, Stopped, Work

pytestmark = pytest.mark.anyio


class Job:
    """Runs until it may end or is told to stop."""

    def __init__(self, result: int = 1, error: Exception | None = None) -> None:
        self.result = result
        self.error = error
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.stopped = threading.Event()
        self.runs = 0

    def begin(self) -> Work[int]:
        return self.run

    def run(self, stop: threading.Event) -> int:
        self.runs += 1
        self.begun.set()
        while not self.may_end.wait(0.001):
            if stop.is_set():
                self.stopped.set()
                raise Stopped
        if self.error is not None:
            raise self.error
        return self.result


async def in_time(what: threading.Event) -> None:
    assert await asyncio.to_thread(what.wait, 5)


def asking(jobs: Jobs, job: Job, key: object = "key", timeout: float | None = None) -> "asyncio.Task[int]":
    return asyncio.create_task(jobs.run(key, job.begin, timeout))


async def left(*tasks: "asyncio.Task[int]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_all_who_ask_for_one_key_share_one_job() -> None:
    jobs, job = Jobs("test", 2), Job()
    askers = [asking(jobs, job) for _ in range(10)]
    await in_time(job.begun)
    late = asking(jobs, job)
    await asyncio.sleep(0)
    job.may_end.set()
    assert await asyncio.gather(*askers, late) == [1] * 11
    assert job.runs == 1


async def test_another_key_has_a_job_of_its_own() -> None:
    jobs, one, other = Jobs("test", 2), Job(1), Job(2)
    one.may_end.set()
    other.may_end.set()
    assert [*await asyncio.gather(asking(jobs, one, "a"), asking(jobs, other, "b"))] == [1, 2]


async def test_a_job_goes_on_until_its_last_asker_has_left() -> None:
    jobs, job = Jobs("test", 1), Job()
    first, second, third = (asking(jobs, job) for _ in range(3))
    await in_time(job.begun)
    await left(first, second)
    assert not job.stopped.wait(0.02)
    await left(third)
    await in_time(job.stopped)


async def test_who_wants_it_fresh_joins_none_that_has_begun() -> None:
    jobs, begun, waiting, other = Jobs("test", 1), Job(1), Job(2), Job(3)
    first = asyncio.create_task(jobs.run("key", begun.begin, fresh=True))
    await in_time(begun.begun)
    second = asyncio.create_task(jobs.run("key", waiting.begin, fresh=True))
    third = asyncio.create_task(jobs.run("key", other.begin, fresh=True))
    await asyncio.sleep(0)
    begun.may_end.set()
    waiting.may_end.set()
    assert [*await asyncio.gather(first, second, third)] == [1, 2, 2]
    assert other.runs == 0


async def test_who_asks_after_the_last_has_left_has_a_new_job() -> None:
    jobs, job = Jobs("test", 2), Job()
    first = asking(jobs, job)
    await in_time(job.begun)
    await left(first)
    job.may_end.set()
    assert await jobs.run("key", job.begin) == 1
    assert job.runs == 2


async def test_a_job_that_waits_for_its_turn_never_begins_when_nobody_wants_it_any_more() -> None:
    jobs, long, waiting = Jobs("test", 1), Job(), Job()
    first = asking(jobs, long, "long")
    await in_time(long.begun)
    second = asking(jobs, waiting, "waiting")
    await asyncio.sleep(0)
    await left(second)
    long.may_end.set()
    assert await first == 1
    assert await jobs.run("next", lambda: lambda stop: 3) == 3
    assert waiting.runs == 0


async def test_impatience_is_leaving() -> None:
    jobs, job = Jobs("test", 1), Job()
    with pytest.raises(TimeoutError):
        await jobs.run("key", job.begin, 0.01)
    await in_time(job.stopped)


async def test_an_error_reaches_every_asker_and_the_next_one_starts_anew() -> None:
    jobs, failing, fine = Jobs("test", 1), Job(error=LookupError()), Job()
    askers = [asking(jobs, failing) for _ in range(3)]
    await in_time(failing.begun)
    failing.may_end.set()
    assert [type(each) for each in await asyncio.gather(*askers, return_exceptions=True)] == [LookupError] * 3
    fine.may_end.set()
    assert await jobs.run("key", fine.begin) == 1


async def test_an_error_that_nobody_waits_for_is_no_trouble() -> None:
    """The event loop would report it, and pytest fail."""
    jobs, job = Jobs("test", 1), Job(error=LookupError())
    task = asking(jobs, job)
    await in_time(job.begun)
    job.may_end.set()
    await left(task)
    await jobs.run("next", lambda: lambda stop: None)
    await asyncio.sleep(0)
    gc.collect()


async def test_more_than_the_most_are_busy_but_who_joins_is_none_more() -> None:
    jobs, job = Jobs("test", 1, most=2), Job()
    askers: list[Awaitable[int]] = [asking(jobs, job, key) for key in ("a", "b", "a", "b")]
    await in_time(job.begun)
    with pytest.raises(Busy, match="test"):
        await jobs.run("c", job.begin)
    job.may_end.set()
    assert await asyncio.gather(*askers) == [1] * 4
    assert await jobs.run("c", job.begin) == 1


async def test_jobs_are_run_by_threads_of_the_name() -> None:
    def name(stop: threading.Event) -> str:
        return threading.current_thread().name

    assert (await Jobs("digests", 1).run("key", lambda: name)).startswith("digests")


def test_one_pool_serves_loop_after_loop() -> None:
    jobs = Jobs("test", 1)
    for number in range(3):
        assert asyncio.run(jobs.run("key", partial(partial, lambda number, stop: number, number))) == number


async def test_an_abandoned_pool_ends_its_threads() -> None:
    jobs = Jobs("abandoned", 1)
    await jobs.run("key", lambda: lambda stop: None)
    [thread] = [each for each in threading.enumerate() if each.name.startswith("abandoned")]
    del jobs
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
