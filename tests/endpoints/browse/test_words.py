"""Names, sizes and moments as people and programs read them."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.endpoints.browse import words

names = st.binary(min_size=1, max_size=60).map(lambda name: name.decode("utf-8", "surrogateescape"))

VISIBLE = {
    "plain.txt": "plain.txt",
    "<b>&\"'": "&lt;b&gt;&amp;&quot;&#x27;",
    "evil\u202egpj.exe": "evil\\u202egpj.exe",
    "new\nline": "new\\u000aline",
    "\x7f\x80\x9f": "\\u007f\\u0080\\u009f",
    "\u061c\u200e\u200f\u202a\u202d\u2066\u2069": "\\u061c\\u200e\\u200f\\u202a\\u202d\\u2066\\u2069",
    "caf\udce9.txt": "caf\ufffd.txt",
    "שלום.txt": "שלום.txt",
}


@pytest.mark.parametrize("name", VISIBLE)
def test_a_name_shows_what_cannot_be_seen(name: str) -> None:
    assert words.visible(name) == VISIBLE[name]


@given(names)
def test_an_encoded_name_is_its_bytes_and_nothing_else_in_a_url(name: str) -> None:
    encoded = words.encoded(name)
    assert encoded.isascii()
    assert not set(encoded) & set("?#&+ \"'<>:;=%") - {"%"}
    assert unquote_to_bytes(encoded) == name.encode("utf-8", "surrogateescape")


SIZES = {
    0: "0 bytes",
    1: "1 byte",
    999: "999 bytes",
    1000: "1 kB",
    1049: "1 kB",
    1050: "1.1 kB",
    999_499: "999.5 kB",
    999_500: "1 MB",
    55_300_000: "55.3 MB",
    8_100_000_000: "8.1 GB",
    5 * 10**15: "5000 TB",
}


@pytest.mark.parametrize("count", SIZES)
def test_a_size_in_units_of_a_thousand(count: int) -> None:
    assert words.size(count) == SIZES[count]


MOMENTS = {
    0: "1970-01-01T00:00:00Z",
    1_700_000_000_999_999_999: "2023-11-14T22:13:20Z",
    -1: "1969-12-31T23:59:59Z",
    -62_135_596_800_000_000_000: "0001-01-01T00:00:00Z",
    -(1 << 63): "1677-09-21T00:12:43Z",
    -(10**23): "0001-01-01T00:00:00Z",
    10**23: "9999-12-31T23:59:59Z",
}


@pytest.mark.parametrize("nanoseconds", MOMENTS)
def test_a_moment_is_rfc_3339_in_utc(nanoseconds: int) -> None:
    assert words.moment(nanoseconds) == MOMENTS[nanoseconds]


def test_elements_hold_what_a_script_says_in_the_readers_language() -> None:
    assert words.size_element(55_300) == '<data class="size" value="55300">55.3 kB</data>'
    assert words.count_element(12_345) == '<data class="count" value="12345">12,345</data>'
    assert words.time_element(0) == '<time datetime="1970-01-01T00:00:00Z">1970-01-01 00:00 UTC</time>'
