"""Verification catches what is wrong: a byte, a length, a status, a member, a row."""

import gzip
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench import data
from bench.verify import (
    Answer,
    Archive,
    ArchiveSpan,
    Bytes,
    Content,
    NotModified,
    Parts,
    Report,
    Request,
    StoredFile,
    Users,
    WrongAnswer,
    fetching,
    verify,
)
from tests.bench import stub

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.bin").write_bytes(CONTENT)
    (tmp_path / "bundles" / "b").mkdir(parents=True)
    (tmp_path / "bundles" / "b" / "one.txt").write_bytes(b"one")
    (tmp_path / "bundles" / "b" / "two.bin").write_bytes(CONTENT)
    return tmp_path


@dataclass(frozen=True)
class OverTheWire:
    id: str
    mode: str
    complaint: str


@pytest.mark.parametrize(
    "case",
    [
        OverTheWire("one-wrong-byte", "wrong-byte", "differs from the file at byte 1280"),
        OverTheWire("short-body", "short", "content ends at byte 2559 of 2560"),
        OverTheWire("long-body", "long", "longer than is right"),
        OverTheWire("wrong-status", "missing", "status 404, not 200"),
        OverTheWire("no-last-chunk", "chunked-short", "broke off"),
        OverTheWire("no-answer", "hang-up", "failed"),
    ],
    ids=lambda case: case.id,
)
def test_a_wrong_answer_is_an_error(case: OverTheWire, root: Path) -> None:
    with stub.running(case.mode, CONTENT) as address, pytest.raises(WrongAnswer, match=case.complaint):
        verify(address.host, address.port, Request("/download/a.bin"), StoredFile("downloads/a.bin"), root)


@pytest.mark.parametrize("mode", ["right", "chunked"])
def test_a_right_answer_passes(mode: str, root: Path) -> None:
    with stub.running(mode, CONTENT) as address:
        length = verify(address.host, address.port, Request("/x"), StoredFile("downloads/a.bin"), root)
    assert length == len(CONTENT)


def test_a_body_stays_open_for_what_is_left_of_it(root: Path) -> None:
    with stub.running("chunked", CSV) as address:
        assert verify(address.host, address.port, Request("/x"), Users(50), root) == len(CSV)
    with stub.running("chunked", CSV + b"51,more,,") as address, pytest.raises(WrongAnswer, match="line 51"):
        verify(address.host, address.port, Request("/x"), Users(50), root)


def test_nobody_there_is_an_error() -> None:
    with stub.running("right", b"") as address:
        pass
    with pytest.raises(WrongAnswer, match="refused"), fetching(address.host, address.port, Request("/")):
        pass


def test_less_than_announced_is_an_error_whatever_the_content() -> None:
    with (
        stub.running("short", CONTENT) as address,
        fetching(address.host, address.port, Request("/")) as (_, finish),
        pytest.raises(WrongAnswer, match="2559 bytes came, 2560 were announced"),
    ):
        finish()


def zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def multipart(*parts: tuple[int, int, bytes]) -> bytes:
    lines = [
        b"--B\r\nContent-Type: x/y\r\nContent-Range: bytes %d-%d/2560\r\n\r\n%s\r\n" % (start, stop - 1, content)
        for start, stop, content in parts
    ]
    return b"".join(lines) + b"--B--"


BYTERANGES = {"content-type": "multipart/byteranges; boundary=B"}
TWO_PARTS = Parts("downloads/a.bin", ((0, 10), (100, 200)))
CSV = ("\r\n".join(",".join(f'"{c}"' if '"' not in c else '"' + c.replace('"', '""') + '"' for c in line)
                   for line in data.csv_lines(50)) + "\r\n").encode()  # fmt: skip


@dataclass(frozen=True)
class Told:
    """An answer, and a part of the complaint about it; None where there is none."""

    id: str
    content: Content
    status: int
    body: bytes
    complaint: str | None
    headers: Mapping[str, str] = field(default_factory=dict)


