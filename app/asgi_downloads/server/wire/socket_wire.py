"""A plain socket, and files sent through it by way of the page cache.

What goes by reference, sendfile(2) sends. What is copied is mapped, and the kernel copies from the page cache into the
socket: once, where reading and writing copy twice. Its last bytes are read into memory, so that the file can be looked
at before they go out.

The transport keeps the descriptor and reads from it, but we write past it: its write buffer stays
empty, so nothing can overtake anything. To wait until the socket takes more, a duplicate of the
descriptor is watched, because a loop refuses to watch a transport's own.
"""

import asyncio
import errno
import mmap
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from fcntl import ioctl
from math import inf
from struct import pack, unpack
from termios import TIOCOUTQ
from time import monotonic

from uvicorn.protocols.utils import ClientDisconnected

from asgi_downloads.asgi.errors import BrokenTransfer
from asgi_downloads.server.wire import page_cache
from asgi_downloads.server.wire.outbox import Outbox
from asgi_downloads.server.wire.queues import in_flight
from asgi_downloads.server.wire.wire import STEP, Buffer, Wire
from asgi_downloads.storage.files.openfile import scratch
from asgi_downloads.storage.threads import in_thread

TURN = 0.002
"""Seconds that one file may be sent in one turn of the loop; then the others have theirs."""

WINDOW = 4 << 20
"""Bytes of a file that the page cache is asked for at a time, or that a thread brings there."""

FRESH = 1.0
"""Seconds after which the page cache is asked again: what is not sent for so long may have left it."""

MOST_PUT_ASIDE = 1 << 16
"""Bytes of small answers, to requests that came together, that may wait for the end of the turn."""

LAST = 1 << 16
"""Bytes at the end of what is copied that are read into memory."""

NO_WATCH = 0.02
"""Seconds until the socket is tried again where no descriptor is left to watch it with."""

COPY_WINDOW = 1 << 18
"""Bytes of a file that are in memory at a time where it cannot be mapped."""

_UNSUITABLE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_UNREADABLE = (errno.EIO, errno.ESTALE, errno.EBADF)


class _Step(Enum):
    DONE = "all is sent"
    MORE = "the socket must become writable, or others must have their turn"
    COLD = "the next bytes are not in the page cache"
    SHORT = "the file ends too early"
    REFUSED = "this file cannot be mapped"


