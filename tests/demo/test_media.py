"""Each sample is what its name says: to other programs, and to a reading of its own structure."""

import json
import re
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.demo import gif, h264, jpeg, mp4, pdf, png, video
from asgi_downloads.demo.bits import Bits
from tests.support.tools import require

PALETTE = bytes(range(128)) * 3
INDICES = bytes((x * y) % 128 for y in range(40) for x in range(56))
COLOURS = tuple((PALETTE[3 * i], PALETTE[3 * i + 1], PALETTE[3 * i + 2]) for i in range(128))


def probe(path: Path) -> dict[str, str]:
    """What ffprobe says of the first stream, after decoding all of it."""
    require("ffprobe")
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""
    stream: dict[str, str] = json.loads(done.stdout)["streams"][0]
    return stream


def decoded(path: Path, pixels: str) -> bytes:
    """Every frame by ffmpeg, in that pixel format."""
    require("ffmpeg")
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "rawvideo", "-pix_fmt", pixels, "-"]
    done = subprocess.run(command, capture_output=True, timeout=20, check=True)
    assert done.stderr == b""
    return done.stdout


@dataclass(frozen=True)
class Media:
    id: str
    content: bytes
    facts: tuple[tuple[str, object], ...]


MEDIA = [
    Media(
        "png",
        png.encode(56, 40, PALETTE, INDICES),
        (("codec_name", "png"), ("width", 56), ("height", 40), ("nb_read_frames", "1")),
    ),
    Media(
        "gif",
        gif.encode(56, 40, PALETTE, [INDICES, INDICES[::-1]], 10),
        (("codec_name", "gif"), ("width", 56), ("height", 40), ("nb_read_frames", "2")),
    ),
    Media(
        "jpg",
        jpeg.encode(7, 5, [COLOURS[i] for i in range(35)]),
        (("codec_name", "mjpeg"), ("profile", "Baseline"), ("width", 56), ("height", 40), ("nb_read_frames", "1")),
    ),
    Media(
        "mp4",
        video.encode(),
        (
            ("codec_name", "h264"),
            ("profile", "Constrained Baseline"),
            ("width", 128),
            ("height", 96),
            ("duration", "3.000000"),
            ("nb_read_frames", "36"),
        ),
    ),
]


