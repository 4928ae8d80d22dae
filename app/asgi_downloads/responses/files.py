"""A directory as an application: every file below it by its path."""

import os
from pathlib import Path

from asgi_downloads.asgi.exchange import Exchange, route_path
from asgi_downloads.asgi.guard import Answer, answer_error, guarded
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.zip.deflate import PACKINGS
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.parameters import Query
from asgi_downloads.responses.delivery import NO_CACHE, Delivery
from asgi_downloads.responses.show import WAYS, Show
from asgi_downloads.responses.zip_delivery import Bundle, ZipDelivery, archives
from asgi_downloads.storage.errors import NotFound, OutsideRoot
from asgi_downloads.storage.files.contents import Folder
from asgi_downloads.storage.files.digests import digests
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.tree import Tree

ALLOW = ((b"allow", b"GET, HEAD"),)  # RFC 9110 §15.5.6


class Files:
    """An ASGI application that serves a directory, sub-folders and all, to be mounted: in place of `StaticFiles`.

    `show` is "inline" (with the type of the name; HTML, SVG and XML in a sandbox), "download" (saved, without a type)
    or "video" (played). A name that matches a pattern of `hide` is 404, at any depth. With `bundle`, `folder/?zip` is
    that folder as one ZIP archive, sub-folders included, with a length, a validator and ranges. `cache_control` is
    "no-cache" if not given: keep it, and ask before each use.

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
        self._tree = Tree(Path(directory))
        self._show = WAYS[show]
        self._hidden = Hidden(tuple(hide))
        self._delivery = Delivery(digests(), cache)
        self._archive = ZipDelivery(archives(), cache) if bundle else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await guarded(self._answer, Exchange(scope, receive, send), self.on_error)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        exchange = Exchange(scope, receive, send)
        if exchange.method not in ("GET", "HEAD"):
            raise HTTPError(405, headers=ALLOW)
        path = self._path(scope)
        try:
            if path and not path.endswith("/"):
                await self._delivery.send(exchange, self._tree, self._show(path))
            elif self._archive is not None and Query(exchange.query_string).flag("zip"):
                name = path[:-1].rpartition("/")[2] or self._tree.root.name
                folder = Folder(self._tree.directory(), True, path, self._hidden)
                await self._archive.send(exchange, Bundle(folder, f"{name}.zip", PACKINGS["store"]))
            else:
                raise NotFound
        except (NotFound, OutsideRoot):  # links that lead out are as little there as hidden names
            raise HTTPError(404) from None

    def _path(self, scope: Scope) -> str:
        """What the URL names beneath the directory. Raises `HTTPError` 404 for what names nothing."""
        path = route_path(scope).removeprefix("/")
        *above, _ = segments = path.split("/")
        if b"%2f" in scope.get("raw_path", b"").lower():  # an encoded slash is no separator, and in no name
            raise HTTPError(404)
        if "" in above or "." in segments or ".." in segments or self._hidden.hides_any(path):
            raise HTTPError(404)
        return path
