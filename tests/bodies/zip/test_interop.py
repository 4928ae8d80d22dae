"""Every archive is read by every reader that people have: Info-ZIP, 7-Zip, libarchive, Python, Java."""

import os
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.bodies.zip.crc32 import combine
from asgi_downloads.bodies.zip.deflate import AUTO, DEFLATE
from asgi_downloads.bodies.zip.layout import Layout
from asgi_downloads.bodies.zip.records import MAX_32, Entry
from asgi_downloads.storage.files.checksums import Checksums
from tests.support.archives import deflated, stored
from tests.support.tools import require

TEXT = b"".join(b"line %d of a text that packs well\n" % n for n in range(180_000))

AFTER = b"what comes after"


@dataclass(frozen=True)
class Sample:
    """An archive on the disk, and what is in it."""

    path: Path
    count: int
    size: int
    """Bytes of all members."""
    crcs: int
    """Sum of the CRCs of all members."""


def sample(path: Path, content: bytes, members: Path) -> Sample:
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    files = [file for file in members.rglob("*") if file.is_file()]
    return Sample(
        path, len(names), sum(file.stat().st_size for file in files), sum(zlib.crc32(f.read_bytes()) for f in files)
    )


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    """One archive for each thing that some reader has stumbled over."""
    top = tmp_path_factory.mktemp("samples")
    members = top / "members"
    (members / "directory" / "empty").mkdir(parents=True)
    files = {
        "plain.txt": TEXT[:5000],
        "empty": b"",
        "ünï çødé.txt": b"name in UTF-8",
        "\U0001f4e6.bin": os.urandom(300_000),
        "directory/deep.txt": b"deep",
        "old.txt": b"from before 1980",
        "new.txt": b"from after 2107",
        "setuid": b"no longer",
        "described.txt": TEXT,
        "large.bin": os.urandom(5 << 20),
    }
    for name, data in files.items():
        (members / name).write_bytes(data)
    os.utime(members / "old.txt", (-1_000_000_000, -1_000_000_000))
    os.utime(members / "new.txt", (5_000_000_000, 5_000_000_000))
    (members / "setuid").chmod(0o4755)
    inner = stored(members)
    (members / "inner.zip").write_bytes(inner)  # readers of pipes have taken its members for ours
    made = {"stored": sample(top / "stored.zip", stored(members, recursive=True), members)}
    with Checksums() as checksums:
        for packing in (DEFLATE, AUTO):
            content = deflated(members, packing, checksums, recursive=True)
            made[packing.name] = sample(top / f"{packing.name}.zip", content, members)
    for count in (65_534, 65_535, 65_600):
        made[f"{count}-entries"] = many(top / f"{count}.zip", count)
    return made


def many(path: Path, count: int) -> Sample:
    layout = Layout(Entry(b"%d" % number, 1, 1, 1_700_000_000, 0o644) for number in range(count))
    crc = zlib.crc32(b"x")
    with path.open("wb") as file:
        for index in range(count):
            layout.set_crc(index, crc)
            file.write(layout.header(index) + b"x")
        file.write(layout.directory(0, count) + layout.end)
    return Sample(path, count, count, count * crc)


SAMPLES = ["stored", "deflate", "auto", "65534-entries", "65535-entries", "65600-entries"]


