"""Deflate in independent blocks (RFC 1951): any block can be made again without those before it.

What comes out depends on the compressor, its version and the processor; `identity` names all three.
"""

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from asgi_downloads.bodies.zip.records import MAX_32

try:
    from isal import isal_zlib as _zlib
except ImportError:
    import zlib as _zlib  # type: ignore[no-redef]

BLOCK = 1 << 20
"""Bytes of content in a block; the last may have less."""

_LEVEL, _SMALL_LEVEL = (3, 2) if _zlib.__name__.startswith("isal") else (6, 6)
"""isal's 3 packs nearly as well as zlib's 6 at eight times its speed; for little content its 2 does."""

WHOLE = 4 << 20
"""Members up to this size are packed before their header is made; larger ones are followed by a descriptor."""

_STORED_LIMIT = 0xFFFF
_SAMPLE = 4096
_SMALL = 1 << 17
_EXPANSION = MAX_32 >> 10  # more than `pack_block` adds to anything below 4 GiB
_PACKED_SUFFIXES = frozenset(
    (  # noqa: SIM905  # words are read more easily than a list of them
        ".7z .aac .apk .avi .avif .br .bz2 .docx .epub .flac .gif .gz .heic .jar .jpeg .jpg .lz4 .m4a .m4v .mkv .mov"
        " .mp3 .mp4 .mpeg .mpg .odp .ods .odt .ogg .opus .png .pptx .rar .tgz .webm .webp .whl .woff .woff2 .xlsx .xz"
        " .zip .zst"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Packing:
    """Which members are deflated: those of which at most `share` is left, and with `by_name` no known archives."""

    name: str
    share: float
    by_name: bool

    @property
    def form(self) -> str:
        """Names everything that decides about the packed bytes."""
        return f"{self.name}-{identity()}"

    def considers(self, name: str, size: int) -> bool:
        """Whether a member may be deflated at all, from its name in the archive and its size."""
        if not size or MAX_32 - _EXPANSION <= size < MAX_32:
            return False  # an unforeseen ZIP64 packed size would not fit the local header's descriptor
        return not (self.by_name and os.path.splitext(name)[1].lower() in _PACKED_SUFFIXES)


DEFLATE = Packing("deflate", 0.98, by_name=False)
AUTO = Packing("auto", 0.9, by_name=True)

PACKINGS: dict[str, Packing | None] = {"store": None, "deflate": DEFLATE, "auto": AUTO}
"""By the names that users know them by."""


def pack_block(data: bytes | memoryview, *, last: bool) -> bytes:
    """One block, packed to end on a byte; never more than 0.01 % larger than `data`."""
    level = _SMALL_LEVEL if len(data) <= _SMALL else _LEVEL
    if last:
        packed: bytes = _zlib.compress(data, level, -15)
    else:
        compressor = _zlib.compressobj(level, _zlib.DEFLATED, -15)
        packed = compressor.compress(data) + compressor.flush(_zlib.Z_FULL_FLUSH)
    return packed if len(packed) <= len(data) else _as_stored_blocks(data, last=last)


def packed_share(samples: Sequence[bytes | memoryview]) -> float:
    """How much deflate would leave of content like these samples, 1 being all."""
    size = sum(map(len, samples))
    return sum(len(_zlib.compress(sample, _LEVEL, -15)) for sample in samples) / size if size else 1.0


def sample_offsets(size: int) -> list[tuple[int, int]]:
    """Offset and count of the four places of a file to try before it is deflated."""
    return [(offset, min(_SAMPLE, size - offset)) for offset in (size * part // 4 for part in range(4))]


@cache
def identity() -> str:
    """Names the compressor by what it makes of a fixed text, so that no two with other output share a name."""
    text = b" ".join(b"%d:%x" % (number % 97, number * number * 2654435761 % 65521) for number in range(6000))
    seen = hashlib.blake2b(pack_block(text, last=True), digest_size=8)
    version = getattr(_zlib, "ZLIB_RUNTIME_VERSION", "")
    seen.update(f"{_zlib.__name__} {version} {_LEVEL} {_SMALL_LEVEL} {_SMALL} {BLOCK} {WHOLE}".encode())
    return seen.hexdigest()


def _as_stored_blocks(data: bytes | memoryview, *, last: bool) -> bytes:
    """RFC 1951 §3.2.4; byte-aligned as the block before ended so."""
    parts: list[bytes | memoryview] = []
    for start in range(0, len(data), _STORED_LIMIT):
        chunk = data[start : start + _STORED_LIMIT]
        final = last and start + _STORED_LIMIT >= len(data)
        parts += [struct.pack("<BHH", final, len(chunk), len(chunk) ^ 0xFFFF), chunk]
    return b"".join(parts)
