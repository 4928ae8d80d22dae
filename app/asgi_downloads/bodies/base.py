"""The two kinds of content. A `Body` has a known length and can be cut; blocks have neither."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from asgi_downloads.storage.files.openfile import OpenFile


@dataclass(frozen=True, slots=True)
class FileSlice:
    """`count` bytes of an open file from `offset` on; a server may send them without copying.

    Whoever sends the slice calls `file.check()` before its last bytes go out.
    """

    file: OpenFile
    offset: int
    count: int


Piece = bytes | FileSlice


class Body(Protocol):
    """Content of a known length: what RFC 9110 calls representation data."""

    def at_hand(self, start: int, stop: int) -> bytes | None:
        """Bytes `[start, stop)` if they can be had now, without waiting, checked and few; else None."""
        ...

    def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
        """Bytes `[start, stop)` in order, as pieces. Closing the iterator frees what it holds.

        Raises `FileChanged` when a file behind it is no longer what was planned.
        """
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Content that is in memory."""

    content: bytes

    def at_hand(self, start: int, stop: int) -> bytes:
        return self.content[start:stop]

    async def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
        yield self.content[start:stop]


Blocks = AsyncGenerator[bytes]
"""Content of unknown length, in blocks of 64 KiB or more where there is that much. `aclose()` frees all."""
