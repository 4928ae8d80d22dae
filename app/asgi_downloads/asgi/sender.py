"""Planned content as the events that carry it. The one place that decides what is copied, and when files are looked at.

sendfile(2) hands out references to pages of a file: until the client has read them, an edit in place would reach it.
What was accepted more than `in_flight` bytes ago has left every queue between us and it. So a file that went by
reference stays open and is looked at once so much more was accepted, and what lies nearer to the end of the answer
than that is copied: when its last bytes are due, all that went by reference has arrived or is seen to be unchanged.
"""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from asgi_downloads.asgi.extensions import SLICE, Slice
from asgi_downloads.asgi.types import Message
from asgi_downloads.bodies.base import Body, FileSlice
from asgi_downloads.http.message import Plan
from asgi_downloads.storage.files.openfile import OpenFile

COPIED = 1 << 20
"""Bytes up to which a slice is copied: the look at the file costs as much as copying so few."""

LAST_BLOCK = 1 << 20
"""As many bytes as a block has at most: the last one is not accepted yet when the last look is taken."""


class Sender:
    """The events of one answer. `in_flight` as the server announced it, None if it takes no slices."""

    def __init__(self, plan: Plan, body: Body, in_flight: int | None, chunk_size: int) -> None:
        self._plan = plan
        self._body = body
        self._chunk_size = chunk_size
        self._total = sum(map(len, plan.segments))
        self._by_reference_until = 0 if in_flight is None else self._total - in_flight - LAST_BLOCK
        self._in_flight = in_flight or 0
        self._takes_slices = in_flight is not None
        self._position = 0
        """Bytes of content in all events so far; who asks for another event has had those accepted."""
        self._lent: deque[tuple[int, OpenFile]] = deque()
        """Files of which pages may be on their way, each with the position behind its last one."""

    async def events(self) -> AsyncGenerator[Message]:
        """Body events with `more_body`, each to be sent before the next is asked for.

        Raises `FileChanged` instead of the last bytes of content that is not of one state of its files.
        """
        try:
            for segment in self._plan.segments:
                if isinstance(segment, bytes):
                    yield self._block(segment)
                    continue
                async with aclosing(self._body.pieces(segment.start, segment.stop)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, bytes):
                            yield self._block(piece)
                            continue
                        async with aclosing(self._slice(piece)) as events:
                            async for event in events:
                                yield event
        finally:
            while self._lent:
                self._lent.popleft()[1].close()

    async def _slice(self, piece: FileSlice) -> AsyncGenerator[Message]:
        file, offset, stop = piece.file, piece.offset, piece.offset + piece.count
        count = min(piece.count, self._by_reference_until - self._position)
        if count > COPIED:
            slice_ = Slice(file.fd, offset, count)
            yield {"type": "http.response.body", "body": b"", "more_body": True, SLICE: slice_}
            if slice_.taken:
                offset += count
                self._position += count
                self._lent.append((self._position, file.hold()))
            else:  # whoever stands between has not passed it on
                self._by_reference_until = 0
                self._takes_slices = False
        if offset < stop and self._takes_slices:
            slice_ = Slice(file.fd, offset, stop - offset, partial(self._look, file, self._position + stop - offset))
            yield {"type": "http.response.body", "body": b"", "more_body": True, SLICE: slice_}
            if slice_.taken:
                self._position += stop - offset
                return
            self._takes_slices = False
        while offset < stop:
            count = min(self._chunk_size, stop - offset)
            data = file.read_cached(offset, count)
            if data is None:
                data = await file.read(offset, count)
            offset += count
            if offset == stop:
                file.check()
            yield self._block(data)

    def _look(self, file: OpenFile, position: int) -> None:
        """Raise `FileChanged` where the bytes before `position`, the last of a slice, are not to be sent."""
        file.check()
        self._look_at_lent(position, self._position)

    def _look_at_lent(self, position: int, accepted: int) -> None:
        """Look at the lent files that have been read; at all of them when the bytes before `position` are the last.

        `accepted` bytes have left before those. Raises `FileChanged`.
        """
        while self._lent and (position == self._total or self._lent[0][0] + self._in_flight <= accepted):
            _, file = self._lent.popleft()
            with file:
                file.check()

    def _block(self, content: bytes) -> Message:
        """An event with these bytes; raises `FileChanged` where they would complete content that has changed."""
        accepted = self._position
        self._position += len(content)
        self._look_at_lent(self._position, accepted)
        return {"type": "http.response.body", "body": content, "more_body": True}
