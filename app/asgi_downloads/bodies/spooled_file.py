"""Content that is made for one request and put into a nameless file, so that it has a length, a tag and ranges."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Protocol

import aiofiles

from asgi_downloads.bodies.producer import Producer, one_by_one
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.temporary import TemporaryFiles, not_made
from asgi_downloads.storage.threads import in_thread, to_the_end


class Hash(Protocol):
    """A hash of `hashlib`'s, under way."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@asynccontextmanager
async def made_file(files: TemporaryFiles, blocks: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncGenerator[OpenFile]:
    """An open file with these blocks in it, gone from the disk when it is closed.

    Raises `Exhausted` and `Unavailable`, and what the maker of the blocks raises.
    """
    with await in_thread(files.anonymous_blocking) as content:
        async with Producer(blocks) as producer, aclosing(producer.batches(one_by_one)) as batches:
            with _not_made():
                file = await to_the_end(aiofiles.open(content.fd, "wb", closefd=False))
            try:
                async for (block,) in batches:
                    with _not_made():
                        await to_the_end(file.write(block))
            finally:
                with _not_made():
                    await to_the_end(file.close())
        content.look_again()
        yield content


@contextmanager
def _not_made() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_made(error) from error


async def hashed(content: Iterable[bytes | str] | AsyncIterable[bytes | str], digest: Hash) -> AsyncGenerator[bytes]:
    """The blocks of `content` as bytes, each having gone into `digest`."""
    async with Producer(content) as producer:
        async for (block,) in producer.batches(one_by_one):
            block = block.encode() if isinstance(block, str) else block
            await in_thread(digest.update, block)
            yield block


def content_tag(content: bytes) -> bytes:
    """An ETag with its quotes: equal for equal bytes, whenever and wherever they were made."""
    return tag_of(hashlib.sha256(content))


def tag_of(digest: Hash) -> bytes:
    """The `content_tag` of what went into a SHA-256."""
    return b'"%s"' % digest.hexdigest()[:32].encode()