@pytest.mark.parametrize("case", MEDIA, ids=lambda case: case.id)
def test_another_program_decodes_it(case: Media, tmp_path: Path) -> None:
    path = tmp_path / f"sample.{case.id}"
    path.write_bytes(case.content)
    found = probe(path)
    assert [(name, found[name]) for name, _ in case.facts] == list(case.facts)


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_palette_picture_keeps_every_pixel(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"sample.{kind}"
    path.write_bytes(next(case.content for case in MEDIA if case.id == kind))
    pixels = b"".join(PALETTE[3 * i : 3 * i + 3] for i in INDICES)
    assert decoded(path, "rgb24")[: len(pixels)] == pixels


def test_a_jpeg_keeps_every_level(tmp_path: Path) -> None:
    """Greys of every level need every category of differences."""
    levels = [0, 255, 1, 254, 128, 127, 129, 60, 61, 63, 59, 30, 16, 8, 255, 255]
    path = tmp_path / "grey.jpg"
    path.write_bytes(jpeg.encode(4, 4, [(level, level, level) for level in levels]))
    picture = decoded(path, "gray")
    assert [picture[(i // 4 * 8 + 3) * 32 + i % 4 * 8 + 3] for i in range(16)] == levels


def test_the_video_shows_what_was_drawn(tmp_path: Path) -> None:
    """Frame by frame, the bar in white and the rest as in the first frame."""
    path = tmp_path / "sample.mp4"
    path.write_bytes(video.encode())
    luma_size = video.COLUMNS * 16 * video.ROWS * 16
    frames = decoded(path, "yuv420p")
    count = len(frames) // (luma_size * 3 // 2)
    assert count == video.PER_SECOND * video.SECONDS
    width = video.COLUMNS * 16
    for index in range(count):
        row = frames[index * luma_size * 3 // 2 :][:width]
        bar = index * width // count
        assert row[bar : bar + 16] == b"\xeb" * len(row[bar : bar + 16])
        assert b"\xeb" not in row[:bar] + row[bar + 16 :]


def test_moov_comes_before_mdat_and_points_into_it() -> None:
    content = video.encode()
    boxes, at = [], 0
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        boxes.append((name, at, length))
        at += length
    assert at == len(content)
    assert [name for name, _, _ in boxes] == [b"ftyp", b"moov", b"mdat"]
    (offset,) = struct.unpack_from(">I", content, content.index(b"stco") + 12)
    assert offset == boxes[2][1] + 8


def test_a_key_frame_each_second() -> None:
    pictures = list(h264.pictures(5, 2, lambda index: [bytes((index,)) * 384]))
    assert [picture.key for picture in pictures] == [True, False, True, False, True]
    assert mp4.mux(1, 1, pictures, 2).count(struct.pack(">IIII", 3, 1, 3, 5)) == 1


def test_no_start_code_inside_a_nal_unit() -> None:
    (picture,) = h264.pictures(1, 1, lambda index: [bytes(384)])
    assert not re.search(rb"\x00\x00[\x00-\x02]", picture.nal)


def test_png_chunks_have_their_lengths_and_checksums() -> None:
    content = MEDIA[0].content
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    names, data, at = [], b"", 8
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", content, at + 8 + length) == (zlib.crc32(name + body),)
        names.append(name)
        data += body if name == b"IDAT" else b""
        at += length + 12
    assert names == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert zlib.decompress(data) == b"".join(b"\0" + INDICES[y * 56 : y * 56 + 56] for y in range(40))


def test_a_png_of_more_than_one_stored_block_is_whole() -> None:
    content = png.encode(300, 300, PALETTE, bytes(90_000))
    start = content.index(b"IDAT")
    (length,) = struct.unpack_from(">I", content, start - 4)
    assert len(zlib.decompress(content[start + 4 : start + 4 + length])) == 300 * 301


LINES = [f"Line {i} (of many) with a \\ and é" for i in range(50)]


def test_every_object_of_the_pdf_is_where_its_table_says() -> None:
    content = pdf.encode("A (title)", LINES)
    assert content.startswith(b"%PDF-1.4\n")
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n\Z", content)[1])  # type: ignore[index]
    assert content[start:].startswith(b"xref\n0 ")
    entries = re.findall(rb"^(\d{10}) (\d{5}) ([nf]) $", content[start:], re.MULTILINE)
    assert entries[0] == (b"0000000000", b"65535", b"f")
    for number, (offset, _, kind) in enumerate(entries[1:], 1):
        assert kind == b"n"
        assert content[int(offset) :].startswith(b"%d 0 obj\n" % number)
    assert b"/Size %d " % len(entries) in content
    assert content.count(b"/Type /Page ") == 2  # forty lines fit on one


def test_the_streams_of_the_pdf_have_their_length_and_text() -> None:
    content = pdf.encode("A (title)", LINES)
    streams = re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", content, re.DOTALL)
    assert [len(stream) for _, stream in streams] == [int(length) for length, _ in streams]
    text = b"".join(stream for _, stream in streams).decode("latin-1")
    shown = [re.sub(r"\\(.)", r"\1", each) for each in re.findall(r"\((.*)\) Tj", text)]
    assert shown == ["A (title)", *LINES[:40], "A (title)", *LINES[40:]]


def test_bits_fill_bytes_from_the_top() -> None:
    bits = Bits()
    bits.put(0b101, 3)
    bits.put(0, 0)
    bits.put(0b1_0000_0001, 9)
    bits.align(1)
    bits.extend(b"\x07")
    assert bytes(bits) == bytes((0b10110000, 0b00011111, 7))
