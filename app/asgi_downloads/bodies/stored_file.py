"""A stored file as a body: one slice."""

from collections.abc import AsyncGenerator

from asgi_downloads.bodies.base import FileSlice, Piece
from asgi_downloads.storage.files.openfile import OpenFile


class StoredFile:
    """The content of an open file; the caller keeps the file open while this is used."""

    __slots__ = ("file",)

    def __init__(self, file: OpenFile) -> None:
        self.file = file

    def at_hand(self, start: int, stop: int) -> bytes | None:
        data = self.file.read_cached(start, stop - start)
        if data is None:
            return None
        self.file.check()
        return data

    def close(self) -> None:
        self.file.close()

    async def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
        yield FileSlice(self.file.note(), start, stop - start)
