"""A listing asks once for a thousand objects, and one odd key does not make it fail."""

import threading
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import Forbidden, Unavailable
from asgi_downloads.storage.jobs import Stopped
from asgi_downloads.storage.objects.listing import ObjectListing, list_blocking
from asgi_downloads.storage.objects.store import Meta, ObjectStore
from asgi_downloads.storage.objects.url import StoreURL
from tests.support.fake_store import FakeStore, Fault, tag
from tests.support.swift import Swift

META = Meta(5, 1767225600, b'"tag"')


def keys(store: ObjectStore, prefix: str = "", *, recursive: bool = True) -> list[str]:
    return [key for key, _ in list_blocking(store, prefix, threading.Event(), recursive=recursive)]


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_thousand_in_a_request(store: ObjectStore, fake: FakeStore, count: int, pages: int) -> None:
    fake.objects.update({f"a/{number:05}": b"x" for number in range(count)}, b=b"y")
    assert keys(store, "a/") == [f"a/{number:05}" for number in range(count)]
    assert fake.pages == pages


def test_facts(store: ObjectStore, fake: FakeStore) -> None:
    fake.objects["a"] = b"12345"
    ((key, meta),) = list_blocking(store, "", threading.Event())
    assert (key, meta) == ("a", Meta(5, 1767225600, tag(b"12345").encode()))


ODD = ["a//b", "a/../b", "a/", "/", "../x", "a b+c%2F", "new\nline", "\x01", "é", "\U0001f600", "<&>\"'", "k" * 1024]


def test_odd_keys_are_listed_as_they_are(store: ObjectStore, fake: FakeStore) -> None:
    fake.objects.update(dict.fromkeys(ODD, b""))
    assert sorted(keys(store)) == sorted(ODD)


def test_it_stops_when_told_to(store: ObjectStore, fake: FakeStore) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        list(list_blocking(store, "", stop))
    assert not fake.pages


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(403, "AccessDenied", Forbidden), (403, "SignatureDoesNotMatch", Unavailable), (404, "NoSuchBucket", Unavailable)],
)
def test_refusals(store: ObjectStore, fake: FakeStore, status: int, code: str, error: type[Exception]) -> None:
    fake.always = Fault("status", 0, status, code)
    with pytest.raises(error) as caught:
        keys(store)
    assert type(caught.value) is error
    assert error is Forbidden or str(caught.value) == f"the store says {status} {code}"


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, fake: FakeStore) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        keys(ObjectStore("bucket"))


def listed(meta: Meta = META, path: str = "a", root: str = "s3://bucket/p", scanned_ns: int = 0) -> ObjectListing:
    listing = ObjectListing(scanned_ns, StoreURL.of(root))
    listing.add_object(path, meta)
    return listing


DIFFERENT = {
    "tag": listed(Meta(5, META.modified, b'"other"')),
    "size": listed(Meta(6, META.modified, META.etag)),
    "time": listed(Meta(5, META.modified + 1, META.etag)),
    "name": listed(path="b"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_listings_of_other_versions_differ(case: str) -> None:
    assert listed() != DIFFERENT[case]
    assert listed().fingerprint() != DIFFERENT[case].fingerprint()


def test_listings_are_alike_on_every_replica_at_any_time() -> None:
    assert listed() == listed(scanned_ns=10**18)
    assert listed().fingerprint() == listed(scanned_ns=10**18).fingerprint()
    assert listed().all_settled


def test_what_is_kept_is_kept_by_bucket_key_and_tag() -> None:
    states = {
        listed(root=root, path=path, meta=meta)[0]
        for root in ("s3://one/p", "s3://two/p")
        for path in ("a", "b")
        for meta in (META, Meta(5, META.modified, b'"x"'))
    }
    assert len(states) == 8
    assert listed(root="s3://one", path="p/a")[0] == listed(root="s3://one/p", path="a")[0]


@pytest.mark.slow
def test_a_real_store_lists_alike(swift: Swift, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in swift.environ.items():
        monkeypatch.setenv(name, text)
    swift.put("odd", "", b"")
    there = [key for key in ODD if key not in ("../x", "\x01")]  # it has none such
    for key in there:
        swift.put("odd", key, b"content")
    store = ObjectStore("odd")
    assert sorted(keys(store)) == sorted(there)
    assert "a/" in keys(store, recursive=False)
    assert "a//b" not in keys(store, recursive=False)
