"""Archives of recent requests; one is used again only while its directory is as it was.

A file edited in place leaves its directory's times alone, so each request looks at every member. What
is saved is sorting, naming, laying out and looking up.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from weakref import WeakValueDictionary

from asgi_downloads.bodies.zip.archive import Archive, Resources
from asgi_downloads.bodies.zip.packed import Checksum
from asgi_downloads.storage.errors import Unreadable
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.contents import Contents
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.jobs import Jobs, Work

MEMBER_LIMIT = 100_000
"""Members of all archives kept when nobody uses them; about 300 bytes of memory each."""

MEMBERS_IN_USE = 1_000_000
"""Members of all archives in use and in the making; beyond them a bundle is `Busy`."""

_AT_ONCE = 64
"""Members that are looked at on the event loop."""

Key = tuple[Hashable, str]
"""What is asked for, and the form of packing."""

_logger = logging.getLogger(__name__)


class Archives:
    """Archives by directory, shared by the requests of a time and kept between them.

    `may_omit` lets bundles be made without what cannot be read, else they are refused. `clock` gives nanoseconds
    since the epoch.
    """

    def __init__(
        self,
        checksums: Checksums,
        *,
        may_omit: bool = False,
        member_limit: int = MEMBER_LIMIT,
        in_use_limit: int = MEMBERS_IN_USE,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.resources = Resources(checksums)
        self.may_omit = may_omit
        self._member_limit = member_limit
        self._in_use_limit = in_use_limit
        self._clock = clock
        self._scans = Jobs("scans", threads=2, most=64)
        self._recent: OrderedDict[Key, Archive] = OrderedDict()
        self._in_use: WeakValueDictionary[Key, Archive] = WeakValueDictionary()

    def find_cached(self, contents: Contents, form: str = "") -> Archive | None:
        """The archive as the files are now, where that takes a look at a few of them; a thread costs more."""
        key = contents.key, form
        known = self._in_use.get(key)
        if known is None or len(known.listing) > _AT_ONCE or not known.listing.is_current_blocking(contents.directory):
            return None
        self._keep(key, known)
        return known

    async def find(self, contents: Contents, form: str = "") -> Archive | Listing:
        """The archive as the files are now, or only the listing if the packed sizes in `form` are not known.

        Raises `NotFound` when what is asked for is gone, `Exhausted`, `Unavailable`, `Unreadable`, and `Busy`.
        """
        self.resources.checksums.touch()
        key = contents.key, form
        known = self._in_use.get(key)

        def begin() -> Work[Archive | Listing]:
            listings = [archive.listing for archive in self._in_use.values()] + self.resources.streamed
            used = sum(map(len, listings))
            return partial(self._find_blocking, contents.duplicate(), form, known, self._in_use_limit - used)

        found = await self._scans.run(key, begin, fresh=True)
        if isinstance(found, Archive):
            self._keep(key, found)
        return found

    def _find_blocking(
        self, contents: Contents, form: str, known: Archive | None, room: int, stop: threading.Event
    ) -> Archive | Listing:
        directory = contents.directory
        try:
            if known is not None and known.listing.is_current_blocking(directory):
                return known
            listing = contents.scan_blocking(room, stop, self._clock)
            if known is not None and known.listing.all_settled and known.listing == listing:
                return known
            self._tell(directory.where(), listing)
            _ = listing.files, listing.newest, listing.all_settled  # looked for here, and not on the event loop
        finally:
            directory.close()
        values = self.resources.checksums.find_blocking(listing, Checksum.kind(form))
        if form and sum(value is not None for value in values) < listing.files:
            return listing
        return Archive(listing, values, self.resources, form)

    def _tell(self, where: str, listing: Listing) -> None:
        """Refuse a directory of which something cannot be read, or log what is left out."""
        if listing.unreadable and not self.may_omit:
            count, first = len(listing.unreadable), listing.unreadable[0]
            raise Unreadable(f"{count} of its files or directories cannot be read, the first is {first!r}")
        if listing.omitted:
            _logger.warning(
                "the archive of %r lacks %d files or directories that cannot be read and %d links that lead out or to"
                " no file, or keys that are no path, the first is %r",
                where,
                len(listing.unreadable),
                len(listing.astray),
                (listing.unreadable + listing.astray)[0],
            )

    def _keep(self, key: Key, archive: Archive) -> None:
        """Keep an archive, and let go of those least recently used until there is room for so many members."""
        self._in_use[key] = archive
        if self._recent.get(key) is archive:
            self._recent.move_to_end(key)
            return
        self._recent.pop(key, None)
        if archive.listing.all_settled:
            self._recent[key] = archive
        while self._recent and sum(len(kept.listing) for kept in self._recent.values()) > self._member_limit:
            self._recent.popitem(last=False)
