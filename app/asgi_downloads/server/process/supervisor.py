"""The process above the workers: it starts them, replaces those that die, and passes on what it is told.

It never serves and never imports the application, so that a new worker (SIGHUP) has the program and
the packages as they are then. Workers are forked: they share the listening socket and the counters,
and they end when the supervisor has gone, however it went.
"""

import logging
import multiprocessing
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from time import monotonic
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from asgi_downloads.server.around.shared_counters import places
from asgi_downloads.server.process.server import SAME_WORD, Server
from asgi_downloads.server.process.streams import Terminal

PAUSE = 1.0
"""Seconds before a worker that did not even start is tried again."""

BEYOND = 5.0
"""Seconds that a worker may take beyond the time for its downloads before it is killed."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_FROM_US = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

logger = logging.getLogger("uvicorn.error")


@dataclass(eq=False)
class _Worker:
    process: ForkProcess
    slot: int
    news: int
    """A pipe's end on which it says that it serves."""
    replaces: "_Worker | None" = None
    ready: bool = False
    retired: bool = False


@dataclass
class Supervisor:
    """`config.workers` processes that serve `sock`. `ready` is called once, when the first of them does.

    `delay` is in seconds, as of `Server`. Each worker has a number of its own, below `places(config.workers)`.
    """

    config: uvicorn.Config
    sock: socket.socket
    ready: Callable[[], None]
    delay: float = 0.0
    on_start: Callable[[int], None] = lambda slot: None
    """Called in a new worker, with its number, before it starts to serve."""
    at_end: Callable[[], None] = lambda: None
    """Called in a worker when it has served."""
    on_end: Callable[[int], None] = lambda slot: None
    """Called in the supervisor when the worker of that number is dead."""
    _terminal: Terminal = field(default_factory=Terminal)
    _workers: list[_Worker] = field(default_factory=list)
    _announced: bool = False
    _once_more: bool = False
    _told_at: float | None = None
    _kill_at: float = float("inf")
    _retry_at: float = float("inf")
    _exit_code: int = 0

    def run(self) -> int:
        """Serve until told to end; the exit code."""
        self._alive, self._held = os.pipe()  # the workers read from the one, and nobody writes: its end is our end
        self._wake, wake = socket.socketpair()
        self._wake.setblocking(False)
        wake.setblocking(False)
        before = {number: signal.signal(number, _wake_up) for number in _SIGNALS}
        wakeup_before = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            for _ in range(self.config.workers):
                self._start()
            while self._workers or not self._ending:
                self._turn()
        finally:
            signal.set_wakeup_fd(wakeup_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            for worker in self._workers:
                worker.process.kill()
                worker.process.join()
            self._selector.close()
            self._wake.close()
            wake.close()
            os.close(self._alive)
            os.close(self._held)
        return self._exit_code

    @property
    def _ending(self) -> bool:
        return self._told_at is not None

    # -- one turn

    def _turn(self) -> None:
        timeout = min(self._kill_at, self._retry_at) - monotonic()
        for key, _ in self._selector.select(None if timeout == float("inf") else max(0.0, timeout)):
            if key.fileobj is self._wake:
                for number in self._heard():
                    self._obey(number)
            else:
                self._is_ready(key.data)
        self._bury()
        now = monotonic()
        if now >= self._kill_at:
            self._kill_at = float("inf")
            for worker in self._workers:
                worker.process.kill()
        if now >= self._retry_at:
            self._retry_at = float("inf")
            self._fill()
        if self._once_more and not self._ending and not any(worker.replaces for worker in self._workers):
            self._replace()

    def _heard(self) -> bytes:
        with suppress(BlockingIOError):
            return self._wake.recv(4096)
        return b""

    def _obey(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            if self._told_at is None:
                self._end(signal.SIGTERM)
            elif monotonic() - self._told_at > SAME_WORD:
                self._end(signal.SIGQUIT)
        elif number == signal.SIGHUP and not self._ending:
            if self._terminal.gone():
                self._end(signal.SIGTERM)
            else:
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
        self._retry_at = float("inf")
        self.sock.close()  # or the kernel would accept for us when no worker does
        for worker in self._workers:
            _tell(worker, number)

    # -- workers

    def _start(self, replaces: _Worker | None = None) -> None:
        taken = {worker.slot for worker in self._workers}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        news, says = os.pipe()
        process = multiprocessing.get_context("fork").Process(target=self._work, args=(slot, news, says))
        # What is sent to the new process waits until it is no longer a copy of this one.
        signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_US)
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FROM_US)
        os.close(says)
        worker = _Worker(process, slot, news, replaces)
        self._selector.register(news, selectors.EVENT_READ, worker)
        self._workers.append(worker)

    def _work(self, slot: int, news: int, says: int) -> None:
        """In the new process: serve, and never return to what the supervisor was doing."""
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FROM_US)
        for descriptor in (self._held, news, self._wake.fileno()):
            os.close(descriptor)
        self._wake.detach()
        for worker in self._workers:
            with suppress(OSError):
                os.close(worker.news)
        self._selector.close()
        self.on_start(slot)

        def ready() -> None:
            os.write(says, b"1")
            os.close(says)

        server = Server(self.config, ready, delay=self.delay, parent=self._alive)
        server.run(sockets=[self.sock])
        self.at_end()
        sys.exit(0)

    def _is_ready(self, worker: _Worker) -> None:
        """It serves; or it ended before it could, which the process itself will tell."""
        self._selector.unregister(worker.news)
        worker.ready = bool(os.read(worker.news, 1))
        os.close(worker.news)
        worker.news = -1
        if not worker.ready:
            return
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
            if worker.news >= 0:
                self._is_ready(worker)
            self._workers.remove(worker)
            self.on_end(worker.slot)
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


def _wake_up(number: int, frame: FrameType | None) -> None:
    """Does nothing: the wake-up descriptor has it, and the loop reads it there."""
