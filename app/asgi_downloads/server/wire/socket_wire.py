"""A plain socket, and files sent through it without copying.

The transport keeps the descriptor and reads from it, but we write past it: its write buffer stays
empty, so nothing can overtake anything. To wait until the socket takes more, a duplicate of the
descriptor is watched, because a loop refuses to watch a transport's own.
"""

import asyncio
import errno
import os
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from struct import pack
from time import monotonic

from uvicorn.protocols.utils import ClientDisconnected

from asgi_downloads.server.wire import page_cache
from asgi_downloads.server.wire.peer import BLIND_TAIL, Peer, unacknowledged
from asgi_downloads.server.wire.wire import STEP, BrokenTransfer, Buffer, Wire
from asgi_downloads.storage.threads import in_thread

COLD_WINDOW = 4 << 20
"""How much of a file that is not in the page cache a thread reads at a time, and how much the kernel reads ahead."""

COPY_WINDOW = 1 << 18
"""How much of a file is in memory at a time where it has to be copied."""

SETTLE_PATIENCE = 0.25
"""Seconds without any progress after which a peer is not waited for. Until it reads, an edit in place may reach it."""

CAN_SEND_FILES = hasattr(os, "sendfile") and hasattr(os, "RWF_NOWAIT")

_UNSUITABLE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_UNREADABLE = (errno.EIO, errno.ESTALE, errno.EBADF)


class _Step(Enum):
    DONE = "all is sent"
    MORE = "the socket must become writable, or others must have their turn"
    COLD = "the next bytes are not in the page cache"
    SHORT = "the file ends too early"
    REFUSED = "this file cannot be sent without copying"


class SocketWire(Wire):
    """A plain stream socket with descriptor `fd`, which the transport owns and closes."""

    can_send_files = CAN_SEND_FILES

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, on_wait: Callable[[], None], fd: int
    ):
        super().__init__(transport, loop, on_wait)
        self.fd = fd
        self._file = -1
        self._offset = 0
        self._end = 0
        self._warm_until = 0
        self._peer: Peer | None = None
        self._settling = False

    def send_now(self, data: Buffer) -> int:
        if self.gone:
            raise ClientDisconnected
        try:
            sent = os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise self._lost(exc) from exc
        self.accepted += sent
        return sent

    async def send_rest(self, data: Sequence[Buffer]) -> None:
        for buffer in data:
            view = memoryview(buffer).cast("B")
            while view:
                sent = self.send_now(view)
                view = view[sent:]
                if view:
                    await self._writable(self._wake)

    async def send_file(self, file: int, offset: int, count: int, settle: bool = False, lend: bool = False) -> None:
        """Send `count` bytes of the descriptor `file` from `offset` on, without copying them; none is a count too.

        With `settle`, return only when no queue refers to pages of this or an earlier file any more, so that an edit
        in place cannot change what was sent. For a peer of which that cannot be known the last bytes are copied.
        With `lend`, a slice of another file will settle for this one too; for such a peer all of it is copied.
        Raises `ClientDisconnected`, and `BrokenTransfer` when the file turns out to be shorter or unreadable.
        """
        end = offset + count
        if (settle or lend) and self._known_peer().blind:
            end = offset if lend else max(offset, end - BLIND_TAIL)
        self._file, self._offset, self._end, self._warm_until = file, offset, end, offset
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
        self._end = offset + count
        while self._offset < self._end:
            await self._copy()
        if settle:
            await self._settle()
        await self.share(0)

    def _step(self) -> _Step:
        """One turn: at most `STEP` bytes, and only bytes that need no disk."""
        count = min(self._end - self._offset, STEP)
        if not count:
            return _Step.DONE
        if self.gone:
            raise ClientDisconnected
        if self._offset + count > self._warm_until and not page_cache.resident(self._file, self._offset, count):
            return _Step.COLD
        try:
            sent = os.sendfile(self.fd, self._file, self._offset, count)
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
        if self._offset == self._end:
            return _Step.DONE
        return _Step.MORE

    async def _warm(self) -> None:
        """Have a thread read the next window in; the one after it is read ahead meanwhile."""
        window = min(self._end - self._offset, COLD_WINDOW)
        ahead = min(self._end - self._offset - window, COLD_WINDOW)
        self._burst = 0
        try:
            await in_thread(page_cache.bring_in, self._file, self._offset, window, ahead)
        except OSError as exc:
            raise BrokenTransfer(f"the file cannot be read: {exc.strerror}") from exc
        self._warm_until = self._offset + window

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
        await self.send_rest([data])
        self._offset += len(data)
        await self.share(len(data))

    def _known_peer(self) -> Peer:
        if self._peer is None:
            self._peer = Peer(self.fd)
        return self._peer

    async def _settle(self) -> None:
        """Wait until the peer has taken everything; there is no event for that, so look again and again.

        Nor is there one for a reset while nothing is read from the socket, and its queue stays as it was.
        A peer that leaves what it has for `SETTLE_PATIENCE` may be waiting for more (SO_RCVLOWAT), and is given more.
        """
        peer = self._known_peer()
        ended = select.poll()
        ended.register(self.fd, 0)  # asks for nothing, and so is told of errors and hang-ups alone
        pause = 0.0002
        self._since = monotonic()
        self._settling = True
        unread, progress = -1, self._since
        try:
            while not self.gone and (left := peer.unread()):
                now = monotonic()
                if left != unread:
                    unread, progress = left, now
                elif now - progress > SETTLE_PATIENCE:
                    return
                if ended.poll(0):
                    raise self._lost(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
                self.waiter = self.loop.create_future()
                timer = self.loop.call_later(pause, self._wake)
                pause = min(2 * pause, 0.05)
                self.on_wait()
                try:
                    await self.waiter
                finally:
                    timer.cancel()
                    self.waiter = None
        finally:
            self._settling = False
        if self.gone:
            raise ClientDisconnected

    def _on_writable(self) -> None:
        """The socket takes more: the next step of the file, still without waking the coroutine."""
        waiter = self.waiter
        if waiter is None or waiter.done():
            return
        try:
            step = self._step()
        except ClientDisconnected as exc:
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
        if self.gone:
            return self.accepted, 0
        return self.accepted, self._peer.unread() if self._peer and self._settling else unacknowledged(self.fd)

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
