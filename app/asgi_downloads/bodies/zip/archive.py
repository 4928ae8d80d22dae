"""A ZIP archive of a directory as a body: a known length, a validator, and any range of its bytes.

Headers are made, stored members are slices of files, deflated members are packed again. Nothing is sent of a
member that is not as it was listed; CRC-32s that are not known yet are computed shortly before they are needed.
"""

import asyncio
import hashlib
import os
import threading
from array import array
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from functools import partial
from typing import Self, TypeVar

from asgi_downloads.bodies.base import FileSlice, Piece
from asgi_downloads.bodies.in_order import PARALLEL, Ready, in_order
from asgi_downloads.bodies.zip.deflate import BLOCK, WHOLE, pack_block
from asgi_downloads.bodies.zip.members import UNKNOWN, Members, Stop, Stopped, advance_crc, scratch
from asgi_downloads.bodies.zip.names import archive_paths
from asgi_downloads.bodies.zip.records import DEFLATED, Entry, Layout
from asgi_downloads.http.message import ByteRange
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.checksums import Checksum, Checksums, Known
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.threads import in_thread

VERSION = 2
"""Of the layout, the naming and the packing. Any change that alters the bytes of an archive raises it."""

COPIED = 1 << 18
"""Stored members up to this many bytes are copied, many at a time; larger ones are slices of their file."""

_RUN_BYTES = 1 << 20
_AT_ONCE = 1 << 18
"""Bytes that are copied on the event loop in one go, when all of them are in memory: a tenth of a millisecond."""

_RUN_MEMBERS = 512
_MEMBER_COST = 1 << 16
_MOST_AT_STAKE = 1 << 25
"""Bytes whose CRCs may be lost when the process is killed, a member counting for `_MEMBER_COST` more."""

_RECORDS = 4096
_TAIL = 1 << 16

Bytes = TypeVar("Bytes", bytes, memoryview)
Tags = tuple[bytes | None, bytes | None]
Job = Callable[[], "bytes | _LargeMember"]
Read = Callable[[int, memoryview, int], int | None]
"""See `Members.read_into`."""


