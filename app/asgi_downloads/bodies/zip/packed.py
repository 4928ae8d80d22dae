"""How a member lies in its archive: stored, or deflated in blocks of known lengths, so that each can be made again."""

from array import array
from typing import NamedTuple, Self

from asgi_downloads.bodies.zip.deflate import WHOLE, pack_block
from asgi_downloads.bodies.zip.records import DEFLATED, Entry
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.listing import Listing


class Checksum(NamedTuple):
    """The CRC-32 of a file's content, and the lengths of the blocks it was packed in; none if it is stored."""

    crc: int
    blocks: bytes = b""
    """Little-endian 32-bit numbers."""

    @classmethod
    def of(cls, value: bytes) -> Self:
        """What `value` gave, when it was kept."""
        return cls(int.from_bytes(value[:4], "little"), value[4:])

    @property
    def value(self) -> bytes:
        """Both as `Checksums` keeps them, by `kind`."""
        return self.crc.to_bytes(4, "little") + self.blocks

    @staticmethod
    def kind(form: str) -> str:
        """What `Checksums` knows those of a form of packing by; "" is the content itself."""
        return f"crc32 {form}"


def entry_of(name: str, listing: Listing, index: int, checksum: Checksum | None = None) -> Entry:
    """The member that a listed file becomes: stored, unless its checksum says in which blocks it is packed."""
    state, mode = listing[index], listing.mode(index)
    encoded, size, mtime = name.encode(), state.size, state.mtime_ns // 1_000_000_000
    if name.endswith("/"):
        return Entry(encoded, 0, 0, mtime, mode)
    if checksum is None or not checksum.blocks:
        return Entry(encoded, size, size, mtime, mode)
    return Entry(encoded, size, sum(array("I", checksum.blocks)), mtime, mode, DEFLATED, size > WHOLE)


def pack_again(data: memoryview, length: int, *, last: bool) -> bytes:
    """A block as it was announced, `length` bytes. Raises `FileChanged` if it comes out otherwise."""
    packed = pack_block(data, last=last)
    if len(packed) != length:
        raise FileChanged
    return packed
