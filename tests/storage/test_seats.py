"""Who finds no seat waits a moment, in a short queue, and is turned away."""

import asyncio

import pytest

from asgi_downloads.storage.errors import Busy
from asgi_downloads.storage.seats import Seats

pytestmark = pytest.mark.anyio


class Sitting:
    """One who takes a seat until told to leave."""

    def __init__(self, seats: Seats) -> None:
        self.seated, self.leave = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._sit(seats))

    async def _sit(self, seats: Seats) -> None:
        async with seats.seat():
            self.seated.set()
            await self.leave.wait()


async def test_as_many_as_there_are_seats_sit_at_a_time() -> None:
    seats = Seats(2, patience=5)
    sitting = [Sitting(seats) for _ in range(3)]
    for each in sitting[:2]:
        await each.seated.wait()
    assert not sitting[2].seated.is_set()
    sitting[0].leave.set()
    await sitting[2].seated.wait()
    for each in sitting:
        each.leave.set()
        await each.task


async def test_who_waits_too_long_is_turned_away() -> None:
    seats = Seats(1, patience=0.01)
    first, second = Sitting(seats), Sitting(seats)
    with pytest.raises(Busy):
        await second.task
    first.leave.set()
    await first.task
    async with seats.seat():
        pass


async def test_no_more_wait_than_there_are_seats() -> None:
    seats = Seats(2, patience=5)
    sitting = [Sitting(seats) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await Sitting(seats).task
    for each in sitting:
        each.leave.set()
        await each.task


@pytest.mark.parametrize("at_the_last_moment", [False, True])
async def test_who_leaves_while_waiting_takes_no_seat_away(at_the_last_moment: bool) -> None:
    seats = Seats(1, patience=5)
    first, second = Sitting(seats), Sitting(seats)
    await asyncio.sleep(0)
    if at_the_last_moment:
        first.leave.set()
        await first.task  # the seat is the second's now, who does not know yet
    second.task.cancel()
    await asyncio.wait((second.task,))
    first.leave.set()
    await first.task
    async with asyncio.timeout(1), seats.seat():
        pass