class Archive:
    """The plan of an archive: listing, layout and what is known of CRCs; shared by the requests for it."""

    def __init__(self, listing: Listing, known: Known, checksums: Checksums, form: str = "") -> None:
        self.listing = listing
        self.form = form
        self._checksums = checksums
        self._crcs = array("q", [UNKNOWN]) * len(listing)
        self._deflated = bytearray(len(listing))
        self._blocks: dict[int, array[int]] = {}
        self.layout = Layout()
        for index, name in enumerate(archive_paths(listing.paths)):
            self._add(index, name, known.get(index))
        self._locks = tuple(threading.Lock() for _ in range(16))
        self._partial: dict[int, tuple[int, int]] = {}
        self._fresh: list[int] = []
        self._at_stake = 0
        self._content_tag: bytes | None = None
        self._state_tag: bytes | None = None

    def _add(self, index: int, name: str, checksum: Checksum | None) -> None:
        entry = entry_of(name, self.listing, index, checksum)
        if name.endswith("/"):
            self._crcs[index] = 0
        elif checksum is not None:
            self._crcs[index] = checksum.crc
            if entry.method == DEFLATED:
                self._deflated[index] = True
                if len(blocks := array("I", checksum.blocks)) > 1:
                    self._blocks[index] = blocks
        self.layout.add(entry, checksum.crc if checksum is not None else 0)

    @property
    def size(self) -> int:
        """Length of the archive in bytes."""
        return self.layout.size

    def is_deflated(self, index: int) -> bool:
        return self._deflated[index] == 1

    def packs(self, first: int, last: int) -> bool:
        """Whether any of the members `[first, last)` is deflated."""
        return self._deflated.find(1, first, last) >= 0

    def blocks(self, index: int) -> "array[int] | None":
        """The lengths of the blocks of a deflated member that has more than one."""
        return self._blocks.get(index)

    def known_crc(self, index: int) -> int:
        """The CRC-32 of a member, or `UNKNOWN`."""
        return self._crcs[index]

    def learn(self, index: int, crc: int) -> None:
        """Take a member's CRC for known. It is kept beyond this archive at the next `keep`, or when many are."""
        self.layout.set_crc(index, crc)
        self._crcs[index] = crc
        self._fresh.append(index)
        self._at_stake += self.listing.size(index) + _MEMBER_COST
        if self._at_stake >= _MOST_AT_STAKE:
            self.keep()

    def keep(self) -> None:
        """Keep what was learned."""
        if not self._fresh:
            return
        fresh, self._fresh, self._at_stake = self._fresh, [], 0
        self._checksums.remember(self.listing, [(index, Checksum(self._crcs[index])) for index in fresh], self.form)

    def crc(self, members: Members, index: int, stop: Stop) -> int:
        """The CRC-32 of a member, computed and learned if need be; blocks. Requests for the same share the work.

        Raises `FileChanged` when the member is not as listed, `Stopped` when told to stop.
        """
        if self._crcs[index] != UNKNOWN:
            return self._crcs[index]
        lock = self._locks[index % len(self._locks)]
        while not lock.acquire(timeout=0.05):
            if stop.is_set():
                raise Stopped
        try:
            if self._crcs[index] == UNKNOWN:
                self.learn(index, self._compute(members, index, stop))
            return self._crcs[index]
        finally:
            lock.release()

    def _compute(self, members: Members, index: int, stop: Stop) -> int:
        size = self.listing.size(index)
        with members.open(index) as file:
            position, crc = advance_crc(file, size, *self._partial.pop(index, (0, 0)), stop)
            now = os.fstat(file.fd)
        if not members.is_listed(index, now):  # no validator has been given out without its CRC
            raise FileChanged
        if position < size:
            self._partial[index] = position, crc
            raise Stopped
        return crc

    async def prepare(self, directory: Directory, patience: float | None) -> None:
        """Compute the CRCs that are not known, for `patience` seconds if it is not None; what is done is kept.

        Raises `FileChanged` when a member is not as listed any more.
        """
        unknown = [index for index, crc in enumerate(self._crcs) if crc == UNKNOWN]
        if not unknown:
            return
        end = Stop()
        timer = None if patience is None else asyncio.get_running_loop().call_later(patience, end.set)
        members = Members(directory, self.listing)
        try:
            async with aclosing(in_order(self._prepare_jobs(members, unknown, end), end, PARALLEL)) as done:
                async for _ in done:
                    pass
        finally:
            if timer is not None:
                timer.cancel()
            self.keep()

    def _prepare_jobs(self, members: Members, indexes: list[int], end: Stop) -> Iterator[Callable[[], None]]:
        first = 0
        while first < len(indexes) and not end.is_set():
            after, content = first, 0
            while after < min(first + _RUN_MEMBERS, len(indexes)) and content < _RUN_BYTES:
                content += self.listing.size(indexes[after])
                after += 1
            yield partial(self._prepare, members, indexes[first:after], end)
            first = after

    def _prepare(self, members: Members, indexes: list[int], end: Stop) -> None:
        with suppress(Stopped):
            for index in indexes:
                if end.is_set():
                    break
                self.crc(members, index, end)

    @property
    def known_tags(self) -> Tags | None:
        """What `tags` gives, if both were made before."""
        found = self._content_tag, self._state_tag
        return None if None in found else found

    def tags(self) -> Tags:
        """Two strong validators, of the content and of the files' state; blocks.

        The first is from the central directory, which has every name, size, CRC, time, mode and method: alike on
        every replica, None until all CRCs are known. The second is from the facts that stored files have theirs
        from: known at once and true on this machine, None while a member may change without showing it.
        """
        if self._content_tag is None and min(self._crcs, default=0) != UNKNOWN:
            digest = _digest(self.form)
            digest.update(self.layout.directory(0, len(self.layout)))
            digest.update(self.layout.end)
            self._content_tag = b'"z-%s"' % digest.hexdigest().encode()
        if self._state_tag is None and self.listing.all_settled():
            digest = _digest(self.form)
            digest.update(self.listing.fingerprint())
            self._state_tag = b'"s-%s"' % digest.hexdigest().encode()
        return self._content_tag, self._state_tag


def entry_of(name: str, listing: Listing, index: int, checksum: Checksum | None = None) -> Entry:
    """The member that a listed file becomes: stored, unless its checksum says in which blocks it is packed."""
    _, _, size, mtime_ns, _, mode = listing.facts(index)
    encoded = name.encode()
    mtime = mtime_ns // 1_000_000_000
    if name.endswith("/"):
        return Entry(encoded, 0, 0, mtime, mode)
    if checksum is None or not checksum.blocks:
        return Entry(encoded, size, size, mtime, mode)
    return Entry(encoded, size, sum(array("I", checksum.blocks)), mtime, mode, DEFLATED, size > WHOLE)


def _digest(form: str) -> hashlib.blake2b:
    return hashlib.blake2b(f"{VERSION} {form}\n".encode(), digest_size=16)


