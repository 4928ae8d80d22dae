"""The plan of a ZIP archive of a directory: a known length, validators, and what is known of its members' CRC-32s."""

import asyncio
import hashlib
import threading
from array import array
from collections.abc import Iterator, Sequence
from contextlib import aclosing, suppress
from functools import cached_property, partial

import anyio

from asgi_downloads.bodies.in_order import PARALLEL, in_order
from asgi_downloads.bodies.zip.layout import Layout
from asgi_downloads.bodies.zip.members import UNKNOWN, advance_crc
from asgi_downloads.bodies.zip.names import archive_paths
from asgi_downloads.bodies.zip.object_members import members_of
from asgi_downloads.bodies.zip.packed import Checksum, entry_of
from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.jobs import Jobs, Stopped, Work

VERSION = 3
"""Of the layout, the naming and the packing. Any change that alters the bytes of an archive raises it."""

_SHARE_BYTES, _SHARE_MEMBERS = 1 << 26, 512
"""Of members whose CRCs are computed in one job, so that those of several archives take turns."""

_MEMBER_COST = 1 << 16
_MOST_AT_STAKE = 1 << 25
"""Bytes whose CRCs may be lost when the process is killed, a member counting for `_MEMBER_COST` more."""

Tags = tuple[bytes | None, bytes | None]


class Resources:
    """What all archives share: the table of checksums, and the threads that compute CRCs and pack."""

    def __init__(self, checksums: Checksums) -> None:
        self.checksums = checksums
        self.crcs = Jobs("crcs", PARALLEL)
        self.streamed: list[Listing] = []
        """Of the archives that are being made without a plan."""

    @cached_property
    def packers(self) -> anyio.CapacityLimiter:
        """Threads that pack, at a time and in all."""
        return anyio.CapacityLimiter(PARALLEL)

    async def crc(self, file: OpenFile, size: int) -> int:
        """The CRC-32 of the first `size` bytes of a file."""

        def begin() -> Work[int]:
            return partial(_crc_blocking, file.hold(), size)

        return await self.crcs.run(object(), begin)


def _crc_blocking(file: OpenFile, size: int, stop: threading.Event) -> int:
    with file:
        return advance_crc(file, size, 0, 0, stop)[1]


