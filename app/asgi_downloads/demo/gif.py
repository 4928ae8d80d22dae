"""An animated GIF with 128 colours."""

import struct
from collections.abc import Iterable

_CLEAR, _END = b"\x80", b"\x81"
_RUN = 120
"""Codes between two clear codes: with fewer than 126 the LZW table never needs a ninth bit."""


def encode(width: int, height: int, palette: bytes, frames: Iterable[bytes], hundredths: int) -> bytes:
    """`palette` is 128 RGB triples; each frame is indices row by row, shown for so many 1/100 s, for ever."""
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 4, hundredths, 0, 0)
    descriptor = struct.pack("<BHHHHB", 0x2C, 0, 0, width, height, 0)
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF6, 0, 0), palette, loop]
    for indices in frames:
        parts += [control, descriptor, b"\x07", _blocks(_codes(indices)), b"\x00"]
    return b"".join(parts) + b"\x3b"


def _codes(indices: bytes) -> bytes:
    """LZW codes of eight bits, that is, bytes: each index as itself, and the table cleared before it grows."""
    runs = (indices[start : start + _RUN] for start in range(0, len(indices), _RUN))
    return b"".join(_CLEAR + run for run in runs) + _END


def _blocks(data: bytes) -> bytes:
    parts = (data[start : start + 255] for start in range(0, len(data), 255))
    return b"".join(bytes((len(part),)) + part for part in parts)
