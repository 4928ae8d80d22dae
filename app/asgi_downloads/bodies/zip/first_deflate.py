"""The first deflated download of a directory: blocks without a known length, and what is learned on the way.

The bytes are those that `ZipBody` gives for the same archive once every block's length is known.
"""

from array import array
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

from asgi_downloads.bodies.in_order import PARALLEL, Job, in_order
from asgi_downloads.bodies.zip.archive import Resources
from asgi_downloads.bodies.zip.crc32 import combine, crc32
from asgi_downloads.bodies.zip.deflate import BLOCK, WHOLE, Packing, pack_block, packed_share, sample_offsets
from asgi_downloads.bodies.zip.layout import RECORDS, Layout
from asgi_downloads.bodies.zip.members import UNKNOWN
from asgi_downloads.bodies.zip.names import archive_paths
from asgi_downloads.bodies.zip.object_members import members_of
from asgi_downloads.bodies.zip.packed import Checksum, entry_of
from asgi_downloads.bodies.zip.records import DEFLATED, Entry, descriptor, local_header
from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.openfile import OpenFile, scratch
from asgi_downloads.storage.threads import in_thread

_RUN_MEMBERS = 64
_PROBED = 1 << 16


def deflate(
    listing: Listing, directory: AnyDirectory, packing: Packing, resources: Resources
) -> AsyncGenerator[bytes, None]:
    """The archive of a listing, its members deflated as `packing` says; `directory` stays open meanwhile.

    Raises `FileChanged` when a member is no longer the one that was listed.
    """
    return _Stream(listing, directory, packing, resources).blocks()


class _Run(NamedTuple):
    """All bytes of members that follow each other, and what was learned of them."""

    data: bytes
    checksums: list[Checksum]


class _Block(NamedTuple):
    data: bytes
    crc: int
    size: int


class _Stream:
    def __init__(self, listing: Listing, directory: AnyDirectory, packing: Packing, resources: Resources) -> None:
        self.listing = listing
        self.members = members_of(directory, listing)
        self.packing = packing
        self.resources = resources
        self.names: list[str] = []
        self.layout = Layout()

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """All of it."""
        count = len(self.listing)
        self.resources.streamed.append(self.listing)
        try:
            self.names = await in_thread(archive_paths, self.listing.names)
            while (index := len(self.layout)) < count:
                large = self.next_large(index)
                async with aclosing(self.small(index, large) if index < large else self.large(index)) as parts:
                    async for part in parts:
                        yield part
            for first in range(0, count, RECORDS):
                yield self.layout.directory(first, min(first + RECORDS, count))
            yield self.layout.end
        finally:
            self.resources.streamed.remove(self.listing)

    def next_large(self, index: int) -> int:
        """Index of the next member that is too large to be packed before its header is sent."""
        while index < len(self.listing) and self.listing.size(index) <= WHOLE:
            index += 1
        return index

    async def small(self, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Members that are packed whole, many in a job."""
        async with aclosing(in_order(self._runs(first, last), PARALLEL)) as made:
            async for run in made:
                self._learn(run.checksums)
                yield run.data

    async def large(self, index: int) -> AsyncGenerator[bytes, None]:
        """One member, packed a block in a job; its last bytes wait for the proof that it has not changed."""
        entry, announced = self._entry(index), None
        with await in_thread(self.members.open_blocking, index) as file:
            if not self.members.is_listed(index, file.note().stat):
                raise FileChanged
            if await in_thread(self._shrinks_blocking, file, entry):
                header = local_header(entry._replace(method=DEFLATED, described=True), 0)
            else:
                announced = await self.resources.crc(file, entry.size)
                header = local_header(entry, announced)
            held, crc, lengths = header, 0, array("I")
            async with aclosing(in_order(self._blocks(file, entry.size, announced is None), PARALLEL)) as made:
                async for block in made:
                    if lengths:
                        yield held
                        held = b""
                    held += block.data
                    crc = combine(crc, block.crc, block.size)
                    lengths.append(len(block.data))
            file.check()
        if announced not in (None, crc):
            raise FileChanged
        checksum = Checksum(crc, lengths.tobytes() if announced is None else b"")
        self._learn([checksum])
        yield held + descriptor(self._entry(index, checksum), crc)

    def _entry(self, index: int, checksum: Checksum | None = None) -> Entry:
        return entry_of(self.names[index], self.listing, index, checksum)

    def _learn(self, checksums: list[Checksum]) -> None:
        """Take in the next members, and keep their checksums."""
        found = []
        for index, checksum in enumerate(checksums, len(self.layout)):
            if not self.names[index].endswith("/"):
                found.append((self.listing[index], checksum.value))
            self.layout.add(self._entry(index, checksum), checksum.crc)
        kind = Checksum.kind(self.packing.form)
        self.resources.checksums.remember(found, kind, self.listing.scanned_ns)

    def _runs(self, first: int, last: int) -> Iterator[Job[_Run]]:
        while first < last:
            after, content = first + 1, self.listing.size(first)
            while after < min(last, first + _RUN_MEMBERS) and content + self.listing.size(after) <= BLOCK:
                content += self.listing.size(after)
                after += 1
            yield partial(in_thread, self._run_blocking, first, after, limiter=self.resources.packers)
            first = after

    def _run_blocking(self, first: int, last: int) -> _Run:
        parts: list[bytes] = []
        checksums: list[Checksum] = []
        for index in range(first, last):
            if self.names[index].endswith("/"):
                checksum, packed = Checksum(0), []
            else:
                data = scratch(self.listing.size(index))
                crc = self.members.read_blocking(index, data, UNKNOWN)
                packed = self._pack_whole(index, data)
                checksum = Checksum(crc, array("I", map(len, packed)).tobytes())
                packed = packed or [bytes(data)]
            parts += [local_header(self._entry(index, checksum), checksum.crc), *packed]
            checksums.append(checksum)
        return _Run(b"".join(parts), checksums)

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

    def _shrinks_blocking(self, file: OpenFile, entry: Entry) -> bool:
        """Whether samples of a large file say that it is worth packing."""
        if not self.packing.considers(entry.name.decode(), entry.size):
            return False
        samples = [file.read_blocking(offset, count) for offset, count in sample_offsets(entry.size)]
        return packed_share(samples) <= self.packing.share

    def _blocks(self, file: OpenFile, size: int, packs: bool) -> Iterator[Job[_Block]]:
        for offset in range(0, size, BLOCK):
            count = min(BLOCK, size - offset)
            last = offset + BLOCK >= size
            yield partial(in_thread, _block_blocking, file, offset, count, packs, last, limiter=self.resources.packers)


def _block_blocking(file: OpenFile, offset: int, count: int, packs: bool, last: bool) -> _Block:
    data = file.read_blocking(offset, count)
    return _Block(pack_block(data, last=last) if packs else data, crc32(data), count)
