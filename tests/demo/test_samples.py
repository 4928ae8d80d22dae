"""Each sample is what its name says, to programs that read such files."""

import json
import struct
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.demo.tree import COPIES, SAMPLES
from tests.support.tools import require

PICTURES = [
    ("picture.png", {"codec_name": "png", "width": 240, "height": 160, "nb_read_frames": "1"}),
    ("photo.jpg", {"codec_name": "mjpeg", "profile": "Baseline", "width": 240, "height": 160}),
    ("animation.gif", {"codec_name": "gif", "width": 90, "height": 60, "nb_read_frames": "10"}),
    ("video.mp4", {"codec_name": "h264", "width": 320, "height": 180, "nb_read_frames": "240", "pix_fmt": "yuv420p"}),
]
DOCUMENTS = [
    ("report.pdf", "Annual report\n1995: 815 downloads"),
    ("report-1.pdf", "Report 1\n"),
    ("report-42.pdf", "Report 42\n"),
    ("report-2024-q4.pdf", "Report 2024-q4\n"),
]


def probe(path: Path, *options: str) -> dict[str, Any]:
    """What ffprobe says of a file after decoding all of it."""
    require("ffprobe")
    command: tuple[str | Path, ...] = ("ffprobe", "-v", "error", "-count_frames", *options, "-of", "json", path)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("name", "facts"), PICTURES, ids=lambda value: value if isinstance(value, str) else "")
def test_pictures_and_the_video_decode_to_the_end(name: str, facts: dict[str, object]) -> None:
    (stream,) = probe(SAMPLES / name, "-show_streams")["streams"]
    assert {fact: stream[fact] for fact in facts} == facts


def test_the_video_can_be_entered_at_each_second() -> None:
    frames = probe(SAMPLES / "video.mp4", "-skip_frame", "nokey", "-show_entries", "frame=pts_time")["frames"]
    assert [float(frame["pts_time"]) for frame in frames] == list(range(20))


def test_a_player_knows_the_whole_video_from_its_start() -> None:
    """The index stands before the content, so that nobody has to ask for the end first."""
    content = (SAMPLES / "video.mp4").read_bytes()
    boxes, at = [], 0
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        boxes.append(name)
        at += length
    assert at == len(content)
    assert boxes.index(b"moov") < boxes.index(b"mdat")


@pytest.mark.parametrize(("name", "start"), DOCUMENTS, ids=lambda value: value.partition("\n")[0])
def test_a_checker_and_a_reader_take_the_documents(name: str, start: str) -> None:
    require("qpdf", "pdftotext")
    subprocess.run(("qpdf", "--check", SAMPLES / name), check=True, capture_output=True)
    done = subprocess.run(("pdftotext", SAMPLES / name, "-"), check=True, capture_output=True, text=True)
    assert done.stdout.startswith(start)


def test_texts_are_text() -> None:
    assert ET.parse(SAMPLES / "drawing.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<script>" in (SAMPLES / "page.html").read_bytes()  # which browsers must not run when it is shown inline
    assert "日本語" in (SAMPLES / "notes.txt").read_text("utf-8")
    assert (SAMPLES / "table.csv").read_bytes().count(b"\r\n") == 4


def test_every_sample_is_used_and_they_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in SAMPLES.iterdir()}
    assert set(COPIES.values()) == set(sizes)
    assert all(name.isascii() for name in sizes)
    assert sum(sizes.values()) < 150_000
