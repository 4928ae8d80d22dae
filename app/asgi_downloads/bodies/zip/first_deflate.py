"""The first deflated download of a directory: blocks without a known length, and what is learned on the way.

The bytes are those that `ZipBody` gives for the same archive once every block's length is known.
"""

import os
from array import array
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial
from typing import NamedTuple, Self

from asgi_downloads.bodies.in_order import PARALLEL, in_order
from asgi_downloads.bodies.zip.archive import entry_of
from asgi_downloads.bodies.zip.crc32 import combine, crc32
from asgi_downloads.bodies.zip.deflate import BLOCK, WHOLE, Packing, pack_block, packed_share, sample_offsets
from asgi_downloads.bodies.zip.members import Members, Stop, advance_crc, scratch
from asgi_downloads.bodies.zip.names import archive_paths
from asgi_downloads.bodies.zip.records import DEFLATED, Entry, Layout, descriptor, local_header
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.checksums import Checksum, Checksums
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.threads import in_thread

_RUN_BYTES = 1 << 20
_RUN_MEMBERS = 64
_PROBED = 1 << 16
_RECORDS = 4096


async def deflate(
    listing: Listing, directory: Directory, packing: Packing, checksums: Checksums
) -> AsyncGenerator[bytes, None]:
    """The archive of a listing, its members deflated as `packing` says; `directory` stays open meanwhile.

    Raises `FileChanged` when a member is no longer the one that was listed.
    """
    stream = _Stream(listing, directory, packing, checksums)
    index = 0
    while index < len(listing):
        first, index = index, stream.next_large(index)
        async with aclosing(stream.small(first, index) if first < index else stream.large(index)) as parts:
            async for part in parts:
                yield part
        index += first == index
    for first in range(0, len(listing), _RECORDS):
        yield stream.layout.directory(first, min(first + _RECORDS, len(listing)))
    yield stream.layout.end


class _Made(NamedTuple):
    """A member, and what was learned of it."""

    entry: Entry
    header: bytes
    checksum: Checksum


class _Run(NamedTuple):
    """All bytes of members that follow each other."""

    data: bytes
    members: list[_Made]


class _Block(NamedTuple):
    data: bytes
    crc: int
    size: int


