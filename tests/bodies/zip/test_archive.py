"""An archive as a body: any range of it, whatever is known, and nothing of a member that has changed."""

import asyncio
import io
import os
import shutil
import zipfile
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_downloads.bodies.base import FileSlice, Piece
from asgi_downloads.bodies.zip.archive import Archive, Resources
from asgi_downloads.bodies.zip.body import COPIED, ZipBody
from asgi_downloads.bodies.zip.deflate import BLOCK, DEFLATE, pack_block
from asgi_downloads.bodies.zip.members import UNKNOWN
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.checksums import Checksums
from tests.conftest import descriptors
from tests.support.archives import (
    archive_of,
    content,
    cut,
    deflated,
    deflated_archive,
    directory,
    known_crcs,
    listing_of,
    read,
    stored,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

SMALL, LARGE = 5000, COPIED + 70_000
TEXT = b"".join(b"line %d of a text that packs well\n" % n for n in range(150_000))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Members of each kind: empty, small, copied at the limit, sliced, linked, below, not ASCII."""
    path = tmp_path_factory.mktemp("bundle")
    (path / "empty").touch()
    (path / "small.txt").write_bytes(TEXT[:SMALL])
    (path / "limit.bin").write_bytes(os.urandom(COPIED - 100))
    (path / "large.bin").write_bytes(os.urandom(LARGE))
    (path / "text.txt").write_bytes(TEXT)  # several blocks, and a descriptor when deflated
    (path / "one-block.txt").write_bytes(TEXT[:900_000])
    (path / "link").symlink_to("small.txt")
    (path / "ünï.txt").write_text("ü")
    (path / "below" / "nothing").mkdir(parents=True)
    (path / "below" / "deep.txt").write_text("deep")
    for file in path.rglob("*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    return path


@pytest.fixture(params=["cached", "from-the-disk"])
def _opening(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are opened on the event loop, or as on kernels that cannot tell whether that waits."""
    if request.param == "from-the-disk":
        monkeypatch.setattr(beneath, "HAS_CACHED", False)


def known(archive: Archive, path: Path) -> Archive:
    """The archive with all CRCs computed."""
    with directory(path) as opened:
        asyncio.run(archive.prepare(opened, None))
    return archive


def test_the_archive_has_all_members_and_the_length_that_was_announced(bundle: Path) -> None:
    archive = archive_of(bundle, recursive=True)
    content = cut(archive, bundle)
    assert len(content) == archive.size
    with zipfile.ZipFile(io.BytesIO(content)) as read_back:
        assert read_back.testzip() is None
        want = {str(file.relative_to(bundle)): file.read_bytes() for file in bundle.rglob("*") if file.is_file()}
        want["below/nothing/"] = b""
        assert {info.filename: read_back.read(info) for info in read_back.infolist()} == want
        assert [info.filename for info in read_back.infolist()] == [
            *sorted(name for name in want if "/" not in name),
            "below/deep.txt",
            "below/nothing/",
        ]
        assert not any(info.flag_bits & 1 << 3 for info in read_back.infolist()), "no descriptors"


@pytest.fixture(scope="module", params=["stored", "deflated"])
def ranged(request: pytest.FixtureRequest, bundle: Path) -> tuple[Archive, bytes]:
    """An archive to cut ranges of, and all its bytes."""
    if request.param == "stored":
        return archive_of(bundle), stored(bundle)
    with Checksums() as checksums:
        content = deflated(bundle, DEFLATE, checksums)
        return deflated_archive(bundle, DEFLATE, checksums), content


EDGES = st.floats(0, 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDGES, EDGES)
def test_any_range_is_the_slice_of_the_whole(
    ranged: tuple[Archive, bytes], bundle: Path, one: float, other: float
) -> None:
    archive, content = ranged
    assert archive.size == len(content)
    start, stop = sorted((int(one * archive.size), int(other * archive.size)))
    assert cut(archive, bundle, start, stop) == content[start:stop]
    assert at_hand(archive, bundle, start, stop) in (None, content[start:stop])


def at_hand(archive: Archive, path: Path, start: int, stop: int) -> bytes | None:
    with directory(path) as opened:
        return ZipBody(archive, opened).at_hand(start, stop)


def test_ranges_at_every_seam(ranged: tuple[Archive, bytes], bundle: Path) -> None:
    archive, content = ranged
    layout = archive.layout
    seams = [*layout.starts, layout.size - len(layout.end), layout.size]
    seams += [layout.data_start(index) for index in range(len(layout))]
    seams += [layout.directory_start + offset for offset in layout.records]
    for seam in set(seams):
        for start, stop in ((seam - 1, seam), (seam, seam + 1), (seam - 3, seam + 3)):
            start, stop = max(start, 0), min(stop, archive.size)
            if start < stop:
                assert cut(archive, bundle, start, stop) == content[start:stop], (start, stop)


@pytest.mark.skipif(not beneath.HAS_CACHED, reason="the kernel cannot tell what it has in memory")
def test_what_lies_in_one_member_or_in_a_few_small_ones_is_at_hand(bundle: Path) -> None:
    archive = known(archive_of(bundle), bundle)
    content = cut(archive, bundle)
    layout, paths = archive.layout, archive.listing.paths
    large, text, small = (paths.index(name) for name in ("large.bin", "text.txt", "small.txt"))
    for start, stop in (
        (layout.starts[large], layout.starts[large] + 500),
        (layout.data_start(large) + 7, layout.starts[large + 1]),
        (layout.data_start(text) + 9, layout.data_start(text) + 90),
        (layout.starts[small], layout.starts[small + 1]),
    ):
        assert at_hand(archive, bundle, start, stop) == content[start:stop]
    assert at_hand(archive, bundle, layout.starts[large] - 1, layout.starts[large] + 1) is None
    assert at_hand(archive, bundle, layout.directory_start, layout.size) is None


@pytest.mark.usefixtures("_opening")
def test_the_bytes_are_the_same_before_any_crc_is_known_and_after(bundle: Path) -> None:
    archive = archive_of(bundle)
    first = cut(archive, bundle)
    assert cut(archive, bundle) == first
    assert cut(known(archive_of(bundle), bundle), bundle) == first
    for index, path in enumerate(archive.listing.paths):
        crc = int.from_bytes(first[archive.layout.starts[index] + 14 :][:4], "little")
        assert crc == zlib.crc32((bundle / path).read_bytes()), path


def test_a_range_computes_only_the_crcs_it_shows(bundle: Path) -> None:
    archive = archive_of(bundle)
    index = archive.listing.paths.index("large.bin")
    middle = archive.layout.data_start(index) + 10
    cut(archive, bundle, middle, middle + 100)
    assert archive.known_crc(index) == UNKNOWN
    cut(archive, bundle, archive.layout.starts[index], middle)
    assert archive.known_crc(index) == zlib.crc32((bundle / "large.bin").read_bytes())
    assert archive.known_crc(archive.listing.paths.index("text.txt")) == UNKNOWN


def test_only_blocks_inside_the_range_are_packed_again(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Checksums() as checksums:
        content = deflated(bundle, DEFLATE, checksums)
        archive = deflated_archive(bundle, DEFLATE, checksums)
    index = archive.listing.paths.index("text.txt")
    blocks = archive.packed[index]
    assert len(blocks) > 4
    packed = []

    def counted(data: bytes, *, last: bool) -> bytes:
        packed.append(len(data))
        return pack_block(data, last=last)

    monkeypatch.setattr("asgi_downloads.bodies.zip.packed.pack_block", counted)
    start = archive.layout.data_start(index) + blocks[0] + 5
    assert cut(archive, bundle, start, start + 100) == content[start : start + 100]
    assert packed == [BLOCK]


def test_a_member_of_5_gib_is_one_slice_and_its_neighbours_lie_beyond_4(tmp_path: Path) -> None:
    size = 5 << 30
    with (tmp_path / "a").open("wb") as file:
        file.truncate(size)
    (tmp_path / "b").write_bytes(b"after")
    archive = archive_of(tmp_path)
    archive.learn(0, 0x12345678)
    assert archive.size > size

    async def run() -> list[Piece]:
        with directory(tmp_path) as opened:
            return [piece async for piece in ZipBody(archive, opened).pieces(0, archive.size)]

    head, middle, *rest_pieces = asyncio.run(run())
    assert isinstance(head, bytes)
    assert isinstance(middle, FileSlice)
    rest = content(rest_pieces)
    assert len(head) == archive.layout.data_start(0)
    assert len(head) + middle.count + len(rest) == archive.size
    for offset in (0, len(head) - 1, size - 100, archive.layout.starts[1] - 5, archive.size - 300):
        stop = min(offset + 200, archive.size)
        got = cut(archive, tmp_path, offset, stop)
        assert len(got) == stop - offset
        if stop <= len(head):
            assert got == head[offset:stop]
        elif offset >= archive.size - len(rest):
            assert got == rest[offset - archive.size :][: stop - offset]


# Validators


def replica(bundle: Path, tmp_path: Path) -> Path:
    """A copy with the same times, as rsync makes it: other inodes, other ctimes."""
    return Path(shutil.copytree(bundle, tmp_path / "replica", symlinks=True))


def tags(path: Path) -> tuple[bytes | None, bytes | None]:
    return known(archive_of(path), path).tags_blocking()


def test_the_content_tag_and_the_bytes_are_the_same_on_every_replica(bundle: Path, tmp_path: Path) -> None:
    copy = replica(bundle, tmp_path)
    (content, state), (content_there, state_there) = tags(bundle), tags(copy)
    assert content is not None
    assert content == content_there
    assert state != state_there
    assert stored(bundle) == stored(copy)


def test_a_content_tag_waits_for_the_crcs_a_state_tag_for_nothing(bundle: Path) -> None:
    archive = archive_of(bundle)
    content, state = archive.tags_blocking()
    assert content is None
    assert state is not None
    assert known(archive, bundle).tags_blocking() == (archive.tags_blocking()[0], state)


def test_a_member_that_may_change_unseen_has_no_state_tag(bundle: Path) -> None:
    assert archive_of(bundle, settled=False).tags_blocking() == (None, None)


EDITS: dict[str, Callable[[Path], object]] = {
    "content-with-times-put-back": lambda path: edit(path / "small.txt"),
    "a-new-member": lambda path: (path / "new").touch(),
    "a-member-removed": lambda path: (path / "small.txt").unlink(),
    "a-member-renamed": lambda path: (path / "small.txt").rename(path / "smaller.txt"),
    "another-mtime": lambda path: os.utime(path / "small.txt", (1, 1)),
    "other-permissions": lambda path: (path / "small.txt").chmod(0o700),
}


def edit(path: Path) -> None:
    """Change a byte and put the times back."""
    times = path.stat()
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", EDITS)
def test_both_tags_change_with_the_bundle(bundle: Path, tmp_path: Path, change: str) -> None:
    path = replica(bundle, tmp_path)
    before = tags(path)
    EDITS[change](path)
    after = tags(path)
    assert before[0] != after[0]
    assert before[1] != after[1]


# CRCs


def test_impatience_keeps_what_was_computed(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(64 << 20)
    archive = archive_of(tmp_path)
    with directory(tmp_path) as opened:
        asyncio.run(archive.prepare(opened, 0.0))
        assert archive.known_crc(0) == UNKNOWN
        for _ in range(10_000):
            if archive.known_crc(0) != UNKNOWN:
                break
            asyncio.run(archive.prepare(opened, 0.002))  # each attempt goes on from where the last one stopped
    assert archive.known_crc(0) == zlib.crc32(bytes(64 << 20))


@pytest.mark.parametrize("settled", [True, False])
def test_crcs_are_kept_unless_the_file_may_change_unseen(bundle: Path, settled: bool) -> None:
    with Checksums() as checksums:
        listing = listing_of(bundle, settled=settled)
        archive = Archive(listing, [None] * len(listing), Resources(checksums))
        cut(archive, bundle)
        found = known_crcs(checksums, listing)
    want = {i: zlib.crc32((bundle / path).read_bytes()) for i, path in enumerate(listing.paths)}
    assert found == (want if settled else {})


def test_many_crcs_are_kept_before_the_download_ends(tmp_path: Path) -> None:
    for number in range(3):
        with (tmp_path / f"{number}").open("wb") as file:
            file.truncate(20 << 20)
    with Checksums() as checksums:
        listing = listing_of(tmp_path)
        archive = Archive(listing, [None] * len(listing), Resources(checksums))
        counts = []
        for index in range(3):
            archive.learn(index, 5)
            counts.append(len(known_crcs(checksums, listing)))
        archive.keep()
        counts.append(len(known_crcs(checksums, listing)))
    assert counts == [0, 2, 2, 3]


# Change: each kind, before a member starts and before its last piece


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """One member that is copied and one that is sliced."""
    path = tmp_path / "pair"
    path.mkdir()
    (path / "a-small").write_bytes(TEXT[:SMALL])
    (path / "b-large").write_bytes(TEXT[:LARGE])
    return path


def rewrite(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(bytes(file.stat().st_size))
    other.rename(file)


def become_a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def lead_outside(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/hostname")


def rewrite_longer(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size + 1))


def append(file: Path) -> None:
    with file.open("ab") as log:
        log.write(b"one more line\n")


FAULTS: dict[str, Callable[[Path], object]] = {
    "rewritten": rewrite,
    "rewritten-longer": rewrite_longer,
    "edited-with-times-put-back": edit,
    "shrunk": lambda file: os.truncate(file, 100),
    "vanished": lambda file: file.unlink(),
    "replaced": replace,
    "a-fifo": become_a_fifo,
    "a-link-outside": lead_outside,
}


@pytest.mark.usefixtures("_opening")
@pytest.mark.parametrize("crcs", ["known", "unknown"])
@pytest.mark.parametrize("member", ["a-small", "b-large"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_member_that_changed_since_the_plan_cuts_the_transfer(pair: Path, fault: str, member: str, crcs: str) -> None:
    archive = archive_of(pair)
    if crcs == "known":
        known(archive, pair)
    FAULTS[fault](pair / member)
    for index in range(2):
        start = archive.layout.data_start(index)
        if archive.listing.paths[index] == member:
            assert at_hand(archive, pair, start, start + 10) is None
    with pytest.raises(FileChanged):
        cut(archive, pair)


@pytest.mark.parametrize("member", ["a-small", "b-large"])
def test_a_member_that_changes_while_it_is_read_is_not_at_hand(
    pair: Path, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = known(archive_of(pair), pair)
    start = archive.layout.data_start(archive.listing.paths.index(member))
    read = os.preadv

    def read_and_rewrite(*arguments: Any) -> int:
        got = read(*arguments)
        rewrite(pair / member)
        return got

    monkeypatch.setattr(os, "preadv", read_and_rewrite)
    assert at_hand(archive, pair, start, start + 10) is None


@pytest.mark.parametrize("fault", ["rewritten", "rewritten-longer", "edited-with-times-put-back", "shrunk"])
def test_a_member_that_changes_while_it_is_sent_cuts_the_transfer(pair: Path, fault: str) -> None:
    archive = known(archive_of(pair), pair)

    async def run() -> None:
        with directory(pair) as opened:
            async with aclosing(ZipBody(archive, opened).pieces(0, archive.size)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, FileSlice):
                        os.utime(pair, (1, 1))  # nothing was renamed just now
                        FAULTS[fault](pair / "b-large")
                        piece.file.check()  # as who sends it does before its last bytes

    with pytest.raises(FileChanged):
        asyncio.run(run())


@dataclass(frozen=True)
class Harmless:
    id: str
    change: Callable[[Path], object]


HARMLESS = [
    Harmless("a-log-that-grew", append),
    Harmless("hard-linked", lambda file: os.link(file, file.parent.parent / f"{file.name}-link")),
    Harmless("other-permissions", lambda file: file.chmod(0o600)),
    Harmless("touched", lambda file: os.utime(file, (2, 2))),
]


@pytest.mark.parametrize("case", HARMLESS, ids=lambda c: c.id)
def test_bytes_that_are_still_the_announced_ones_are_sent(pair: Path, case: Harmless) -> None:
    archive = known(archive_of(pair), pair)
    content = cut(archive, pair)
    for member in ("a-small", "b-large"):
        case.change(pair / member)
    assert cut(archive, pair) == content


def test_a_log_that_grows_while_it_is_sent_is_sent_as_it_was(pair: Path) -> None:
    archive = known(archive_of(pair), pair)
    content = cut(archive, pair)

    async def run() -> bytes:
        with directory(pair) as opened:
            pieces = ZipBody(archive, opened).pieces(0, archive.size)

            async def growing() -> AsyncGenerator[Piece]:
                async with aclosing(pieces):
                    async for piece in pieces:
                        append(pair / "b-large")
                        yield piece

            return await read(growing())

    assert asyncio.run(run()) == content


def test_a_file_that_is_written_to_as_it_is_listed_is_taken_as_found(pair: Path) -> None:
    archive = archive_of(pair, settled=False)
    append(pair / "b-large")
    assert known(archive, pair).known_crc(1) == zlib.crc32(TEXT[:LARGE])
    assert zipfile.ZipFile(io.BytesIO(cut(archive, pair))).testzip() is None


# What is held


def test_few_descriptors_are_open_however_many_members(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}").write_bytes(TEXT[:LARGE])
    archive = archive_of(tmp_path)
    most = 0

    async def run() -> None:
        nonlocal most
        with directory(tmp_path) as opened:
            before = len(descriptors())
            async for _ in ZipBody(archive, opened).pieces(0, archive.size):
                most = max(most, len(descriptors()) - before)

    asyncio.run(run())
    assert 1 <= most <= 4


@pytest.mark.parametrize("taken", range(4))
def test_a_client_that_leaves_frees_everything(pair: Path, taken: int) -> None:
    archive = archive_of(pair)

    async def run() -> None:
        with directory(pair) as opened:
            before = descriptors()
            pieces = ZipBody(archive, opened).pieces(0, archive.size)
            for _ in range(taken):
                await anext(pieces)
            await pieces.aclose()
            assert descriptors() == before

    asyncio.run(run())
