"""Names, sizes and dates as they stand in a page, a URL or a list."""

import re
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from asgi_downloads.storage.files.entries import UNKNOWN_NS

_UNITS = ("bytes", "kB", "MB", "GB", "TB")

# Control characters, and those that turn the direction of what follows, would make one name look like another.
_INVISIBLE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def text(name: str) -> str:
    """A name as text: U+FFFD where a byte is not UTF-8."""
    return _SURROGATE.sub("\ufffd", name)


def printable(name: str) -> str:
    """A name as text, with what cannot be seen written as an escape."""
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text(name))


def visible(name: str) -> str:
    """A printable name as HTML."""
    return escape(printable(name))


def encoded(name: str) -> str:
    """A name with its bytes percent-encoded; the "/" of a directory stays."""
    return quote(name, safe="/", errors="surrogateescape")


def size(count: int) -> str:
    """A number of bytes as people say it, in units of 1,000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    number = f"{value:.1f}".removesuffix(".0")
    return f"{number} byte" if count == 1 else f"{number} {_UNITS[unit]}"


def size_element(count: int) -> str:
    """A size that a script can say in the reader's own language."""
    return f'<data class="size" value="{count}">{size(count)}</data>'


def count_element(count: int) -> str:
    """A number that a script can write as the reader does."""
    return f'<data class="count" value="{count}">{count:,}</data>'


def moment(nanoseconds: int) -> str:
    """RFC 3339 in UTC, whole seconds; years beyond what Python knows are its first or last. Empty for no time."""
    if nanoseconds == UNKNOWN_NS:
        return ""
    seconds = min(max(nanoseconds // 1_000_000_000, -62_135_596_800), 253_402_300_799)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}".zfill(20)


def time_element(nanoseconds: int) -> str:
    """A moment that a script can say in the reader's own zone."""
    said = moment(nanoseconds)
    if not said:
        return ""
    return f'<time datetime="{said}">{said[:10]} {said[11:16]} UTC</time>'
