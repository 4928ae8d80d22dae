"""A coroutine that is run at once, as its own task, and goes on in the loop only if it has to wait."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

import anyio
import pytest
import uvloop

from asgi_downloads.server.http1.eager import Starter

Loop = asyncio.AbstractEventLoop
Work = Callable[[], Coroutine[Any, Any, None]]

variable: ContextVar[str] = ContextVar("variable")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], Loop]:
    value: Callable[[], Loop] = request.param
    return value


class Started:
    """What a protocol does: it starts coroutines from callbacks, outside any task."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.starter = Starter(self.loop)

    async def __call__(
        self, work: Coroutine[Any, Any, None], then: Callable[[Any], object] = lambda _: None
    ) -> asyncio.Task[None] | None:
        """Start `work`, and call `then` with its task before the loop turns."""
        done = self.loop.create_future()

        def start() -> None:
            try:
                task = self.starter.start(work, copy_context())
                then(task)
                done.set_result(task)
            except Exception as exc:
                done.set_exception(exc)

        self.loop.call_soon(start)
        task: asyncio.Task[None] | None = await done
        return task


def run(new_loop: Callable[[], Loop], test: Callable[[Started], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await test(Started())

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_a_coroutine_that_never_waits_is_done_at_once(new_loop: Callable[[], Loop]) -> None:
    async def test(start: Started) -> None:
        done = []

        async def work() -> None:
            done.append(asyncio.current_task())

        for _ in range(3):
            assert await start(work(), lambda _: done.append(None)) is None
        assert [task is None for task in done] == [False, True] * 3

    run(new_loop, test)


def test_one_that_waits_goes_on_as_the_task_that_it_was(new_loop: Callable[[], Loop]) -> None:
    async def test(start: Started) -> None:
        future = start.loop.create_future()
        seen: list[object] = []

        async def work() -> None:
            seen.append(asyncio.current_task())
            seen.append(await future)
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        task = await start(work(), lambda task: seen.append("started"))
        assert task is not None
        assert seen == [task, "started"]
        future.set_result("later")
        await task
        assert seen == [task, "started", "later", task, task]

    run(new_loop, test)


def test_several_that_wait_have_a_task_each(new_loop: Callable[[], Loop]) -> None:
    async def test(start: Started) -> None:
        seen: list[object] = []

        async def work() -> None:
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        tasks = await asyncio.gather(*(start(work()) for _ in range(3)))
        await asyncio.gather(*filter(None, tasks))
        assert len(set(seen)) == 3
        assert sorted(map(id, seen)) == sorted(map(id, [*tasks, *tasks]))

    run(new_loop, test)


async def with_timeout() -> None:
    async with asyncio.timeout(10):
        await asyncio.sleep(0)


async def that_times_out() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)


async def with_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))


async def with_anyio() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(10)
    assert scope.cancelled_caught


async def in_a_thread() -> None:
    assert await anyio.to_thread.run_sync(lambda: 5) == 5


@pytest.mark.parametrize("work", [with_timeout, that_times_out, with_task_group, with_anyio, in_a_thread])
def test_what_needs_a_task_has_one_from_the_first_line_on(new_loop: Callable[[], Loop], work: Work) -> None:
    """asyncio.timeout and anyio say "should be used inside a task" of code that is run without one."""

    async def test(start: Started) -> None:
        task = await start(work())
        assert task is not None
        await task

    run(new_loop, test)


def test_a_bare_yield_is_a_wait_too(new_loop: Callable[[], Loop]) -> None:
    async def test(start: Started) -> None:
        task = await start(asyncio.sleep(0))
        assert task is not None
        await task

    run(new_loop, test)


def test_a_future_that_fails_raises_inside(new_loop: Callable[[], Loop]) -> None:
    async def test(start: Started) -> None:
        future: asyncio.Future[None] = start.loop.create_future()
        caught = []

        async def work() -> None:
            try:
                await future
            except ValueError as exc:
                caught.append(exc)

        task = await start(work())
        assert task is not None
        future.set_exception(ValueError())
        await task
        assert len(caught) == 1

    run(new_loop, test)


@pytest.mark.parametrize("at_once", [True, False])
def test_cancelling_reaches_the_coroutine(new_loop: Callable[[], Loop], at_once: bool) -> None:
    seen = []

    async def test(start: Started) -> None:
        future: asyncio.Future[None] = start.loop.create_future()

        async def work() -> None:
            try:
                await future
            finally:
                seen.append("cleaned up")
                await asyncio.sleep(0)
                seen.append("even slowly")

        task = await start(work(), lambda task: task.cancel() if at_once else None)
        assert task is not None
        if not at_once:
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(new_loop, test)
    assert seen == ["cleaned up", "even slowly"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_coroutine_that_cancels_itself_harms_no_other(new_loop: Callable[[], Loop], waits: bool) -> None:
    seen = []

    async def test(start: Started) -> None:
        async def work() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if waits:
                await asyncio.sleep(0)

        async def other() -> None:
            await asyncio.sleep(0)
            seen.append("whole")

        tasks = [await start(work()), await start(other())]
        assert (tasks[0] is not None) == waits
        assert tasks[1] is not None
        await tasks[1]
        if tasks[0] is not None:
            assert tasks[0].cancelled()

    run(new_loop, test)
    assert seen == ["whole"]


def test_a_context_variable_can_be_reset_after_the_wait(new_loop: Callable[[], Loop]) -> None:
    async def test(start: Started) -> None:
        async def work() -> None:
            token = variable.set("inside")
            await asyncio.sleep(0)
            assert variable.get() == "inside"
            variable.reset(token)

        async def another() -> None:
            assert variable.get("outside") == "outside"
            variable.set("never seen")

        task = await start(work())
        assert task is not None
        await task
        for _ in range(2):
            await start(another())
        assert variable.get("outside") == "outside"

    run(new_loop, test)


def test_an_exception_before_the_first_wait_comes_out(new_loop: Callable[[], Loop]) -> None:
    async def test(start: Started) -> None:
        async def work() -> None:
            raise KeyError

        with pytest.raises(KeyError):
            await start(work())
        assert await start(asyncio.sleep(0)) is not None

    run(new_loop, test)


def test_what_stands_ready_ends_with_the_loop_without_a_word(
    new_loop: Callable[[], Loop], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(start: Started) -> None:
        await start(asyncio.sleep(0))

    run(new_loop, test)
    loop = new_loop()
    loop.run_until_complete(asyncio.sleep(0))
    starter = Starter(loop)
    loop.close()
    del starter, loop
    assert caplog.messages == []
