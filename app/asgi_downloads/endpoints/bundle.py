"""`/download/bundle/{bundle_id}`: a directory as one ZIP archive, made while it is sent."""

import re
import time
from contextlib import suppress

from asgi_downloads.asgi.disconnect import until_disconnect
from asgi_downloads.asgi.request import EXACT_DATE, Request
from asgi_downloads.asgi.respond import respond, respond_blocks, send_whole
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.zip.archive import Archive, ZipBody
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.bodies.zip.deflate import AUTO, DEFLATE, Packing
from asgi_downloads.bodies.zip.first_deflate import deflate
from asgi_downloads.http.disposition import content_disposition
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Headers, Representation
from asgi_downloads.http.parameters import Query
from asgi_downloads.http.plan import plan
from asgi_downloads.http.validators import last_modified
from asgi_downloads.storage.errors import FileChanged, NotFound
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.tree import Directory, Tree
from asgi_downloads.storage.threads import in_thread

MISSING = "Bundle not found"
EMPTY = "No files in bundle"

PATIENCE = 0.25
"""Seconds that an answer may wait for CRCs, for a validator that every replica gives alike."""

_ATTEMPTS = 3
_CONTENT_TAG = re.compile(rb'"z-[0-9a-f]{32}"')
_TAG_FIELDS = (b"if-match", b"if-none-match", b"if-range")
_PACKINGS: dict[str, Packing | None] = {"store": None, "deflate": DEFLATE, "auto": AUTO}

Exchange = tuple[Scope, Receive, Send]


class BundleEndpoint:
    """An ASGI callable that answers with the directories of `tree`; `block` in bytes."""

    def __init__(self, tree: Tree, archives: Archives, block: int) -> None:
        self.tree = tree
        self.archives = archives
        self.block = block

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        with Query(request.query_string) as query:
            compression = query.choice("compression", "store", _PACKINGS)
            recursive = query.boolean("recursive", False)
        bundle_id = request.path_params["bundle_id"]
        if bundle_id == ".":  # the directory of all bundles is not one of them
            raise HTTPError(404, MISSING)
        bundle = _Bundle(request, f"bundle-{bundle_id}.zip", recursive, _PACKINGS[compression])
        try:
            async with self.tree.subtree(bundle_id) as directory:
                await self._send(bundle, directory, (scope, receive, send))
        except NotFound:
            raise HTTPError(404, MISSING) from None

    async def _send(self, bundle: "_Bundle", directory: Directory, exchange: Exchange) -> None:
        found, etag = await self._look(bundle, directory, exchange[1])
        request = bundle.request
        now = int(time.time())
        if isinstance(found, Archive):
            representation = bundle.representation(found.size, etag, found.listing, now)
            decided = plan(request.method, request.headers, representation, now=now)
            await respond(decided, ZipBody(found, directory), *exchange, block=self.block)
            return
        assert bundle.packing is not None
        # Its length is not known yet: the same decisions, but no ranges, and the empty plan lends its fields.
        representation = bundle.representation(0, None, found, now)
        decided = plan(request.method, request.headers, representation, now=now, ranges=False)
        if decided.status != 200:
            await send_whole(decided.status, decided.headers, b"", exchange[2])
            return
        lines = [line for line in decided.headers if line[0] != b"content-length"]
        lines.append((b"x-accel-buffering", b"no"))  # or nginx takes all of it onto its disk
        blocks = deflate(found, directory, bundle.packing, self.archives.checksums)
        await respond_blocks(200, lines, blocks, *exchange)

    async def _look(
        self, bundle: "_Bundle", directory: Directory, receive: Receive
    ) -> tuple[Archive | Listing, bytes | None]:
        """The archive or listing, and the validator for this answer; raises 404, and `FileChanged` if it goes on."""
        form = "" if bundle.packing is None else bundle.packing.form
        for _ in range(_ATTEMPTS):
            found = await self.archives.find(directory, recursive=bundle.recursive, form=form)
            listing = found.listing if isinstance(found, Archive) else found
            if not listing.files:
                raise HTTPError(404, EMPTY)
            if not isinstance(found, Archive):
                return found, None
            with suppress(FileChanged):
                return found, await _etag(found, directory, bundle.request.headers, receive)
        raise FileChanged


class _Bundle:
    """What a request asks for."""

    __slots__ = ("fields", "packing", "recursive", "request")

    def __init__(self, request: Request, filename: str, recursive: bool, packing: Packing | None) -> None:
        self.request = request
        self.fields = ((b"content-disposition", content_disposition("attachment", filename)), NOSNIFF)
        self.recursive = recursive
        self.packing = packing

    def representation(self, size: int, etag: bytes | None, listing: Listing, now: int) -> Representation:
        return Representation(
            size,
            b"application/zip",
            etag,
            last_modified(listing.newest, now, EXACT_DATE in self.request.extensions),
            self.fields,
        )


async def _etag(archive: Archive, directory: Directory, headers: Headers, receive: Receive) -> bytes | None:
    """The validator of the content, or at first, while that would take long, of the files' state.

    Both name the same bytes. Who holds the latter gets it back, so that a download resumes whose first answer came
    before the CRCs were known.
    """
    held = b",".join(value for name, value in headers if name in _TAG_FIELDS)
    tags = archive.known_tags
    content, state = await in_thread(archive.tags) if tags is None else tags
    if state is not None and state in held:
        return state
    if content is None:
        if state is None or _CONTENT_TAG.search(held):
            # A client that holds a content tag is told the truth about it, however long it takes. So is everyone
            # while a file may change unseen: nothing else would be a strong validator then.
            await until_disconnect(receive, lambda: archive.prepare(directory, None))
        else:
            await archive.prepare(directory, PATIENCE)
        content, _ = await in_thread(archive.tags)
    return content or state
