"""Paths and keys, and which requests an open object makes."""

import pytest

from asgi_downloads.storage.errors import FileChanged, NotFound, OutsideRoot, StorageError, Unavailable
from asgi_downloads.storage.objects.bucket import Bucket, Wanted, is_path
from asgi_downloads.storage.objects.store import ObjectStore
from asgi_downloads.storage.objects.url import StoreURL
from tests.support.fake_store import FakeStore, Fault, tag

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def bucket(store: ObjectStore, fake: FakeStore) -> Bucket:
    fake.objects["p/a"] = CONTENT
    return Bucket(store, StoreURL("fakes", "p/"))


KEYS: dict[str, str | type[StorageError]] = {
    "a": "p/a",
    "a/b": "p/a/b",
    "é %+": "p/é %+",
    "...": "p/...",
    "k" * 1022: "p/" + "k" * 1022,
    "k" * 1023: NotFound,
    "é" * 512: NotFound,
    "": NotFound,
    "a//b": NotFound,
    "a/": NotFound,
    "/a": NotFound,
    ".": NotFound,
    "a/./b": NotFound,
    "\udcff": NotFound,
    "a\nb": NotFound,
    "..": OutsideRoot,
    "a/../b": OutsideRoot,
    "a\0": OutsideRoot,
}


@pytest.mark.parametrize("name", KEYS, ids=lambda name: ascii(name[:12]))
async def test_the_key_of_a_path(bucket: Bucket, name: str) -> None:
    wanted = KEYS[name]
    if isinstance(wanted, str):
        assert bucket.key(name) == wanted
    else:
        with pytest.raises(wanted):
            bucket.key(name)


@pytest.mark.parametrize(
    ("name", "is_one"), [("a/b", True), ("a//b", False), ("a/../b", False), ("", False), ("\x7f", False)]
)
async def test_what_is_a_path(name: str, is_one: bool) -> None:
    assert is_path(name) is is_one


async def read(bucket: Bucket, start: int, stop: int, wanted: Wanted | None = None) -> bytes:
    async with bucket.open("a", wanted) as file:
        return b"".join([piece async for piece in file.pieces(start, stop)])


async def test_what_was_foreseen_needs_no_other_request(bucket: Bucket, fake: FakeStore) -> None:
    assert await read(bucket, 0, len(CONTENT), Wanted()) == CONTENT
    assert await read(bucket, 5, 10, Wanted((5, 10))) == CONTENT[5:10]
    assert len(fake.asked) == 2


async def test_what_was_not_is_pinned_to_the_version_of_the_facts(bucket: Bucket, fake: FakeStore) -> None:
    assert await read(bucket, 5, 10, Wanted()) == CONTENT[5:10]
    method, key, fields = fake.asked[-1]
    assert (method, key, fields["range"], fields["if-match"]) == ("GET", "p/a", "bytes=5-9", tag(CONTENT))


async def test_another_version_is_no_content(bucket: Bucket, fake: FakeStore) -> None:
    for fake.obeys_conditions in (True, False):
        fake.objects["p/a"] = CONTENT
        async with bucket.open("a") as file:
            fake.objects["p/a"] = CONTENT[::-1]
            with pytest.raises(FileChanged):
                await anext(file.pieces(0, 10))


async def test_another_version_than_is_wanted_is_taken_whole(bucket: Bucket, fake: FakeStore) -> None:
    async with bucket.open("a", Wanted((5, 10), b'"another"')) as file:
        assert b"".join([piece async for piece in file.pieces(0, len(CONTENT))]) == CONTENT
    assert [method for method, _, _ in fake.asked] == ["GET", "GET"]


async def test_several_pieces_are_each_asked_for(bucket: Bucket, fake: FakeStore) -> None:
    async with bucket.open("a") as file:
        assert b"".join([piece async for piece in file.pieces(0, 2)]) == CONTENT[:2]
        assert b"".join([piece async for piece in file.pieces(5, 7)]) == CONTENT[5:7]
    assert [method for method, _, _ in fake.asked] == ["HEAD", "GET", "GET"]


async def test_facts_are_those_of_the_store(bucket: Bucket) -> None:
    async with bucket.open("a") as file:
        assert (file.size, file.modified) == (len(CONTENT), 1767225600)
        assert file.meta.etag == tag(CONTENT).encode()
        assert file.at_hand(0, 1) is None


async def test_in_a_mode_where_others_send_only_facts_are_asked_for(store: ObjectStore, fake: FakeStore) -> None:
    fake.objects["a"] = CONTENT
    async with Bucket(store, StoreURL("fakes"), "accel").open("a", Wanted()):
        assert [method for method, _, _ in fake.asked] == ["HEAD"]


async def test_content_that_is_cut_for_good_is_no_content(bucket: Bucket, fake: FakeStore) -> None:
    fake.always = Fault("end", 1000)
    with pytest.raises(Unavailable):
        await read(bucket, 0, len(CONTENT), Wanted())


async def test_a_tree_below_is_one_itself(bucket: Bucket, fake: FakeStore) -> None:
    fake.objects["p/sub/x"] = b"x"
    async with bucket.subtree("sub") as below, below.open("x") as file:
        assert file.key == "p/sub/x"
    assert bucket.below("sub/").where() == "s3://fakes/p/sub"
    with pytest.raises(OutsideRoot):
        async with bucket.subtree(".."):
            pass


async def test_the_beginning_of_an_object(bucket: Bucket, fake: FakeStore) -> None:
    fake.objects["p/empty"] = b""
    assert bucket.read_blocking("a", 10) == CONTENT[:10]
    assert bucket.read_blocking("empty", 10) is None
    with pytest.raises(NotFound):
        bucket.read_blocking("missing", 10)
