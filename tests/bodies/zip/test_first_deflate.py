"""The first deflated download: right, remembered, cut when a member changes, and the same bytes as later ones."""

import asyncio
import io
import os
import zipfile
import zlib
from contextlib import aclosing
from pathlib import Path

import pytest

from asgi_downloads.bodies.zip import first_deflate
from asgi_downloads.bodies.zip.archive import Resources
from asgi_downloads.bodies.zip.deflate import AUTO, BLOCK, DEFLATE, WHOLE, Packing
from asgi_downloads.bodies.zip.first_deflate import deflate
from asgi_downloads.bodies.zip.packed import Checksum
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.checksums import Checksums
from tests.conftest import descriptors
from tests.support.archives import cut, deflated, deflated_archive, directory, listing_of

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

TEXT = b"".join(b"line %d of a text that packs well\n" % n for n in range(180_000))
NOISE = os.urandom(WHOLE + 100_000)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle")
    assert len(TEXT) > WHOLE
    members = {
        "empty": b"",
        "tiny": b"x",
        "small.txt": TEXT[:20_000],
        "block.txt": TEXT[:BLOCK],
        "blocks.txt": TEXT[: BLOCK + 1],
        "whole.txt": TEXT[:WHOLE],
        "described.txt": TEXT[: WHOLE + 1],
        "noise.bin": NOISE[:200_000],
        "small-noise.bin": NOISE[:20_000],
        "large-noise.bin": NOISE,
        "half.bin": TEXT[: WHOLE // 2] + NOISE,
        "photo.jpg": TEXT[:30_000],
    }
    for name, data in members.items():
        (path / name).write_bytes(data)
    for number in range(200):
        (path / f"zz-{number}").write_bytes(TEXT[number * 100 : number * 300])
    (path / "nothing").mkdir()
    return path


@pytest.mark.parametrize("packing", [DEFLATE, AUTO], ids=lambda packing: packing.name)
def test_later_downloads_have_the_bytes_of_the_first(bundle: Path, packing: Packing) -> None:
    with Checksums() as checksums:
        first = deflated(bundle, packing, checksums, recursive=True)
        archive = deflated_archive(bundle, packing, checksums, recursive=True)
        assert archive.size == len(first)
        assert cut(archive, bundle) == first
        assert archive.tags_blocking()[0] is not None


def test_members_are_packed_where_that_helps(bundle: Path) -> None:
    with Checksums() as checksums:
        content = deflated(bundle, DEFLATE, checksums, recursive=True)
        thrifty = deflated(bundle, AUTO, checksums, recursive=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        infos = {info.filename: info for info in archive.infolist()}
        assert {name for name, info in infos.items() if info.compress_type == zipfile.ZIP_STORED} >= {
            "empty",
            "tiny",
            "noise.bin",
            "small-noise.bin",
            "large-noise.bin",
            "nothing/",
        }
        for name in ("small.txt", "block.txt", "blocks.txt", "whole.txt", "described.txt", "photo.jpg"):
            assert infos[name].compress_size < infos[name].file_size / 2, name
        assert {name for name, info in infos.items() if info.flag_bits & 1 << 3} == {"described.txt", "half.bin"}
        for info in infos.values():
            if not info.is_dir():
                assert zlib.crc32((bundle / info.filename).read_bytes()) == info.CRC
    with zipfile.ZipFile(io.BytesIO(thrifty)) as archive:
        assert archive.getinfo("photo.jpg").compress_type == zipfile.ZIP_STORED
        assert archive.getinfo("small.txt").compress_type == zipfile.ZIP_DEFLATED


def test_files_that_may_change_unseen_are_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_bytes(TEXT[:20_000])
    listing = listing_of(tmp_path, settled=False)

    async def run() -> None:
        with directory(tmp_path) as opened, Checksums() as checksums:
            async for _ in deflate(listing, opened, DEFLATE, Resources(checksums)):
                pass
            assert checksums.find_blocking(listing, Checksum.kind(DEFLATE.form)) == [None]

    asyncio.run(run())


@pytest.mark.parametrize("member", ["a-small.txt", "b-described.txt", "c-noise.bin"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("fault", ["rewritten", "shrunk", "vanished"])
def test_a_member_that_changes_cuts_the_transfer(tmp_path: Path, member: str, when: str, fault: str) -> None:
    (tmp_path / "a-small.txt").write_bytes(TEXT[:20_000])
    (tmp_path / "b-described.txt").write_bytes(TEXT)
    (tmp_path / "c-noise.bin").write_bytes(NOISE)
    target = tmp_path / member
    listing = listing_of(tmp_path)

    def strike() -> None:
        if fault == "rewritten":
            target.write_bytes(bytes(target.stat().st_size))
        elif fault == "shrunk":
            os.truncate(target, 10)
        else:
            target.unlink()

    async def run() -> bytes:
        parts: list[bytes] = []
        with directory(tmp_path) as opened, Checksums() as checksums:
            async with aclosing(deflate(listing, opened, DEFLATE, Resources(checksums))) as blocks:
                async for block in blocks:
                    if when == "meanwhile" and member.encode() in block and len(parts) < 9 and target.exists():
                        strike()
                    parts.append(block)
        return b"".join(parts)

    if when == "before":
        strike()
    if when == "meanwhile" and (member == "a-small.txt" or fault == "vanished"):
        # Read before it changed, or open still: these are the bytes that were listed.
        assert zipfile.ZipFile(io.BytesIO(asyncio.run(run()))).testzip() is None
    else:
        with pytest.raises(FileChanged):
            asyncio.run(run())


@pytest.mark.parametrize("taken", [0, 1, 2, 4])
def test_a_client_that_leaves_frees_everything(bundle: Path, taken: int) -> None:
    async def run() -> None:
        with Checksums() as checksums, directory(bundle) as opened:
            before = descriptors()
            blocks = deflate(listing_of(bundle), opened, DEFLATE, Resources(checksums))
            for _ in range(taken):
                await anext(blocks)
            await blocks.aclose()
            assert descriptors() == before

    asyncio.run(run())


def test_blocks_are_worth_sending(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_deflate, "PARALLEL", 2)

    async def run() -> list[int]:
        with Checksums() as checksums, directory(bundle) as opened:
            return [len(block) async for block in deflate(listing_of(bundle), opened, DEFLATE, Resources(checksums))]

    sizes = asyncio.run(run())
    assert max(sizes) <= WHOLE + 100_000
    assert min(sizes) > 20
