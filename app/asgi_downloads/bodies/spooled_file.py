"""Content that is made for one request and put into a nameless file, so that it has a length, a tag and ranges."""

import hashlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import aiofiles

from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.temporary import TemporaryFiles, not_made
from asgi_downloads.storage.threads import in_thread


@asynccontextmanager
async def made_file(files: TemporaryFiles, blocks: Iterable[bytes]) -> AsyncGenerator[OpenFile]:
    """An open file with these blocks in it, gone from the disk when it is closed.

    Raises `Exhausted` and `Unavailable`.
    """
    with await in_thread(files.anonymous_blocking) as content:
        try:
            async with aiofiles.open(content.fd, "wb", closefd=False) as file:
                for block in blocks:
                    await file.write(block)
        except OSError as error:
            raise not_made(error) from error
        content.look_again()
        yield content


def content_tag(content: bytes) -> bytes:
    """An ETag with its quotes: equal for equal bytes, whenever and wherever they were made."""
    return b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode()
