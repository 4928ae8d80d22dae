import calendar
import os
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.http.validators import (
    etag,
    http_date,
    is_entity_tag,
    parse_entity_tags,
    parse_http_date,
    strongly_equal,
    weakly_equal,
)
from asgi_downloads.storage.files.state import FileState


@dataclass(frozen=True)
class State:
    size: int = 10
    mtime_ns: int = 1_700_000_000_123_456_789
    ctime_ns: int = 1_700_000_001_000_000_000
    inode: int = 42


def test_an_etag_is_a_strong_entity_tag() -> None:
    for portable in (False, True):
        assert is_entity_tag(etag(State(), portable))
        assert etag(State(), portable).startswith(b'"')


@pytest.mark.parametrize("change", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_each_fact_changes_the_etag(change: str) -> None:
    other = replace(State(), **{change: getattr(State(), change) + 1})
    assert etag(other) != etag(State())
    assert (etag(other, portable=True) != etag(State(), portable=True)) == (change in ("size", "mtime_ns"))


def test_the_facts_do_not_run_together() -> None:
    assert etag(State(0x12, 0x3, 4, 5)) != etag(State(0x1, 0x23, 4, 5))


def test_times_before_the_epoch_make_etags_too() -> None:
    assert is_entity_tag(etag(State(mtime_ns=-1)))


def test_an_etag_of_a_file_changes_with_its_content_although_size_and_mtime_stay(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before = FileState.of(path.stat())
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(before.mtime_ns, before.mtime_ns))
    other.rename(path)
    after = FileState.of(path.stat())
    assert after.mtime_ns == before.mtime_ns
    assert etag(after) != etag(before)
    assert etag(after, portable=True) == etag(before, portable=True)


def test_every_state_of_a_file_has_an_etag() -> None:
    assert is_entity_tag(etag(FileState(0, -5, 0, -(1 << 63), (1 << 63) - 1)))


@dataclass(frozen=True)
class Tags:
    id: str
    value: bytes
    want: list[bytes]


TAGS = [
    Tags("one tag", b'"a"', [b'"a"']),
    Tags("a weak tag", b'W/"a"', [b'W/"a"']),
    Tags("the empty tag", b'""', [b'""']),
    Tags("several", b'"a", W/"b","c"', [b'"a"', b'W/"b"', b'"c"']),
    Tags("empty members are skipped", b' ,, "a" ,, "b", ', [b'"a"', b'"b"']),
    Tags("a comma within a tag", b'"a,b", "c"', [b'"a,b"', b'"c"']),
    Tags("a backslash escapes nothing", b'"a\\", "b"', [b'"a\\"', b'"b"']),
    Tags("octets above ASCII", b'"\x80\xff"', [b'"\x80\xff"']),
    Tags("a star in quotes is a tag", b'"*"', [b'"*"']),
    Tags("an empty list", b"", []),
    Tags("nothing but commas", b" , ,", []),
    Tags("no quotes", b"a", []),
    Tags("one quote", b'"a', []),
    Tags("no comma between", b'"a" "b"', []),
    Tags("nothing at all between", b'"a""b"', []),
    Tags("a space within a tag", b'"a b"', []),
    Tags("a control within a tag", b'"a\x7fb"', []),
    Tags("a lower-case w", b'w/"a"', []),
    Tags("a space after the slash", b'W/ "a"', []),
    Tags("garbage before a tag", b'x, "a"', []),
    Tags("garbage behind a tag", b'"a", x', []),
    Tags("a star beside a tag", b'*, "a"', []),
    Tags("a newline at the end", b'"a"\n', []),
]


@pytest.mark.parametrize("case", TAGS, ids=lambda case: case.id)
def test_parse_entity_tags(case: Tags) -> None:
    assert parse_entity_tags(case.value) == case.want


@pytest.mark.parametrize("value", [b"", b"a", b'"a', b'"a" ', b'"a", "b"', b"*", b'W/"a', b'"a"\n'])
def test_what_is_no_entity_tag(value: bytes) -> None:
    assert not is_entity_tag(value)


@dataclass(frozen=True)
class Comparison:
    one: bytes
    other: bytes
    strong: bool
    weak: bool


# The table of RFC 9110 §8.8.3.2
COMPARISONS = [
    Comparison(b'W/"1"', b'W/"1"', strong=False, weak=True),
    Comparison(b'W/"1"', b'W/"2"', strong=False, weak=False),
    Comparison(b'W/"1"', b'"1"', strong=False, weak=True),
    Comparison(b'"1"', b'W/"1"', strong=False, weak=True),
    Comparison(b'"1"', b'"1"', strong=True, weak=True),
    Comparison(b'"a"', b'"A"', strong=False, weak=False),
]


@pytest.mark.parametrize("case", COMPARISONS, ids=lambda case: f"{case.one!r} {case.other!r}")
def test_comparison(case: Comparison) -> None:
    assert strongly_equal(case.one, case.other) is case.strong
    assert weakly_equal(case.one, case.other) is case.weak


NOW = calendar.timegm((2024, 6, 15, 12, 0, 0))


@dataclass(frozen=True)
class Date:
    id: str
    value: bytes
    want: tuple[int, int, int, int, int, int] | None


DATES = [
    Date("IMF-fixdate", b"Sun, 06 Nov 1994 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
    Date("RFC 850", b"Sunday, 06-Nov-94 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
    Date("asctime", b"Sun Nov  6 08:49:37 1994", (1994, 11, 6, 8, 49, 37)),
    Date("asctime with two digits of day", b"Wed Nov 16 08:49:37 1994", (1994, 11, 16, 8, 49, 37)),
    Date("before the epoch", b"Wed, 31 Dec 1969 23:59:59 GMT", (1969, 12, 31, 23, 59, 59)),
    Date("a leap day", b"Thu, 29 Feb 2024 00:00:00 GMT", (2024, 2, 29, 0, 0, 0)),
    Date("a leap second is the second after", b"Sat, 31 Dec 2016 23:59:60 GMT", (2017, 1, 1, 0, 0, 0)),
    Date("two digits, this century", b"Monday, 01-Jan-24 00:00:00 GMT", (2024, 1, 1, 0, 0, 0)),
    Date("two digits, less than 50 years ahead", b"Friday, 15-Jun-74 12:00:00 GMT", (2074, 6, 15, 12, 0, 0)),
    Date("two digits, one second over 50 years ahead", b"Friday, 15-Jun-74 12:00:01 GMT", (1974, 6, 15, 12, 0, 1)),
    Date("two digits, last century", b"Friday, 31-Dec-99 23:59:59 GMT", (1999, 12, 31, 23, 59, 59)),
    Date("a weekday that does not fit is let pass", b"Mon, 06 Nov 1994 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
    Date("nothing", b"", None),
    Date("a number", b"784111777", None),
    Date("ISO 8601", b"1994-11-06T08:49:37Z", None),
    Date("another zone", b"Sun, 06 Nov 1994 08:49:37 UTC", None),
    Date("an offset", b"Sun, 06 Nov 1994 08:49:37 +0000", None),
    Date("no zone", b"Sun, 06 Nov 1994 08:49:37", None),
    Date("lower case", b"sun, 06 nov 1994 08:49:37 gmt", None),
    Date("one digit of day", b"Sun, 6 Nov 1994 08:49:37 GMT", None),
    Date("a short weekday in RFC 850", b"Sun, 06-Nov-94 08:49:37 GMT", None),
    Date("a long weekday in IMF-fixdate", b"Sunday, 06 Nov 1994 08:49:37 GMT", None),
    Date("four digits in RFC 850", b"Sunday, 06-Nov-1994 08:49:37 GMT", None),
    Date("no such weekday", b"Xyz, 06 Nov 1994 08:49:37 GMT", None),
    Date("no such month", b"Sun, 06 Nuv 1994 08:49:37 GMT", None),
    Date("no such day", b"Wed, 30 Feb 1994 08:49:37 GMT", None),
    Date("day 0", b"Wed, 00 Feb 1994 08:49:37 GMT", None),
    Date("29 February of no leap year", b"Thu, 29 Feb 2023 00:00:00 GMT", None),
    Date("hour 24", b"Sun, 06 Nov 1994 24:00:00 GMT", None),
    Date("minute 60", b"Sun, 06 Nov 1994 08:60:37 GMT", None),
    Date("second 61", b"Sun, 06 Nov 1994 08:49:61 GMT", None),
    Date("year 0", b"Sun, 06 Nov 0000 08:49:37 GMT", None),
    Date("two dates", b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", None),
    Date("something behind", b"Sun, 06 Nov 1994 08:49:37 GMT; x", None),
    Date("a newline behind", b"Sun, 06 Nov 1994 08:49:37 GMT\n", None),
    Date("digits of another script", "Sun, 06 Nov \u0661994 08:49:37 GMT".encode(), None),
    Date("a tag", b'"a"', None),
]


@pytest.mark.parametrize("case", DATES, ids=lambda case: case.id)
def test_parse_http_date(case: Date) -> None:
    want = None if case.want is None else calendar.timegm(case.want)
    assert parse_http_date(case.value, NOW) == want


@pytest.mark.parametrize(
    ("this_year", "digits", "want"),
    [(1994, 94, 1994), (1999, 1, 2001), (1999, 49, 2049), (1999, 50, 1950), (2060, 5, 2105), (2149, 99, 2199)],
)
def test_two_digits_of_year_are_read_from_where_we_are(this_year: int, digits: int, want: int) -> None:
    now = calendar.timegm((this_year, 6, 15, 12, 0, 0))
    date = parse_http_date(b"Monday, 15-Jun-%02d 12:00:00 GMT" % digits, now)
    assert date == calendar.timegm((want, 6, 15, 12, 0, 0))


@given(st.integers(-62135596800, 253402300799))
def test_a_date_is_read_as_it_was_written(seconds: int) -> None:
    assert parse_http_date(http_date(seconds), NOW) == seconds
    assert parse_http_date(time.asctime(time.gmtime(seconds)).encode(), NOW) == seconds or seconds < -30610224000


@given(st.integers(-2208988800, 32503680000))
def test_dates_are_written_as_the_email_package_does(seconds: int) -> None:
    assert http_date(seconds).decode() == formatdate(seconds, usegmt=True)


def test_times_that_four_digits_cannot_say_are_clamped() -> None:
    assert http_date(2**62) == b"Fri, 31 Dec 9999 23:59:59 GMT"
    assert http_date(-(2**62)) == b"Mon, 01 Jan 0001 00:00:00 GMT"


@given(st.binary(max_size=40), st.integers(0, 2**33))
def test_no_text_breaks_the_parsers(value: bytes, now: int) -> None:
    assert parse_http_date(value, now) is None
    assert isinstance(parse_entity_tags(value), list)
