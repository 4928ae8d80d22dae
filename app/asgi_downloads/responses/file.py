"""How a stored file leaves, wherever it is asked for: opened once, validators, the plan, and the answer."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.extensions import EXACT_DATE
from asgi_downloads.asgi.respond import respond
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http import media_types, validators
from asgi_downloads.http.digest import repr_digest, wants_sha256
from asgi_downloads.http.disposition import Kind, content_disposition
from asgi_downloads.http.message import Header, Plan, Representation
from asgi_downloads.http.offload import offload
from asgi_downloads.http.plan import is_plain, plan
from asgi_downloads.responses.base import Background, Response
from asgi_downloads.responses.kept import keep
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Tree, open_path, tree_at

NO_CACHE = b"no-cache"
"""RFC 9111 §5.2.2.4: keep it, but ask before each use. Without a word a browser may show a file of last year for weeks
without asking (§4.2.2), also one that has been replaced since."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How one URL shows one file: its name beneath the tree, its type, and the fields that go with it."""

    name: str
    content_type: bytes
    fields: tuple[Header, ...]
    cache_control: bytes | None = None
    """Instead of what is said of all stored files."""
    etag: bytes | None = None
    """Instead of the file's own, with its quotes."""
    last_modified: int | None = None
    """Instead of the file's own, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What all answers with stored files have in common.

    `cache_control` says how an answer may be kept. `portable` as of `validators.etag`. With `accel_prefix`, as
    `/_files/`, nginx sends what is asked for as a whole.
    """

    digests: Digests
    cache_control: bytes = NO_CACHE
    portable: bool = False
    accel_prefix: str = ""

    async def send(self, exchange: Exchange, tree: Tree, shown: Shown) -> None:
        """Answer with a file of `tree`; what is kept ready to send is kept.

        Raises `HTTPError` 400, 412 and 416, and as `Tree.open` and `respond`.
        """
        async with tree.open(shown.name) as file:
            decided = await self.plan(exchange, file, shown)
            if self.accel_prefix and decided.segments and is_plain(exchange.headers):
                path = f"{self.accel_prefix}{tree.root.name}/{shown.name}"
                await send_whole(exchange, 200, offload(decided.headers, path))
                return
            await respond(exchange, decided, StoredFile(file))
            keep(exchange.scope, decided, file, tree, shown.name)

    async def plan(self, exchange: Exchange, file: OpenFile, shown: Shown) -> Plan:
        """The answer with this open file; raises `HTTPError` 400, 412 and 416."""
        now = int(time.time())
        fields = ((b"cache-control", shown.cache_control or self.cache_control), *shown.fields)
        if wants_sha256(exchange.headers):
            fields = (*fields, repr_digest(await self._digest(exchange, file)))
        modified = shown.last_modified
        if modified is None:
            modified = file.stat.st_mtime_ns // 1_000_000_000
        representation = Representation(
            file.size,
            shown.content_type,
            shown.etag or validators.etag(file.stat, portable=self.portable),
            validators.last_modified(modified, now, EXACT_DATE in exchange.extensions),
            fields,
        )
        return plan(exchange.method, exchange.headers, representation, now=now)

    async def _digest(self, exchange: Exchange, file: OpenFile) -> bytes:
        """The file's SHA-256, for as long as the client waits for it."""
        digest = b""

        async def work() -> None:
            nonlocal digest
            digest = await self.digests.sha256(file)

        await exchange.while_connected(work)
        return digest


_digests = Digests()
_DELIVERIES = {"strict": Delivery(_digests), "portable": Delivery(_digests, portable=True)}


_DECIDED = (b"content-type", b"cache-control", b"etag", b"last-modified")


class FileResponse(Response):
    """A stored file: with a length, a strong validator, ranges, preconditions, and digests for who asks (RFC 9530).

    The first eight parameters are those of Starlette's class, with the same meaning: `filename` makes a
    Content-Disposition, of the kind `content_disposition_type`; without `media_type` the type is that of the name;
    `stat_result` is not needed, because the file is opened once and everything is told from that.

    With `within`, a directory, `path` may come from a client: it is resolved beneath that directory, and neither `..`
    nor a link leads out of it. `cache_control` says how the answer may be kept ("no-cache" if not given: keep it, but
    ask before each use). `etag="portable"` leaves inode and ctime out of the validator, for replicas with copied trees.

    What is not there, or is no regular file, is 404; a name that leads out 400; 412 and 416 by RFC 9110.

        async def app(scope, receive, send):
            await FileResponse("report.pdf", within="/srv/reports", filename="report.pdf")(scope, receive, send)
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
        self.within = within
        self._delivery = _DELIVERIES[etag]
        self._cache_control = None if cache_control is None else cache_control.encode("latin-1")
        self._kind: Kind = content_disposition_type
        self._media_type = media_type

    async def answer(self, exchange: Exchange) -> None:
        whole = self.status_code != 200 or exchange.method not in ("GET", "HEAD")
        async with self._open() as file:
            asked = replace_request(exchange) if whole else exchange
            decided = await self._delivery.plan(asked, file, self._shown())
            if self.status_code != 200:
                decided = replace(decided, status=self.status_code)
            await respond(exchange, decided, StoredFile(file))

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[OpenFile]:
        opening = open_path(self.path) if self.within is None else tree_at(self.within).open(self.path)
        async with opening as file:
            yield file

    def _shown(self) -> Shown:
        content_type = self._content_type()
        ours: list[Header] = []
        shown_inline = self.filename is None or self._kind == "inline"
        if self.filename is not None:
            ours.append((b"content-disposition", content_disposition(self._kind, self.filename)))
        ours += media_types.inline_fields(content_type) if shown_inline else (media_types.NOSNIFF,)
        given = dict(self.raw_headers)
        modified = validators.parse_http_date(given.get(b"last-modified", b""), int(time.time()))
        return Shown(
            self.path,
            content_type,
            tuple(line for line in self.fields(*ours) if line[0] not in _DECIDED),
            given.get(b"cache-control", self._cache_control),
            given.get(b"etag"),
            modified,
        )

    def _content_type(self) -> bytes:
        given = dict(self.raw_headers).get(b"content-type")
        if given is not None:
            return given
        if self._media_type is None:
            return media_types.guess(self.filename or self.path)
        return media_types.content_type(self._media_type)


def replace_request(exchange: Exchange) -> Exchange:
    """The exchange as if nothing were asked but the whole content."""
    return Exchange({**exchange.scope, "method": "GET", "headers": []}, exchange.receive, exchange.send)
