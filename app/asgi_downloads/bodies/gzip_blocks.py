"""Blocks compressed on their way out (RFC 1952), by isal where it is installed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib import import_module
from typing import Any

from asgi_downloads.storage.threads import in_thread

zlib: Any
try:
    zlib = import_module("isal.isal_zlib")
except ModuleNotFoundError:
    zlib = import_module("zlib")

LEVEL = 1
"""The fastest: what is asked for is a shorter transfer, and the next levels cost three times the CPU for a tenth."""

_GZIP = 16 + zlib.MAX_WBITS


async def gzip_blocks(blocks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """`blocks` as one gzip member, which says nothing of time or name. The first block leaves at once.

    Takes over `blocks` and closes it.
    """
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    first = True
    async with aclosing(blocks):
        async for block in blocks:
            compressed = await in_thread(compressor.compress, block)
            if first:
                compressed += compressor.flush(zlib.Z_SYNC_FLUSH)
                first = False
            if compressed:
                yield compressed
    yield await in_thread(compressor.flush)
