"""Ticks become a query and names again, whatever the names."""

import base64
import itertools
import time
import uuid
import zlib
from contextlib import suppress
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.endpoints.browse import selection, words
from asgi_downloads.http.errors import HTTPError

name = (
    st.binary(min_size=1, max_size=40)
    .filter(lambda name: not {0, 47} & set(name))
    .map(lambda name: name.decode("utf-8", "surrogateescape"))
)
names = st.lists(st.one_of(name, name.map(lambda name: f"{name}/")), min_size=1, max_size=50)


def form(chosen: list[str]) -> bytes:
    """As browsers send it: the values are encoded once more."""
    return "&".join(f"m={quote_plus(words.encoded(name))}" for name in chosen).encode()


@given(names)
def test_ticks_go_through_a_form_and_a_plain_query_unchanged(chosen: list[str]) -> None:
    assert selection.ticked(form(chosen)) == chosen
    query = selection.plain_query(chosen)
    if query is not None:
        assert len(query) <= 2000
        assert selection.chosen_in(query.encode()) == (sorted(set(chosen)), None)


@given(names, names)
def test_ticks_go_through_a_packed_query_unchanged(chosen: list[str], others: list[str]) -> None:
    there = set(chosen) | set(others)
    query = selection.packed_query(chosen, there)
    found, left_out = selection.chosen_in(query.encode())
    assert set(found if found is not None else there - set(left_out or ())) == set(chosen)


@given(st.permutations(["b", "a/", "a", "ü", "caf\udce9"]), st.integers(0, 4))
def test_any_order_gives_one_query(chosen: list[str], twice: int) -> None:
    same = ["b", "a/", "a", "ü", "caf\udce9"]
    more = [*chosen, chosen[twice]]
    assert selection.plain_query(more) == selection.plain_query(same)
    assert selection.packed_query(more, ()) == selection.packed_query(same, ())


def test_plain_names_up_to_2000_bytes() -> None:
    longest = "a" * (2000 - len("zip&m="))
    assert selection.plain_query([longest]) == f"zip&m={longest}"
    assert selection.plain_query([longest + "a"]) is None


CAMERA = [f"IMG_{number:04}.JPG" for number in range(3000)]
ALBUM = [f"Vol. {number % 7} - {number:02} Song of the {number * 7919 % 3001}th night.flac" for number in range(3000)]
SELECTIONS = {
    "3,000 camera names": CAMERA,
    "every third of 9,000": [f"DSC{number:05}.ARW" for number in range(0, 9000, 3)],
    "3,000 titles": ALBUM,
    "3,000 with times": [f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}_{n * 7 % 24:02}{n % 60:02}.jpg" for n in range(3000)],
    "1,000 UUIDs": [f"{uuid.UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)}" for n in range(1, 1001)],
}


@pytest.mark.parametrize("title", SELECTIONS)
def test_a_long_selection_stays_below_32000_bytes(title: str) -> None:
    query = selection.packed_query(SELECTIONS[title], ())
    assert len(query) < 32_000
    assert selection.chosen_in(query.encode())[0] == sorted(set(SELECTIONS[title]))


def test_all_but_a_few_is_said_so() -> None:
    query = selection.packed_query(CAMERA[2:], CAMERA)
    assert query.startswith("zip&x=")
    assert len(query) < 60
    assert selection.chosen_in(query.encode()) == (None, CAMERA[:2])
    assert selection.chosen_in(selection.packed_query(CAMERA, CAMERA).encode()) == (None, [])


def test_a_name_that_is_not_there_cannot_be_said_by_what_is_left_out() -> None:
    assert selection.packed_query([*CAMERA, "gone"], CAMERA).startswith("zip&s=")


def test_more_than_a_url_can_say_is_413() -> None:
    many = [f"{uuid.UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)}" for n in range(1, 3001)]
    with pytest.raises(HTTPError) as refused:
        selection.packed_query(many[::2], many)
    assert refused.value.status == 413


def packed(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.urlsafe_b64encode(packer.compress(content) + packer.flush()).rstrip(b"=")


READ: dict[bytes, tuple[list[str] | None, list[str] | None]] = {
    b"": (None, None),
    b"zip": (None, None),
    b"zip&m=a+b&m=a%2Bb": (["a b", "a+b"], None),
    b"zip&m=caf%E9": (["caf\udce9"], None),
    b"zip&m=": ([""], None),
    b"zip&s=" + packed(b"a\0b\0a"): (["a", "b"], None),
    b"zip&m=c&s=" + packed(b"a"): (["a", "c"], None),
    b"zip&x=" + packed(b""): (None, []),
    b"zip&s=" + packed(b""): ([], None),
    b"zip&s=" + packed(b"a") + b"&x=" + packed(b"b"): (["a"], None),
}


@pytest.mark.parametrize("query", READ)
def test_a_query_is_read(query: bytes) -> None:
    assert selection.chosen_in(query) == READ[query]


BAD = {
    "not base64": b"%%%",
    "a sign of the other alphabet": b"a+/a",
    "one sign": b"A",
    "beyond ASCII": b"%FF%FE",
    "not deflate": b"_____w",
    "nothing at all": b"",
    "cut": packed(b"abc" * 100)[:-3],
    "with more behind": packed(b"abc").rstrip(b"=") + b"AAAA",
    "5 MiB of one name": packed(b"a" * (5 << 20)),
    "100,001 names": packed(b"\0".join(b"%d" % number for number in range(100_001))),
}


@pytest.mark.parametrize("key", [b"s", b"x"])
@pytest.mark.parametrize("title", BAD)
def test_a_bad_list_is_422(title: str, key: bytes) -> None:
    with pytest.raises(HTTPError) as refused:
        selection.chosen_in(b"zip&" + key + b"=" + BAD[title])
    assert refused.value.status == 422
    assert refused.value.detail == [
        {"type": "value_error", "loc": ["query", key.decode()], "msg": "Value error, not a list of names"}
    ]


@given(st.binary(max_size=200))
def test_no_list_is_anything_but_read_or_refused(value: bytes) -> None:
    for key in (b"s", b"x"):
        with suppress(HTTPError):
            chosen, left_out = selection.chosen_in(b"zip&" + key + b"=" + value.replace(b"&", b""))
            assert chosen is not None or left_out is not None


def test_a_bomb_is_refused_at_once() -> None:
    bomb = packed(b"\0" * (200 << 20))
    assert len(bomb) > 100_000
    begun = time.perf_counter()
    for _ in itertools.repeat(None, 5):
        with pytest.raises(HTTPError):
            selection.chosen_in(b"zip&s=" + bomb)
    assert time.perf_counter() - begun < 2
