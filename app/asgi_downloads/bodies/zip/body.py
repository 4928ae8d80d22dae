"""An archive as a body: any range of its bytes. Headers are made, stored members are slices of files, deflated ones are
packed again.

Nothing is sent of a member that is not as it was listed; CRC-32s that are not known yet are computed shortly before
they are needed.
"""

from array import array
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, closing, suppress
from functools import partial
from typing import Protocol, TypeVar, TypeVarTuple

from asgi_downloads.bodies.base import Body, Piece
from asgi_downloads.bodies.in_order import Given, Job, Ready, in_order
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.bodies.zip.deflate import BLOCK
from asgi_downloads.bodies.zip.layout import RECORDS
from asgi_downloads.bodies.zip.members import UNKNOWN, Read
from asgi_downloads.bodies.zip.object_members import members_of
from asgi_downloads.bodies.zip.packed import pack_again
from asgi_downloads.http.message import ByteRange
from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.openfile import scratch
from asgi_downloads.storage.threads import in_thread

COPIED = 1 << 18
"""Stored members up to this many bytes are copied, many at a time; larger ones are slices of their file."""

_RUN_BYTES, _RUN_MEMBERS = 1 << 20, 512
"""Of small members that are read in one job."""

_AT_ONCE = 1 << 18
"""Bytes that are copied on the event loop in one go, when all of them are in memory: a tenth of a millisecond."""

_TAIL = 1 << 16
"""Bytes up to which what is short waits for what comes next."""

Bytes = TypeVar("Bytes", bytes, memoryview)
Args = TypeVarTuple("Args")


class Source(Body, Protocol):
    """The content of a member, to be closed."""

    def close(self) -> None: ...


class Large:
    """A stored member of which bytes `[start, stop)` go through, and the wanted part of its header."""

    __slots__ = ("head", "source", "start", "stop")

    def __init__(self, head: bytes, source: Source, start: int, stop: int) -> None:
        self.head = head
        self.source = source
        self.start = start
        self.stop = stop

    def close(self) -> None:
        self.source.close()


Part = bytes | Large


