"""Jobs in order, the next ones already running while the result of one is used."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Generic, Protocol, TypeVar, runtime_checkable

import anyio

T = TypeVar("T")

PARALLEL = max(1, min((os.cpu_count() or 1) - 1, 4))
"""Jobs at a time for one response that has much to compute; a core is left to the event loop."""

Job = Callable[[], Awaitable[T]]


class Ready(Generic[T]):
    """In the place of a job: a result that was to be had without waiting."""

    __slots__ = ("result",)

    def __init__(self, result: T) -> None:
        self.result = result


class Heavy(Generic[T]):
    """A job that counts for `weight` of those that run at a time, and for all of them if it must be alone."""

    __slots__ = ("job", "weight")

    def __init__(self, job: Job[T], weight: int) -> None:
        self.job = job
        self.weight = weight


Given = Job[T] | Ready[T] | Heavy[T]


@runtime_checkable
class _Closes(Protocol):
    def close(self) -> None: ...


async def in_order(jobs: Iterable[Given[T]], parallel: int = 1) -> AsyncGenerator[T, None]:
    """Run the jobs, up to `parallel` at a time, and give their results in order.

    While a result is used, as many jobs after it are under way or done. Closing the generator early cancels those,
    waits until what they had in threads has ended, so that nothing they use is closed before, and closes the results
    that no one took.
    """
    waiting = _Waiting(jobs)
    running: deque[_Running[T]] = deque()
    try:
        _fill(running, waiting, parallel)
        while running:
            done = running[0].done
            if not done.done():
                await asyncio.wait((done,))
            result = running.popleft().done.result()
            _fill(running, waiting, parallel)
            yield result
    finally:
        if running:
            await _abandon(running)


class _Running(Generic[T]):
    """A job under way, or a result in its place."""

    __slots__ = ("_scope", "done", "weight")

    def __init__(self, job: Given[T]) -> None:
        loop = asyncio.get_running_loop()
        self.weight = 1
        if isinstance(job, Heavy):
            self.weight, job = job.weight, job.job
        self.done: asyncio.Future[T]
        if isinstance(job, Ready):
            self.done = loop.create_future()
            self.done.set_result(job.result)
        else:
            self._scope = anyio.CancelScope()
            self.done = loop.create_task(self._run(job))

    async def _run(self, job: Job[T]) -> T:
        with self._scope:
            return await job()
        raise asyncio.CancelledError

    def cancel(self) -> None:
        """Cancel it as anyio does: threads are waited for, which a task's own `cancel` does not."""
        if not self.done.done():
            self._scope.cancel()


class _Waiting(Generic[T]):
    """Jobs that have not begun, of which one may be seen without being taken."""

    __slots__ = ("_first", "_rest")

    def __init__(self, jobs: Iterable[Given[T]]) -> None:
        self._first: Given[T] | None = None
        self._rest = iter(jobs)

    def take(self, room: int) -> Given[T] | None:
        """The next job, if there is one and it has room."""
        job, self._first = self._first or next(self._rest, None), None
        if isinstance(job, Heavy) and job.weight > room:
            self._first = job
            return None
        return job


def _fill(running: deque[_Running[T]], waiting: _Waiting[T], parallel: int) -> None:
    while (room := parallel - sum(one.weight for one in running)) > 0:
        job = waiting.take(room if running else sys.maxsize)
        if job is None:
            return
        running.append(_Running(job))


async def _abandon(running: deque[_Running[T]]) -> None:
    cancelled: asyncio.CancelledError | None = None
    for job in running:
        job.cancel()
    while pending := [job.done for job in running if not job.done.done()]:
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    for job in running:
        done = job.done
        if not done.cancelled() and done.exception() is None and isinstance(result := done.result(), _Closes):
            result.close()
    if cancelled is not None:
        raise cancelled
