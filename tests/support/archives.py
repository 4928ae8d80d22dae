"""Archives of a directory without a server around them."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from pathlib import Path

from asgi_downloads.bodies.base import Piece
from asgi_downloads.bodies.zip.archive import Archive, Resources
from asgi_downloads.bodies.zip.body import ZipBody
from asgi_downloads.bodies.zip.deflate import Packing
from asgi_downloads.bodies.zip.first_deflate import deflate
from asgi_downloads.bodies.zip.packed import Checksum
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.scan import scan_blocking
from asgi_downloads.storage.files.tree import Directory

HOUR = 3_600_000_000_000


def later() -> int:
    """A clock an hour ahead: files made a moment before count as settled."""
    return time.time_ns() + HOUR


def earlier() -> int:
    """A clock an hour behind: no file counts as settled."""
    return time.time_ns() - HOUR


@contextmanager
def directory(path: Path) -> Generator[Directory]:
    opened = Directory(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    try:
        yield opened
    finally:
        opened.close()


def listing_of(path: Path, *, recursive: bool = False, settled: bool = True) -> Listing:
    with directory(path) as opened:
        return scan_blocking(opened, recursive=recursive, clock=later if settled else earlier)


def archive_of(path: Path, *, recursive: bool = False, settled: bool = True) -> Archive:
    """A stored archive that knows no CRC yet, and keeps none."""
    nowhere = Checksums()
    nowhere.close()
    listing = listing_of(path, recursive=recursive, settled=settled)
    return Archive(listing, [None] * len(listing), Resources(nowhere))


def deflated_archive(path: Path, packing: Packing, checksums: Checksums, *, recursive: bool = False) -> Archive:
    """The archive after a first deflated download."""
    listing = listing_of(path, recursive=recursive)
    values = checksums.find_blocking(listing, Checksum.kind(packing.form))
    return Archive(listing, values, Resources(checksums), packing.form)


def content(pieces: list[Piece]) -> bytes:
    """What the pieces say, read while their files are open."""
    return b"".join(p if isinstance(p, bytes) else p.file.read_blocking(p.offset, p.count) for p in pieces)


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
        blocks = deflate(listing_of(path, recursive=recursive), opened, packing, Resources(checksums))
        async with aclosing(blocks):
            return b"".join([block async for block in blocks])

    with directory(path) as opened:
        return asyncio.run(run(opened))


def known_crcs(checksums: Checksums, listing: Listing) -> dict[int, int]:
    """What the table knows of the content of these files, by index."""
    values = checksums.find_blocking(listing, Checksum.kind(""))
    return {index: Checksum.of(value).crc for index, value in enumerate(values) if value is not None}
