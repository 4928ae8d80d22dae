"""How a stored file leaves, wherever it is asked for: opened once, validators, the plan, and the answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.extensions import EXACT_DATE
from asgi_downloads.asgi.respond import respond
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http import validators
from asgi_downloads.http.digest import digest_line, wanted_fields
from asgi_downloads.http.message import ByteRange, Header, Plan, Representation
from asgi_downloads.http.offload import offload, offload_from_store, redirect_to_store
from asgi_downloads.http.plan import foresee, is_one_range, is_plain, plan
from asgi_downloads.http.ranges import IntRange, SuffixRange
from asgi_downloads.responses.kept import keep
from asgi_downloads.storage.anywhere import AnyFile, AnyTree
from asgi_downloads.storage.errors import FileChanged, NotFound
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from asgi_downloads.storage.objects.bucket import Bucket, StoredObject, Wanted
from asgi_downloads.storage.objects.store import Part

NO_CACHE = b"no-cache"
"""RFC 9111 §5.2.2.4: keep it, but ask before each use. Without a word a browser may show a file of last year for weeks
without asking (§4.2.2), also one that has been replaced since."""


EXPIRES = 60
"""Seconds within which a signed URL has to be used; a transfer that has begun goes on."""

_FARTHEST = 1 << 62
"""Beyond it a store might not count."""

_SIGNED = ("response-content-disposition", "response-cache-control")

_ATTEMPTS, _PAUSE = 4, 0.002
"""How often a file is opened that changes while its few bytes are read, and the seconds between."""

File = TypeVar("File")


@dataclass(frozen=True, slots=True)
class Shown:
    """How one URL shows one file: its name beneath the tree, its type, and the fields that go with it."""

    name: str
    content_type: bytes
    fields: tuple[Header, ...]
    etag: bytes | None = None
    """Instead of the file's own, with its quotes."""
    last_modified: int | None = None
    """Instead of the file's own, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What all answers with stored files have in common.

    `cache_control` says how an answer may be kept. `portable` as of `validators.etag`. With `accel_prefix`, as
    `/_files/`, nginx sends what is asked for as a whole: it has the tree there. What is `private` is not there.
    """

    digests: Digests
    cache_control: bytes = NO_CACHE
    portable: bool = False
    accel_prefix: str = ""
    private: Private = NOTHING_PRIVATE

    async def send(self, exchange: Exchange, tree: AnyTree, shown: Shown) -> None:
        """Answer with a file of `tree`; what is kept ready to send is kept.

        Raises `HTTPError` 400, 412 and 416, and as `tree.open` and `respond`.
        """

        if isinstance(tree, Bucket):
            await exchange.while_connected(partial(self._send_object, exchange, tree, shown))
            return

        async def answer(file: OpenFile) -> None:
            self.refuse_private(file)
            representation = await self.represent(exchange, file, shown)
            decided = plan(exchange.method, exchange.headers, representation, now=int(time.time()))
            if self.accel_prefix and decided.segments and is_plain(exchange.headers):
                await send_whole(exchange, 200, offload(decided.headers, self.accel_prefix + shown.name))
                return
            await self.respond(exchange, decided, file)
            if not self.accel_prefix:
                keep(exchange.scope, decided, representation, file, tree, shown.name)

        await with_file(lambda: tree.open(shown.name), answer)

    def refuse_private(self, file: AnyFile) -> None:
        """Raise `NotFound` for a file that is not there for anybody."""
        if isinstance(file, OpenFile) and self.private.hides_file(file.fd, file.stat):
            raise NotFound

    async def _send_object(self, exchange: Exchange, bucket: Bucket, shown: Shown) -> None:
        async def answer(file: StoredObject) -> None:
            decided = await self.plan(exchange, file, shown)
            elsewhere = _from_store(exchange, decided, file, shown, bucket.mode)
            await (respond(exchange, decided, file) if elsewhere is None else send_whole(exchange, *elsewhere))

        # What was replaced between facts and content is planned once more.
        await with_file(lambda: bucket.open(shown.name, _wanted(exchange)), answer, attempts=2)

    def _etag(self, file: AnyFile) -> bytes:
        if isinstance(file, StoredObject):
            return file.meta.etag  # the store's own, which is the same wherever it is asked
        return validators.etag(file.state, portable=self.portable)

    async def represent(self, exchange: Exchange, file: AnyFile, shown: Shown) -> Representation:
        """What a 200 would say of this open file."""
        now = int(time.time())
        fields = shown.fields
        if all(name != b"cache-control" for name, _ in fields):
            fields = ((b"cache-control", self.cache_control), *fields)
        if wanted := wanted_fields(exchange.headers):
            digest = await exchange.while_connected(lambda: self.digests.soon(file))
            if digest is not None:  # RFC 9530 §4: a preference, which may go unmet
                fields = (*fields, *(digest_line(field, digest) for field in wanted))
        if isinstance(file, StoredObject) and file.meta.encoding:
            fields = (*fields, (b"content-encoding", file.meta.encoding.encode("latin-1", "replace")))
        modified = shown.last_modified
        if modified is None:
            modified = file.modified
        return Representation(
            file.size,
            shown.content_type,
            shown.etag or self._etag(file),
            validators.last_modified(modified, now, EXACT_DATE in exchange.extensions),
            fields,
        )

    async def plan(self, exchange: Exchange, file: AnyFile, shown: Shown) -> Plan:
        """The answer with this open file; raises `HTTPError` 400, 412 and 416."""
        representation = await self.represent(exchange, file, shown)
        return plan(exchange.method, exchange.headers, representation, now=int(time.time()))

    async def respond(self, exchange: Exchange, plan: Plan, file: OpenFile) -> None:
        """Send what is planned of this file; a digest that it lacks is computed meanwhile, for a resume or the next."""
        wanted = plan.segments and wanted_fields(exchange.headers)
        lacks = wanted and all(name not in wanted for name, _ in plan.headers)
        async with self.digests.meanwhile(file) if lacks else nullcontext():
            await respond(exchange, plan, StoredFile(file))


