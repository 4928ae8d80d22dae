"""A coroutine that is run at once and becomes a task only if it has to wait."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
import uvloop

from asgi_downloads.server.http1 import eager

variable: ContextVar[str] = ContextVar("variable")


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on each loop."""

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(test())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


def start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """As the protocol does it: from a callback, outside any task."""
    return eager.start(coroutine, asyncio.get_running_loop(), copy_context())


@on_loop
async def test_a_coroutine_that_never_waits_needs_no_task() -> None:
    done = []

    async def work() -> None:
        done.append(True)

    assert start(work()) is None
    assert done == [True]


@on_loop
async def test_one_that_waits_goes_on_as_a_task() -> None:
    future = asyncio.get_running_loop().create_future()
    seen: list[object] = []

    async def work() -> None:
        seen.append("at once")
        seen.append(await future)
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)

    task = start(work())
    assert task is not None
    assert seen == ["at once"]
    future.set_result("later")
    await task
    assert seen == ["at once", "later", task]


@on_loop
async def test_a_bare_yield_is_a_wait_too() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    task = start(work())
    assert task is not None
    await task


@on_loop
async def test_a_future_that_fails_raises_inside() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    caught = []

    async def work() -> None:
        try:
            await future
        except ValueError as exc:
            caught.append(exc)

    task = start(work())
    assert task is not None
    future.set_exception(ValueError())
    await task
    assert len(caught) == 1


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_cancelling_reaches_the_coroutine(new_loop: Callable[[], asyncio.AbstractEventLoop], turns: int) -> None:
    seen = []

    async def test() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            try:
                await future
            finally:
                seen.append("cleaned up")
                await asyncio.sleep(0)
                seen.append("even slowly")

        task = start(work())
        assert task is not None
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(test())
    assert seen == ["cleaned up", "even slowly"]


@on_loop
async def test_a_context_variable_can_be_reset_after_the_wait() -> None:
    async def work() -> None:
        token = variable.set("inside")
        await asyncio.sleep(0)
        assert variable.get() == "inside"
        variable.reset(token)

    task = start(work())
    assert task is not None
    await task
    assert variable.get("outside") == "outside"


@on_loop
async def test_an_exception_before_the_first_wait_comes_out() -> None:
    async def work() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        start(work())


@on_loop
async def test_a_started_coroutine_belongs_to_one_task() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    coroutine = work()
    started = eager._Started(coroutine, coroutine.send(None))
    with pytest.raises(TypeError):
        await started
    started.close()
