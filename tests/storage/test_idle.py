"""What is kept open is let go of after a while without use, not before, and for nobody who has gone."""

import asyncio
import gc
import time

import pytest

from asgi_downloads.storage.idle import IdleTimer

pytestmark = pytest.mark.anyio


class Keeper:
    def __init__(self, seconds: float) -> None:
        self.let_go = asyncio.Event()
        self.timer = IdleTimer(seconds, self.close)

    def close(self) -> None:
        self.let_go.set()


async def test_it_is_let_go_of_after_the_last_touch_and_again_after_the_next() -> None:
    keeper = Keeper(0.02)
    for _ in range(2):
        keeper.timer.touch()
        await asyncio.wait_for(keeper.let_go.wait(), 5)
        keeper.let_go.clear()


async def test_what_is_touched_now_and_then_is_kept() -> None:
    keeper = Keeper(0.05)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        keeper.timer.touch()
        await asyncio.sleep(0)
        assert not keeper.let_go.is_set()
    await asyncio.wait_for(keeper.let_go.wait(), 5)


async def test_what_is_never_touched_is_never_let_go_of() -> None:
    keeper = Keeper(0)
    await asyncio.sleep(0.02)
    assert not keeper.let_go.is_set()


async def test_it_keeps_nobody_alive() -> None:
    keeper = Keeper(0)
    let_go = keeper.let_go
    keeper.timer.touch()
    del keeper
    gc.collect()
    await asyncio.sleep(0.02)
    assert not let_go.is_set()


def test_a_thread_without_a_loop_may_touch_it_and_loops_may_follow_each_other() -> None:
    async def run() -> None:
        keepers[0].timer.touch()
        await asyncio.wait_for(keepers[0].let_go.wait(), 5)

    for _ in range(2):
        keepers = [Keeper(0.01)]
        keepers[0].timer.touch()
        asyncio.run(run())
