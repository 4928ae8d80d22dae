"""One timer for a connection's deadlines: it rings at the last moment that was set, and not before."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from asgi_downloads.server.http1.deadlines import Deadline


class Clock:
    """A loop of which only the time passes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []
        self.made = 0

    def call_later(self, delay: float, callback: Callable[[], None]) -> "Timer":
        self.made += 1
        self.timers.append(Timer(self, self.now + delay, callback))
        return self.timers[-1]

    def until(self, when: float) -> None:
        while due := sorted((timer for timer in self.timers if timer.when <= when), key=lambda timer: timer.when):
            self.timers.remove(due[0])
            self.now = max(self.now, due[0].when)
            due[0].callback()
        self.now = when


class Timer:
    def __init__(self, clock: Clock, when: float, callback: Callable[[], None]) -> None:
        self.clock = clock
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        self.clock.timers.remove(self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rung(clock: Clock) -> list[float]:
    return []


@pytest.fixture
def deadline(clock: Clock, rung: list[float]) -> Deadline:
    loop: Any = clock
    return Deadline(loop, lambda: rung.append(clock.now), lambda: clock.now)


def test_it_rings_once_when_its_time_has_come(clock: Clock, deadline: Deadline, rung: list[float]) -> None:
    deadline.set(5)
    clock.until(1004)
    assert rung == []
    clock.until(2000)
    assert rung == [1005]


def test_moved_further_away_it_rings_later_and_costs_no_timer(
    clock: Clock, deadline: Deadline, rung: list[float]
) -> None:
    for second in range(4):
        clock.until(1000 + second)
        deadline.set(5)
    assert clock.made == 1
    clock.until(2000)
    assert rung == [1008]


def test_moved_closer_it_rings_earlier(clock: Clock, deadline: Deadline, rung: list[float]) -> None:
    deadline.set(20)
    deadline.set(1)
    clock.until(2000)
    assert rung == [1001]
    assert clock.timers == []


def test_it_can_be_set_where_it_rings(clock: Clock) -> None:
    loop: Any = clock
    rung: list[float] = []

    def ring() -> None:
        rung.append(clock.now)
        if len(rung) < 3:
            again.set(2)

    again = Deadline(loop, ring, lambda: clock.now)
    again.set(1)
    clock.until(2000)
    assert rung == [1001, 1003, 1005]


def test_cancelled_it_leaves_no_timer(clock: Clock, deadline: Deadline, rung: list[float]) -> None:
    deadline.set(5)
    deadline.cancel()
    assert clock.timers == []
    deadline.set(7)
    clock.until(2000)
    assert rung == [1007]


def test_on_a_loop_it_rings() -> None:
    async def ring() -> None:
        rung = asyncio.Event()
        Deadline(asyncio.get_running_loop(), rung.set).set(0.01)
        await asyncio.wait_for(rung.wait(), 10)

    asyncio.run(ring())