SPAN = {"content-range": "bytes 10-19/2560"}
TOLD = [
    Told("span", StoredFile("downloads/a.bin", (10, 20)), 206, CONTENT[10:20], None, SPAN),
    Told("span-as-200", StoredFile("downloads/a.bin", (10, 20)), 200, CONTENT[10:20], "status 200, not 206", SPAN),
    Told("span-elsewhere", StoredFile("downloads/a.bin", (10, 20)), 206, CONTENT[11:21], "at byte 0", SPAN),
    Told("span-misnamed", StoredFile("downloads/a.bin", (11, 21)), 206, CONTENT[11:21], "Content-Range", SPAN),
    Told("not-modified", NotModified(), 304, b"", None),
    Told("not-modified-but-sent", NotModified(), 304, b"x", "304 with content"),
    Told("modified", NotModified(), 200, CONTENT, "status 200, not 304"),
    Told("parts", TWO_PARTS, 206, multipart((0, 10, CONTENT[:10]), (100, 200, CONTENT[100:200])), None, BYTERANGES),
    Told("part-missing", TWO_PARTS, 206, multipart((0, 10, CONTENT[:10])), "were asked", BYTERANGES),
    Told("part-wrong", TWO_PARTS, 206, multipart((0, 10, CONTENT[1:11])), "part 0-9 differs", BYTERANGES),
    Told("part-short", TWO_PARTS, 206, multipart((0, 10, CONTENT[:9])), "differs", BYTERANGES),
    Told("parts-cut", TWO_PARTS, 206, multipart((0, 10, CONTENT[:10]))[:-5], "boundary", BYTERANGES),
    Told("parts-without-any", TWO_PARTS, 206, b"", "without Content-Range", BYTERANGES),
    Told("parts-untyped", TWO_PARTS, 206, b"", "Content-Type"),
    Told("archive", Archive("bundles/b"), 200, zipped({"one.txt": b"one", "two.bin": CONTENT}), None),
    Told("archive-less-a-member", Archive("bundles/b"), 200, zipped({"one.txt": b"one"}), "1 members"),
    Told("archive-wrong-byte", Archive("bundles/b"), 200, zipped({"one.txt": b"ono", "two.bin": CONTENT}), "byte 2"),
    Told("archive-long-member", Archive("bundles/b"), 200, zipped({"one.txt": b"one!", "two.bin": CONTENT}), "longer"),
    Told("archive-short-member", Archive("bundles/b"), 200, zipped({"one.txt": b"o", "two.bin": CONTENT}), "ends at"),
    Told("archive-cut", Archive("bundles/b"), 200, zipped({"one.txt": b"one"})[:-9], "not a readable ZIP"),
    Told("bytes", Bytes(b"abc"), 206, b"abc", None),
    Told("bytes-short", Bytes(b"abc"), 206, b"ab", "ends at byte 2 of 3"),
    Told("bytes-wrong", Bytes(b"abc"), 206, b"abd", "at byte 2"),
    Told("users", Users(50), 200, CSV, None),
    Told("users-less-one", Users(51), 200, CSV, "line 51 is None"),
    Told("users-more-by-one", Users(49), 200, CSV, "line 50"),
    Told("users-wrong-name", Users(50), 200, CSV.replace(b"user7@", b"user8@"), "line 7"),
    Told("users-gzip", Users(50, True), 200, gzip.compress(CSV), None, {"content-encoding": "gzip"}),
    Told("users-gzip-cut", Users(50, True), 200, gzip.compress(CSV)[:-9], "not readable", {"content-encoding": "gzip"}),
    Told("users-not-gzip", Users(50, True), 200, CSV, "Content-Encoding is None"),
    Told("report", Report(), 200, b"%PDF-1.7 .. %%EOF\n", None),
    Told("report-cut", Report(), 200, b"%PDF-1.7 ..", "not a whole PDF"),
]


@pytest.mark.parametrize("case", TOLD, ids=lambda case: case.id)
def test_content_is_compared_whole(case: Told, root: Path) -> None:
    answer = Answer(case.status, case.headers, io.BytesIO(case.body))
    if case.complaint is None:
        case.content.check(answer, root)
    else:
        with pytest.raises(WrongAnswer, match=case.complaint):
            case.content.check(answer, root)


def test_a_span_of_an_archive_is_taken_from_the_whole() -> None:
    assert ArchiveSpan("bundles/b", 2, 5).of(io.BytesIO(b"0123456789")) == Bytes(b"234")


def test_a_request_says_what_it_must() -> None:
    raw = Request("/x", {"Range": "bytes=0-1"}).raw("h:1", close=True)
    assert raw == b"GET /x HTTP/1.1\r\nHost: h:1\r\nRange: bytes=0-1\r\nConnection: close\r\n\r\n"
