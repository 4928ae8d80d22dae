"""A fake store and a bucket of it, and Swift; the environment says where they are."""

from collections.abc import Iterator

import pytest

from asgi_downloads.storage.objects.store import ObjectStore
from tests.support.fake_store import BUCKET, FakeStore, fake_store
from tests.support.swift import Swift, swift_server


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStore]:
    pytest.importorskip("obstore")
    with fake_store() as store:
        for name, text in store.environ.items():
            monkeypatch.setenv(name, text)
        yield store


@pytest.fixture
def store(fake: FakeStore) -> ObjectStore:
    return ObjectStore(BUCKET, timeout=1)


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    pytest.importorskip("obstore")
    with swift_server() as swift:
        yield swift
