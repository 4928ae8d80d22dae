"""How an open file leaves, the same for every URL: validators, the plan, and the answer."""

import time
from dataclasses import dataclass
from urllib.parse import quote

from asgi_downloads.asgi.request import EXACT_DATE, Request
from asgi_downloads.asgi.respond import respond, send_whole
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http import validators
from asgi_downloads.http.digest import repr_digest, wants_sha256
from asgi_downloads.http.message import Header, Plan, Representation
from asgi_downloads.http.plan import is_plain, plan
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile

DATE_LAG = 2
"""Seconds by which the Date of a server that is not ours may be behind, as it keeps one for a while."""


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
            last_modified(file.stat.st_mtime_ns // 1_000_000_000, now, EXACT_DATE in request.extensions),
            fields,
        )
        decided = plan(request.method, request.headers, representation, now=now)
        if self.accel_prefix and shown.path and decided.segments and is_plain(request.headers):
            await send_whole(200, _offload(decided.headers, self.accel_prefix + shown.path), b"", send)
            return None
        await respond(decided, StoredFile(file), scope, receive, send, block=self.block)
        return decided


def _offload(headers: list[Header], path: str) -> list[Header]:
    """The same head for nginx, which puts the content behind it.

    Only for requests that leave nothing to decide: ranges and preconditions are ours, so that a
    download may be resumed in another mode than it began in.
    """
    kept = [line for line in headers if line[0] != b"content-length"]
    # nginx decodes the path once, so a `%` or `?` in a name must not be one to it.
    return [*kept, (b"content-length", b"0"), (b"x-accel-redirect", quote(path).encode())]


def last_modified(modified: int, now: int, date_is_exact: bool) -> int | None:
    """Last-Modified for what changed at `modified`, in seconds; None if it could be later than the answer's Date."""
    if date_is_exact:
        return min(modified, now)  # RFC 9110 §8.8.2.1: never later than the message's origination
    return modified if modified <= now - DATE_LAG else None
