"""Archives of objects: their bytes, and what is asked of the store for them."""

import base64
import io
import random
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.bodies.zip.deflate import PACKINGS
from asgi_downloads.bodies.zip.first_deflate import deflate
from asgi_downloads.bodies.zip.object_zip import AHEAD, AT_ONCE, ObjectZip
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.objects.bucket import Bucket
from asgi_downloads.storage.objects.contents import Prefix
from asgi_downloads.storage.objects.store import ObjectStore
from asgi_downloads.storage.objects.url import StoreURL
from tests.storage.objects.conftest import fake, store
from tests.support.fake_store import FakeStore, tag

__all__ = ["fake", "store"]

pytestmark = pytest.mark.anyio


def noise(seed: int, count: int) -> bytes:
    return random.Random(seed).randbytes(count)


MEMBERS = {
    "a.txt": b"alpha" * 100,
    "empty": b"",
    "middling.bin": noise(1, 1 << 20),
    "sub/big.bin": noise(2, AHEAD + 12345),
    "sub/text.txt": b"many words, and the same again. " * 100_000,
    **{f"small/{number:03}.bin": noise(number, 3000) for number in range(60)},
}


@pytest.fixture
def bucket(store: ObjectStore, fake: FakeStore) -> Bucket:
    fake.objects.update({f"p/{name}": content for name, content in MEMBERS.items()})
    return Bucket(store, StoreURL("fakes", "p/"))


@pytest.fixture
def archives() -> Iterator[Archives]:
    with Checksums() as checksums:
        yield Archives(checksums)


async def found(archives: Archives, bucket: Bucket, form: str = "") -> Archive:
    archive = await archives.find(Prefix(bucket, True), form)
    assert isinstance(archive, Archive)
    return archive


async def content(archive: Archive, bucket: Bucket, start: int = 0, stop: int | None = None) -> bytes:
    body = ObjectZip(archive, bucket)
    async with aclosing(body.pieces(start, archive.size if stop is None else stop)) as pieces:
        parts = []
        async for piece in pieces:
            assert isinstance(piece, bytes)
            parts.append(piece)
    return b"".join(parts)


