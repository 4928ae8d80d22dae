"""The sending side of one connection: every byte of an answer passes here, in order, with back-pressure."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

from uvicorn.protocols.utils import ClientDisconnected

STEP = 1 << 20
"""The most bytes that are sent in one call, and of messages in one turn of the loop; then the others have theirs."""

MESSAGE_COST = 4096
"""What a message counts towards `STEP` besides its bytes, so that many small ones also leave turns to others."""

Buffer = bytes | bytearray | memoryview


class Wire:
    """What both kinds of connection share: the account of what was accepted and the watch for stalls."""

    in_flight: int | None = None
    """Bytes that the client may not have read although they were sent; None where files cannot be sent."""
    watched = -1
    """A duplicate of the socket's descriptor, while one is needed to wait with."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, on_wait: Callable[[], None]):
        self.transport = transport
        self.loop = loop
        self.on_wait = on_wait
        self.gone = False
        self.accepted = 0
        """Bytes that the socket (or, over TLS, the transport) has taken, of all answers."""
        self.waiter: asyncio.Future[object] | None = None
        self._burst = 0
        self._seen = (0, 0)
        self._since = 0.0

    def try_send(self, parts: Sequence[Buffer]) -> int:
        """Send what goes at once of the parts together; how many bytes that were. Raises `ClientDisconnected`."""
        raise NotImplementedError

    def put(self, answer: bytes) -> int:
        """Send a small, whole answer, perhaps as this turn ends; how much was taken. Raises `ClientDisconnected`."""
        return self.try_send((answer,))

    def hand_over(self) -> None:
        """Give the transport what was put and is not sent yet: it is written to, or closed, next."""

    async def send_rest(self, parts: Sequence[Buffer], sent: int) -> None:
        """Send all of the parts but the first `sent` bytes, waiting for the client. Raises `ClientDisconnected`."""
        raise NotImplementedError

    async def send(self, parts: Sequence[Buffer]) -> None:
        """Send all of the parts, waiting for the client as needed. Raises `ClientDisconnected`."""
        await self.send_rest(parts, self.try_send(parts))

    async def share(self, sent: int) -> None:
        """Let other connections have a turn when this one has sent much without waiting."""
        self._burst += sent + MESSAGE_COST
        if self._burst >= STEP:
            self._burst = 0
            await asyncio.sleep(0)
            if self.gone:
                raise ClientDisconnected

    def pending(self) -> bool:
        """Whether the client is being waited for."""
        return self.waiter is not None or self._queued() > 0

    def _queued(self) -> int:
        """Bytes that the transport still holds."""
        try:
            return self.transport.get_write_buffer_size()
        except AttributeError:  # asyncio's TLS transport has let go of its buffer when it was closed twice
            return 0

    def stalled_for(self, now: float) -> float:
        """Seconds without any progress; bytes that the peer has acknowledged count as progress."""
        seen = self._state()
        if seen != self._seen:
            self._seen = seen
            self._since = now
        return now - self._since

    def _state(self) -> tuple[int, int]:
        """What changes whenever the client takes something."""
        return self.accepted - self._queued(), 0

    def lose(self) -> None:
        """The connection is gone or about to go: whoever waits is woken, and nothing more is sent."""
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def release(self) -> None:
        """Give back what waiting needed; at the end of each answer."""

    async def _wait(self) -> object:
        self._burst = 0
        waiter = self.waiter = self.loop.create_future()
        self._since = monotonic()
        self._seen = self._state()
        self.on_wait()
        try:
            result: object = await waiter
        finally:
            self.waiter = None
        if self.gone:
            raise ClientDisconnected
        return result


class TransportWire(Wire):
    """Over TLS, where only the transport can send: with its own buffer and its own back-pressure."""

    paused = False

    def try_send(self, parts: Sequence[Buffer]) -> int:
        if self.gone:
            raise ClientDisconnected
        if self.paused:
            return 0
        self.transport.writelines(parts)
        sent = sum(map(len, parts))
        self.accepted += sent
        return sent

    async def send_rest(self, parts: Sequence[Buffer], sent: int) -> None:
        if sent:
            return  # The transport takes all or nothing.
        while self.paused:
            await self._wait()
        self.try_send(parts)

    async def share(self, sent: int) -> None:
        # The transport has taken the message whole; the next one is not made before this one has mostly gone.
        while self.paused and not self.gone:
            await self._wait()
        await super().share(sent)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._wake()
