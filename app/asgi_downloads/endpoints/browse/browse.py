"""`/browse/{path}`: a folder as a page or as a list, a file as it is or with a page around it, a choice as one ZIP."""

import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from hashlib import blake2b
from html import escape
from typing import TypeVar
from urllib.parse import quote

from asgi_downloads import pages
from asgi_downloads.asgi.answer import send_redirect, send_whole, with_query
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import respond
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.base import Held as HeldBody
from asgi_downloads.endpoints.browse import folder, preview, selection, subtitles, words
from asgi_downloads.endpoints.browse.file_page import Neighbours, file_page, neighbours
from asgi_downloads.endpoints.browse.folder import Folder, View
from asgi_downloads.endpoints.browse.folder_page import Heading, folder_page
from asgi_downloads.endpoints.browse.spot import Held, Mounts, Spot
from asgi_downloads.endpoints.stored import FILE
from asgi_downloads.http import media_types
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.headers import combined
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header, Representation
from asgi_downloads.http.parameters import Query
from asgi_downloads.http.plan import plan
from asgi_downloads.responses import show
from asgi_downloads.responses.delivery import NO_CACHE, Delivery
from asgi_downloads.responses.files import SUMS, path_below
from asgi_downloads.responses.sums import send_sum, send_sums
from asgi_downloads.responses.zip_delivery import Bundle, ZipDelivery
from asgi_downloads.storage.anywhere import AnyFile
from asgi_downloads.storage.errors import NotFound, OutsideRoot
from asgi_downloads.storage.files.entries import Entry
from asgi_downloads.storage.jobs import Jobs, Work
from asgi_downloads.storage.objects.bucket import Bucket
from asgi_downloads.storage.threads import in_thread

T = TypeVar("T")

HTML = b"text/html; charset=utf-8"
_FOLDER_ALLOW = ((b"allow", b"GET, HEAD, POST"),)
_FILE_ALLOW = ((b"allow", b"GET, HEAD"),)
_VARY: Header = (b"vary", b"Accept")
_READMES = ("readme.md", "readme.txt", "readme")
_LONGEST_README = max(map(len, _READMES))
_MOST_README = 64 << 10
_ATTEMPTS = 3


def page_jobs() -> Jobs:
    """Threads in which folders are read and pages are made."""
    return Jobs("pages", threads=2, most=64)


@dataclass(frozen=True, slots=True)
class Made:
    """Content made here, with a strong validator of its own."""

    content: bytes
    etag: bytes

    @classmethod
    def of(cls, content: bytes) -> "Made":
        """Content with the tag of its bytes, all of which are looked at: not on the event loop."""
        return cls(content, b'"p-%b"' % blake2b(content, digest_size=16).hexdigest().encode())


