"""Time on a connection: what a client may take of it, and one timer that keeps all its deadlines."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may cost. Sizes are in bytes, times in seconds.

    `head_bytes` and `head_seconds` bound a request head (431, 408); `stall_seconds` is how long a
    client may take no byte of an answer before it is dropped.
    """

    head_bytes: int = 65536
    head_seconds: float = 20.0
    stall_seconds: float = 30.0


class Deadline:
    """A moment after which `expired` is called, unless it was moved or taken back before.

    To move it further away costs nothing: the timer that is set finds out when it rings.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None], clock: Callable[[], float] = monotonic
    ) -> None:
        self._loop = loop
        self._expired = expired
        self._clock = clock
        self._at = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = NEVER

    def set(self, seconds: float, now: float | None = None) -> None:
        """It is in so many seconds from `now`, whenever it was before."""
        self._at = at = (self._clock() if now is None else now) + seconds
        if at < self._rings_at:
            self._arm(at, seconds)

    def cancel(self) -> None:
        """There is none, and no timer that keeps the connection alive."""
        self._at = self._rings_at = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._ring)
        self._rings_at = at

    def _ring(self) -> None:
        self._timer = None
        self._rings_at = NEVER
        if self._at == NEVER:
            return
        left = self._at - self._clock()
        if left > 0:
            self._arm(self._at, left)
        else:
            self._at = NEVER
            self._expired()
