"""How an open file leaves, the same for every URL: validators, the plan, and the answer."""

import time
from dataclasses import dataclass

from app.asgi.request import EXACT_DATE, Request
from app.asgi.respond import respond
from app.asgi.types import Receive, Scope, Send
from app.bodies.stored_file import StoredFile
from app.http import validators
from app.http.digest import repr_digest, wants_sha256
from app.http.message import Header, Representation
from app.http.plan import plan
from app.storage.digests import Digests
from app.storage.openfile import OpenFile

DATE_LAG = 2
"""Seconds by which the Date of a server that is not ours may be behind, as it keeps one for a while."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What all file URLs have in common; `block` in bytes, `portable` as of `validators.etag`."""

    digests: Digests
    block: int
    portable: bool = False

    async def send(
        self,
        file: OpenFile,
        content_type: bytes,
        fields: tuple[Header, ...],
        request: Request,
        exchange: tuple[Scope, Receive, Send],
    ) -> None:
        """Answer the request with this file; raises `HTTPError` for 400, 412 and 416, and as `respond`."""
        now = int(time.time())
        if wants_sha256(request.headers):
            fields = (*fields, repr_digest(await self.digests.sha256(file)))
        representation = Representation(
            file.size,
            content_type,
            validators.etag(file.stat, portable=self.portable),
            last_modified(file, now, EXACT_DATE in request.extensions),
            fields,
        )
        decided = plan(request.method, request.headers, representation, now=now)
        await respond(decided, StoredFile(file), *exchange, block=self.block)


def last_modified(file: OpenFile, now: int, date_is_exact: bool) -> int | None:
    """Last-Modified in seconds; None if it could be later than the Date that goes out with it."""
    modified = file.stat.st_mtime_ns // 1_000_000_000
    if date_is_exact:
        return min(modified, now)  # RFC 9110 §8.8.2.1: never later than the message's origination
    return modified if modified <= now - DATE_LAG else None