def _from_store(
    exchange: Exchange, decided: Plan, file: StoredObject, shown: Shown, mode: str
) -> tuple[int, list[Header]] | None:
    """Status and head of an answer whose content is fetched from the store by somebody else; None if we send it."""
    match decided.segments:
        case (ByteRange() as part,) if mode != "stream":
            fields = {f"response-{name.decode()}": value.decode("latin-1") for name, value in decided.headers}
            query = {name: text for name, text in fields.items() if name in _SIGNED}
            query["response-content-type"] = shown.content_type.decode("latin-1")
        case _:
            return None
    if mode == "redirect":
        protected = any(name == b"content-security-policy" for name, _ in decided.headers)  # a store would not say it
        if protected or not is_one_range(exchange.headers):
            return None
        return 307, redirect_to_store(file.url(exchange.method, query, EXPIRES), EXPIRES // 2)
    if any(name == b"if-match" for name, _ in exchange.headers):  # nginx asks so when the store has refused
        return None
    url = file.url("GET", query, EXPIRES)
    whole = len(part) == file.size
    return decided.status, offload_from_store(decided.headers, url, file.meta.etag, None if whole else part)


def _wanted(exchange: Exchange) -> Wanted | None:
    """What to ask of a store together with the facts; None if the facts come first."""
    foreseen = foresee(exchange.method, exchange.headers)
    match foreseen and foreseen.part:
        case SuffixRange(length):
            part: Part = {"suffix": min(length, _FARTHEST)}
        case IntRange(first, None):
            part = {"offset": min(first, _FARTHEST)}
        case IntRange(first, int(last)):
            part = (min(first, _FARTHEST), min(last, _FARTHEST) + 1)
        case _:
            part = None
    return None if foreseen is None else Wanted(part, foreseen.etag)


async def with_file(
    opening: Callable[[], AbstractAsyncContextManager[File]],
    answer: Callable[[File], Awaitable[None]],
    attempts: int = _ATTEMPTS,
) -> None:
    """Open a file and answer with it; raises what either does."""
    for left in reversed(range(attempts)):
        try:
            async with opening() as file:
                await answer(file)
            return
        except FileChanged:  # before the first byte, perhaps in the midst of a write(2) that makes it longer
            if not left:
                raise
            await asyncio.sleep(_PAUSE)
