"""Small answers of one turn of the loop, which leave together at its end.

Each by itself would wake its client, which would ask again and sleep; woken once for all of them, clients find answers
and the server finds requests. Half of the kernel's part of a small answer was to wake somebody. Where answers do not
come together, to wait would be for nothing.
"""

import asyncio
from typing import Protocol

ALONE = 16
"""Answers that leave at once after one that was alone in its turn."""


class Sends(Protocol):
    """A wire that has something to send."""

    def flush(self) -> None: ...


class Outbox:
    """Wires of one server whose answers leave at the end of this turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wires: list[Sends] = []
        self._count = 0
        """Answers in this turn."""
        self._at_once = 0
        """Answers that are still to leave at once."""

    def takes(self, wire: Sends, *, known: bool) -> bool:
        """Whether an answer is to wait, and its wire to be flushed; `known` if that was said in this turn already."""
        if self._at_once:
            self._at_once -= 1
            return known
        self._count += 1
        if known:
            return True
        if not self._wires:
            self._loop.call_soon(self._flush)
        self._wires.append(wire)
        return True

    def _flush(self) -> None:
        wires, self._wires = self._wires, []
        if self._count == 1:
            self._at_once = ALONE
        self._count = 0
        for wire in wires:
            wire.flush()
