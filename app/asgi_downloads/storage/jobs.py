"""Long blocking work in threads of its own: shared by all who ask for the same, and given up with the last of them."""

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from asgi_downloads.storage.errors import Busy

T = TypeVar("T")

Work = Callable[[threading.Event], T]
"""Looks at its event now and then, and raises `Stopped` when it is set: nobody waits any more."""


class Stopped(Exception):
    """A job ended early because it was told to."""


class Jobs:
    """A pool of `threads` threads, called `name`, with one job at a time for each key.

    An asker is a task that awaits `run`; it leaves by being cancelled. When the last has left, the job is told to stop,
    or never begins. With `most` jobs begun or waiting, another one is `Busy`.
    """

    def __init__(self, name: str, threads: int, most: int | None = None) -> None:
        self.name = name
        self._most = most
        self._threads = ThreadPoolExecutor(threads, name)
        self._running: dict[Hashable, _Job] = {}

    async def run(
        self, key: Hashable, begin: Callable[[], Work[T]], timeout: float | None = None, *, fresh: bool = False
    ) -> T:
        """What the job of this key returns or raises; `begin` makes one, if none is there to join.

        With `fresh` none is joined that has begun before: what it finds is not older than the question.
        Raises `TimeoutError` after `timeout` seconds, which is to leave as well, and `Busy`.
        """
        job = self._running.get(key)
        if job is None or (fresh and job.begun):
            if self._most is not None and len(self._running) >= self._most:
                raise Busy(f"{self._most} {self.name} are under way")
            job = self._running[key] = _Job(self._threads, begin())
        job.askers += 1
        try:
            done = asyncio.wrap_future(job.future)
            done.add_done_callback(mark_seen)
            await asyncio.wait((done,), timeout=timeout)  # does not cancel it, for others wait too
            if not done.done():
                raise TimeoutError
            result: T = done.result()
            return result
        finally:
            job.askers -= 1
            if not job.askers or job.future.done():
                job.stop.set()
                job.future.cancel()
                if self._running.get(key) is job:
                    del self._running[key]


class _Job:
    __slots__ = ("askers", "begun", "future", "stop")

    def __init__(self, threads: ThreadPoolExecutor, work: Work[Any]) -> None:
        self.askers = 0
        self.begun = False
        self.stop = threading.Event()
        self.future: Future[Any] = threads.submit(self._run, work)

    def _run(self, work: Work[T]) -> T:
        self.begun = True
        return work(self.stop)


def mark_seen(done: asyncio.Future[Any]) -> None:
    """Every asker may have gone; then nobody else looks at what went wrong."""
    if not done.cancelled():
        done.exception()
