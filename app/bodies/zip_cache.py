"""Archives of recent requests; one is used again only when a new scan finds its directory as it was.

A file edited in place leaves its directory's times alone, so each request looks at every member. What
is saved is sorting, naming, laying out and looking up.
"""

import os
from collections import OrderedDict
from functools import partial

from app.bodies.zip_archive import Archive
from app.storage.checksums import Checksums
from app.storage.listing import Listing, scan
from app.storage.threads import in_thread
from app.storage.tree import Directory

MEMBER_LIMIT = 100_000
"""Members of all archives kept; about 300 bytes of memory each."""

_AT_ONCE = 64

Key = tuple[int, int, bool, str]


class Archives:
    """Archives by directory, kept between requests."""

    def __init__(self, checksums: Checksums, *, member_limit: int = MEMBER_LIMIT) -> None:
        self.checksums = checksums
        self._member_limit = member_limit
        self._recent: OrderedDict[Key, Archive] = OrderedDict()

    async def find(self, directory: Directory, *, recursive: bool, form: str = "") -> Archive | Listing:
        """The archive as the directory is now, or only the listing if the packed sizes in `form` are not known.

        Raises `NotFound` when the directory is gone, `Exhausted` when descriptors run out.
        """
        identity = os.fstat(directory.fd)
        key = identity.st_dev, identity.st_ino, recursive, form
        recent = self._recent.get(key)
        if recent is not None and await _is_current(recent.listing, directory):
            self._recent.move_to_end(key)
            return recent
        listing = await in_thread(partial(scan, directory, recursive=recursive))
        if recent is not None and recent.listing == listing:
            return recent
        known = await self.checksums.find(listing, form)
        if form and len(known) < listing.files:
            return listing
        archive = await in_thread(Archive, listing, known, self.checksums, form)
        self._recent.pop(key, None)
        if listing.all_settled():
            self._recent[key] = archive
            while sum(len(kept.listing) for kept in self._recent.values()) > self._member_limit:
                self._recent.popitem(last=False)
        return archive


async def _is_current(listing: Listing, directory: Directory) -> bool:
    """A few members are looked at on the event loop: the kernel has them in memory, and a thread costs more."""
    if len(listing) <= _AT_ONCE:
        return listing.is_current(directory)
    return await in_thread(listing.is_current, directory)
