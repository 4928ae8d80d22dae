"""Blocking jobs in order, the next ones already running while the result of one is used."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Protocol, TypeVar, runtime_checkable

import anyio

from app.storage.threads import in_thread

T = TypeVar("T")


@runtime_checkable
class _Closes(Protocol):
    def close(self) -> None: ...


async def in_order(jobs: Iterable[Callable[[], T]], end: threading.Event, ahead: int = 1) -> AsyncGenerator[T, None]:
    """Run each job in a worker thread; give the results in order, with up to `ahead` more jobs under way.

    Closing the generator early sets `end`, which long jobs look at, waits for the jobs under way, so that
    nothing they use is closed before them, and closes the results that no one took.
    """
    running: deque[asyncio.Task[T]] = deque()
    loop = asyncio.get_running_loop()
    try:
        for job in jobs:
            running.append(loop.create_task(in_thread(job)))
            if len(running) > ahead:
                yield await _result(running)
        while running:
            yield await _result(running)
    finally:
        if running:
            end.set()
            await _abandon(running)


async def _result(running: deque[asyncio.Task[T]]) -> T:
    # Not awaited itself: the cancellation of who waits must not reach a thread that cannot be stopped.
    await asyncio.wait((running[0],))
    return running.popleft().result()


async def _abandon(running: deque[asyncio.Task[T]]) -> None:
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
