"""SHA-256 of files as lines of text, as `sha256sum -c` reads them."""

import threading
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from functools import partial

from asgi_downloads.asgi.answer import NO_STORE
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import respond_blocks
from asgi_downloads.http.disposition import content_disposition
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.responses.delivery import Delivery
from asgi_downloads.storage.anywhere import AnyDirectory, AnyFile, AnyTree
from asgi_downloads.storage.errors import Unreadable
from asgi_downloads.storage.files.contents import Contents
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.jobs import Work

MOST = 100_000
"""Files of one folder."""

_LINES = 256
"""Lines that are sent together where all digests are known."""


async def send_sum(exchange: Exchange, delivery: Delivery, tree: AnyTree, path: str) -> None:
    """Answer with the line of one file of `tree`. Raises as `Tree.open`, `FileChanged`, and `Busy`."""
    name = path.rpartition("/")[2]
    opening: AbstractAsyncContextManager[AnyFile] = tree.open(path)
    async with opening as file:
        delivery.refuse_private(file)

        async def line() -> AsyncGenerator[bytes]:
            yield sum_line(await delivery.digests.sha256(file), name)

        await _send(exchange, line(), f"{name}.sha256")


async def send_sums(exchange: Exchange, delivery: Delivery, contents: Contents, *, may_omit: bool = False) -> None:
    """Answer with a line for each file of a folder, or of what was selected of one, as each is computed.

    `may_omit` leaves out what cannot be read, which is `Unreadable` else. Raises as the scan of `contents`, and `Busy`.
    """

    def begin() -> Work[Listing]:
        return partial(_scan_blocking, contents.duplicate())

    listing = await exchange.while_connected(lambda: delivery.digests.jobs.run(contents.key, begin, fresh=True))
    if listing.unreadable and not may_omit:
        count, first = len(listing.unreadable), listing.unreadable[0]
        raise Unreadable(f"{count} of its files or directories cannot be read, the first is {first!r}")
    await _send(exchange, _lines(delivery, contents.directory, listing), "SHA256SUMS")


def sum_line(sha256: bytes, name: str) -> bytes:
    """One line, as coreutils have it: a backslash or a line break in a name is escaped, and the line says so."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{sha256.hex()}  {escaped}\n".encode("utf-8", "surrogateescape")


async def _send(exchange: Exchange, blocks: AsyncGenerator[bytes], filename: str) -> None:
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-disposition", content_disposition("inline", filename)),
        (b"x-accel-buffering", b"no"),
        NO_STORE,
        NOSNIFF,
    ]
    await respond_blocks(exchange, 200, fields, blocks)


def _scan_blocking(contents: Contents, stop: threading.Event) -> Listing:
    try:
        return contents.scan_blocking(MOST, stop, time.time_ns)
    finally:
        contents.directory.close()


async def _lines(delivery: Delivery, directory: AnyDirectory, listing: Listing) -> AsyncGenerator[bytes]:
    known = await delivery.digests.known(listing)
    lines: list[bytes] = []
    for digest, path, name in zip(known, listing.paths, listing.names, strict=True):
        if name.endswith("/"):  # an empty directory
            continue
        if lines and (digest is None or len(lines) == _LINES):
            yield b"".join(lines)
            lines.clear()
        if digest is None:
            opening: AbstractAsyncContextManager[AnyFile] = directory.open(path)
            async with opening as file:
                delivery.refuse_private(file)
                digest = await delivery.digests.sha256(file)
        lines.append(sum_line(digest, name))
    yield b"".join(lines)
