"""Entity tags and dates (RFC 9110 §8.8 and §5.6.7): made, read and compared. `now` always comes from the caller."""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class State(Protocol):
    """What an entity tag is made from, of a file in one state; size in bytes, times in nanoseconds."""

    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def ctime_ns(self) -> int: ...
    @property
    def inode(self) -> int: ...


def etag(state: State, portable: bool = False) -> bytes:
    """The strong entity tag of a file's content, with its quotes.

    Inode and ctime change it also where size and mtime stay (a replacement by rename, an edit with the mtime put
    back). `portable` leaves these two out, for replicas that hold copies of one tree. Linux before 6.13 stamps times
    by its tick, so there two writes of equal length within a few milliseconds can share a tag.
    """
    if portable:
        return b'"%x-%x"' % (state.size, state.mtime_ns)
    return b'"%x-%x-%x-%x"' % (state.size, state.mtime_ns, state.ctime_ns, state.inode)


# entity-tag = [ weak ] opaque-tag (RFC 9110 §8.8.3). A backslash is an ordinary character in it, a comma too.
_ENTITY_TAG = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ONE_TAG = re.compile(_ENTITY_TAG)
_TAG_LIST = re.compile(rb"[ \t,]*(?:%b[ \t]*(?:,[ \t,]*|$))*" % _ENTITY_TAG)


def is_entity_tag(value: bytes) -> bool:
    """Whether the value is one entity tag and nothing else."""
    return _ONE_TAG.fullmatch(value) is not None


def is_strong(value: bytes) -> bool:
    """Whether the value is one strong entity tag and nothing else."""
    return is_entity_tag(value) and not value.startswith(b"W/")


def parse_entity_tags(value: bytes) -> list[bytes]:
    """The tags of `#entity-tag`, in order; none at all if any member is malformed."""
    return _ONE_TAG.findall(value) if _TAG_LIST.fullmatch(value) else []


def strongly_equal(one: bytes, other: bytes) -> bool:
    """RFC 9110 §8.8.3.2: the same opaque tag, and neither is weak."""
    return one == other and not one.startswith(b"W/")


def weakly_equal(one: bytes, other: bytes) -> bool:
    """RFC 9110 §8.8.3.2: the same opaque tag, weak or not."""
    return one.removeprefix(b"W/") == other.removeprefix(b"W/")


_WEEKDAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_FIRST_SECOND, _LAST_SECOND = -62135596800, 253402300799  # the years 1 to 9999: all that four digits can say


@lru_cache(maxsize=512)
def http_date(seconds: int) -> bytes:
    """Seconds since the epoch as IMF-fixdate (RFC 9110 §5.6.7); times beyond four-digit years are clamped."""
    t = time.gmtime(min(max(seconds, _FIRST_SECOND), _LAST_SECOND))
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        _WEEKDAYS[t.tm_wday],
        t.tm_mday,
        _MONTHS[t.tm_mon - 1],
        t.tm_year,
        t.tm_hour,
        t.tm_min,
        t.tm_sec,
    )


_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_MONTH = rb"(?P<month>%b)" % b"|".join(_MONTHS)
_DAY_NAME = rb"(?:%b)" % b"|".join(_WEEKDAYS)
_LONG_DAY_NAME = rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DATE_FORMS = (  # RFC 9110 §5.6.7: a recipient MUST accept all three
    re.compile(rb"%b, (?P<day>[0-9]{2}) %b (?P<year>[0-9]{4}) %b GMT" % (_DAY_NAME, _MONTH, _TIME)),  # IMF-fixdate
    re.compile(rb"%b, (?P<day>[0-9]{2})-%b-(?P<year>[0-9]{2}) %b GMT" % (_LONG_DAY_NAME, _MONTH, _TIME)),  # RFC 850
    re.compile(rb"%b %b (?P<day>[0-9 ][0-9]) %b (?P<year>[0-9]{4})" % (_DAY_NAME, _MONTH, _TIME)),  # asctime
)


def parse_http_date(value: bytes, now: int) -> int | None:
    """Seconds since the epoch for a date in any of the three forms; None if it is none of them, or no real time.

    `now` in seconds decides the century of a two-digit year. The name of the weekday is not checked against the date.
    """
    for form in _DATE_FORMS:
        if match := form.fullmatch(value):
            break
    else:
        return None
    year, day = int(match["year"]), int(match["day"])
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    leap = second == 60  # RFC 9110 §5.6.7 lets a leap second be written
    clock = (_MONTHS.index(match["month"]) + 1, day, hour, minute, second - leap)
    if len(match["year"]) == 2:
        year = _full_year(year, clock, now)
    try:
        return int(datetime(year, *clock, tzinfo=UTC).timestamp()) + leap
    except ValueError:
        return None


def _full_year(two_digits: int, clock: tuple[int, int, int, int, int], now: int) -> int:
    """The latest year with these digits that is not more than 50 years in the future (RFC 9110 §5.6.7)."""
    today = time.gmtime(now)
    latest = (today.tm_year + 50, *today[1:6])
    year = latest[0] // 100 * 100 + two_digits
    return year - 100 if (year, *clock) > latest else year


DATE_LAG = 2
"""Seconds by which the Date of a server that is not ours may be behind, as it keeps one for a while."""


def last_modified(modified: int, now: int, date_is_exact: bool) -> int | None:
    """Last-Modified for what changed at `modified`, in seconds; None if it could be later than the answer's Date."""
    if date_is_exact:
        return min(modified, now)  # RFC 9110 §8.8.2.1: never later than the message's origination
    return modified if modified <= now - DATE_LAG else None
