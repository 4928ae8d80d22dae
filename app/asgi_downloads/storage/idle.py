"""Letting go of what is kept open for the next request, after a while without one."""

import asyncio
import time
from collections.abc import Callable
from weakref import WeakMethod, ref


class IdleTimer:
    """A call to the method `let_go` when nothing has touched this for `seconds`; it keeps nobody alive."""

    def __init__(self, seconds: float, let_go: Callable[[], object]) -> None:
        self._seconds = seconds
        self._let_go = WeakMethod(let_go)
        self._touched = 0.0
        self._loop: ref[asyncio.AbstractEventLoop] | None = None

    def touch(self) -> None:
        """Say that it is in use; only event loops have a clock, so one of them must say it now and then."""
        self._touched = time.monotonic()
        self._watch()

    def _watch(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._loop is None or self._loop() is not loop:
            self._loop = ref(loop)
            loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        self._loop = None
        if time.monotonic() - self._touched < self._seconds:
            self._watch()
        elif (let_go := self._let_go()) is not None:
            let_go()
