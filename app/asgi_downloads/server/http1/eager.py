"""Runs a coroutine at once, and makes a task only of what is left when it first waits.

Half of the cost of a small answer is the task around it. An application that is marked
`eager = True` says that it can live without `asyncio.current_task()` until its first suspension.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any


class _Started(Coroutine[Any, Any, None]):
    """A coroutine that has already been run up to its first `await` of `awaited`.

    To the task that takes it over it looks fresh: its first step gives what the coroutine is
    waiting for. A future keeps its mark of being awaited until a task has seen it, so the
    task accepts it as if it had stepped the coroutine itself. A class and not a generator, because
    a task that is cancelled before its first step throws into us at once, and a generator that has
    not started would not pass that on.
    """

    __slots__ = ("_awaited", "_coroutine", "_fresh")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._fresh = True

    def send(self, value: Any) -> Any:
        if self._fresh:
            self._fresh = False
            awaited, self._awaited = self._awaited, None
            return awaited
        return self._coroutine.send(value)

    def throw(self, *exc: Any) -> Any:
        self._fresh = False
        self._awaited = None
        return self._coroutine.throw(*exc)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        raise TypeError("a started coroutine belongs to one task")


def start(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, context: Context
) -> asyncio.Task[None] | None:
    """Step the coroutine now; None if it has ended, else the task that will finish it.

    Both run in `context`, so context variables that are set before the first suspension can be reset after it.
    """
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration:
        return None
    return loop.create_task(_Started(coroutine, awaited), context=context)
