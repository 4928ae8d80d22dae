"""Query parameters read, and refused, as FastAPI would: the same values accepted, the same 422 for the others.

However long and odd a query string is, it is read within milliseconds, and refused with little more than it said.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from math import isinf
from types import TracebackType
from typing import Any, Self, TypeVar

from asgi_downloads.http.errors import InvalidParameters

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})

MOST_FIELDS = 1000
_MOST_ODD = 4096
"""Bytes of a query string with malformed escapes; what is right may be longer."""
MOST_MORE = 8 << 10
"""Bytes that a refusal may have beyond what was sent."""

D = TypeVar("D")


class Query:
    """A query string, read within a `with` block, which ends in `InvalidParameters` if any value was no good.

        with Query(scope["query_string"]) as query:
            download = query.boolean("download", False)

    An absent parameter gives its default, a repeated one its last value. Every problem is listed, in the order in which
    the parameters were read.
    """

    __slots__ = ("_problems", "_sent", "_values")

    def __init__(self, query_string: bytes) -> None:
        self._sent = len(query_string)
        self._problems: list[dict[str, Any]] = []
        self._values: dict[str, bytes] = {}
        fields = query_string.split(b"&") if query_string else ()
        odd = self._sent > _MOST_ODD and _STRAY_PERCENT.search(query_string)
        if odd or len(fields) > MOST_FIELDS:
            self._refuse("too_long", (), "Query should have fewer fields, or fewer malformed escapes", "")
            return
        for field in filter(None, fields):
            name, _, value = field.partition(b"=")
            self._values[_decoded(name)] = value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None and self._problems:
            if len(json.dumps(self._problems)) > self._sent + MOST_MORE:
                for problem in self._problems:
                    problem["input"] = (problem["input"] or "")[:100]
            raise InvalidParameters(self._problems)

    def flag(self, name: str) -> bool:
        """Whether it is there, with or without a value."""
        return name in self._values

    def boolean(self, name: str, default: D) -> bool | D:
        """True for `1 true t yes y on`, False for `0 false f no n off`, in any letter case."""
        value = self._value(name)
        if value is None:
            return default
        word = value.lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        self._refuse("bool_parsing", name, "Input should be a valid boolean, unable to interpret input", value)
        return default

    def integer(self, name: str, default: D, *, ge: int | None = None, le: int | None = None) -> int | D:
        """A decimal number from `ge` to `le`, both inclusive."""
        value = self._value(name)
        if value is None:
            return default
        match = _INTEGER.fullmatch(value.strip(_WHITE_SPACE))
        if match is None:
            message = "Input should be a valid integer, unable to parse string as an integer"
            self._refuse("int_parsing", name, message, value)
            return default
        digits = match[2].replace("_", "").lstrip("0") or "0"
        if len(digits) > _MOST_DIGITS:
            message = "Unable to parse input string as an integer, exceeded maximum size"
            self._refuse("int_parsing_size", name, message, value)
            return default
        number = int(match[1] + digits)
        if ge is not None and number < ge:
            message = f"Input should be greater than or equal to {ge}"
            self._refuse("greater_than_equal", name, message, value, {"ge": ge})
        elif le is not None and number > le:
            self._refuse("less_than_equal", name, f"Input should be less than or equal to {le}", value, {"le": le})
        return number

    def number(self, name: str, default: D) -> float | D:
        """A number that is finite, with or without a fraction and an exponent."""
        value = self._value(name)
        if value is None:
            return default
        text = value.strip(_WHITE_SPACE)
        if not _NUMBER.fullmatch(text):
            odd = text.lower().lstrip("+-") in ("nan", "inf", "infinity")
            message = "Input should be a finite number" if odd else _NO_NUMBER
            self._refuse("finite_number" if odd else "float_parsing", name, message, value)
            return default
        number = float(text)
        if isinf(number):
            self._refuse("finite_number", name, "Input should be a finite number", value)
            return default
        return number

    def text(self, name: str, default: D) -> str | D:
        """Any text but NUL, which databases do not have."""
        value = self._value(name)
        if value is not None and "\0" in value:
            self._refuse("value_error", name, "Value error, text has no NUL", value)
            return default
        return default if value is None else value

    def date(self, name: str, default: D) -> date | D:
        """A day, or the first moment of one, as for `moment`."""
        found = self.moment(name, default)
        if not isinstance(found, datetime):
            return found
        if found.time() != time():
            message = "Datetimes provided to dates should have zero time - e.g. be exact dates"
            self._refuse("date_from_datetime_inexact", name, message, self._value(name) or "")
            return default
        return found.date()

    def missing(self, name: str) -> bool:
        """Whether a parameter that is required is absent, which is noted."""
        if name in self._values:
            return False
        self._problems.append({"type": "missing", "loc": ["query", name], "msg": "Field required", "input": None})
        return True

    def choice(self, name: str, default: D, allowed: Iterable[str]) -> str | D:
        """One of the words `allowed`, letter case included."""
        value = self._value(name)
        if value is None:
            return default
        self._check_choice((name,), value, tuple(allowed))
        return value

    def choices(self, name: str, default: D, allowed: Iterable[str]) -> tuple[str, ...] | D:
        """Words out of `allowed` with commas between, in the order given; a problem tells which by its position.

        Where there are more words than could be right, the last problem has all the rest.
        """
        value = self._value(name)
        if value is None:
            return default
        allowed = tuple(allowed)
        words = tuple(value.split(",", len(allowed)))
        for place, word in enumerate(words):
            self._check_choice((name, place), word, allowed)
        return words

    def moment(self, name: str, default: D) -> datetime | D:
        """A date, a date with a time, or whole seconds since the epoch (milliseconds from 20,000,000,001 on).

        ISO 8601 with `T`, `t`, `_` or a space; a zone is optional, and without one the value is naive.
        """
        value = self._value(name)
        if value is None:
            return default
        try:
            return _parse_moment(value)
        except ValueError as error:
            kind, expected = "datetime_from_date_parsing", "datetime or date"
            if isinstance(error, _YearZero):
                kind, expected = "datetime_parsing", "datetime"
            message = f"Input should be a valid {expected}, {error}"
            self._refuse(kind, name, message, value, {"error": str(error)})
            return default

    def _value(self, name: str) -> str | None:
        value = self._values.get(name)
        return None if value is None else _decoded(value)

    def _check_choice(self, where: tuple[str | int, ...], value: str, allowed: tuple[str, ...]) -> None:
        if value not in allowed:
            expected = _in_words([f"'{word}'" for word in allowed])
            self._refuse("literal_error", where, f"Input should be {expected}", value, {"expected": expected})

    def _refuse(
        self, kind: str, where: str | tuple[str | int, ...], message: str, value: str, context: Any = None
    ) -> None:
        place = (where,) if isinstance(where, str) else where
        problem = {"type": kind, "loc": ["query", *place], "msg": message, "input": value}
        self._problems.append(problem | {"ctx": context} if context else problem)


_MOST_DIGITS = 4300
_WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_INTEGER = re.compile(r"([+-]?)([0-9]++(?:_[0-9]++)*+)(?:\.0++)?")
_NUMBER = re.compile(r"[+-]?([0-9]++\.?[0-9]*+|\.[0-9]++)([eE][+-]?[0-9]++)?")
_NO_NUMBER = "Input should be a valid number, unable to parse string as a number"
_SECONDS = re.compile(r"[+-]?[0-9]{1,18}")
_TIME_OF_DAY = re.compile(
    r"[Tt_ ](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]++))?)?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>[01][0-9]|2[0-3]):?(?P<zone_minute>[0-5][0-9]))?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _YearZero(ValueError):
    """In order, but not for Python."""


_STRAY_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _decoded(text: bytes) -> str:
    """Text of `application/x-www-form-urlencoded`, at C speed; U+FFFD for what is not UTF-8."""
    text = text.replace(b"+", b" ")
    if b"%" in text:
        text = _STRAY_PERCENT.sub(b"%25", text).replace(b"\\", b"\\\\").replace(b"%", b"\\x")
        text = text.decode("unicode_escape").encode("latin-1")
    return text.decode("utf-8", "replace")


def _parse_moment(text: str) -> datetime:
    """Raises `ValueError` that says what is wrong, in pydantic's words."""
    if _SECONDS.fullmatch(text):
        number = int(text)
        try:
            return _EPOCH + (timedelta(milliseconds=number) if abs(number) > 20_000_000_000 else timedelta(0, number))
        except OverflowError:
            limit = "after 9999" if number > 0 else "before 0000"
            raise ValueError(f"dates {limit} are not supported as unix timestamps") from None
    day = _parse_date(text[:10])
    clock = _TIME_OF_DAY.fullmatch(text, 10)
    if clock is None and len(text) > 10:
        raise ValueError("unexpected extra characters at the end of the input")
    if text.startswith("0000"):
        raise _YearZero("year 0 is out of range")
    if clock is None:
        return day
    return day.replace(
        hour=int(clock["hour"]),
        minute=int(clock["minute"]),
        second=int(clock["second"] or 0),
        microsecond=int((clock["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=_zone(clock),
    )


def _parse_date(text: str) -> datetime:
    if len(text) < 10:
        raise ValueError("input is too short")
    for part, name in ((text[:4], "year"), (text[4], ""), (text[5:7], "month"), (text[7], ""), (text[8:], "day")):
        if not name and part != "-":
            raise ValueError("invalid date separator, expected `-`")
        if name and not (part.isascii() and part.isdigit()):
            raise ValueError(f"invalid character in {name}")
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    if not 1 <= month <= 12:
        raise ValueError("month value is outside expected range of 1-12")
    try:
        return datetime(year or 400, month, day)  # noqa: DTZ001 - naive unless the text names a zone
    except ValueError:
        raise ValueError("day value is outside expected range") from None


def _zone(clock: re.Match[str]) -> timezone | None:
    if clock["zone"] is None or clock["sign"] is None:
        return UTC if clock["zone"] else None
    offset = timedelta(hours=int(clock["zone_hour"]), minutes=int(clock["zone_minute"]))
    return timezone(offset if clock["sign"] == "+" else -offset)


def _in_words(names: list[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
