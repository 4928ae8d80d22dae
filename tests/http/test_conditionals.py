"""Each precondition alone; what follows from it is in test_rfc9110."""

from dataclasses import dataclass

import pytest

from asgi_downloads.http.conditionals import (
    if_match,
    if_modified_since,
    if_none_match,
    if_range,
    if_unmodified_since,
)
from asgi_downloads.http.validators import http_date

TAG, WEAK = b'"a"', b'W/"a"'
THEN = 784111777
NOW = THEN + 3600


@dataclass(frozen=True)
class TagCase:
    id: str
    value: bytes | None
    etag: bytes | None
    if_match: bool | None
    if_none_match: bool | None


TAG_CASES = [
    TagCase("absent", None, TAG, None, None),
    TagCase("the same strong tag", TAG, TAG, True, False),
    TagCase("another tag", b'"b"', TAG, False, True),
    TagCase("one of a list", b'"b", "a", "c"', TAG, True, False),
    TagCase("none of a list", b'"b", "c"', TAG, False, True),
    TagCase("a weak tag asked", WEAK, TAG, False, False),
    TagCase("a weak tag held", TAG, WEAK, False, False),
    TagCase("both weak", WEAK, WEAK, False, False),
    TagCase("a star", b"*", TAG, True, False),
    TagCase("a star without a tag held", b"*", None, True, False),
    TagCase("a tag without a tag held", TAG, None, False, True),
    TagCase("a star in quotes is a tag like others", b'"*"', TAG, False, True),
    TagCase("no quotes", b"a", TAG, False, True),
    TagCase("an empty value", b"", TAG, False, True),
    TagCase("the tag beside garbage", b'"a", b', TAG, False, True),
    TagCase("the tag beside a star", b'*, "a"', TAG, False, True),
]


@pytest.mark.parametrize("case", TAG_CASES, ids=lambda case: case.id)
def test_tags(case: TagCase) -> None:
    assert if_match(case.value, case.etag) is case.if_match
    assert if_none_match(case.value, case.etag) is case.if_none_match


@dataclass(frozen=True)
class DateCase:
    id: str
    value: bytes | None
    last_modified: int | None
    if_unmodified_since: bool | None
    if_modified_since: bool | None


DATE_CASES = [
    DateCase("absent", None, THEN, None, None),
    DateCase("the same second", http_date(THEN), THEN, True, False),
    DateCase("a second before", http_date(THEN - 1), THEN, False, True),
    DateCase("a second after", http_date(THEN + 1), THEN, True, False),
    DateCase("after now", http_date(NOW + 999), THEN, True, False),
    DateCase("the same second in RFC 850", b"Sunday, 06-Nov-94 08:49:37 GMT", THEN, True, False),
    DateCase("the same second in asctime", b"Sun Nov  6 08:49:37 1994", THEN, True, False),
    DateCase("no date held", http_date(THEN), None, None, None),
    DateCase("no date", b"yesterday", THEN, None, None),
    DateCase("an empty value", b"", THEN, None, None),
    DateCase("two dates", http_date(THEN) + b", " + http_date(THEN), THEN, None, None),
    DateCase("a time held that is the epoch", http_date(0), 0, True, False),
]


@pytest.mark.parametrize("case", DATE_CASES, ids=lambda case: case.id)
def test_dates(case: DateCase) -> None:
    assert if_unmodified_since(case.value, case.last_modified, NOW) is case.if_unmodified_since
    assert if_modified_since(case.value, case.last_modified, NOW) is case.if_modified_since


@dataclass(frozen=True)
class RangeCase:
    id: str
    value: bytes | None
    want: bool | None
    etag: bytes | None = TAG
    last_modified: int | None = THEN
    now: int = NOW


RANGE_CASES = [
    RangeCase("absent", None, None),
    RangeCase("the strong tag", TAG, True),
    RangeCase("another tag", b'"b"', False),
    RangeCase("a weak tag asked", WEAK, False),
    RangeCase("a weak tag held", TAG, False, etag=WEAK),
    RangeCase("weak tags equal", WEAK, False, etag=WEAK),
    RangeCase("no tag held", TAG, False, etag=None),
    RangeCase("a list with the tag", b'"a", "b"', False),
    RangeCase("the tag twice", b'"a", "a"', False),
    RangeCase("a star", b"*", False),
    RangeCase("an unquoted tag", b"a", False),
    RangeCase("a tag left open", b'"a', False),
    RangeCase("an empty value", b"", False),
    RangeCase("garbage with the tag", b'x"a"', False),
    RangeCase("the date", http_date(THEN), True),
    RangeCase("the date in RFC 850", b"Sunday, 06-Nov-94 08:49:37 GMT", True),
    RangeCase("the date in asctime", b"Sun Nov  6 08:49:37 1994", True),
    RangeCase("an earlier date", http_date(THEN - 1), False),
    RangeCase("a later date is no match either", http_date(THEN + 1), False),
    RangeCase("no date held", http_date(THEN), False, last_modified=None),
    RangeCase("a date of this very second", http_date(THEN), False, now=THEN),
    RangeCase("a date of the second before", http_date(THEN), True, now=THEN + 1),
    RangeCase("garbage", b"yesterday", False),
    RangeCase("garbage, and no date held", b"yesterday", False, last_modified=None),
    RangeCase("a tag held that looks malformed, word for word", b'"a b"', False, etag=b'"a b"'),
]


@pytest.mark.parametrize("case", RANGE_CASES, ids=lambda case: case.id)
def test_if_range(case: RangeCase) -> None:
    assert if_range(case.value, case.etag, case.last_modified, case.now) is case.want
