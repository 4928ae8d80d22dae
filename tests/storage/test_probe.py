"""A check runs once at a time, and nobody waits for it for long."""

import asyncio

import pytest

from asgi_downloads.storage.errors import Unavailable, Unusable
from asgi_downloads.storage.probe import Probe

pytestmark = pytest.mark.anyio


class Check:
    def __init__(self, error: Exception | None = None) -> None:
        self.runs = 0
        self.go_on = asyncio.Event()
        self.error = error

    async def __call__(self) -> None:
        self.runs += 1
        await self.go_on.wait()
        if self.error is not None:
            raise self.error


async def test_all_who_ask_meanwhile_share_one_run() -> None:
    check = Check()
    probe = Probe(check)
    asking = [asyncio.create_task(probe()) for _ in range(100)]
    await asyncio.sleep(0)
    check.go_on.set()
    await asyncio.gather(*asking)
    assert check.runs == 1
    await probe()
    assert check.runs == 2


async def test_its_error_is_everybody_s() -> None:
    check = Check(Unusable("no table"))
    probe = Probe(check)
    asking = [asyncio.create_task(probe()) for _ in range(3)]
    check.go_on.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(result) for result in results] == [Unusable] * 3


async def test_a_check_that_takes_too_long_is_not_waited_for_and_not_begun_twice() -> None:
    check = Check()
    probe = Probe(check, patience=0.01)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await probe()
    assert check.runs == 1
    check.go_on.set()
    await asyncio.sleep(0)
    await probe()


async def test_who_stops_asking_leaves_it_to_the_others() -> None:
    check = Check()
    probe = Probe(check)
    first, second = asyncio.create_task(probe()), asyncio.create_task(probe())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait((first,))
    check.go_on.set()
    await second
    assert check.runs == 1


def test_it_is_asked_from_one_loop_after_another() -> None:
    """An application may be called from several, one after another, as tests do."""
    runs: list[int] = []

    async def check() -> None:
        runs.append(1)
        await asyncio.Event().wait()

    probe = Probe(check, patience=0.01)

    async def ask() -> None:
        with pytest.raises(Unavailable):
            await probe()

    asyncio.run(ask())
    asyncio.run(ask())
    assert len(runs) == 2
