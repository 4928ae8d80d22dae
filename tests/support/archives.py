"""Archives of a directory without a server around them."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from pathlib import Path

from asgi_downloads.bodies.base import Piece
from asgi_downloads.bodies.zip.archive import Archive, ZipBody
from asgi_downloads.bodies.zip.deflate import Packing
from asgi_downloads.bodies.zip.first_deflate import deflate
from asgi_downloads.storage.files.checksums import Checksum, Checksums, Known
from asgi_downloads.storage.files.listing import Listing, scan
from asgi_downloads.storage.files.tree import Directory

LONG_AGO = 3_600_000_000_000
"""Nanoseconds to add to the moment of a scan, so that files made a moment before count as settled."""


@contextmanager
def directory(path: Path) -> Generator[Directory]:
    opened = Directory(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    try:
        yield opened
    finally:
        opened.close()


def listing_of(path: Path, *, recursive: bool = False, settled: bool = True) -> Listing:
    with directory(path) as opened:
        listing = scan(opened, recursive=recursive)
    if settled:
        listing.scanned_ns += LONG_AGO
    return listing


def archive_of(path: Path, *, recursive: bool = False, settled: bool = True) -> Archive:
    """A stored archive that knows no CRC yet, and keeps none."""
    nowhere = Checksums()
    nowhere.close()
    listing = listing_of(path, recursive=recursive, settled=settled)
    return Archive(listing, Known(len(listing)), nowhere)


def content(pieces: list[Piece]) -> bytes:
    """What the pieces say, read while their files are open."""
    return b"".join(p if isinstance(p, bytes) else p.file.read_now(p.offset, p.count) for p in pieces)


async def read(pieces: AsyncGenerator[Piece]) -> bytes:
    parts = []
    async with aclosing(pieces):
        async for piece in pieces:
            parts.append(content([piece]))
            if not isinstance(piece, bytes):
                piece.file.check()
    return b"".join(parts)


def cut(archive: Archive, path: Path, start: int = 0, stop: int | None = None) -> bytes:
    """Bytes `[start, stop)` of the archive of the directory at `path`."""
    with directory(path) as opened:
        return asyncio.run(read(ZipBody(archive, opened).pieces(start, archive.size if stop is None else stop)))


def stored(path: Path, *, recursive: bool = False) -> bytes:
    """The whole archive, stored."""
    return cut(archive_of(path, recursive=recursive), path)


def deflated(path: Path, packing: Packing, checksums: Checksums, *, recursive: bool = False) -> bytes:
    """The whole archive as the first download has it."""

    async def run(opened: Directory) -> bytes:
        blocks = deflate(listing_of(path, recursive=recursive), opened, packing, checksums)
        async with aclosing(blocks):
            return b"".join([block async for block in blocks])

    with directory(path) as opened:
        return asyncio.run(run(opened))


def as_dict(known: Known, files: int) -> dict[int, Checksum]:
    """All that is known, by index."""
    return {index: checksum for index in range(files) if (checksum := known.get(index)) is not None}
