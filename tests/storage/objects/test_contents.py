"""What an archive of objects holds, and what a person sees of a prefix."""

import threading

import pytest

from asgi_downloads.storage.errors import Busy, NotFound
from asgi_downloads.storage.files.entries import UNKNOWN_NS
from asgi_downloads.storage.files.hidden import NOTHING, Hidden
from asgi_downloads.storage.files.private import NOTHING_PRIVATE
from asgi_downloads.storage.objects.bucket import Bucket
from asgi_downloads.storage.objects.contents import ChosenObjects, Prefix, chosen_at, entries_at_blocking, folder_at
from asgi_downloads.storage.objects.store import ObjectStore
from asgi_downloads.storage.objects.url import StoreURL
from tests.support.fake_store import FakeStore
from tests.support.swift import Swift

OBJECTS = {
    "p/a.txt": b"a",
    "p/b 10.txt": b"bb",
    "p/b 9.txt": b"",
    "p/.hidden": b"h",
    "p/sub/c": b"ccc",
    "p/sub/deep/d": b"d",
    "p/sub/.git/x": b"x",
    "p/marker/": b"",
    "p/odd//name": b"o",
    "p/odd/../name": b"o",
    "px/outside": b"o",
}


@pytest.fixture
def bucket(store: ObjectStore, fake: FakeStore) -> Bucket:
    fake.objects.update(OBJECTS)
    return Bucket(store, StoreURL("fakes", "p/"))


def paths(contents: Prefix | ChosenObjects, most: int = 100) -> tuple[list[str], list[str]]:
    listing = contents.scan_blocking(most, threading.Event())
    return listing.paths, listing.names


def test_all_below_a_prefix(bucket: Bucket) -> None:
    listing = Prefix(bucket, True, "", Hidden((".*",))).scan_blocking(100, threading.Event())
    assert listing.paths == listing.names == ["a.txt", "b 10.txt", "b 9.txt", "sub/c", "sub/deep/d"]
    assert listing.omitted == 2
    assert [listing.size(index) for index in range(5)] == [1, 2, 0, 3, 1]


def test_all_at_a_path_below_it(bucket: Bucket) -> None:
    assert paths(Prefix(bucket, True, "sub/", Hidden((".*",)))) == (["sub/c", "sub/deep/d"], ["c", "deep/d"])


def test_what_was_chosen(bucket: Bucket) -> None:
    contents = ChosenObjects(bucket, ("a.txt", "sub/"), "", Hidden((".*",)))
    assert paths(contents)[0] == ["a.txt", "sub/c", "sub/deep/d"]
    assert paths(ChosenObjects(bucket, ("deep/",), "sub/"))[1] == ["deep/d"]


@pytest.mark.parametrize("name", ["missing", "missing/", "sub", "a.txt/", ".hidden", "", "../p/"])
def test_what_was_chosen_and_is_not_there_is_named(bucket: Bucket, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        ChosenObjects(bucket, ("a.txt", name), "", Hidden((".*",))).scan_blocking(100, threading.Event())
    assert str(caught.value) == name


def test_nothing_below_a_prefix(bucket: Bucket) -> None:
    with pytest.raises(NotFound):
        Prefix(bucket, True, "nothing/").scan_blocking(100, threading.Event())
    assert paths(Prefix(bucket, True, "marker/")) == ([], [])


def test_more_than_there_is_room_for(bucket: Bucket) -> None:
    with pytest.raises(Busy):
        paths(Prefix(bucket, True), most=3)


def test_equal_words_are_equal_keys(bucket: Bucket, store: ObjectStore) -> None:
    again = Bucket(store, StoreURL("fakes", "p/"))
    assert folder_at(bucket, "sub/").key == folder_at(again, "sub/").duplicate().key != folder_at(bucket).key
    assert folder_at(bucket, recursive=True).key != folder_at(bucket).key
    assert (
        chosen_at(bucket, ("a",), "", NOTHING, NOTHING_PRIVATE).key
        != chosen_at(bucket, (), "", NOTHING, NOTHING_PRIVATE).key
    )


@pytest.mark.slow
def test_what_a_person_sees(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in swift.environ.items():
        monkeypatch.setenv(name, text)
    swift.put("seen", "", b"")
    for key, content in OBJECTS.items():
        swift.put("seen", key, content, 1_700_000_000)
    bucket = Bucket(ObjectStore("seen"), StoreURL("seen", "p/"))
    entries = entries_at_blocking(bucket, "", Hidden((".*",)), NOTHING_PRIVATE, threading.Event())
    assert [(entry.name, entry.size) for entry in entries] == [
        ("marker/", 0),
        ("odd/", 0),
        ("sub/", 0),
        ("a.txt", 1),
        ("b 9.txt", 0),
        ("b 10.txt", 2),
    ]
    assert {entry.mtime_ns for entry in entries} == {1_700_000_000 * 10**9, UNKNOWN_NS}
    with pytest.raises(NotFound):
        entries_at_blocking(bucket, "nothing/", NOTHING, NOTHING_PRIVATE, threading.Event())
    assert Prefix(bucket, False).scan_blocking(100, threading.Event()).paths == [
        ".hidden",
        "a.txt",
        "b 10.txt",
        "b 9.txt",
    ]
