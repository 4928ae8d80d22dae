"""One stored file as the answer of a route."""

import os
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from pathlib import Path
from typing import Literal

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.http import validators
from asgi_downloads.http.disposition import Kind
from asgi_downloads.http.message import with_status
from asgi_downloads.responses.base import Background, Response
from asgi_downloads.responses.delivery import Delivery, Shown, with_file
from asgi_downloads.storage.files.digests import digests
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Tree, open_anywhere

_DELIVERIES = {"strict": Delivery(digests()), "portable": Delivery(digests(), portable=True)}


class FileResponse(Response):
    """A stored file: with a length, a strong validator, ranges, preconditions, and a digest for who asks (RFC 9530).

    The first eight parameters are those of Starlette's class and mean the same: `filename` makes a Content-Disposition
    of the kind `content_disposition_type`; without `media_type` the type is that of the name; `stat_result` is not
    looked at, as the file is opened once and everything is told from that.

    With `within`, a directory, `path` may come from a client: it is resolved beneath that directory, and neither `..`
    nor a link leads out of it. `cache_control` says how the answer may be kept; "no-cache" if not given, which is to
    keep it and to ask before each use. `etag="portable"` leaves inode and ctime out of the validator, for replicas that
    hold copies of one tree.

    What is not there, or is no regular file, is 404, a name that leads out 400, a precondition that fails 412 and a
    range beyond the end 416; a disk that fails is 503. With another `status_code` than 200, and for other methods than
    GET and HEAD, the file goes out whole (RFC 9110 §14.2).

        async def report(scope, receive, send):
            await FileResponse("2026.pdf", within="/srv/reports", filename="2026.pdf")(scope, receive, send)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: Background | None = None,
        filename: str | None = None,
        stat_result: os.stat_result | None = None,
        content_disposition_type: Kind = "attachment",
        *,
        within: str | os.PathLike[str] | None = None,
        cache_control: str | None = None,
        etag: Literal["strict", "portable"] = "strict",
    ) -> None:
        super().__init__(status_code, headers, background)
        self.path = os.fspath(path)
        self.filename = filename
        self.media_type = media_type
        self._kind: Kind = content_disposition_type
        self._within = None if within is None else os.fspath(within)
        self._cache_control = cache_control
        self._delivery = _DELIVERIES[etag]

    async def answer(self, exchange: Exchange) -> None:
        asked = self.asked(exchange)

        async def send(file: OpenFile) -> None:
            decided = await self._delivery.plan(asked, file, self._shown())
            await self._delivery.respond(asked, with_status(decided, self.status_code), file)

        await with_file(self._open, send)

    def _open(self) -> AbstractAsyncContextManager[OpenFile]:
        return open_anywhere(self.path) if self._within is None else tree_at(self._within).open(self.path)

    def _shown(self) -> Shown:
        content_type = self.content_type(self.filename or self.path, self.media_type)
        return Shown(
            self.path,
            content_type,
            self.content_fields(content_type, self.filename, self._kind, self._cache_control),
            self.given(b"etag"),
            validators.parse_http_date(self.given(b"last-modified") or b"", int(time.time())),
        )


@lru_cache(maxsize=256)
def tree_at(path: str) -> Tree:
    """The tree at that path; its descriptor is kept between requests."""
    return Tree(Path(path))
