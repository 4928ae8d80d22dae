"""A directory as one ZIP archive, made while it is sent: with a length, a validator and ranges once it is known."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.extensions import EXACT_DATE
from asgi_downloads.asgi.respond import respond, respond_blocks
from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.bodies.zip.body import ZipBody
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.bodies.zip.deflate import Packing
from asgi_downloads.bodies.zip.first_deflate import deflate
from asgi_downloads.bodies.zip.object_zip import ObjectZip
from asgi_downloads.http.disposition import content_disposition
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header, Representation, with_status
from asgi_downloads.http.plan import plan
from asgi_downloads.http.validators import last_modified
from asgi_downloads.responses.delivery import NO_CACHE
from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.contents import Contents
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.objects.bucket import Bucket
from asgi_downloads.storage.threads import in_thread

EMPTY = "No files in bundle"

PATIENCE = 0.25
"""Seconds that an answer may wait for CRCs, for a validator that every replica gives alike."""

_ATTEMPTS = 3
_CONTENT_TAG = re.compile(rb'"z-[0-9a-f]{32}"')
_TAG_FIELDS = (b"if-match", b"if-none-match", b"if-range")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files as one archive called `filename`; `packing` None stores the members."""

    contents: Contents
    filename: str
    packing: Packing | None
    fields: Callable[..., tuple[Header, ...]] = lambda *ours: ours
    """Ours, given one by one, and the caller's: `Response.fields`."""
    status: int = 200


@dataclass(frozen=True, slots=True)
class ZipDelivery:
    """What all URLs of archives have in common: the plans that are kept."""

    archives: Archives
    cache_control: bytes = NO_CACHE

    async def send(self, exchange: Exchange, bundle: Bundle) -> None:
        """Answer with the archive. Raises `HTTPError` 400, 404, 412 and 416, `FileChanged`, and as `respond`."""
        found, etag = await self._look(exchange, bundle)
        now = int(time.time())
        if isinstance(found, Archive):
            representation = self._representation(exchange, bundle, found.size, etag, found.listing, now)
            decided = plan(exchange.method, exchange.headers, representation, now=now)
            directory = bundle.contents.directory
            body = ObjectZip(found, directory) if isinstance(directory, Bucket) else ZipBody(found, directory)
            await respond(exchange, with_status(decided, bundle.status), body)
            return
        assert bundle.packing is not None
        # Its length is not known yet: the same decisions, but no ranges, and the empty plan lends its fields.
        representation = self._representation(exchange, bundle, 0, None, found, now)
        decided = plan(exchange.method, exchange.headers, representation, now=now, ranges=False)
        if decided.status != 200:
            await send_whole(exchange, decided.status, decided.headers)
            return
        lines = [line for line in decided.headers if line[0] != b"content-length"]
        lines.append((b"x-accel-buffering", b"no"))  # or nginx takes all of it onto its disk
        blocks = deflate(found, bundle.contents.directory, bundle.packing, self.archives.resources)
        await respond_blocks(exchange, bundle.status, lines, blocks)

    async def _look(self, exchange: Exchange, bundle: Bundle) -> tuple[Archive | Listing, bytes | None]:
        """The archive or listing, and the validator for this answer; raises 404, and `FileChanged` if it goes on."""
        what = bundle.contents, "" if bundle.packing is None else bundle.packing.form
        for _ in range(_ATTEMPTS):
            found: Archive | Listing | None = self.archives.find_cached(*what)
            if found is None:
                found = await exchange.while_connected(partial(self.archives.find, *what))
            listing = found.listing if isinstance(found, Archive) else found
            if not listing.files:
                raise HTTPError(404, EMPTY)
            if not isinstance(found, Archive):
                return found, None
            with suppress(FileChanged):
                return found, await _etag(exchange, found, bundle.contents.directory)
        raise FileChanged

    def _representation(
        self, exchange: Exchange, bundle: Bundle, size: int, etag: bytes | None, listing: Listing, now: int
    ) -> Representation:
        fields = bundle.fields(
            (b"cache-control", self.cache_control),
            (b"content-disposition", content_disposition("attachment", bundle.filename)),
            *(((b"x-bundle-omitted", b"%d" % listing.omitted),) if listing.omitted else ()),
            NOSNIFF,
        )
        modified = last_modified(listing.newest, now, EXACT_DATE in exchange.extensions)
        return Representation(size, b"application/zip", etag, modified, fields)


async def _etag(exchange: Exchange, archive: Archive, directory: AnyDirectory) -> bytes | None:
    """The validator of the content, or at first, while that would take long, of the files' state.

    Both name the same bytes. Who holds the latter gets it back, so that a download resumes whose first answer came
    before the CRCs were known.
    """
    held = b",".join(value for name, value in exchange.headers if name in _TAG_FIELDS)
    tags = archive.known_tags
    content, state = await in_thread(archive.tags_blocking) if tags is None else tags
    if state is not None and (state in held or archive.listing.is_shared):
        return state
    if content is None:
        if state is None or _CONTENT_TAG.search(held):
            # A client that holds a content tag is told the truth about it, however long it takes. So is everyone
            # while a file may change unseen: nothing else would be a strong validator then.
            await exchange.while_connected(lambda: archive.prepare(directory, None))
        else:
            await exchange.while_connected(lambda: archive.prepare(directory, PATIENCE))
        content, _ = await in_thread(archive.tags_blocking)
    return content or state


@cache
def archives() -> Archives:
    """Those that all share who have none of their own; what is learned is kept in memory."""
    return Archives(Checksums())