class ZipBody:
    """An archive as the content of one response; `directory` stays open as long as this is used."""

    __slots__ = ("_archive", "_layout", "_members")

    def __init__(self, archive: Archive, directory: Directory) -> None:
        self._archive = archive
        self._layout = archive.layout
        self._members = Members(directory, archive.listing)

    def at_hand(self, start: int, stop: int) -> bytes | None:
        """See `Body`: what lies in one stored member, or in a few small ones, that the kernel has in memory."""
        layout, wanted = self._layout, ByteRange(start, stop)
        index = layout.entry_at(start)
        if index == len(layout):
            return None
        if self._is_small(index):
            after = self._run_end(index, stop, _AT_ONCE)
            return self._run_now(index, after, wanted) if stop <= layout.starts[after] else None
        if stop > layout.starts[index + 1] or self._archive.is_deflated(index):
            return None
        member = self._open_now(index, wanted)
        if member is None:
            return None
        with member:
            content = member.file.read_cached(member.start, member.stop - member.start)
            same = self._members.listing.matches(index, os.fstat(member.file.fd))
        return member.head + content if content is not None and same else None

    async def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
        """See `Body`; raises `FileChanged` before the last bytes of a member that is not the listed one any more."""
        held = b""  # short bytes go out with what comes next
        async with aclosing(self._parts(ByteRange(start, stop))) as parts:
            async for part in parts:
                if isinstance(part, FileSlice):
                    if held:
                        yield held
                    yield part
                    held = b""
                    continue
                held = held + part if held else part
                if len(held) > _TAIL:
                    yield held
                    held = b""
        if held:
            yield held

    async def _parts(self, wanted: ByteRange) -> AsyncGenerator[Piece]:
        end = Stop()
        try:
            async with aclosing(in_order(self._jobs(wanted, end), end)) as made:
                async for part in made:
                    if isinstance(part, bytes):
                        yield part
                        continue
                    with part:
                        yield part.head
                        if part.start < part.tail:
                            yield FileSlice(part.file, part.start, part.tail - part.start)
                        yield await self._read_tail(part, end)
        finally:
            self._archive.keep()

    async def _read_tail(self, part: "_LargeMember", end: Stop) -> bytes:
        """The last bytes wanted of a member, copied, and after that the proof that it is still the same."""
        tail = part.file.read_cached(part.tail, part.stop - part.tail)
        if tail is None:
            tail = await part.file.read(part.tail, part.stop - part.tail)
        if not self._members.listing.matches(part.index, os.fstat(part.file.fd)):
            await in_thread(self._members.verify, part.index, part.file, part.crc, end)
        return tail

    def _jobs(self, wanted: ByteRange, end: Stop) -> "Iterator[Job | Ready[bytes | _LargeMember]]":
        """Blocking jobs that make the bytes wanted, in order, none of them large but `_LargeMember`s."""
        layout = self._layout
        index = layout.entry_at(wanted.start)
        while index < len(layout) and layout.starts[index] < wanted.stop:
            if self._is_small(index):
                after = self._run_end(index, wanted.stop, _AT_ONCE)
                run = self._run_now(index, after, wanted)
                if run is None:
                    after = self._run_end(index, wanted.stop, _RUN_BYTES)
                    yield partial(self._run, index, after, wanted)
                else:
                    yield Ready(run)
                index = after
                continue
            if blocks := self._archive.blocks(index):
                yield from self._block_jobs(index, blocks, wanted)
            elif member := self._open_now(index, wanted):
                yield Ready(member)
            else:
                yield partial(self._open, index, wanted, end)
            index += 1
        yield from self._directory_jobs(wanted, end)

    def _is_small(self, index: int) -> bool:
        """Whether the member is read, or packed, whole and copied."""
        if self._archive.is_deflated(index):
            return self._archive.blocks(index) is None
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

    def _run_now(self, first: int, last: int, wanted: ByteRange) -> bytes | None:
        """What `_run` gives, if that needs neither the disk nor packing."""
        if not beneath.HAS_CACHED or self._archive.packs(first, last):
            return None
        return self._make_run(first, last, wanted, self._members.read_cached)

    def _run(self, first: int, last: int, wanted: ByteRange) -> bytes:
        run = self._make_run(first, last, wanted, self._members.read_into)
        assert run is not None
        return run

    def _make_run(self, first: int, last: int, wanted: ByteRange, read: Read) -> bytes | None:
        """Headers and data of small members, read by `read`; None when that gives None."""
        archive, layout, listing = self._archive, self._layout, self._members.listing
        starts, packs = layout.starts, archive.packs(first, last)
        origin = starts[first]
        run = scratch(starts[last] - origin)
        start = 0
        for index in range(first, last):
            header = layout.header(index)
            data_start, stop = start + len(header), starts[index + 1] - origin
            data = run[data_start:stop]
            announced = archive.known_crc(index)
            if packs and archive.is_deflated(index):
                content = memoryview(bytearray(listing.size(index)))
                read(index, content, announced)
                data[:] = _repack(content, len(data), last=True)
            elif not listing.paths[index].endswith("/"):
                crc = read(index, data, announced)
                if crc is None:
                    return None
                if announced == UNKNOWN:
                    archive.learn(index, crc)
                    header = layout.header(index)  # has the CRC now
            run[start:data_start] = header
            start = stop
        return bytes(_cut(run, origin, wanted))

    def _open_now(self, index: int, wanted: ByteRange) -> "_LargeMember | None":
        """What `_open` gives, if that needs neither a CRC nor the disk."""
        if self._archive.known_crc(index) == UNKNOWN:
            return None
        file = self._members.open_cached(index)
        return None if file is None else self._large(index, file, wanted)

    def _open(self, index: int, wanted: ByteRange, end: Stop) -> "_LargeMember":
        archive = self._archive
        if wanted.start < self._layout.data_start(index):
            archive.crc(self._members, index, end)
        file = self._members.open(index)
        try:
            self._members.verify(index, file, archive.known_crc(index), end)
        except BaseException:
            file.close()
            raise
        return self._large(index, file, wanted)

    def _large(self, index: int, file: OpenFile, wanted: ByteRange) -> "_LargeMember":
        layout = self._layout
        data_start = layout.data_start(index)
        start = max(wanted.start - data_start, 0)
        stop = max(min(wanted.stop, layout.starts[index + 1]) - data_start, start)
        head = _cut(layout.header(index), layout.starts[index], wanted)
        return _LargeMember(file, index, self._archive.known_crc(index), head, start, stop)

    def _block_jobs(self, index: int, blocks: "array[int]", wanted: ByteRange) -> Iterator[Job]:
        """One job for each block of a large deflated member that has bytes wanted."""
        layout = self._layout
        if head := _cut(layout.header(index), layout.starts[index], wanted):
            yield partial(bytes, head)
        position = layout.data_start(index)
        for number, length in enumerate(blocks):
            if position < wanted.stop and position + length > wanted.start:
                yield partial(self._block, index, number, length, position, wanted)
            position += length
        if foot := _cut(layout.descriptor(index), position, wanted):
            yield partial(bytes, foot)

    def _block(self, index: int, number: int, length: int, position: int, wanted: ByteRange) -> bytes:
        offset = number * BLOCK
        left = self._members.listing.size(index) - offset
        data = scratch(min(BLOCK, left))
        self._members.read_part(index, data, offset)
        return _cut(_repack(data, length, last=left <= BLOCK), position, wanted)

    def _directory_jobs(self, wanted: ByteRange, end: Stop) -> Iterator[Job]:
        layout = self._layout
        if wanted.stop <= layout.directory_start:
            return
        first = max(layout.record_at(wanted.start), 0)
        last = min(layout.record_at(wanted.stop - 1) + 1, len(layout))
        for index in range(first, last, _RECORDS):
            yield partial(self._directory, index, min(index + _RECORDS, last), wanted, end)
        if foot := _cut(layout.end, layout.size - len(layout.end), wanted):
            yield partial(bytes, foot)

    def _directory(self, first: int, last: int, wanted: ByteRange, end: Stop) -> bytes:
        archive, layout = self._archive, self._layout
        for index in range(first, last):
            archive.crc(self._members, index, end)
        return _cut(layout.directory(first, last), layout.directory_start + layout.records[first], wanted)


class _LargeMember:
    """An open member: the header to send before it, which of its bytes are wanted, from where they are copied."""

    __slots__ = ("crc", "file", "head", "index", "start", "stop", "tail")

    def __init__(self, file: OpenFile, index: int, crc: int, head: bytes, start: int, stop: int) -> None:
        self.file = file
        self.index = index
        self.crc = crc
        self.head = head
        self.start = start
        self.stop = stop
        self.tail = max(start, stop - _TAIL)

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _repack(data: memoryview, length: int, *, last: bool) -> bytes:
    """A block as it was announced. Raises `FileChanged` if it comes out otherwise."""
    packed = pack_block(data, last=last)
    if len(packed) != length:
        raise FileChanged
    return packed


def _cut(data: Bytes, position: int, wanted: ByteRange) -> Bytes:
    """What is wanted of the bytes that lie at `position` of the archive."""
    if wanted.start <= position and position + len(data) <= wanted.stop:
        return data
    return data[max(wanted.start - position, 0) : max(wanted.stop - position, 0)]
