"""An archive of objects as a body. Small members are fetched whole, many at a time; larger ones go through."""

from collections.abc import Iterator
from functools import partial

from asgi_downloads.bodies.in_order import Given, Heavy, Ready
from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.bodies.zip.body import COPIED, Large, Part, ZipBody, cut
from asgi_downloads.bodies.zip.crc32 import crc32
from asgi_downloads.bodies.zip.members import UNKNOWN
from asgi_downloads.bodies.zip.object_members import ObjectMembers
from asgi_downloads.bodies.zip.packed import pack_again
from asgi_downloads.http.message import ByteRange
from asgi_downloads.storage.objects.bucket import Bucket
from asgi_downloads.storage.objects.listing import ObjectListing

AT_ONCE = 16
"""Members that are fetched at a time for one answer."""

AHEAD = 8 << 20
"""About the bytes that are fetched ahead for one answer. A member up to this size is read once though its CRC-32, which
is not known yet, comes before it."""


class ObjectZip(ZipBody):
    """An archive of objects as the content of one response."""

    __slots__ = ("_objects",)

    parallel = AT_ONCE

    def __init__(self, archive: Archive, directory: Bucket) -> None:
        super().__init__(archive, directory)
        assert isinstance(archive.listing, ObjectListing)
        self._objects = ObjectMembers(directory, archive.listing)

    def at_hand(self, start: int, stop: int) -> None:
        return None

    def _jobs(self, wanted: ByteRange) -> Iterator[Given[Part]]:
        layout, archive = self._layout, self._archive
        for index in range(layout.entry_at(wanted.start), len(layout)):
            if layout.starts[index] >= wanted.stop:
                break
            size = archive.listing.size(index)
            in_passing = archive.known_crc(index) == UNKNOWN and wanted.start < layout.data_start(index)
            lengths = archive.packed.get(index)
            if lengths is not None and len(lengths) > 1:
                yield from self._block_jobs(index, lengths, wanted)
            elif lengths is not None or size <= COPIED or (in_passing and size <= AHEAD):
                yield Heavy(partial(self._fetch, index, wanted), max(1, size * AT_ONCE // AHEAD))
            else:
                yield partial(self._through, index, wanted)
        yield from self._directory_jobs(wanted)

    def _directory_jobs(self, wanted: ByteRange) -> Iterator[Given[Part]]:
        """Jobs that make the central directory; they wait for all members before, from which CRCs are learned."""
        for job in super()._directory_jobs(wanted):
            yield job if isinstance(job, Ready | Heavy) else Heavy(job, AT_ONCE)

    async def _fetch(self, index: int, wanted: ByteRange) -> bytes:
        """Header and data of a member; its CRC is learned on the way."""
        archive, layout = self._archive, self._layout
        data = b""
        if archive.listing.size(index):
            data = await self._objects.open_blocking(index).read()
        if archive.known_crc(index) == UNKNOWN:
            archive.learn(index, crc32(data))
        if lengths := archive.packed.get(index):
            packed = partial(pack_again, memoryview(bytearray(data)), lengths[0], last=True)
            data = await self._in_thread(packed)
        return cut(layout.header(index) + data, layout.starts[index], wanted)

    async def _through(self, index: int, wanted: ByteRange) -> Large:
        if wanted.start < self._layout.data_start(index):  # its header is wanted, which has the CRC
            await self._archive.compute(self._directory, (index,))
        return self._large(index, self._objects.open_blocking(index), wanted)