def run(*command: str | Path, stdin: Path | None = None) -> str:
    with open(stdin or os.devnull, "rb") as source:
        done = subprocess.run(command, stdin=source, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, (command, done.stdout[-500:], done.stderr[-500:])
    return (done.stdout + done.stderr).decode(errors="replace")


def by_unzip(archive: Sample) -> None:
    assert "No errors detected" in run("unzip", "-tq", archive.path)


def by_zipinfo(archive: Sample) -> None:
    assert f"{archive.count} file" in run("zipinfo", "-ht", archive.path)


def by_7z(archive: Sample) -> None:
    said = run("7z", "t", archive.path)
    assert "Everything is Ok" in said
    assert "Warnings" not in said


def by_bsdtar(archive: Sample) -> None:
    assert len(run("bsdtar", "-tf", archive.path).splitlines()) == archive.count
    if archive.count < 1000:
        run("bsdtar", "-xOf", archive.path)


def by_bsdtar_from_a_pipe(archive: Sample) -> None:
    listing = subprocess.run(
        ["sh", "-c", 'cat -- "$1" | bsdtar -tf -', "sh", archive.path], capture_output=True, timeout=60, check=True
    )
    assert len(listing.stdout.splitlines()) == archive.count
    assert listing.stderr == b""


def by_python(archive: Sample) -> None:
    with zipfile.ZipFile(archive.path) as read:
        assert read.testzip() is None
        assert sum(info.file_size for info in read.infolist()) == archive.size
        assert sum(info.CRC for info in read.infolist()) == archive.crcs


READERS: dict[str, tuple[str, Callable[[Sample], None]]] = {
    "unzip": ("unzip", by_unzip),
    "zipinfo": ("zipinfo", by_zipinfo),
    "7z": ("7z", by_7z),
    "bsdtar": ("bsdtar", by_bsdtar),
    "bsdtar-pipe": ("bsdtar", by_bsdtar_from_a_pipe),
    "python": ("sh", by_python),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.slow
def test_every_reader_accepts_it(samples: dict[str, Sample], reader: str, name: str) -> None:
    tool, check = READERS[reader]
    require(tool)
    check(samples[name])


def test_java_reads_them_as_files_and_as_streams(samples: dict[str, Sample]) -> None:
    require("java")
    source = Path(__file__).with_name("ReadZips.java")
    said = run("java", source, *(samples[name].path for name in SAMPLES)).splitlines()
    want = [f"{way} {s.count} {s.size} {s.crcs}" for s in map(samples.get, SAMPLES) if s for way in ("file", "stream")]
    assert said == want


def test_what_is_unpacked_is_what_was_packed(samples: dict[str, Sample], tmp_path: Path) -> None:
    require("unzip")
    run("unzip", "-q", samples["deflate"].path, "-d", tmp_path)
    members = samples["deflate"].path.parent / "members"
    for file in members.rglob("*"):
        unpacked = tmp_path / file.relative_to(members)
        if file.is_dir():
            assert unpacked.is_dir()
            continue
        assert unpacked.read_bytes() == file.read_bytes()
        mode = 0o755 if file.name == "setuid" else file.stat().st_mode & 0o777
        assert unpacked.stat().st_mode & 0o7777 == mode
        if file.name not in ("old.txt", "new.txt"):
            assert int(unpacked.stat().st_mtime) == int(file.stat().st_mtime), "the UT time is exact, and in UTC"


# The 4 GiB edge: archives with a hole where the zeros of the member would be.


@pytest.fixture(
    scope="module", params=[MAX_32 - 1, MAX_32, MAX_32 + 1], ids=["largest-narrow", "smallest-wide", "next"]
)
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    size: int = request.param
    path = tmp_path_factory.mktemp("edge") / "edge.zip"
    layout = Layout(
        [
            Entry(b"zeros", size, size, 1_700_000_000, 0o644),
            Entry(b"after", len(AFTER), len(AFTER), 1, 0o644),
            Entry(b"last", len(AFTER), len(AFTER), 1, 0o644),
        ]
    )
    crcs = (crc_of_zeros(size), zlib.crc32(AFTER), zlib.crc32(AFTER))
    with path.open("wb") as file:
        for index, data in ((0, b""), (1, AFTER), (2, AFTER)):
            layout.set_crc(index, crcs[index])
            file.seek(layout.starts[index])
            file.write(layout.header(index) + data)
        file.write(layout.directory(0, 3) + layout.end)
    assert path.stat().st_size == layout.size
    return Sample(path, 3, size + 2 * len(AFTER), sum(crcs))


def crc_of_zeros(count: int) -> int:
    crc, power, length = 0, zlib.crc32(b"\0"), 1
    while count:
        if count & 1:
            crc = combine(crc, power, length)
        power, length, count = combine(power, power, length), 2 * length, count >> 1
    return crc


def test_members_at_the_4_gib_edge_are_found_by_every_reader(edge: Sample) -> None:
    require("unzip", "7z", "bsdtar", "zipinfo")
    by_zipinfo(edge)
    for command in (
        ("unzip", "-p", edge.path, "after"),
        ("7z", "e", "-so", edge.path, "after"),
        ("unzip", "-p", edge.path, "last"),
        ("bsdtar", "-xOf", edge.path, "after"),
    ):
        assert run(*command) == AFTER.decode(), command
    with zipfile.ZipFile(edge.path) as archive:
        assert archive.read("after") == AFTER
        assert archive.getinfo("zeros").file_size == edge.size - 2 * len(AFTER)


@pytest.mark.parametrize("edge", [MAX_32], ids=["smallest-wide"], indirect=True)
@pytest.mark.slow
def test_a_member_beyond_the_edge_is_read_whole_from_a_stream(edge: Sample) -> None:
    require("java")
    said = run("java", Path(__file__).with_name("ReadZips.java"), "--streams", edge.path).splitlines()
    assert said == [f"stream {edge.count} {edge.size} {edge.crcs}"]