@dataclass(frozen=True, slots=True)
class Browse:
    """An ASGI callable below whose URL people see the folders of `mounts`; it is `depth` segments long.

    Without `archive` nothing is put together; with `saving` files are only to be saved, not looked at.
    """

    mounts: Mounts
    title: str
    archive: ZipDelivery | None
    cache_control: bytes = NO_CACHE
    depth: int = 1
    saving: bool = False
    alone: bool = False
    """Whether a file is all that there is, and no folder is to be named."""
    jobs: Jobs = field(default_factory=page_jobs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            path = path_below(scope)
            if path and not path.endswith("/"):
                await self._file(exchange, path)
            else:
                await self._folder(exchange, path)
        except (NotFound, OutsideRoot):  # links that lead out are as little there as hidden names
            await self._refuse(exchange, HTTPError(404))
        except HTTPError as error:
            await self._refuse(exchange, error)

    async def _refuse(self, exchange: Exchange, error: HTTPError) -> None:
        """To a person as a page, to a program as all errors are."""
        if error.status < 400 or not takes_pages(exchange):
            raise error
        detail = error.detail if isinstance(error.detail, str) else "The address cannot be understood"
        path, asks_for_zip = exchange.scope["path"], Query(exchange.query_string).flag("zip")
        back = "../" if error.status == 404 and path.endswith("/") and not asks_for_zip else "./"
        content = f'<p>{escape(words.printable(detail))}</p><p><a href="{back}">Back to the folder</a></p>'
        depth = self.depth + path.removeprefix(exchange.scope.get("root_path", "")).count("/") - 1
        await send_message(exchange, error, depth, f"{error.status}", content)

    # A folder

    async def _folder(self, exchange: Exchange, path: str) -> None:
        spot, query = self.mounts.find(path), Query(exchange.query_string)
        if exchange.method == "POST" and self.archive is not None:
            await self._choose(exchange, spot)
        elif exchange.method not in ("GET", "HEAD"):
            raise HTTPError(405, headers=_FOLDER_ALLOW if self.archive is not None else _FILE_ALLOW)
        elif query.flag("zip"):
            if self.archive is None:
                raise HTTPError(404)
            await self._zip(exchange, self.archive, spot, self._heading(path))
        elif query.flag(SUMS):
            if self.archive is None or spot.files is None:
                raise HTTPError(404)
            delivery, may_omit = spot.files.delivery, self.archive.archives.may_omit
            await send_sums(exchange, delivery, await in_thread(spot.contents), may_omit=may_omit)
        else:
            await self._list(exchange, spot, path)

    async def _list(self, exchange: Exchange, spot: Spot, path: str) -> None:
        view, heading, origin = View.asked(exchange), self._heading(path), _origin(exchange)

        def make(held: Held, entries: list[Entry]) -> Made:
            found = Folder.of(entries, view)
            if view.format == "json":
                return Made.of(folder.as_json(path, found))
            if view.format == "text":
                return Made.of(folder.as_text(found))
            return Made.of(folder_page(heading, found, view, self.archive is not None, origin, _readme(held, entries)))

        content = await self._make(exchange, spot, (origin, exchange.query_string, view.format), make)
        kind = HTML if view.format == "html" else media_types.content_type(folder.MEDIA_TYPES[view.format].decode())
        await self._send(exchange, kind, content, *((pages.CSP,) if view.format == "html" else ()))

    async def _choose(self, exchange: Exchange, spot: Spot) -> None:
        """A form's ticks become a URL, which browsers resume; what is posted they would not."""
        form = await exchange.content(selection.MOST_FORM)
        names = await in_thread(selection.ticked, form)
        if not names:
            raise HTTPError(422, "Nothing was selected")
        query = await in_thread(selection.plain_query, names)
        if query is None:

            def make(held: Held, entries: list[Entry]) -> str:
                return selection.packed_query(names, [entry.name for entry in entries])

            query = await self._make(exchange, spot, form, make)
        await send_redirect(exchange, 303, f"?{query}".encode())

    async def _zip(self, exchange: Exchange, archive: ZipDelivery, spot: Spot, heading: Heading) -> None:
        chosen, left_out = await in_thread(selection.chosen_in, exchange.query_string)
        with Query(exchange.query_string) as query:
            q = str(folder.VIEW["q"].read(query))
        is_counted = chosen is None and (left_out is not None or q != "")

        def matching(held: Held, entries: list[Entry]) -> list[str]:
            others = set(left_out or ())
            return [entry.name for entry in folder.matches(entries, q) if entry.name not in others]

        for left in reversed(range(_ATTEMPTS if is_counted else 1)):
            names = chosen
            if is_counted:
                names = await self._make(exchange, spot, exchange.query_string, matching)
            try:
                await archive.send(exchange, Bundle(spot.contents(names), f"{heading.name}.zip", None))
                return
            except NotFound as error:
                if names is None:
                    raise
                if not left:  # of what matched, something has gone since
                    raise HTTPError(404, f"File not found: {words.printable(str(error))}") from error

    # A file

    async def _file(self, exchange: Exchange, path: str) -> None:
        if self.mounts.is_folder(f"{path}/"):
            await self._redirect(exchange, path)
            return
        spot = self.mounts.find(path)
        if spot.files is None:
            raise NotFound
        if exchange.method not in ("GET", "HEAD"):
            raise HTTPError(405, headers=_FILE_ALLOW)
        query = Query(exchange.query_string)
        try:
            if query.flag("view") and not self.saving:
                await self._view(exchange, spot, spot.files.delivery, path)
            elif query.flag(SUMS):
                await send_sum(exchange, spot.files.delivery, spot.files.tree, spot.path)
            elif query.flag("vtt") and path.lower().endswith(".srt"):
                await self._subtitles(exchange, spot)
            else:
                shown = show.download(spot.path) if self.saving else FILE.show(spot.path, exchange)
                await spot.files.delivery.send(exchange, spot.files.tree, shown)
        except NotFound:
            tree = spot.files.tree
            if isinstance(tree, Bucket):
                # Raises `NotFound` where there is no such folder.
                await self._make(exchange, self.mounts.find(f"{path}/"), (), lambda held, entries: None)
            else:
                async with tree.subtree(spot.path) as below:
                    if spot.files.delivery.private.hides_file(below.fd, os.fstat(below.fd)):
                        raise
            await self._redirect(exchange, path)

    async def _redirect(self, exchange: Exchange, path: str) -> None:
        """To the folder of this name (RFC 9110 §15.4.9), by a relative reference."""
        location = f"./{words.encoded(path.rpartition('/')[2])}/"
        await send_redirect(exchange, 308, with_query(location.encode(), exchange))

    async def _view(self, exchange: Exchange, spot: Spot, delivery: Delivery, path: str) -> None:
        above, _, name = path.rpartition("/")
        above += "/" if above else ""
        kind, heading, origin = media_types.guess(name), self._heading(above), _origin(exchange, name)

        def beside(held: Held, entries: list[Entry]) -> tuple[str, Neighbours]:
            return subtitles.tracks(name, entries), neighbours(name, entries)

        async with _opened(spot) as file:
            tracks, near = await self._make(exchange, self.mounts.find(above), name, beside)
            (digest,) = await delivery.digests.known((file.state,))
            facts = [
                ("Size", f"{words.size_element(file.size)} ({words.count_element(file.size)} bytes)"),
                ("Modified", words.time_element(file.modified * 1_000_000_000)),
                ("Type", kind.decode("latin-1")),
                *([] if digest is None else [("SHA-256", digest.hex())]),
            ]

            def make() -> Made:
                element = preview.element(kind.partition(b";")[0], name, tracks, file)
                return Made.of(file_page(heading, name, near, element, facts, file.size, origin))

            page = await in_thread(make)
        await self._send(exchange, HTML, page, pages.FRAMING if kind == b"application/pdf" else pages.CSP)

    async def _subtitles(self, exchange: Exchange, spot: Spot) -> None:
        async with _opened(spot) as file:
            if file.size > subtitles.MOST:
                raise HTTPError(404)
            content = await in_thread(lambda: Made.of(subtitles.webvtt(file.read_blocking(0, file.size))))
        await self._send(exchange, b"text/vtt; charset=utf-8", content)

    # What both have in common

    def _heading(self, path: str) -> Heading:
        return Heading(self.title, path, self.depth + path.count("/"), not self.alone)

    async def _make(self, exchange: Exchange, spot: Spot, key: object, make: Callable[[Held, list[Entry]], T]) -> T:
        """What is made of the entries of a folder, in a thread; those who ask for the same meanwhile share it."""

        def begin() -> Work[T]:
            held = spot.hold()

            def work(stop: threading.Event) -> T:
                with closing(held):
                    return make(held, held.entries_blocking(stop))

            return work

        whole = exchange.scope.get("root_path", ""), exchange.scope["path"], key
        return await exchange.while_connected(lambda: self.jobs.run(whole, begin, fresh=True))

    async def _send(self, exchange: Exchange, kind: bytes, made: Made, *fields: Header) -> None:
        given = (b"cache-control", self.cache_control), _VARY, NOSNIFF, *fields
        representation = Representation(len(made.content), kind, made.etag, None, given)
        decided = plan(exchange.method, exchange.headers, representation, now=int(time.time()))
        await respond(exchange, decided, HeldBody(made.content))


def takes_pages(exchange: Exchange) -> bool:
    """Whether an error is to be told to a person."""
    return b"text/html" in (combined(exchange.headers, b"accept") or b"")


async def send_message(
    exchange: Exchange, error: HTTPError, depth: int, title: str, content: str, *fields: Header
) -> None:
    """Answer with an error as a page of this title and content, which is HTML; with these fields besides its own."""
    page = pages.fill("message", depth, title=title, content=content)
    length = (b"content-length", b"%d" % len(page))
    headers = [(b"content-type", HTML), length, NOSNIFF, pages.CSP, _VARY, *fields, *error.headers]
    await send_whole(exchange, error.status, headers, page)


def _origin(exchange: Exchange, name: str = "") -> str:
    """The absolute URL of the folder, as the client knows us; without the `name` at its end."""
    raw = exchange.scope.get("raw_path") or quote(exchange.scope["path"], errors="surrogateescape").encode()
    folder = raw.rpartition(b"/")[0] if name else raw.rstrip(b"/")
    return f"{exchange.origin}{folder.decode('latin-1')}/"


def _readme(held: Held, entries: Sequence[Entry]) -> tuple[str, str] | None:
    names = {entry.name.lower(): entry.name for entry in reversed(entries) if len(entry.name) <= _LONGEST_README}
    name = next((names[each] for each in _READMES if each in names), None)
    content = None if name is None else held.read_blocking(name, _MOST_README)
    return None if name is None or content is None else (name, content.decode("utf-8-sig", "replace"))


@asynccontextmanager
async def _opened(spot: Spot) -> AsyncGenerator[AnyFile]:
    """The file of a spot, if it may be seen; raises as `Tree.open`."""
    assert spot.files is not None
    opening: AbstractAsyncContextManager[AnyFile] = spot.files.tree.open(spot.path)
    async with opening as file:
        spot.files.delivery.refuse_private(file)
        yield file
