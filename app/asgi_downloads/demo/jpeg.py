"""A baseline JPEG (ITU-T T.81) of flat blocks: 8 by 8 pixels of one colour need no cosine transform."""

import struct
from collections.abc import Sequence

from asgi_downloads.demo.bits import Bits

# Twelve codes of four bits for the categories of DC differences; one code of one bit, which ends a block.
_DC_TABLE = bytes((0x00, 0, 0, 0, 12, *(0,) * 12, *range(12)))
_AC_TABLE = bytes((0x10, 1, *(0,) * 15, 0))


def encode(columns: int, rows: int, blocks: Sequence[tuple[int, int, int]]) -> bytes:
    """`blocks` are RGB colours row by row; the picture is eight times as wide and as high."""
    frame = struct.pack(">BHHB", 8, rows * 8, columns * 8, 3) + bytes((1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0))
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00" + struct.pack(">HBHHBB", 0x0101, 0, 1, 1, 0, 0)),
            _segment(0xDB, b"\x00" + b"\x08" * 64),
            _segment(0xC0, frame),
            _segment(0xC4, _DC_TABLE),
            _segment(0xC4, _AC_TABLE),
            _segment(0xDA, bytes((3, 1, 0, 2, 0, 3, 0, 0, 63, 0))),
            _scan(blocks),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _scan(blocks: Sequence[tuple[int, int, int]]) -> bytes:
    bits = Bits()
    before = [0, 0, 0]
    for colour in blocks:
        # A flat block's DC is eight times its level; the quantiser, 8, takes that away again.
        for component, level in enumerate(_levels(*colour)):
            _put_dc(bits, level - before[component])
            bits.put(0, 1)
            before[component] = level
    bits.align(1)
    return bytes(bits).replace(b"\xff", b"\xff\x00")


def _put_dc(bits: Bits, difference: int) -> None:
    """T.81 §F.1.2.1: the number of bits, then the bits; a negative number as its ones' complement."""
    category = abs(difference).bit_length()
    bits.put(category, 4)
    bits.put(difference if difference >= 0 else difference - 1, category)


def _levels(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """Luma and the two chromas (JFIF's BT.601), each about zero."""
    return (
        (299 * red + 587 * green + 114 * blue) // 1000 - 128,
        max(-128, min(127, (-169 * red - 331 * green + 500 * blue) // 1000)),
        max(-128, min(127, (500 * red - 419 * green - 81 * blue) // 1000)),
    )
