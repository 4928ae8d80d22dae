"""Checks of what the service needs, for those who ask whether it is well."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from asgi_downloads.storage.errors import Unavailable

PATIENCE = 1.0
"""Seconds that one who asks waits for an answer."""


class Probe:
    """A check that runs once at a time: who asks while it runs gets its result, or after a second none."""

    def __init__(self, check: Callable[[], Coroutine[Any, Any, None]], patience: float = PATIENCE) -> None:
        self._check = check
        self._patience = patience
        self._running: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Raise what the check raises, `Unavailable` if it has not ended in time."""
        running = self._running
        if running is None or running.done():
            running = self._running = asyncio.ensure_future(self._check())
            running.add_done_callback(lambda task: task.cancelled() or task.exception())  # whoever asked may have left
        await asyncio.wait((running,), timeout=self._patience)
        if not running.done():
            raise Unavailable(f"no answer within {self._patience:g} s")
        running.result()
