"""The process above the workers: it starts them, replaces those that die, and passes on what it is told.

It never serves and never imports the application, so that a new worker (SIGHUP) has the program and
the packages as they are then. Workers are forked: they share the listening socket and the counters,
and they end when the supervisor has gone, however it went.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from time import monotonic

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from asgi_downloads.server.around.shared_counters import places
from asgi_downloads.server.around.stack import Surroundings
from asgi_downloads.server.process.server import SAME_WORD, Server
from asgi_downloads.server.process.streams import Terminal

PAUSE = 1.0
"""Seconds before a worker that did not even start is tried again."""

BEYOND = 5.0
"""Seconds that a worker may take beyond the time for its downloads before it is killed."""

_SERVES = signal.SIGRTMIN
"""A worker's word that it serves. Signals of this kind queue up, and each says who sent it (sigqueue(3))."""

_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, _SERVES)
"""Blocked and waited for, so that nothing of it comes at the wrong moment, here or in a process that has just begun."""

NEVER = float("inf")

logger = logging.getLogger("uvicorn.error")


@dataclass(eq=False)
class _Worker:
    process: ForkProcess
    slot: int
    replaces: "_Worker | None" = None
    ready: bool = False
    retired: bool = False


@dataclass
class Supervisor:
    """`config.workers` processes that serve `sock`. `ready` is called once, when the first of them does.

    `delay` is in seconds, as of `Server`. Each worker has a row of the `surroundings`, below `places(config.workers)`.
    """

    config: uvicorn.Config
    sock: socket.socket
    ready: Callable[[], None]
    surroundings: Surroundings
    delay: float = 0.0
    _terminal: Terminal = field(default_factory=Terminal)
    _workers: list[_Worker] = field(default_factory=list)
    _announced: bool = False
    _once_more: bool = False
    _told_at: float | None = None
    _kill_at: float = NEVER
    _retry_at: float = NEVER
    _exit_code: int = 0

    def run(self) -> int:
        """Serve until told to end; the exit code."""
        self._alive, self._held = os.pipe()  # the workers read from the one, and nobody writes: its end is our end
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        try:
            self._fill()
            while self._workers or not self._ending:
                self._turn()
        finally:
            for worker in self._workers:
                worker.process.kill()
                worker.process.join()
            os.close(self._alive)
            os.close(self._held)
            while signal.sigtimedwait(_HEARD, 0):
                pass  # what came too late
            # A terminal that has gone may be told of once more, by a shell: not a reason to end otherwise than well.
            signal.pthread_sigmask(signal.SIG_SETMASK, {*before, signal.SIGHUP} if self._terminal.gone() else before)
        return self._exit_code

    @property
    def _ending(self) -> bool:
        return self._told_at is not None

    # -- one turn

    def _turn(self) -> None:
        timeout = max(0.0, min(self._kill_at - monotonic(), self._retry_at - monotonic(), 3600.0))
        while heard := signal.sigtimedwait(_HEARD, timeout):
            self._obey(heard.si_signo, heard.si_pid)
            timeout = 0.0  # all that has been said, before the dead are looked for
        self._bury()
        now = monotonic()
        if now >= self._kill_at:
            self._kill_at = NEVER
            for worker in self._workers:
                worker.process.kill()
        if now >= self._retry_at:
            self._retry_at = NEVER
            self._fill()
        if self._once_more and not self._ending and not any(worker.replaces for worker in self._workers):
            self._replace()

    def _obey(self, number: int, sender: int) -> None:
        if number == _SERVES:
            self._serves(sender)
        elif number == signal.SIGQUIT:
            self._end(signal.SIGQUIT)
        elif number in (signal.SIGTERM, signal.SIGINT) or (number == signal.SIGHUP and self._terminal.gone()):
            if self._told_at is None:
                self._end(signal.SIGTERM)
            elif monotonic() - self._told_at > SAME_WORD:
                self._end(signal.SIGQUIT)
        elif number == signal.SIGHUP and not self._ending:
            self._replace()

    def _replace(self) -> None:
        """Start a successor for each worker; a worker retires when its successor serves."""
        self._once_more = False
        serving = [worker for worker in self._workers if not worker.retired]
        if any(worker.replaces for worker in serving):
            self._once_more = True  # those may have begun before whatever it is that changed
        elif len(self._workers) + len(serving) > places(self.config.workers):
            logger.warning("The workers are not replaced: too many are still finishing.")
        else:
            logger.info("Replacing the workers.")
            for worker in serving:
                self._start(replaces=worker)

    def _end(self, number: signal.Signals) -> None:
        self._told_at = monotonic()
        graceful = self.config.timeout_graceful_shutdown if number == signal.SIGTERM else 0
        if graceful is not None:
            self._kill_at = self._told_at + graceful + self.delay + BEYOND
        self._retry_at = NEVER
        self.sock.close()  # or the kernel would accept for us when no worker does
        for worker in self._workers:
            _tell(worker, number)

    # -- workers

    def _start(self, replaces: _Worker | None = None) -> None:
        taken = {worker.slot for worker in self._workers}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        process = multiprocessing.get_context("fork").Process(target=self._work, args=(slot, os.getpid()))
        process.start()
        self._workers.append(_Worker(process, slot, replaces))

    def _work(self, slot: int, supervisor: int) -> None:
        """In the new process: serve, and never return to what the supervisor was doing."""
        for number in _HEARD:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        os.close(self._held)
        self.surroundings.take_row(slot)
        server = Server(self.config, lambda: os.kill(supervisor, _SERVES), delay=self.delay, parent=self._alive)
        server.run(sockets=[self.sock])
        self.surroundings.close()
        sys.exit(0)

    def _serves(self, process: int) -> None:
        """A worker serves, and the one that it replaces may leave."""
        for worker in self._workers:
            if worker.process.pid == process:
                worker.ready = True
                if worker.replaces is not None:
                    worker.replaces.retired = True
                    _tell(worker.replaces, signal.SIGHUP)
                    worker.replaces = None
                if not self._announced:
                    self._announced = True
                    self.ready()

    def _bury(self) -> None:
        """Take the dead off the list, and see whether they need to be replaced."""
        for worker in [worker for worker in self._workers if worker.process.exitcode is not None]:
            self._workers.remove(worker)
            self.surroundings.ended(worker.slot)
            for other in self._workers:
                if other.replaces is worker:
                    other.replaces = None  # it takes the place now
            code = worker.process.exitcode
            worker.process.close()
            if self._ending or worker.retired:
                continue
            if worker.ready:
                logger.error("A worker ended (%s) and is replaced.", code)
                self._fill()
            elif worker.replaces is not None:
                logger.error("A new worker did not start (%s); the old one goes on.", code)
            elif not self._announced:
                self._exit_code = STARTUP_FAILURE
                self._end(signal.SIGTERM)
            else:
                logger.error("A worker did not start (%s).", code)
                self._retry_at = monotonic() + PAUSE

    def _fill(self) -> None:
        """Start as many as are missing."""
        serving = sum(not worker.retired and worker.replaces is None for worker in self._workers)
        for _ in range(self.config.workers - serving):
            self._start()


def _tell(worker: _Worker, number: signal.Signals) -> None:
    if worker.process.exitcode is None and worker.process.pid is not None:
        os.kill(worker.process.pid, number)