def unpacked(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        assert file.testzip() is None
        return {info.filename: file.read(info) for info in file.infolist()}


async def test_it_holds_all_of_it(archives: Archives, bucket: Bucket) -> None:
    archive = await found(archives, bucket)
    made = await content(archive, bucket)
    assert len(made) == archive.size
    assert unpacked(made) == MEMBERS


async def test_members_are_pinned_and_mostly_read_once(archives: Archives, bucket: Bucket, fake: FakeStore) -> None:
    await content(await found(archives, bucket), bucket)
    assert fake.pages == 1
    asked = [(key, fields) for method, key, fields in fake.asked if method == "GET"]
    assert all(fields["if-match"] == tag(fake.objects[key]) for key, fields in asked)
    assert [key for method, key, _ in fake.asked if method == "HEAD"] == ["p/sub/big.bin"]  # for its CRC
    counts = {name: [key for key, _ in asked].count(f"p/{name}") for name in MEMBERS}
    assert counts == {**dict.fromkeys(MEMBERS, 1), "empty": 0, "sub/big.bin": 2}  # its CRC comes before it


async def test_what_was_learned_is_remembered(archives: Archives, bucket: Bucket, fake: FakeStore) -> None:
    first = await content(await found(archives, bucket), bucket)
    fake.asked.clear()
    again = await found(Archives(archives.resources.checksums), bucket)
    assert await content(again, bucket) == first
    assert [(method, key) for method, key, _ in fake.asked].count(("GET", "p/sub/big.bin")) == 1


CRC_OF_BIG = base64.b64encode(zlib.crc32(MEMBERS["sub/big.bin"]).to_bytes(4)).decode()
TOLD = {
    "of-all": ((CRC_OF_BIG, "FULL_OBJECT"), 1),
    "of-its-parts": ((CRC_OF_BIG, "COMPOSITE"), 2),
    "of-its-parts-by-its-form": ((f"{CRC_OF_BIG}-3", "FULL_OBJECT"), 2),
    "nonsense": (("AAAA", "FULL_OBJECT"), 2),
}


@pytest.mark.parametrize("case", TOLD)
async def test_a_crc_that_the_store_knows_saves_reading(
    archives: Archives, bucket: Bucket, fake: FakeStore, case: str
) -> None:
    told, reads = TOLD[case]
    fake.checksums["p/sub/big.bin"] = told
    assert unpacked(await content(await found(archives, bucket), bucket)) == MEMBERS
    assert [key for method, key, _ in fake.asked if method == "GET"].count("p/sub/big.bin") == reads


@pytest.mark.slow
async def test_every_range_is_a_part_of_the_whole(archives: Archives, bucket: Bucket, fake: FakeStore) -> None:
    archive = await found(archives, bucket)
    whole = await content(archive, bucket)
    chance = random.Random(7)
    spans = [sorted(chance.sample(range(archive.size + 1), 2)) for _ in range(12)]
    for start, stop in [*spans, (0, 10), (archive.size - 100, archive.size)]:
        known = await found(archives, bucket)
        assert await content(known, bucket, start, stop) == whole[start:stop]


async def test_a_range_within_a_large_member_is_asked_for_and_no_more(
    archives: Archives, bucket: Bucket, fake: FakeStore
) -> None:
    archive = await found(archives, bucket)
    index = archive.listing.paths.index("sub/big.bin")
    start = archive.layout.data_start(index) + 1000
    assert await content(archive, bucket, start, start + 500) == MEMBERS["sub/big.bin"][1000:1500]
    assert [fields["range"] for _, _, fields in fake.asked] == ["bytes=1000-1499"]


async def test_so_many_are_fetched_at_a_time(archives: Archives, bucket: Bucket, fake: FakeStore) -> None:
    fake.latency = 0.01
    await content(await found(archives, bucket), bucket)
    assert AT_ONCE // 2 < fake.peak <= AT_ONCE


async def test_middling_members_are_not_all_fetched_ahead(
    store: ObjectStore, fake: FakeStore, archives: Archives
) -> None:
    fake.latency = 0.01
    fake.objects.update({f"{number:02}": noise(number, AHEAD // 2) for number in range(8)})
    bucket = Bucket(store, StoreURL("fakes"))
    await content(await found(archives, bucket), bucket)
    assert fake.peak <= 3


CHANGES = {
    "replaced": lambda fake: fake.objects.update({"p/middling.bin": b"another"}),
    "of-the-same-size": lambda fake: fake.objects.update({"p/middling.bin": noise(9, 1 << 20)}),
    "a-large-one": lambda fake: fake.objects.update({"p/sub/big.bin": noise(9, AHEAD + 12345)}),
    "gone": lambda fake: fake.objects.pop("p/small/030.bin"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_member_of_another_version_is_no_part_of_it(
    archives: Archives, bucket: Bucket, fake: FakeStore, change: str
) -> None:
    archive = await found(archives, bucket)
    CHANGES[change](fake)
    with pytest.raises(FileChanged):
        await content(archive, bucket)
    assert unpacked(await content(await found(archives, bucket), bucket)).keys() <= MEMBERS.keys()


async def test_the_validator_is_known_at_once_and_alike_everywhere(archives: Archives, bucket: Bucket) -> None:
    with Checksums() as others:
        one, other = await found(archives, bucket), await found(Archives(others), bucket)
        state = one.tags_blocking()[1]
        assert state is not None
        assert state == other.tags_blocking()[1]
        await content(other, bucket)
        assert state == other.tags_blocking()[1]


async def test_an_archive_that_has_not_changed_is_used_again(
    archives: Archives, bucket: Bucket, fake: FakeStore
) -> None:
    archive = await found(archives, bucket)
    assert await found(archives, bucket) is archive
    fake.objects["p/more"] = b"more"
    assert await found(archives, bucket) is not archive
    assert fake.pages == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deflate", "auto"])
async def test_it_can_be_deflated(archives: Archives, bucket: Bucket, fake: FakeStore, name: str) -> None:
    packing = PACKINGS[name]
    assert packing is not None
    listing = await archives.find(Prefix(bucket, True), packing.form)
    assert isinstance(listing, Listing)
    async with aclosing(deflate(listing, bucket, packing, archives.resources)) as blocks:
        first = b"".join([block async for block in blocks])
    assert unpacked(first) == MEMBERS
    archive = await found(archives, bucket, packing.form)
    assert archive.size == len(first) < sum(map(len, MEMBERS.values()))
    assert await content(archive, bucket) == first
    assert await content(archive, bucket, 1_000_000, 9_000_000) == first[1_000_000:9_000_000]
