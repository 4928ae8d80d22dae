"""Members of an archive that lie in an object store: each is asked for by the entity tag that it was listed with."""

import os

from asgi_downloads.bodies.zip.members import Members
from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.objects.bucket import Bucket, StoredObject
from asgi_downloads.storage.objects.checksum import crc32_blocking
from asgi_downloads.storage.objects.listing import ObjectListing

_WORTH_ASKING = 1 << 20
"""Bytes from which on a request is cheaper than reading."""


class Member(StoredObject):
    """A member in the store; `stat` is what it was listed with, as every byte is of that version."""

    __slots__ = ("stat",)

    stat: os.stat_result

    def now(self) -> os.stat_result:
        """What it is now, if anything of it can be read."""
        return self.stat


class ObjectMembers(Members):
    """The members of a listing of objects, by index. None is ever at hand without asking the store."""

    __slots__ = ("_bucket", "_metas")

    def __init__(self, bucket: Bucket, listing: ObjectListing) -> None:
        self._bucket = bucket
        self._metas = listing.metas
        self.listing = listing

    def open_blocking(self, index: int) -> Member:  # type: ignore[override]  # in all that is asked of it the same
        key = self._bucket.root.prefix + self.listing.paths[index]
        member = Member(self._bucket.store, key, self._metas[index])
        member.stat = self.listing.status(index)
        return member

    def open_cached(self, index: int) -> None:
        return None

    def told_crc_blocking(self, index: int) -> int | None:
        if self.listing.size(index) < _WORTH_ASKING:
            return None
        key = self._bucket.root.prefix + self.listing.paths[index]
        return crc32_blocking(self._bucket.store, key, self._metas[index])

    def read_cached(self, index: int, buffer: memoryview, announced: int) -> None:
        return None

    def _read(self, index: int, buffer: memoryview, offset: int) -> os.stat_result:
        file = self.open_blocking(index)
        buffer[:] = file.read_blocking(offset, len(buffer))
        return file.stat


def members_of(directory: AnyDirectory, listing: Listing) -> Members:
    """The members of a listing, on a disk or in a store."""
    if isinstance(listing, ObjectListing) and isinstance(directory, Bucket):
        return ObjectMembers(directory, listing)
    assert isinstance(directory, Directory)
    return Members(directory, listing)
