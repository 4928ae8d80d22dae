"""A plain socket, and files sent through it without copying.

The transport keeps the descriptor and reads from it, but we write past it: its write buffer stays
empty, so nothing can overtake anything. To wait until the socket takes more, a duplicate of the
descriptor is watched, because a loop refuses to watch a transport's own.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from fcntl import ioctl
from struct import pack, unpack
from termios import TIOCOUTQ
from time import monotonic

from uvicorn.protocols.utils import ClientDisconnected

from asgi_downloads.asgi.errors import BrokenTransfer
from asgi_downloads.server.wire import page_cache
from asgi_downloads.server.wire.queues import in_flight
from asgi_downloads.server.wire.wire import STEP, Buffer, Wire
from asgi_downloads.storage.threads import in_thread

TURN = 0.002
"""Seconds that one file may be sent in one turn of the loop; then the others have theirs."""

WINDOW = 4 << 20
"""Bytes of a file that the page cache is asked for at a time, or that a thread brings there."""

FRESH = 1.0
"""Seconds after which the page cache is asked again: what is not sent for so long may have left it."""

COPY_WINDOW = 1 << 18
"""Bytes of a file that are in memory at a time where it has to be copied."""

_UNSUITABLE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_UNREADABLE = (errno.EIO, errno.ESTALE, errno.EBADF)


class _Step(Enum):
    DONE = "all is sent"
    MORE = "the socket must become writable, or others must have their turn"
    COLD = "the next bytes are not in the page cache"
    SHORT = "the file ends too early"
    REFUSED = "this file cannot be sent without copying"


class SocketWire(Wire):
    """A plain stream socket, which the transport owns and closes."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        on_wait: Callable[[], None],
        sock: socket.socket,
    ) -> None:
        super().__init__(transport, loop, on_wait)
        self.fd = sock.fileno()
        self.in_flight = in_flight(sock)
        self._file = -1
        self._offset = 0
        self._end = 0
        self._warm_until = 0
        """Up to here the file was in the page cache when it was asked, at `_asked_at`."""
        self._asked_at = 0.0

    def try_send(self, parts: Sequence[Buffer]) -> int:
        if self.gone:
            raise ClientDisconnected
        try:
            sent = os.writev(self.fd, parts)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise self._lost(exc) from exc
        self.accepted += sent
        return sent

    async def send_rest(self, parts: Sequence[Buffer], sent: int) -> None:
        rest = [memoryview(part).cast("B") for part in parts]
        while True:
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if not rest:
                return
            rest[0] = rest[0][sent:]
            await self._writable(self._wake)
            sent = self.try_send(rest)

    async def send_file(self, file: int, offset: int, count: int) -> None:
        """Send `count` bytes of the descriptor `file` from `offset` on, by reference to its pages.

        Raises `ClientDisconnected`, and `BrokenTransfer` when the file turns out to be shorter or unreadable.
        """
        self._file, self._offset, self._end, self._warm_until = file, offset, offset + count, offset
        step = self._step()
        while step is not _Step.DONE:
            if step is _Step.MORE:
                step = await self._writable(self._on_writable)
                continue
            if step is _Step.COLD:
                await self._warm()
            elif step is _Step.REFUSED:
                await self._copy()
            else:
                raise BrokenTransfer("the file became shorter while it was sent")
            step = self._step()
        await self.share(0)

    def _step(self) -> _Step:
        """One turn: until the socket is full or the turn is over, and only bytes that need no disk."""
        if self.gone:
            raise ClientDisconnected
        begun = now = monotonic()
        while self._offset < self._end:
            if now - begun > TURN:
                return _Step.MORE
            if self._offset >= self._warm_until or now - self._asked_at > FRESH:
                window = min(self._end - self._offset, WINDOW)
                if not page_cache.resident(self._file, self._offset, window):
                    return _Step.COLD
                self._warm_until, self._asked_at = self._offset + window, now
            try:
                sent = os.sendfile(self.fd, self._file, self._offset, min(self._warm_until - self._offset, STEP))
            except BlockingIOError:
                return _Step.MORE
            except OSError as exc:
                if exc.errno in _UNSUITABLE:
                    return _Step.REFUSED
                if exc.errno in _UNREADABLE:
                    raise BrokenTransfer(f"the file cannot be read: {exc.strerror}") from exc
                raise self._lost(exc) from exc
            if not sent:
                return _Step.SHORT
            self.accepted += sent
            self._offset += sent
            self._burst += sent
            now = monotonic()
        return _Step.DONE

    async def _warm(self) -> None:
        """Have a thread read the next window in; the one after it is read ahead meanwhile."""
        window = min(self._end - self._offset, WINDOW)
        ahead = min(self._end - self._offset - window, WINDOW)
        self._burst = 0
        try:
            await in_thread(page_cache.bring_in, self._file, self._offset, window, ahead)
        except OSError as exc:
            raise BrokenTransfer(f"the file cannot be read: {exc.strerror}") from exc
        self._warm_until, self._asked_at = self._offset + window, monotonic()

    async def _copy(self) -> None:
        """Send the next window of the file by reading it."""
        window = (self._file, min(self._end - self._offset, COPY_WINDOW), self._offset)
        try:
            if page_cache.resident(self._file, self._offset, window[1]):
                data = os.pread(*window)
            else:
                data = await in_thread(os.pread, *window)
        except OSError as exc:
            raise BrokenTransfer(f"the file cannot be read: {exc.strerror}") from exc
        if not data:
            raise BrokenTransfer("the file became shorter while it was sent")
        await self.send([data])
        self._offset += len(data)
        await self.share(len(data))

    def _on_writable(self) -> None:
        """The socket takes more: the next step of the file, still without waking the coroutine."""
        waiter = self.waiter
        if waiter is None or waiter.done():
            return
        try:
            step = self._step()
        except (ClientDisconnected, BrokenTransfer) as exc:
            if not waiter.done():  # A lost connection has woken it already.
                waiter.set_exception(exc)
        else:
            if step is not _Step.MORE:
                waiter.set_result(step)

    async def _writable(self, callback: Callable[[], None]) -> _Step:
        """Wait for `callback` to end the wait; it is called each time that the socket takes more."""
        if self.watched < 0:
            try:
                self.watched = os.dup(self.fd)
            except OSError:  # No descriptor left for the watch: look again soon.
                self._burst = 0
                await asyncio.sleep(0.02)
                return self._step() if callback == self._on_writable else _Step.MORE
        self.loop.add_writer(self.watched, callback)
        try:
            step = await self._wait()
        finally:
            if self.watched >= 0:
                self.loop.remove_writer(self.watched)
        return step if isinstance(step, _Step) else _Step.MORE

    def _state(self) -> tuple[int, int]:
        return self.accepted, 0 if self.gone else self._unacknowledged()

    def _unacknowledged(self) -> int:
        """Bytes in our queue; on a Unix socket, bytes that the peer has not read."""
        try:
            count: int = unpack("i", ioctl(self.fd, TIOCOUTQ, b"\0\0\0\0"))[0]
        except OSError:
            return 0
        return count

    def reset_on_close(self) -> None:
        """Make the close a reset, because a plain end would look like the end of the content."""
        with suppress(OSError), socket.socket(fileno=os.dup(self.fd)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))

    def _lost(self, exc: OSError) -> ClientDisconnected:
        self.lose()
        self.transport.abort()
        return ClientDisconnected(exc.errno, exc.strerror)

    def lose(self) -> None:
        super().lose()
        self.release()

    def release(self) -> None:
        if self.watched >= 0:
            self.loop.remove_writer(self.watched)
            os.close(self.watched)
            self.watched = -1
