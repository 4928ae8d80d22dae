"""Work for after the answer. Clean-up does not belong here: it is the end of an `async with`."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

from asgi_downloads.storage.threads import in_thread

P = ParamSpec("P")


class BackgroundTasks:
    """Calls to make once the response is complete, in the order they were added.

    An endpoint awaits `run()` after `respond` returns. Plain functions run in a worker thread. A
    call that raises ends the rest, and the guard logs it.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def add(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Remember to call `function` with these arguments."""
        self._calls.append((function, args, kwargs))

    async def run(self) -> None:
        """Make the calls."""
        for function, args, kwargs in self._calls:
            if inspect.iscoroutinefunction(function):
                await function(*args, **kwargs)
            else:
                await in_thread(partial(function, *args, **kwargs))
