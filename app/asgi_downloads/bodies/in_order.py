"""Blocking jobs in order, the next ones already running while the result of one is used."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar, runtime_checkable

import anyio

from asgi_downloads.storage.threads import in_thread

T = TypeVar("T")

PARALLEL = max(1, min((os.cpu_count() or 1) - 1, 4))
"""Threads for one response that has much to compute; a core is left to the event loop."""


class Ready(Generic[T]):
    """In the place of a job: a result that was to be had without waiting."""

    __slots__ = ("result",)

    def __init__(self, result: T) -> None:
        self.result = result


@runtime_checkable
class _Closes(Protocol):
    def close(self) -> None: ...


async def in_order(
    jobs: Iterable[Callable[[], T] | Ready[T]], end: threading.Event, workers: int = 1
) -> AsyncGenerator[T, None]:
    """Run the jobs in up to `workers` threads at a time, and give their results in order.

    While a result is used, as many jobs after it are under way or done. Closing the generator early sets `end`,
    which long jobs look at, waits for those under way, so that nothing they use is closed before them, and
    closes the results that no one took.
    """
    waiting = iter(jobs)
    running: deque[asyncio.Future[T]] = deque()
    try:
        _fill(running, waiting, workers)
        while running:
            if not running[0].done():
                # Not awaited itself: the cancellation of who waits must not reach a thread, which cannot be stopped.
                await asyncio.wait((running[0],))
            result = running.popleft().result()
            _fill(running, waiting, workers)
            yield result
    finally:
        if running:
            end.set()
            await _abandon(running)


def _fill(running: deque[asyncio.Future[T]], jobs: Iterator[Callable[[], T] | Ready[T]], workers: int) -> None:
    loop = asyncio.get_running_loop()
    while len(running) < workers:
        job = next(jobs, None)
        if job is None:
            return
        if isinstance(job, Ready):
            running.append(loop.create_future())
            running[-1].set_result(job.result)
        else:
            running.append(loop.create_task(in_thread(job)))


async def _abandon(running: deque[asyncio.Future[T]]) -> None:
    cancelled: asyncio.CancelledError | None = None
    while pending := [task for task in running if not task.done()]:
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in running:
        if not task.cancelled() and task.exception() is None and isinstance(result := task.result(), _Closes):
            result.close()
    if cancelled is not None:
        raise cancelled