class _Begun:
    """A large member, open, with its local header; `crc` is in the header, None if it follows the data."""

    __slots__ = ("crc", "file", "header")

    def __init__(self, file: OpenFile, header: bytes, crc: int | None) -> None:
        self.file = file
        self.header = header
        self.crc = crc

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Stream:
    def __init__(self, listing: Listing, directory: Directory, packing: Packing, checksums: Checksums) -> None:
        self.listing = listing
        self.members = Members(directory, listing)
        self.packing = packing
        self.checksums = checksums
        self.names = archive_paths(listing.paths)
        self.layout = Layout()
        self.end = Stop()

    def next_large(self, index: int) -> int:
        """Index of the next member that is too large to be packed before its header is sent."""
        while index < len(self.listing) and self.listing.size(index) <= WHOLE:
            index += 1
        return index

    async def small(self, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Members that are packed whole, many in a job."""
        async with aclosing(in_order(self._runs(first, last), self.end, PARALLEL)) as made:
            async for run in made:
                self._learn(run.members)
                yield run.data

    async def large(self, index: int) -> AsyncGenerator[bytes, None]:
        """One member, packed a block in a job; its last bytes wait for the proof that it has not changed."""
        async with aclosing(in_order([partial(self._begin, index)], self.end)) as beginning:
            async for begun in beginning:
                with begun:
                    held, crc, lengths = begun.header, 0, array("I")
                    jobs = self._blocks(index, begun)
                    async with aclosing(in_order(jobs, self.end, PARALLEL)) as made:
                        async for block in made:
                            if lengths:
                                yield held
                                held = b""
                            held += block.data
                            crc = combine(crc, block.crc, block.size)
                            lengths.append(len(block.data))
                    await in_thread(self.members.verify, index, begun.file, crc, self.end)
                    if begun.crc not in (None, crc):
                        raise FileChanged
                    checksum = Checksum(crc, lengths.tobytes() if begun.crc is None else b"")
                    entry = self._entry(index, checksum)
                    self._learn([_Made(entry, begun.header, checksum)])
                    yield held + descriptor(entry, crc)

    def _entry(self, index: int, checksum: Checksum | None = None) -> Entry:
        return entry_of(self.names[index], self.listing, index, checksum)

    def _learn(self, members: list[_Made]) -> None:
        """Take in the next members, and keep their checksums."""
        found: list[tuple[int, Checksum]] = []
        for entry, header, checksum in members:
            if not entry.name.endswith(b"/"):
                found.append((len(self.layout), checksum))
            self.layout.add(entry, checksum.crc, header)
        self.checksums.remember(self.listing, found, self.packing.form)

    def _runs(self, first: int, last: int) -> Iterator["partial[_Run]"]:
        while first < last:
            after, content = first + 1, self.listing.size(first)
            while after < min(last, first + _RUN_MEMBERS) and content + self.listing.size(after) <= BLOCK:
                content += self.listing.size(after)
                after += 1
            yield partial(self._run, first, after)
            first = after

    def _run(self, first: int, last: int) -> _Run:
        parts: list[bytes] = []
        members: list[_Made] = []
        for index in range(first, last):
            if self.names[index].endswith("/"):
                checksum, packed = Checksum(0), []
            else:
                data = scratch(self.listing.size(index))
                crc = self.members.read_first(index, data)
                packed = self._pack_whole(index, data)
                checksum = Checksum(crc, array("I", map(len, packed)).tobytes())
                packed = packed or [bytes(data)]
            entry = self._entry(index, checksum)
            header = local_header(entry, checksum.crc)
            parts += [header, *packed]
            members.append(_Made(entry, header, checksum))
        return _Run(b"".join(parts), members)

    def _pack_whole(self, index: int, data: memoryview) -> list[bytes]:
        """The blocks of a member, or none if it is to be stored."""
        if not self.packing.considers(self.names[index], len(data)):
            return []
        if len(data) > _PROBED:
            samples = [data[offset : offset + count] for offset, count in sample_offsets(len(data))]
            if packed_share(samples) > self.packing.share:
                return []
        starts = range(0, len(data), BLOCK)
        blocks = [pack_block(data[start : start + BLOCK], last=start + BLOCK >= len(data)) for start in starts]
        return blocks if sum(map(len, blocks)) <= self.packing.share * len(data) else []

    def _begin(self, index: int) -> _Begun:
        entry = self._entry(index)
        file = self.members.open(index)
        try:
            if not self.members.is_listed(index, file.stat):
                raise FileChanged
            if self.packing.considers(self.names[index], entry.size):
                samples = [os.pread(file.fd, count, offset) for offset, count in sample_offsets(entry.size)]
                if packed_share(samples) <= self.packing.share:
                    described = entry._replace(method=DEFLATED, described=True)
                    return _Begun(file, local_header(described, 0), None)
            _, crc = advance_crc(file, entry.size, 0, 0, self.end)
            return _Begun(file, local_header(entry, crc), crc)
        except BaseException:
            file.close()
            raise

    def _blocks(self, index: int, begun: _Begun) -> Iterator["partial[_Block]"]:
        size = self.listing.size(index)
        for offset in range(0, size, BLOCK):
            yield partial(self._block, begun, offset, min(BLOCK, size - offset), last=offset + BLOCK >= size)

    def _block(self, begun: _Begun, offset: int, count: int, *, last: bool) -> _Block:
        data = scratch(count)
        if os.preadv(begun.file.fd, (data,), offset) != count:
            raise FileChanged
        return _Block(pack_block(data, last=last) if begun.crc is None else bytes(data), crc32(data), count)
