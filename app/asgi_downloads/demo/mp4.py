"""MP4 (ISO/IEC 14496-12) with one H.264 track; moov comes first, so a player starts before it has all."""

import struct
from collections.abc import Sequence

from asgi_downloads.demo import h264
from asgi_downloads.demo.h264 import Picture

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def mux(columns: int, rows: int, pictures: Sequence[Picture], per_second: int) -> bytes:
    """The whole file; `columns` and `rows` are in macroblocks."""
    samples = [struct.pack(">I", len(picture.nal)) + picture.nal for picture in pictures]
    keys = [number for number, picture in enumerate(pictures, 1) if picture.key]
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")

    def movie(data_at: int) -> bytes:
        table = _sample_table(columns * 16, rows * 16, _codec(columns, rows), samples, keys, data_at)
        return _movie(columns * 16, rows * 16, len(samples), per_second, table)

    # The length of moov does not depend on the offset that it holds.
    data_at = len(kind) + len(movie(0)) + 8
    return kind + movie(data_at) + _box(b"mdat", *samples)


def _box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", len(content) + 8) + name + content


def _full(name: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(name, struct.pack(">I", flags), *parts)


def _movie(width: int, height: int, frames: int, per_second: int, table: bytes) -> bytes:
    """Times are in frames."""
    header = struct.pack(">IIIIIHHQ", 0, 0, per_second, frames, 0x10000, 0x100, 0, 0) + _MATRIX + bytes(24)
    track = struct.pack(">IIIIIQHHHH", 0, 0, 1, 0, frames, 0, 0, 0, 0, 0) + _MATRIX
    return _box(
        b"moov",
        _full(b"mvhd", header, struct.pack(">I", 2)),
        _box(
            b"trak",
            _full(b"tkhd", track, struct.pack(">II", width << 16, height << 16), flags=3),
            _box(
                b"mdia",
                _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, per_second, frames, 0x55C4, 0)),
                _full(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"VideoHandler\x00"),
                _box(
                    b"minf",
                    _full(b"vmhd", bytes(8), flags=1),
                    _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1))),
                    table,
                ),
            ),
        ),
    )


def _codec(columns: int, rows: int) -> bytes:
    sps, pps = h264.sequence_parameters(columns, rows), h264.picture_parameters()
    return _box(
        b"avcC",
        b"\x01" + h264.PROFILE + b"\xff\xe1",
        struct.pack(">H", len(sps)) + sps,
        b"\x01" + struct.pack(">H", len(pps)) + pps,
    )


def _sample_table(
    width: int, height: int, codec: bytes, samples: Sequence[bytes], keys: Sequence[int], data_at: int
) -> bytes:
    count = len(samples)
    entry = struct.pack(">6xH16xHHIIIH32sHh", 1, width, height, 0x480000, 0x480000, 0, 1, bytes(32), 24, -1)
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), _box(b"avc1", entry, codec)),
        _full(b"stts", struct.pack(">III", 1, count, 1)),
        _full(b"stss", struct.pack(f">I{len(keys)}I", len(keys), *keys)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
        _full(b"stsz", struct.pack(f">II{count}I", 0, count, *map(len, samples))),
        _full(b"stco", struct.pack(">II", 1, data_at)),
    )
