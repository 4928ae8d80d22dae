"""Content that is made for one request, as the answer of a route."""

import hashlib
import os
import time
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import AsyncExitStack

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import respond
from asgi_downloads.bodies.spooled_file import hashed, made_file, tag_of
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http.disposition import Kind
from asgi_downloads.http.message import Representation, with_status
from asgi_downloads.http.plan import plan
from asgi_downloads.responses.base import Background, Response
from asgi_downloads.storage.files.temporary import TemporaryFiles

Content = bytes | str | Iterable[bytes | str] | AsyncIterable[bytes | str]


class SpooledResponse(Response):
    """Content made for this request: with a length, a strong validator of its bytes, ranges and preconditions.

    `content` is bytes, text, or an iterable of blocks of either, which is asked in a worker thread, or an async one; it
    is made to the end first, in a file without a name in `temp_dir`, by default the system's place for such files, of
    which nothing is left behind. Who makes the same bytes again has the same validator, so a download resumes.

    `filename` makes a Content-Disposition of the kind `content_disposition_type`; without `media_type` the type is that
    of the name. What the producer raises is raised as it is, before the first byte; a disk that is full is 503, a
    precondition that fails 412, a range beyond the end 416. It is closed in the end, also when the client leaves.

        async def chart(scope, receive, send):
            await SpooledResponse(draw(), filename="chart.png", media_type="image/png")(scope, receive, send)
    """

    def __init__(
        self,
        content: Content,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: Background | None = None,
        *,
        filename: str | None = None,
        content_disposition_type: Kind = "attachment",
        cache_control: str = "no-store",
        temp_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(status_code, headers, background)
        self.content = content
        self.filename = filename
        self.media_type = media_type
        self._kind: Kind = content_disposition_type
        self._cache_control = cache_control
        self._files = TemporaryFiles(temp_dir)

    async def answer(self, exchange: Exchange) -> None:
        blocks = (self.content,) if isinstance(self.content, bytes | str) else self.content
        digest = hashlib.sha256()
        content_type = self.content_type(self.filename or "", self.media_type)
        fields = self.content_fields(content_type, self.filename, self._kind, self._cache_control)
        async with AsyncExitStack() as stack:
            making = stack.enter_async_context(made_file(self._files, hashed(blocks, digest)))
            file = await exchange.while_connected(lambda: making)
            representation = Representation(file.size, content_type, tag_of(digest), fields=fields)
            asked = self.asked(exchange)
            decided = plan(asked.method, asked.headers, representation, now=int(time.time()))
            await respond(asked, with_status(decided, self.status_code), StoredFile(file))
