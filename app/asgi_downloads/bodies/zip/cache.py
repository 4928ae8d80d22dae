"""Archives of recent requests; one is used again only while its directory is as it was.

A file edited in place leaves its directory's times alone, so each request looks at every member. What
is saved is sorting, naming, laying out and looking up.
"""

import os
from collections import OrderedDict
from functools import partial

from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.listing import Listing, scan
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.threads import in_thread

MEMBER_LIMIT = 100_000
"""Members of all archives kept; about 300 bytes of memory each."""

_AT_ONCE = 64
"""Members that are looked at on the event loop."""

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
            if key in self._recent:  # others may have made room meanwhile
                self._recent.move_to_end(key)
            return recent
        listing = await in_thread(partial(scan, directory, recursive=recursive))
        if recent is not None and recent.listing == listing:
            return recent
        known = await self.checksums.find(listing, form)
        if form and len(known) < listing.files:
            return listing
        self._recent.pop(key, None)
        keeps = listing.all_settled()
        if keeps:
            self._make_room(len(listing))  # first, so that no more are in memory meanwhile
        archive = await in_thread(Archive, listing, known, self.checksums, form)
        if keeps:
            self._recent[key] = archive
            self._make_room(0)
        return archive

    def _make_room(self, members: int) -> None:
        """Let go of archives, the least recently used first, until there is room for so many members."""
        while self._recent and sum(len(kept.listing) for kept in self._recent.values()) + members > self._member_limit:
            self._recent.popitem(last=False)


async def _is_current(listing: Listing, directory: Directory) -> bool:
    """Whether the kept archive is still that of the directory. A thread costs more than a look at a few members."""
    if len(listing) <= _AT_ONCE:
        return listing.is_current(directory)
    return await in_thread(listing.is_current, directory)