class Archive:
    """The plan of an archive: listing, layout and what is known of CRCs; shared by the requests for it."""

    def __init__(self, listing: Listing, known: Sequence[bytes | None], resources: Resources, form: str = "") -> None:
        self.listing = listing
        self.form = form
        self.resources = resources
        self.layout = Layout()
        self.packed: dict[int, array[int]] = {}
        """The lengths of the blocks of each member that is deflated."""
        self._crcs = array("q", [UNKNOWN]) * len(listing)
        for index, name in enumerate(archive_paths(listing.names)):
            value = known[index] if not name.endswith("/") else Checksum(0).value
            self._add(index, name, None if value is None else Checksum.of(value))
        self._partial: dict[int, tuple[int, int]] = {}
        self._fresh: list[int] = []
        self._at_stake = 0
        self._content_tag: bytes | None = None
        self._state_tag: bytes | None = None

    def _add(self, index: int, name: str, checksum: Checksum | None) -> None:
        if checksum is not None:
            self._crcs[index] = checksum.crc
            if checksum.blocks:
                self.packed[index] = array("I", checksum.blocks)
        entry = entry_of(name, self.listing, index, checksum)
        self.layout.add(entry, 0 if checksum is None else checksum.crc)

    @property
    def size(self) -> int:
        """Length of the archive in bytes."""
        return self.layout.size

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
        if self._fresh:
            fresh, self._fresh, self._at_stake = self._fresh, [], 0
            found = [(self.listing[index], Checksum(self._crcs[index]).value) for index in fresh]
            self.resources.checksums.remember(found, Checksum.kind(self.form), self.listing.scanned_ns)

    async def prepare(self, directory: AnyDirectory, patience: float | None = None) -> None:
        """Compute the CRCs that are not known, for `patience` seconds if it is not None; what is done is kept.

        Raises `FileChanged` when a member is not as listed any more.
        """
        until = None if patience is None else asyncio.get_running_loop().time() + patience
        jobs = (partial(self.compute, directory, share, until) for share in self._shares())
        with suppress(TimeoutError):
            async with aclosing(in_order(jobs, PARALLEL)) as done:
                async for _ in done:
                    pass
        self.keep()

    def _shares(self) -> Iterator[list[int]]:
        share: list[int] = []
        content = 0
        for index in range(len(self.listing)):
            if self._crcs[index] == UNKNOWN:
                share.append(index)
                content += self.listing.size(index)
                if content >= _SHARE_BYTES or len(share) == _SHARE_MEMBERS:
                    yield share
                    share, content = [], 0
        if share:
            yield share

    async def compute(self, directory: AnyDirectory, indexes: Sequence[int], until: float | None = None) -> None:
        """Compute those CRCs of these members that are not known. Requests for the same share the work.

        Raises `FileChanged` when a member is not as listed, `TimeoutError` at the loop's time `until`.
        """
        time = asyncio.get_running_loop().time
        while unknown := [index for index in indexes if self._crcs[index] == UNKNOWN]:

            def begin(indexes: list[int] = unknown) -> Work[None]:
                return partial(self._compute_blocking, directory.duplicate(), indexes)

            left = None if until is None else max(until - time(), 0)
            await self.resources.crcs.run((id(self), unknown[0]), begin, left)

    def _compute_blocking(self, directory: AnyDirectory, indexes: list[int], stop: threading.Event) -> None:
        """Go on until so much was read that others should have their turn."""
        members, left = members_of(directory, self.listing), _SHARE_BYTES
        try:
            for index in indexes:
                size = self.listing.size(index)
                start, crc = self._partial.pop(index, (0, 0))
                told = None if start else members.told_crc_blocking(index)
                if told is not None:
                    self.learn(index, told)
                    continue
                with members.open_blocking(index) as file:
                    position, crc = advance_crc(file, min(start + left, size), start, crc, stop)
                    now = file.now()
                if not members.is_listed(index, now):  # no validator has been given out without its CRC
                    raise FileChanged
                if position == size:
                    self.learn(index, crc)
                else:
                    self._partial[index] = position, crc
                if stop.is_set():
                    raise Stopped
                left -= position - start
                if left <= 0:
                    return
        finally:
            directory.close()

    async def verify(self, index: int, file: OpenFile) -> None:
        """Raise `FileChanged` unless an open file is the member as listed, or its bytes have the announced CRC."""
        if self.listing.matches(index, file.stat):
            return
        announced = self._crcs[index]
        if announced == UNKNOWN or await self.resources.crc(file, self.listing.size(index)) != announced:
            raise FileChanged

    @property
    def known_tags(self) -> Tags | None:
        """What `tags_blocking` gives, if both were made before."""
        found = self._content_tag, self._state_tag
        return None if None in found else found

    def tags_blocking(self) -> Tags:
        """Two strong validators, of the content and of the files' state.

        The first is from the central directory, which has every name, size, CRC, time, mode and method: alike on
        every replica, None until all CRCs are known. The second is from the facts that stored files have theirs
        from: known at once and true on this machine, None while a member may change without showing it.
        """
        if self._content_tag is None and UNKNOWN not in self._crcs:
            seen = _digest(self.form)
            seen.update(self.layout.directory(0, len(self.layout)) + self.layout.end)
            self._content_tag = b'"z-%b"' % seen.hexdigest().encode()
        if self._state_tag is None and self.listing.all_settled:
            seen = _digest(self.form)
            seen.update(self.listing.fingerprint())
            self._state_tag = b'"s-%b"' % seen.hexdigest().encode()
        return self._content_tag, self._state_tag


def _digest(form: str) -> hashlib.blake2b:
    return hashlib.blake2b(f"{VERSION} {form}\n".encode(), digest_size=16)