class SocketWire(Wire):
    """A plain stream socket, which the transport owns and closes."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        on_wait: Callable[[], None],
        sock: socket.socket,
        outbox: Outbox,
    ) -> None:
        super().__init__(transport, loop, on_wait)
        self.fd = sock.fileno()
        self.in_flight = in_flight(sock)
        self._outbox = outbox
        self._put_aside = b""
        """What was put and is not sent yet. It counts as accepted."""
        self._in_outbox = False
        self._file = -1
        self._head = b""
        self._check: Callable[[], None] | None = None
        self._offset = 0
        self._lent = 0
        """Up to here it goes by reference."""
        self._last = 0
        """From here on it is read into memory."""
        self._end = 0
        self._warm_until = 0
        """Up to here the file was in the page cache when it was asked, at `_asked_at`."""
        self._asked_at = 0.0

    def try_send(self, parts: Sequence[Buffer]) -> int:
        if self.gone:
            raise ClientDisconnected
        if self._put_aside:
            parts = (self._put_aside, *parts)
        try:
            sent = os.writev(self.fd, parts)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise self._lost(exc) from exc
        if self._put_aside:
            before = min(sent, len(self._put_aside))
            self._put_aside = self._put_aside[before:]
            sent -= before
        self.accepted += sent
        return sent

    def put(self, answer: bytes) -> int:
        if self.gone:
            raise ClientDisconnected
        if len(self._put_aside) > MOST_PUT_ASIDE or not self._outbox.takes(self, known=self._in_outbox):
            return self.try_send((answer,))
        self._in_outbox = True
        self._put_aside += answer
        self.accepted += len(answer)
        return len(answer)

    def flush(self) -> None:
        """Send what was put, and if not all of it goes, come back when the socket takes more."""
        self._in_outbox = False
        if not self._put_aside or self.waiter is not None:  # who waits sends it first
            return
        with suppress(ClientDisconnected):
            self.try_send(())
            if not self._put_aside:
                self.release()
            elif self._watch():
                self.loop.add_writer(self.watched, self.flush)
                self.on_wait()
            else:
                self.loop.call_later(NO_WATCH, self.flush)

    def hand_over(self) -> None:
        if self._put_aside and not self.gone:
            with suppress(ClientDisconnected):
                self.try_send(())
                rest, self._put_aside = self._put_aside, b""
                if rest:
                    self.transport.write(rest)

    def pending(self) -> bool:
        return bool(self._put_aside) or super().pending()

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

    async def send_slice(
        self, head: bytes, file: int, offset: int, count: int, check: Callable[[], None] | None = None
    ) -> None:
        """Send `head`, then `count` bytes of the descriptor `file` from `offset` on: copied if there is a `check`.

        That is called when all of them have been copied and the last are not sent yet. Raises `ClientDisconnected`, and
        `BrokenTransfer` when the file turns out to be shorter or unreadable, and for what `check` raises.
        """
        self.accepted -= len(self._put_aside)  # counted when it was put, and again when it goes
        head, self._put_aside = self._put_aside + head, b""
        self._head, self._file, self._offset, self._end, self._warm_until = head, file, offset, offset + count, offset
        self._check = check
        self._lent = self._end if check is None else offset
        self._last = self._end if check is None else self._end - LAST
        step = self._step()
        while step is not _Step.DONE:
            if step is _Step.MORE:
                step = await self._writable(self._on_writable)
                continue
            if self._head:
                head, self._head = self._head, b""
                await self.send((head,))
            if step is _Step.COLD:
                await self._warm()
            elif step is _Step.REFUSED:
                await self._copy()
            else:
                raise BrokenTransfer("the file became shorter while it was sent")
            step = self._step()
        self._check = None
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
                if self._offset < self._lent and not self._head:
                    failed = self._put_references()
                elif self._offset < self._last:
                    failed = self._put_mapped(begun + TURN)
                else:
                    failed = self._put_last()
            except BlockingIOError:
                return _Step.MORE
            except OSError as exc:
                if exc.errno == errno.EFAULT:
                    return _Step.SHORT
                if exc.errno in _UNREADABLE:
                    raise BrokenTransfer(f"the file cannot be read: {exc.strerror}") from exc
                raise self._lost(exc) from exc
            if failed:
                return failed
            now = monotonic()
        return _Step.DONE

    def _put_references(self) -> _Step | None:
        """Send references to what is in the page cache; why there are none."""
        try:
            most = min(self._warm_until, self._lent, self._offset + STEP) - self._offset
            sent = os.sendfile(self.fd, self._file, self._offset, most)
        except OSError as exc:
            if exc.errno not in _UNSUITABLE:
                raise
            self._lent = 0
            return None
        self.accepted += sent
        self._offset += sent
        self._burst += sent
        return None if sent else _Step.SHORT

    def _put_mapped(self, until: float) -> _Step | None:
        """Send of what is in the page cache until that time; why nothing of it can be."""
        begin = self._offset - self._offset % mmap.ALLOCATIONGRANULARITY
        # With the head go only a few bytes where references come next.
        stop = min(self._warm_until, self._last if self._offset >= self._lent else self._offset + LAST)
        try:
            mapping = mmap.mmap(self._file, stop - begin, prot=mmap.PROT_READ, offset=begin)
        except ValueError:
            return _Step.SHORT
        except OSError:
            return _Step.REFUSED
        # Never to be looked at by us: where the file has no bytes any more, that would be the end of the process.
        with mapping, memoryview(mapping) as whole, whole[self._offset - begin :] as view:
            self._put(view, until)
        return None

    def _put(self, view: memoryview, until: float) -> None:
        """Send the next bytes of the file, and the head before them, until that time; raises what `writev` does."""
        place = 0
        while place < len(view):
            head = self._head
            with view[place : place + STEP] as part:
                sent = os.writev(self.fd, (head, part) if head else (part,))
            self.accepted += sent
            self._burst += sent
            if head:
                self._head = head[sent:]
                sent = max(0, sent - len(head))
            self._offset += sent
            place += sent
            if monotonic() > until:
                return

    def _put_last(self) -> _Step | None:
        """Read the last bytes, see to it that they may be sent, and send what goes; why nothing of them can be.

        They are read again when more can go: that costs less than to keep them for each slow client.
        """
        view = scratch(self._end - self._offset)
        if os.preadv(self._file, (view,), self._offset) < len(view):
            return _Step.SHORT
        if self._check is not None:
            try:
                self._check()
            except Exception as exc:
                raise BrokenTransfer(f"{type(exc).__name__}: {exc}") from exc
        self._put(view, inf)
        return None

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
        window = (self._file, min(self._last - self._offset, COPY_WINDOW), self._offset)
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
        if not self._watch():
            self._burst = 0
            await asyncio.sleep(NO_WATCH)
            return self._step() if callback == self._on_writable else _Step.MORE
        self.loop.add_writer(self.watched, callback)
        try:
            step = await self._wait()
        finally:
            if self.watched >= 0:
                self.loop.remove_writer(self.watched)
        return step if isinstance(step, _Step) else _Step.MORE

    def _watch(self) -> bool:
        """Have a descriptor to watch; False if there is none left."""
        if self.watched < 0:
            with suppress(OSError):
                self.watched = os.dup(self.fd)
        return self.watched >= 0

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
