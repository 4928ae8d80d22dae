"""A directory as an application: every file below it by its path."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from asgi_downloads.asgi.answer import send_redirect, with_query
from asgi_downloads.asgi.exchange import Exchange, route_path
from asgi_downloads.asgi.guard import Answer, answer_error, guarded
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.zip.deflate import PACKINGS
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.parameters import Query
from asgi_downloads.responses.delivery import NO_CACHE, Delivery, Shown
from asgi_downloads.responses.show import WAYS, Show
from asgi_downloads.responses.sums import send_sum, send_sums
from asgi_downloads.responses.zip_delivery import Bundle, ZipDelivery, archives
from asgi_downloads.storage.anywhere import AnyTree
from asgi_downloads.storage.errors import NotFound, OutsideRoot
from asgi_downloads.storage.files.digests import digests
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.tree import Tree
from asgi_downloads.storage.objects.contents import folder_at

SUMS = "sha256"
"""The parameter that asks for digests of files as text, in place of the files."""

ALLOW = ((b"allow", b"GET, HEAD"),)  # RFC 9110 §15.5.6


@dataclass(frozen=True, slots=True)
class FilesEndpoint:
    """An ASGI callable that answers with what lies below `tree`, at any depth, and `?sha256` of it.

    With `archive`, `folder/?zip` is there too, and `folder/?sha256`.
    """

    tree: AnyTree
    show: Callable[[str], Shown]
    hidden: Hidden
    delivery: Delivery
    archive: ZipDelivery | None = None
    url: str = ""
    """Where it is, within the service."""
    page: str = ""
    """Where its folders are shown to people, within the service too; empty if nowhere."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        if exchange.method not in ("GET", "HEAD"):
            raise HTTPError(405, headers=ALLOW)
        path = path_below(scope)
        if self.hidden.hides_any(path):
            raise HTTPError(404)
        try:
            if path and not path.endswith("/"):
                if SUMS.encode() in exchange.query_string and Query(exchange.query_string).flag(SUMS):
                    await send_sum(exchange, self.delivery, self.tree, path)
                else:
                    await self.delivery.send(exchange, self.tree, self.show(path))
            elif not (self.archive and await self._send_folder(exchange, path, self.archive)):
                if not self.page:
                    raise NotFound
                root = scope.get("root_path", "").removesuffix(self.url)
                location = quote(f"{root}{self.page}/{path}", safe="/", errors="surrogateescape").encode()
                await send_redirect(exchange, 307, with_query(location, exchange))
        except (NotFound, OutsideRoot):  # links that lead out are as little there as hidden names
            raise HTTPError(404) from None

    async def _send_folder(self, exchange: Exchange, path: str, archive: ZipDelivery) -> bool:
        """Whether it was asked for in a form that there is."""
        query = Query(exchange.query_string)
        directory, private = self.tree.directory(), self.delivery.private
        folder = folder_at(directory, path, recursive=True, hide=self.hidden, private=private)
        if query.flag("zip"):
            name = path[:-1].rpartition("/")[2] or self.tree.root.name
            await archive.send(exchange, Bundle(folder, f"{name}.zip", PACKINGS["store"]))
        elif query.flag(SUMS):
            await send_sums(exchange, self.delivery, folder, may_omit=archive.archives.may_omit)
        else:
            return False
        return True


def path_below(scope: Scope) -> str:
    """What a URL names beneath the directory that is mounted here. Raises `HTTPError` 404 for what names nothing."""
    path = route_path(scope).removeprefix("/")
    *above, _ = segments = path.split("/")
    if b"%2f" in scope.get("raw_path", b"").lower():  # an encoded slash is no separator, and in no name
        raise HTTPError(404)
    if "" in above or "." in segments or ".." in segments:
        raise HTTPError(404)
    return path


class Files:
    """An ASGI application that serves a directory, sub-folders and all, to be mounted: in place of `StaticFiles`.

    `show` is "inline" (with the type of the name; HTML, SVG and XML in a sandbox), "download" (saved, without a type)
    or "video" (played). A name that matches a pattern of `hide` is 404, at any depth. With `bundle`, `folder/?zip` is
    that folder as one ZIP archive, sub-folders included, with a length, a validator and ranges, and `folder/?sha256`
    what `sha256sum -c` reads; `file?sha256` is there in any case. `cache_control` is "no-cache" if not given: keep it,
    and ask before each use.

    Links are followed where they stay beneath the directory. What is not there, or is no file, is 404; the directory
    itself may come later.

        site.mount("/media", Files("/srv/media"))
    """

    on_error: Answer = staticmethod(answer_error)

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        show: Show = "inline",
        hide: tuple[str, ...] = (".*",),
        bundle: bool = False,
        cache_control: str | None = None,
    ) -> None:
        cache = NO_CACHE if cache_control is None else cache_control.encode("latin-1")
        self._endpoint = FilesEndpoint(
            Tree(Path(directory)),
            WAYS[show],
            Hidden(tuple(hide)),
            Delivery(digests(), cache),
            ZipDelivery(archives(), cache) if bundle else None,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await guarded(self._endpoint, Exchange(scope, receive, send), self.on_error)
        else:
            await send({"type": "websocket.close"})  # before `websocket.accept`, so the client sees a 403
