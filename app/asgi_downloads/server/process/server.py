"""uvicorn's server with an end of our own: what is under way is finished; told twice, it is broken off.

While it drains, new connections are refused; one that is open may ask once more and is told that
this was the last answer. `/readyz` says 503 from the first moment on.
"""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import uvicorn

from asgi_downloads.asgi.extensions import DRAINING, READ_ANEW
from asgi_downloads.server.http1.connection import Connection
from asgi_downloads.server.process.streams import Terminal

LAST_CALL = 0.2
"""Seconds in which a request that was on its way when the end was told still finds its connection open."""

SAME_WORD = 0.1
"""Seconds within which a second signal is the first one, heard twice: some programs signal a group and its leader."""

_POLL = 0.05

logger = logging.getLogger("uvicorn.error")


class Server(uvicorn.Server):
    """One process that serves. `ready` is called when connections are accepted.

    Alone, it ends at SIGTERM or SIGINT, at once when told twice, and when its terminal is closed. With a `parent`,
    a pipe that ends with the supervisor, it is told by that: SIGTERM ends it, SIGHUP lets its clients leave in their
    own time, SIGQUIT ends it at once. `delay` is how many seconds it goes on accepting after it was told.
    """

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], *, delay: float = 0.0, parent: int | None = None
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._delay = delay
        self._parent = parent
        self._terminal = Terminal()
        self._patient = False
        self._told_at: float | None = None
        self._told: asyncio.Event
        self._forced: asyncio.Event

    # -- what it is told

    def _listen_to_signals(self) -> None:
        self._told, self._forced = asyncio.Event(), asyncio.Event()
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        if self._parent is not None:
            loop.add_reader(self._parent, self._orphaned)
            loop.add_signal_handler(signal.SIGTERM, self.end)
            loop.add_signal_handler(signal.SIGHUP, self.retire)
            loop.add_signal_handler(signal.SIGQUIT, self.end_at_once)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # uvicorn has just set it
        else:
            loop.add_signal_handler(signal.SIGTERM, self._hear)
            loop.add_signal_handler(signal.SIGINT, self._hear)
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hear(self) -> None:
        if self._told_at is not None and monotonic() - self._told_at > SAME_WORD:
            self.end_at_once()
        self.end()

    def _hang_up(self) -> None:
        if self._terminal.gone():
            # A shell may tell once more, when the loop that ends has given the signal its deadly meaning back.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            self.end()
        else:
            read_anew = self.lifespan.state.get(READ_ANEW)
            if read_anew is None:
                logger.warning("SIGHUP replaces workers, and this is one process: use --workers 2.")
            else:
                read_anew()

    def _orphaned(self) -> None:
        assert self._parent is not None
        asyncio.get_running_loop().remove_reader(self._parent)
        self.end()

    def end(self) -> None:
        """Stop accepting and finish what is under way."""
        self._told_at = self._told_at or monotonic()
        self.lifespan.state[DRAINING] = True  # each request's scope has a copy of this state
        self._patient = False
        self.should_exit = True
        self._told.set()

    def retire(self) -> None:
        """Finish what is under way and let idle connections last as long as they would: others accept new ones."""
        if not self.should_exit:
            self._patient = True
            self._delay = 0.0
            self.should_exit = True
            self._told.set()

    def end_at_once(self) -> None:
        """Break off what is under way."""
        self.force_exit = True
        self._forced.set()
        self.end()

    # -- uvicorn's steps

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._listen_to_signals()
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def main_loop(self) -> None:
        # uvicorn's wakes ten times a second for a Date and for counts that nothing here uses.
        await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state = self.server_state
        if self._delay:
            await self._wait(self._delay)
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        logger.info("Shutting down")
        for connection in self._connections():
            connection.drain()
        await self._drain()
        for connection in self._connections():
            connection.shutdown()
        if state.tasks:
            logger.warning("%d downloads are broken off.", len(state.tasks))
            tasks = tuple(state.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
        if not self.force_exit:
            await self.lifespan.shutdown()

    async def _drain(self) -> None:
        """Return when all is sent, when time is up or when there is no more patience."""
        state = self.server_state
        begun = monotonic()
        timeout = self.config.timeout_graceful_shutdown
        end = float("inf") if timeout is None else begun + timeout
        while monotonic() < end and not self.force_exit:
            for connection in self._connections():
                connection.drain()  # also those that were accepted in the last moment
            busy = state.tasks or not all(connection.idle() for connection in self._connections())
            over = not state.connections if self._patient else monotonic() - begun >= LAST_CALL or not state.connections
            if over and not busy:
                return
            await self._wait(min(_POLL, max(0.0, end - monotonic())))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._forced.wait(), seconds)

    def _connections(self) -> tuple[Connection, ...]:
        return tuple(self.server_state.connections)  # type: ignore[arg-type]  # the configuration names no others
