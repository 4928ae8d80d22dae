"""What a store says, in our words. What of it becomes an answer: `system/test_store_faults.py`."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from asgi_downloads.storage.errors import (
    FileChanged,
    Forbidden,
    MissingExtra,
    NotFound,
    StorageError,
    Unavailable,
)
from asgi_downloads.storage.objects.store import ObjectStore, Part, RangeRefused
from tests.conftest import until
from tests.support.fake_store import FakeStore, Fault, tag
from tests.support.serving import environment
from tests.support.swift import NOBODY, Swift

pytestmark = pytest.mark.anyio

CONTENT = b"0123456789" * 100_000


async def read(store: ObjectStore, key: str, part: Part = None, etag: bytes | None = None) -> bytes:
    stream = await store.open(key, part, etag)
    async with aclosing(stream.chunks()) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_facts(store: ObjectStore, fake: FakeStore) -> None:
    fake.objects["a/b"] = CONTENT
    meta = await store.head("a/b")
    assert (meta.size, meta.modified, meta.etag) == (len(CONTENT), 1767225600, tag(CONTENT).encode())


PARTS: list[tuple[Part, bytes]] = [
    (None, CONTENT),
    ((0, 1), b"0"),
    ((999_990, 2_000_000), b"0123456789"),
    ({"offset": 999_995}, b"56789"),
    ({"suffix": 3}, b"789"),
    ({"suffix": 9_999_999}, CONTENT),
]


@pytest.mark.parametrize(("part", "content"), PARTS)
async def test_content(store: ObjectStore, fake: FakeStore, part: Part, content: bytes) -> None:
    fake.objects["k"] = CONTENT
    stream = await store.open("k", part)
    assert stream.stop - stream.start == len(content)
    assert CONTENT[stream.start : stream.stop] == content == await read(store, "k", part)


async def test_content_for_a_thread(store: ObjectStore, fake: FakeStore) -> None:
    fake.objects["k"] = CONTENT
    etag = tag(CONTENT).encode()
    assert (
        b"".join(await asyncio.to_thread(lambda: list(store.open_blocking("k", (5, 700_000), etag))))
        == CONTENT[5:700_000]
    )
    with pytest.raises(FileChanged):
        await asyncio.to_thread(lambda: list(store.open_blocking("k", (5, 10), b'"other"')))


@dataclass(frozen=True)
class Says:
    id: str
    fault: Fault
    error: type[StorageError]
    text: str = ""


SAYS = [
    Says("no-key", Fault("status", 0, 404, "NoSuchKey"), NotFound),
    Says("no-bucket", Fault("status", 0, 404, "NoSuchBucket"), Unavailable, "the store says 404 NoSuchBucket"),
    Says("no-access", Fault("status", 0, 403, "AccessDenied"), Forbidden),
    Says(
        "secret",
        Fault("status", 0, 403, "SignatureDoesNotMatch"),
        Unavailable,
        "the store says 403 SignatureDoesNotMatch",
    ),
    Says("token", Fault("status", 0, 400, "ExpiredToken"), Unavailable, "the store says 400 ExpiredToken"),
    Says("slow-down", Fault("status", 0, 503, "SlowDown"), Unavailable, "the store says 503 SlowDown"),
    Says("region", Fault("status", 0, 301, "PermanentRedirect"), Unavailable, "the store says 301"),
    Says("precondition", Fault("status", 0, 412, "PreconditionFailed"), FileChanged),
    Says("range", Fault("status", 0, 416, "InvalidRange"), RangeRefused),
    Says("ignored-range", Fault("whole"), RangeRefused),
    Says("no-tag", Fault("untagged"), Unavailable, "the store gives no strong entity tag"),
    Says("silence", Fault("silent"), Unavailable, "the store does not answer"),
]


@pytest.mark.parametrize("case", SAYS, ids=lambda case: case.id)
async def test_what_it_says_in_our_words(store: ObjectStore, fake: FakeStore, case: Says) -> None:
    fake.objects["k"] = CONTENT
    fake.always = case.fault
    with pytest.raises(case.error) as caught:
        await store.open("k", (1, 3))
    assert type(caught.value) is case.error
    assert str(caught.value).startswith(case.text)


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "NoSuchBucket"])
async def test_what_an_answer_to_head_cannot_say_is_found_out(store: ObjectStore, fake: FakeStore, code: str) -> None:
    fake.always = Fault("status", 0, 403, code)
    with pytest.raises(Unavailable, match=code):
        await store.head("missing")
    assert [method for method, _, _ in fake.asked] == ["HEAD", "GET"]


@pytest.mark.parametrize("key", ["a//b", "a/../b", "a/./b", "a\nb", "a\0b"])
async def test_keys_that_cannot_be_addressed_are_not_there(store: ObjectStore, fake: FakeStore, key: str) -> None:
    with pytest.raises(NotFound):
        await store.open(key)
    with pytest.raises(NotFound):
        await store.head(key)
    assert fake.asked == []


async def test_a_store_that_nobody_answers_for(monkeypatch: pytest.MonkeyPatch, fake: FakeStore) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = ObjectStore("bucket", timeout=1)
    calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: store.head("k"),
        lambda: store.open("k"),
        store.check,
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="out of reach"):
            await call()


async def test_a_check_asks_for_a_listing(store: ObjectStore, fake: FakeStore) -> None:
    await store.check()
    assert fake.pages == 1
    fake.always = Fault("status", 0, 403, "AccessDenied")
    await store.check()  # an answer, if not a willing one
    fake.always = Fault("status", 0, 403, "RequestTimeTooSkewed")
    with pytest.raises(Unavailable, match="RequestTimeTooSkewed"):
        await store.check()


async def test_a_reader_that_rests_longer_than_the_store_may_goes_on(store: ObjectStore, fake: FakeStore) -> None:
    fake.objects["k"] = CONTENT * 20
    stream = await store.open("k")
    async with aclosing(stream.chunks()) as chunks:
        content = await anext(chunks)
        await asyncio.sleep(2.5 * store.timeout)
        content += b"".join([chunk async for chunk in chunks])
    assert content == CONTENT * 20
    assert len(fake.asked) == 1


@pytest.mark.parametrize("left", ["unread", "begun", "cancelled"])
async def test_whoever_leaves_frees_the_connection(store: ObjectStore, fake: FakeStore, left: str) -> None:
    fake.objects["k"] = CONTENT * 20
    if left == "cancelled":
        fake.always = Fault("silent")
        task = asyncio.ensure_future(store.open("k"))
        await until(lambda: bool(fake.asked))
        task.cancel()
        fake.released.set()
    else:
        stream = await store.open("k")
        if left == "begun":
            async with aclosing(stream.chunks()) as chunks:
                await anext(chunks)
        else:
            stream.close()
        del stream
    await until(lambda: not fake.open)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as caught:
        ObjectStore("bucket")
    assert caught.value.extra == "s3"


async def test_without_an_account_nothing_is_signed(monkeypatch: pytest.MonkeyPatch, fake: FakeStore) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Unavailable, match="AWS_SECRET_ACCESS_KEY"):
        ObjectStore("bucket").sign("GET", "k", {}, 60)


ENDS = """
import asyncio
import importlib.util
from asgi_downloads.storage.objects.store import ObjectStore
async def main():
    store = ObjectStore("fakes", timeout=60)
    streams = await asyncio.gather(*(store.open("k") for _ in range(30)))
    waiting = [asyncio.ensure_future(store.head("k")) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
asyncio.run(main())
"""


@pytest.mark.slow
def test_a_process_that_has_asked_a_store_ends_well(fake: FakeStore) -> None:
    """Without a rest one of some ten is aborted, as the interpreter ends."""
    fake.objects["k"] = CONTENT
    processes = [
        subprocess.Popen([sys.executable, "-c", ENDS], env=environment(dict(os.environ)), stderr=subprocess.DEVNULL)
        for _ in range(20)
    ]
    assert [process.wait(60) for process in processes] == [0] * 20


@pytest.mark.slow
class TestSwift:
    """The same words from a real store."""

    @pytest.fixture(autouse=True)
    def _account(self, swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
        swift.put("words", "", b"")
        swift.put("words", "k", CONTENT)
        swift.put("words", "empty", b"")
        for name, text in swift.environ.items():
            monkeypatch.setenv(name, text)

    async def test_facts_and_content(self) -> None:
        store = ObjectStore("words")
        meta = await store.head("k")
        assert (meta.size, meta.etag) == (len(CONTENT), tag(CONTENT).encode())
        for part, content in PARTS:
            assert await read(store, "k", part, meta.etag) == content

    async def test_refusals(self) -> None:
        store = ObjectStore("words")
        for part in ((0, 1), {"suffix": 1}, {"offset": 0}):
            with pytest.raises(RangeRefused):
                await store.open("empty", part)
        with pytest.raises(FileChanged):
            await store.open("k", None, b'"other"')
        with pytest.raises(NotFound):
            await store.open("missing")
        with pytest.raises(NotFound):
            await store.head("missing")
        with pytest.raises(Unavailable, match="NoSuchBucket"):
            await ObjectStore("no-such-bucket").head("k")

    @pytest.mark.parametrize(
        ("variable", "text", "says"),
        [("AWS_SECRET_ACCESS_KEY", "wrong", "403"), ("AWS_ACCESS_KEY_ID", "test:stranger", "403")],
    )
    async def test_a_wrong_account(self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, says: str) -> None:
        monkeypatch.setenv(variable, text)
        with pytest.raises(Unavailable, match=says):
            await ObjectStore("words").head("k")

    async def test_one_without_rights(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", NOBODY)
        with pytest.raises(Forbidden):
            await ObjectStore("words").head("k")
