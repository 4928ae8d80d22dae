"""Runs a coroutine at once, as the task that it is, and leaves to the loop only what is left when it first waits.

Half of the cost of a small answer would be a task that the loop starts in its next turn. As with the eager tasks of
Python 3.12, `asyncio.current_task()` is from the first line on the task that goes on after the wait.
"""

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

if sys.version_info >= (3, 12):

    class Starter:
        """Starter of coroutines on `loop`."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop

        def start(self, coroutine: Coroutine[Any, Any, None], context: Context) -> asyncio.Task[None] | None:
            """Run the coroutine in `context` up to its first wait; None if it has ended, else the task that goes on."""
            task = asyncio.Task(coroutine, loop=self._loop, eager_start=True, context=context)
            if not task.done():
                return task
            if not task.cancelled():
                task.result()
            return None

else:

    class Starter:
        """Starter of coroutines on `loop`, from outside of any task.

        A task that has done nothing stands ready. A coroutine that ends without waiting leaves it to the next one, and
        one that waits keeps it: each sees the same task before and after, and most cost none.
        """

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop
            self._make_ready()

        def _make_ready(self) -> None:
            self._rest = _Rest(self._loop)
            self._task = asyncio.Task(self._rest, loop=self._loop)
            self._task._log_destroy_pending = False  # type: ignore[attr-defined]

        def start(self, coroutine: Coroutine[Any, Any, None], context: Context) -> asyncio.Task[None] | None:
            """Run the coroutine in `context` up to its first wait; None if it has ended, else the task that goes on."""
            if self._task.cancelling():
                self._make_ready()
            task, rest = self._task, self._rest
            _enter_task(self._loop, task)
            try:
                awaited = context.run(coroutine.send, None)
            except (StopIteration, asyncio.CancelledError):
                return None
            finally:
                _leave_task(self._loop, task)
            rest.take_over(coroutine, awaited, context)
            self._make_ready()
            return task


class _Rest(Coroutine[Any, Any, None]):
    """Coroutine of a task that stands ready; it goes on with another coroutine, from what that waits for.

    A future keeps its mark of being awaited until a task has seen it, so the task accepts it as if it had stepped the
    coroutine itself. A class and not a generator, because a task that is cancelled before its first step throws
    into us at once, and a generator that has not started would not pass that on.
    """

    __slots__ = ("_awaited", "_context", "_coroutine", "_ready")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ready = loop.create_future()
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._awaited: Any = None
        self._context: Context

    def take_over(self, coroutine: Coroutine[Any, Any, None], awaited: Any, context: Context) -> None:
        """Go on with the coroutine in `context`; `awaited` is what it has yielded."""
        self._coroutine, self._awaited, self._context = coroutine, (awaited,), context
        if not self._ready.done():
            self._ready.set_result(None)

    def send(self, value: Any) -> Any:
        if self._coroutine is None:
            self._ready._asyncio_future_blocking = True
            return self._ready
        if self._awaited is not None:
            (awaited,), self._awaited = self._awaited, None
            return awaited
        return self._context.run(self._coroutine.send, value)

    def throw(self, *exc: Any) -> Any:
        if self._coroutine is None:
            raise exc[0]
        self._awaited = None
        return self._context.run(self._coroutine.throw, *exc)

    def close(self) -> None:
        if self._coroutine is not None:
            self._coroutine.close()

    def __await__(self) -> Any:
        raise TypeError("this coroutine belongs to one task")
