"""A store that fails, stalls and lies, behind the served process: what arrives is right, or seen to be broken."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.fake_store import BUCKET, FakeStore, Fault, fake_store, tag
from tests.support.fetch import fetch
from tests.support.serving import Served, serving
from tests.system.conftest import pattern

pytest.importorskip("obstore")

KEY = "data/downloads/big.bin"
OLD, NEW = pattern(3 << 20, b"old"), pattern(3 << 20, b"new")
CUT, SOME = 1 << 20, 700_000
TIMEOUT = 1.0
"""Seconds that the service gives the store."""


@pytest.fixture(scope="module")
def store() -> Iterator[FakeStore]:
    with fake_store() as store:
        yield store


@pytest.fixture(scope="module")
def served(store: FakeStore) -> Iterator[Served]:
    with serving(
        f"s3://{BUCKET}/data", "--store-timeout", f"{TIMEOUT:g}s", "--store-requests", "4", environ=store.environ
    ) as served:
        yield served


@pytest.fixture(autouse=True)
def afresh(store: FakeStore) -> None:
    store.forget()
    store.objects.clear()
    store.objects[KEY] = OLD


@dataclass(frozen=True)
class Case:
    id: str
    faults: list[Fault]
    status: int
    want: bytes | None = None
    """All that is to arrive; None for a broken transfer with a beginning of the old content."""
    fields: dict[str, str] = field(default_factory=dict)
    seconds: float = 5
    start: int = 0
    """Where in the old content a broken one begins."""
    always: Fault | None = None


UNAVAILABLE = b'{"detail":"Service Unavailable"}'
SLOW_DOWN, STALL = Fault("status"), Fault("stall", CUT)
RANGE = {"Range": "bytes=1000-"}
TWO = {"Range": "bytes=0-9,1000-2000009"}
MIDDLE = Fault("end", CUT)

CASES = [
    Case("no-fault", [], 200, OLD),
    Case("cut-once", [MIDDLE], 200, OLD),
    Case("reset-once", [Fault("reset", CUT)], 200, OLD),
    Case("cut-twice", [MIDDLE, MIDDLE], 200, OLD),
    Case("cut-always", [], 200, always=Fault("end", SOME)),
    Case("reset-always", [], 200, always=Fault("reset", SOME)),
    Case("cut-always-before-much-has-come", [], 503, UNAVAILABLE, always=Fault("end", 1000)),
    Case("slow-down-once", [SLOW_DOWN], 200, OLD),
    Case("slow-down-always", [], 503, UNAVAILABLE, always=SLOW_DOWN),
    Case("stalled-once", [STALL], 200, OLD),
    Case("stalled-always", [], 200, always=Fault("stall", SOME), seconds=8),
    Case("silent", [], 503, UNAVAILABLE, seconds=2 * TIMEOUT, always=Fault("silent")),
    Case("replaced-and-cut", [Fault("end", CUT, content=NEW)], 200),
    Case("replaced-and-cut-in-a-range", [Fault("end", CUT, content=NEW)], 206, fields=RANGE, start=1000),
    Case("replaced-before-content", [Fault("replace", content=NEW)], 200, NEW, {"If-None-Match": '"x"'}),
    Case(
        "replaced-each-time-before-content",
        [Fault("replace", content=NEW), Fault("replace", content=OLD)],
        503,
        b'{"detail":"The file is being changed"}',
        {"If-None-Match": '"x"'},
    ),
    Case("resumed-with-all-of-it", [MIDDLE], 200, always=Fault("whole")),
    Case("resumed-elsewhere", [MIDDLE], 200, always=Fault("elsewhere")),
    Case("no-range-once", [Fault("whole")], 206, OLD[1000:], RANGE),
    Case("no-range-ever", [], 503, UNAVAILABLE, RANGE, always=Fault("whole")),
    Case("another-range", [], 503, UNAVAILABLE, RANGE, always=Fault("elsewhere")),
    Case("without-a-tag", [], 503, UNAVAILABLE, always=Fault("untagged")),
    Case("no-access", [], 404, b'{"detail":"File not found"}', always=Fault("status", 0, 403, "AccessDenied")),
    Case("no-object", [], 404, b'{"detail":"File not found"}', always=Fault("status", 0, 404, "NoSuchKey")),
    *(
        Case(
            f"configured-wrongly-{code}",
            [],
            503,
            UNAVAILABLE,
            always=Fault("status", 0, status, code),
        )
        for status, code in (
            (403, "SignatureDoesNotMatch"),
            (403, "InvalidAccessKeyId"),
            (400, "ExpiredToken"),
            (403, "RequestTimeTooSkewed"),
            (404, "NoSuchBucket"),
            (301, "PermanentRedirect"),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_arrives_is_right_or_seen_to_be_broken(served: Served, store: FakeStore, case: Case) -> None:
    store.faults.extend(case.faults)
    store.always = case.always
    begun = time.monotonic()
    answer = fetch(f"{served.url}/download/big.bin", case.fields)
    assert answer.status == case.status
    if case.want is not None:
        assert answer.complete
        assert answer.content == case.want
    else:
        assert not answer.complete
        assert answer.content == OLD[case.start :][: len(answer.content)]
        assert answer.fields["etag"] == tag(OLD)
    if case.status == 503:
        assert answer.fields["retry-after"] == "1"
    assert time.monotonic() - begun < case.seconds


def test_what_is_wrong_with_the_account_is_one_line_with_the_code_of_the_store(
    served: Served, store: FakeStore
) -> None:
    store.always = Fault("status", 0, 403, "SignatureDoesNotMatch")
    before = served.errors
    assert fetch(f"{served.url}/download/big.bin").status == 503
    lines = served.errors.removeprefix(before).splitlines()
    assert len(lines) == 1
    assert "403 SignatureDoesNotMatch" in lines[0]
    for secret in store.environ.values():
        assert secret == "true" or secret not in lines[0]


def test_several_ranges_are_pinned_to_one_version(served: Served, store: FakeStore) -> None:
    answer = fetch(f"{served.url}/download/big.bin", TWO)
    assert answer.status == 206
    assert OLD[:10] in answer.content
    assert OLD[1000:2000010] in answer.content
    assert [fields["if-match"] for method, _, fields in store.asked if method == "GET"] == [tag(OLD)] * 2


ROUND_TRIPS = {
    "plain": ({}, ["GET"]),
    "one-range": (RANGE, ["GET"]),
    "a-suffix": ({"Range": "bytes=-5"}, ["GET"]),
    "a-browser's-resume": ({**RANGE, "If-Range": tag(OLD)}, ["GET"]),
    "a-stale-resume": ({**RANGE, "If-Range": '"stale"'}, ["GET", "GET"]),
    "revalidation": ({"If-None-Match": tag(OLD)}, ["HEAD"]),
    "beyond-the-end": ({"Range": "bytes=99999999-"}, ["GET", "HEAD"]),
    "malformed": ({"Range": "bytes=5-1"}, ["HEAD"]),
}


@pytest.mark.parametrize("case", ROUND_TRIPS)
def test_the_store_is_asked_as_seldom_as_can_be(served: Served, store: FakeStore, case: str) -> None:
    fields, wanted = ROUND_TRIPS[case]
    fetch(f"{served.url}/download/big.bin", fields)
    assert [method for method, _, _ in store.asked] == wanted


def test_a_stale_if_range_gets_all_of_it_from_a_store_that_knows_no_conditions(
    served: Served, store: FakeStore
) -> None:
    store.obeys_conditions = False
    answer = fetch(f"{served.url}/download/big.bin", {**RANGE, "If-Range": '"stale"'})
    assert (answer.status, answer.content) == (200, OLD)


def test_a_store_that_is_down_is_told_by_readyz_and_found_when_it_is_back(store: FakeStore) -> None:
    with serving(f"s3://{BUCKET}/data", environ={**store.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}) as served:
        answer = fetch(f"{served.url}/download/big.bin")
        assert (answer.status, answer.fields["retry-after"]) == (503, "1")
        ready = fetch(f"{served.url}/readyz")
        assert ready.status == 503
        assert b"s3://fakes" in ready.content
        assert fetch(f"{served.url}/livez").status == 200


def test_readyz_says_what_the_store_says(served: Served, store: FakeStore) -> None:
    assert fetch(f"{served.url}/readyz").status == 200
    store.always = Fault("status", 0, 403, "InvalidAccessKeyId")
    assert b"the store says 403 InvalidAccessKeyId" in fetch(f"{served.url}/readyz").content


def test_more_than_so_many_answers_are_not_waited_for(served: Served, store: FakeStore) -> None:
    """`--store-requests 4`: as many may wait for those."""
    store.always = Fault("silent")
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch(f"{served.url}/download/big.bin").status)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [503] * 12
    assert len(store.asked) <= 8
