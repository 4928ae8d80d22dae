"""How an open file leaves, the same for every URL: validators, the plan, and the answer."""

import time
from dataclasses import dataclass

from asgi_downloads.asgi.request import EXACT_DATE, Request
from asgi_downloads.asgi.respond import respond, send_whole
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http import validators
from asgi_downloads.http.digest import repr_digest, wants_sha256
from asgi_downloads.http.message import Header, Plan, Representation
from asgi_downloads.http.offload import offload
from asgi_downloads.http.plan import is_plain, plan
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile


@dataclass(frozen=True, slots=True)
class Shown:
    """A file, and how one URL shows it. `path` is its name beneath the data directory, if nginx may have it."""

    file: OpenFile
    content_type: bytes
    fields: tuple[Header, ...]
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What all URLs of files have in common.

    `block` is in bytes, `portable` as of `validators.etag`. With `accel_prefix`, as `/_files/`, nginx
    sends what is asked for as a whole.
    """

    digests: Digests
    block: int
    portable: bool = False
    accel_prefix: str = ""

    async def send(self, shown: Shown, request: Request, scope: Scope, receive: Receive, send: Send) -> Plan | None:
        """Answer with this file and return the plan, or None where nginx sends it.

        Raises `HTTPError` 400, 412 and 416, and as `respond`.
        """
        file, fields = shown.file, shown.fields
        now = int(time.time())
        if wants_sha256(request.headers):
            fields = (*fields, repr_digest(await self.digests.sha256(file)))
        representation = Representation(
            file.size,
            shown.content_type,
            validators.etag(file.stat, portable=self.portable),
            validators.last_modified(file.stat.st_mtime_ns // 1_000_000_000, now, EXACT_DATE in request.extensions),
            fields,
        )
        decided = plan(request.method, request.headers, representation, now=now)
        if self.accel_prefix and shown.path and decided.segments and is_plain(request.headers):
            await send_whole(200, offload(decided.headers, self.accel_prefix + shown.path), b"", send)
            return None
        await respond(decided, StoredFile(file), scope, receive, send, block=self.block)
        return decided
