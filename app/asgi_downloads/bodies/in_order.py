"""Jobs in order, the next ones already running while the result of one is used."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
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


@runtime_checkable
class _Closes(Protocol):
    def close(self) -> None: ...


async def in_order(jobs: Iterable[Job[T] | Ready[T]], parallel: int = 1) -> AsyncGenerator[T, None]:
    """Run the jobs, up to `parallel` at a time, and give their results in order.

    While a result is used, as many jobs after it are under way or done. Closing the generator early cancels those,
    waits until what they had in threads has ended, so that nothing they use is closed before, and closes the results
    that no one took.
    """
    waiting = iter(jobs)
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

    __slots__ = ("_scope", "done")

    def __init__(self, job: Job[T] | Ready[T]) -> None:
        loop = asyncio.get_running_loop()
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


def _fill(running: deque[_Running[T]], jobs: Iterator[Job[T] | Ready[T]], parallel: int) -> None:
    while len(running) < parallel and (job := next(jobs, None)) is not None:
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
