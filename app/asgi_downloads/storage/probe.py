"""Checks of what the service needs, for those who ask whether it is well."""

import asyncio
from collections.abc import Awaitable, Callable

from asgi_downloads.storage.errors import Unavailable

PATIENCE = 1.0
"""Seconds that one who asks waits for an answer."""


class Probe:
    """A check that runs once at a time: who asks while it runs gets its result, or after a second none."""

    def __init__(self, check: Callable[[], Awaitable[None]], patience: float = PATIENCE) -> None:
        self._check = check
        self.patience = patience
        self._running: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Raise what the check raises, `Unavailable` if it has not ended in time."""
        running = self._running
        if running is None or running.done():
            running = self._running = asyncio.ensure_future(self._run())
            running.add_done_callback(_seen)
        await asyncio.wait((running,), timeout=self.patience)
        if not running.done():
            raise Unavailable(f"no answer within {self.patience:g} s")
        running.result()

    async def _run(self) -> None:
        await self._check()


def _seen(task: "asyncio.Task[None]") -> None:
    """Whoever asked may have left: an error that nobody hears is none of the loop's business."""
    if not task.cancelled():
        task.exception()
