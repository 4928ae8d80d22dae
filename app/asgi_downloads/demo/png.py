"""A PNG with a palette."""

import struct
import zlib


def encode(width: int, height: int, palette: bytes, indices: bytes) -> bytes:
    """`palette` is RGB triples, `indices` one byte for each pixel, row by row."""
    rows = b"".join(b"\x00" + indices[y * width : (y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (_chunk(b"IHDR", header), _chunk(b"PLTE", palette), _chunk(b"IDAT", _stored(rows)), _chunk(b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _stored(data: bytes) -> bytes:
    """A zlib stream that compresses nothing: zlib's versions compress differently (RFC 1951 §3.2.4)."""
    parts = [b"\x78\x01"]
    for start in range(0, len(data), 65535):
        block = data[start : start + 65535]
        parts.append(struct.pack("<BHH", start + 65535 >= len(data), len(block), len(block) ^ 0xFFFF) + block)
    return b"".join(parts) + struct.pack(">I", zlib.adler32(data))