class ZipBody:
    """An archive as the content of one response; `directory` stays open as long as this is used."""

    __slots__ = ("_archive", "_directory", "_layout", "_members")

    parallel = 1
    """Jobs at a time."""

    def __init__(self, archive: Archive, directory: AnyDirectory) -> None:
        self._archive = archive
        self._directory = directory
        self._layout = archive.layout
        self._members = members_of(directory, archive.listing)

    def at_hand(self, start: int, stop: int) -> bytes | None:
        """Bytes `[start, stop)` if one stored member has them, or a few small ones, that the kernel has in memory."""
        layout, wanted = self._layout, ByteRange(start, stop)
        index = layout.entry_at(start)
        if index == len(layout):
            return None
        if self._is_small(index):
            after = self._run_end(index, stop, _AT_ONCE)
            return self._run_cached(index, after, wanted) if stop <= layout.starts[after] else None
        if stop > layout.starts[index + 1] or index in self._archive.packed:
            return None
        part = self._open_cached(index, wanted)
        if part is None:
            return None
        with closing(part), suppress(FileChanged):
            content = part.source.at_hand(part.start, part.stop)
            return None if content is None else part.head + content
        return None

    async def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
        """Bytes `[start, stop)`, in order. A member that is not the listed one any more raises `FileChanged`."""
        held = b""  # short bytes go out with what comes next
        try:
            async with aclosing(in_order(self._jobs(ByteRange(start, stop)), self.parallel)) as parts:
                async for part in parts:
                    held += part if isinstance(part, bytes) else part.head
                    if isinstance(part, Large):
                        with closing(part):
                            if held:
                                yield held
                            if part.start < part.stop:
                                async with aclosing(part.source.pieces(part.start, part.stop)) as pieces:
                                    async for piece in pieces:
                                        yield piece
                        held = b""
                    elif len(held) > _TAIL:
                        yield held
                        held = b""
            if held:
                yield held
        finally:
            self._archive.keep()

    def _jobs(self, wanted: ByteRange) -> Iterator[Given[Part]]:
        """Jobs that make the bytes wanted, in order; what is large in them is left in its file."""
        layout = self._layout
        index = layout.entry_at(wanted.start)
        while index < len(layout) and layout.starts[index] < wanted.stop:
            after = index + 1
            if self._is_small(index):
                after = self._run_end(index, wanted.stop, _AT_ONCE)
                run = self._run_cached(index, after, wanted)
                if run is not None:
                    yield Ready(run)
                else:
                    after = self._run_end(index, wanted.stop, _RUN_BYTES)
                    yield partial(self._in_thread, self._run_blocking, index, after, wanted)
            elif lengths := self._archive.packed.get(index):
                yield from self._block_jobs(index, lengths, wanted)
            elif part := self._open_cached(index, wanted):
                yield Ready(part)
            else:
                yield partial(self._open, index, wanted)
            index = after
        yield from self._directory_jobs(wanted)

    def _is_small(self, index: int) -> bool:
        """Whether the member is read, or packed, whole and copied."""
        if lengths := self._archive.packed.get(index):
            return len(lengths) == 1
        return self._layout.starts[index + 1] - self._layout.starts[index] <= COPIED

    def _run_end(self, first: int, stop: int, most: int) -> int:
        """Up to where small members make one job of at most so many bytes, or of one member."""
        starts = self._layout.starts
        index, limit = first + 1, min(first + _RUN_MEMBERS, len(self._layout))
        while index < limit and starts[index] < stop and starts[index + 1] - starts[first] <= most:
            if not self._is_small(index):
                break
            index += 1
        return index

    def _run_cached(self, first: int, last: int, wanted: ByteRange) -> bytes | None:
        """Headers and data of small members, if that needs neither the disk nor packing."""
        return None if self._archive.packed else self._make_run(first, last, wanted, self._members.read_cached)

    def _run_blocking(self, first: int, last: int, wanted: ByteRange) -> bytes:
        run = self._make_run(first, last, wanted, self._members.read_blocking)
        assert run is not None
        return run

    def _make_run(self, first: int, last: int, wanted: ByteRange, read: Read) -> bytes | None:
        """Headers and data of small members, read by `read`; None when that gives None."""
        archive, layout, listing = self._archive, self._layout, self._members.listing
        starts, packed = layout.starts, archive.packed
        origin = starts[first]
        run = scratch(starts[last] - origin)
        start = 0
        for index in range(first, last):
            header = layout.header(index)
            data_start, stop = start + len(header), starts[index + 1] - origin
            data = run[data_start:stop]
            announced = archive.known_crc(index)
            if index in packed:
                content = memoryview(bytearray(listing.size(index)))
                read(index, content, announced)
                data[:] = pack_again(content, len(data), last=True)
            elif not listing.paths[index].endswith("/"):
                crc = read(index, data, announced)
                if crc is None:
                    return None
                if announced == UNKNOWN:
                    archive.learn(index, crc)
                    header = layout.header(index)  # has the CRC now
            run[start:data_start] = header
            start = stop
        return bytes(cut(run, origin, wanted))

    async def _in_thread(self, make: Callable[[*Args], bytes], *args: *Args) -> bytes:
        """Reading has many threads; packing few, as it keeps a core busy."""
        limiter = self._archive.resources.packers if self._archive.packed else None
        return await in_thread(make, *args, limiter=limiter)

    def _open_cached(self, index: int, wanted: ByteRange) -> Large | None:
        """A large member, if that needs neither a CRC nor the disk."""
        if self._archive.known_crc(index) == UNKNOWN:
            return None
        file = self._members.open_cached(index)
        return None if file is None else self._large(index, StoredFile(file), wanted)

    async def _open(self, index: int, wanted: ByteRange) -> Large:
        if wanted.start < self._layout.data_start(index):  # its header is wanted, which has the CRC
            await self._archive.compute(self._directory, (index,))
        file = await in_thread(self._members.open_blocking, index)
        try:
            await self._archive.verify(index, file)
        except BaseException:
            file.close()
            raise
        return self._large(index, StoredFile(file), wanted)

    def _large(self, index: int, source: Source, wanted: ByteRange) -> Large:
        layout = self._layout
        data_start = layout.data_start(index)
        start = max(wanted.start - data_start, 0)
        stop = max(min(wanted.stop, layout.starts[index + 1]) - data_start, start)
        head = cut(layout.header(index), layout.starts[index], wanted)
        return Large(head, source, start, stop)

    def _block_jobs(self, index: int, lengths: "array[int]", wanted: ByteRange) -> Iterator[Job[Part] | Ready[Part]]:
        """One job for each block of a large deflated member that has bytes wanted."""
        layout = self._layout
        yield Ready(cut(layout.header(index), layout.starts[index], wanted))
        position = layout.data_start(index)
        for number, length in enumerate(lengths):
            if position < wanted.stop and position + length > wanted.start:
                yield partial(self._in_thread, self._block_blocking, index, number, length, position, wanted)
            position += length
        yield Ready(cut(layout.descriptor(index), position, wanted))

    def _block_blocking(self, index: int, number: int, length: int, position: int, wanted: ByteRange) -> bytes:
        offset = number * BLOCK
        left = self._members.listing.size(index) - offset
        data = scratch(min(BLOCK, left))
        self._members.read_part_blocking(index, data, offset)
        return cut(pack_again(data, length, last=left <= BLOCK), position, wanted)

    def _directory_jobs(self, wanted: ByteRange) -> Iterator[Given[Part]]:
        layout = self._layout
        if wanted.stop <= layout.directory_start:
            return
        first = max(layout.record_at(wanted.start), 0)
        last = min(layout.record_at(wanted.stop - 1) + 1, len(layout))
        for index in range(first, last, RECORDS):
            yield partial(self._records, index, min(index + RECORDS, last), wanted)
        yield Ready(cut(layout.end, layout.size - len(layout.end), wanted))

    async def _records(self, first: int, last: int, wanted: ByteRange) -> bytes:
        layout = self._layout
        await self._archive.compute(self._directory, range(first, last))
        return cut(layout.directory(first, last), layout.directory_start + layout.records[first], wanted)


def cut(data: Bytes, position: int, wanted: ByteRange) -> Bytes:
    """What is wanted of the bytes that lie at `position` of the archive."""
    if wanted.start <= position and position + len(data) <= wanted.stop:
        return data
    return data[max(wanted.start - position, 0) : max(wanted.stop - position, 0)]
