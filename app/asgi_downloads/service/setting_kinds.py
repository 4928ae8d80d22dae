"""How a setting is written: text to value and back. Nothing here knows which settings there are."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from asgi_downloads.storage.objects.url import StoreURL

T = TypeVar("T")


def written(value: object) -> str:
    """A value as somebody would write it; ValueError for one that is no text, number, switch or path."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, os.PathLike):
        path = str(value)
        return f"./{path}" if path.startswith("~") else path  # a `~` that is written is a home
    if isinstance(value, float):
        return f"{value:.9f}"
    if isinstance(value, str | int):
        return str(value)
    if value is None:
        return ""
    raise ValueError(value)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """Grammar of a value; `parse(show(value)) == value`."""

    parse: Callable[[str], T]
    """Raises ValueError for text that is not `wanted`."""
    wanted: str
    """Ends the sentence "'x' is not ..."."""
    metavar: str
    show: Callable[[T], str] = written
    redact: Callable[[str], str] = str
    """The text as others may see it, in messages and listings."""

    def read(self, value: object) -> T:
        """The value of a flag or a variable, or of what TOML or Python has for it; ValueError as for `parse`."""
        return self.parse(str(value) if isinstance(value, StoreURL) else written(value))


def matching(pattern: str, wanted: str, metavar: str) -> Kind[str]:
    """Text that matches the whole of `pattern`; the value is what a group called `value` took, else the text."""

    def parse(text: str) -> str:
        match = re.fullmatch(pattern, text)
        if match is None:
            raise ValueError(text)
        return match.groupdict().get("value") or text

    return Kind(parse, wanted, metavar)


def words(values: Mapping[str, T], wanted: str, metavar: str) -> Kind[T]:
    """One of some words, in small letters or large."""

    def parse(text: str) -> T:
        if text.lower() not in values:
            raise ValueError(text)
        return values[text.lower()]

    return Kind(parse, wanted, metavar)


def choice(*texts: str) -> Kind[str]:
    """One of some words that are themselves the value."""
    return words(dict(zip(texts, texts, strict=True)), "one of " + ", ".join(texts), "|".join(texts))


def whole(low: int, high: int) -> Kind[int]:
    """A whole number from `low` to `high`."""
    return Kind(lambda text: _whole(text, low, high), f"a whole number between {low} and {high}", "N")


def _whole(text: str, low: int, high: int, unit: int = 1) -> int:
    # int() alone would also take "+1", "1_0" and the digits of other scripts.
    if not re.fullmatch("[0-9]{1,15}", text) or not low <= int(text) * unit <= high:
        raise ValueError(text)
    return int(text) * unit


_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def size(low: int, high: int) -> Kind[int]:
    """A count of bytes: `262144`, `256K`, `1M`, `1MiB`."""

    def parse(text: str) -> int:
        match = re.fullmatch("([0-9]+) ?([KMG]?)(?:I?B)?", text.upper())
        if match is None:
            raise ValueError(text)
        return _whole(match[1], low, high, _BYTES[match[2]])

    def show(count: int) -> str:
        letter = next((letter for letter in ("G", "M", "K") if count and count % _BYTES[letter] == 0), "")
        return f"{count // _BYTES[letter]}{letter}"

    return Kind(parse, f"a size between {show(low)} and {show(high)}", "SIZE", show)


_SECONDS = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400}


def duration(low: float, high: float) -> Kind[float]:
    """Seconds, to the millisecond: `30`, `30s`, `1.5s`, `500ms`, `5m`, `1h`, `7d`."""

    def parse(text: str) -> float:
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d|)", text)
        if match is None:
            raise ValueError(text)
        seconds = round(float(match[1]) * _SECONDS[match[2]], 3)
        if not low <= seconds <= high:
            raise ValueError(text)
        return seconds

    def show(seconds: float) -> str:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"

    return Kind(parse, f"a time between {show(low)} and {show(high)}", "TIME", show)


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    return Path(os.path.expanduser(text))


SWITCH_WORDS = {word: on for on, them in ((True, "true 1 yes on"), (False, "false 0 no off")) for word in them.split()}

_CHAR = r"[^\x00-\x1f\x7f]"


def _database_url(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if not re.fullmatch(rf"sqlite:///{_CHAR}+|postgres(ql)?://{_CHAR}*", text):
        raise ValueError(text)
    return f"sqlite:///{os.path.expanduser(rest[1:])}" if scheme == "sqlite" else text


def _hide_password(url: str) -> str:
    return re.sub(r"(://[^/@:]*):.*@", r"\1:***@", url)


HOST = matching(rf"\[(?P<value>{_CHAR}*:{_CHAR}*)\]|{_CHAR}+", "text on one line", "TEXT")
"""An address or a name; IPv6 with brackets, as in a URL, or without."""
PATH: Kind[Path] = Kind(_path, "a path", "PATH")
MAYBE_PATH: Kind[Path | None] = Kind(lambda text: _path(text) if text else None, "a path", "PATH")
SWITCH = words(SWITCH_WORDS, "true or false", "BOOL")
DATABASE_URL = Kind(
    _database_url, "a database: sqlite:///PATH or postgresql://USER@HOST/NAME", "URL", redact=_hide_password
)
MAYBE_DATABASE_URL = Kind(
    lambda text: _database_url(text) if text else "", DATABASE_URL.wanted, "URL", redact=_hide_password
)
SQL = matching(r"(?s).*\S.*", "a query", "SQL")
FILENAME = matching(r"[^\x00-\x1f\x7f/]{1,200}", "a file name", "TEXT")
URL_PATH = matching(r"(/([!-~]*[!-.0-~])?)?", "a path such as /files, without a slash at its end", "PATH")
"""Where something is mounted; empty or `/x`."""
URL_PREFIX = matching(r"(/([!-~]*/)?)?", "a path that begins and ends with a slash, such as /_files/", "PATH")
"""What a name is appended to; empty or `/x/`."""


@dataclass(frozen=True, slots=True)
class _Patterns(Kind[tuple[str, ...]]):
    """A list of texts; in one text, JSON's way to write it."""

    def read(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
            raise ValueError(value)
        return tuple(value)


def _origins(text: str) -> tuple[str, ...]:
    return ORIGINS.read(re.split(", *", text) if text else [])


@dataclass(frozen=True, slots=True)
class _Origins(_Patterns):
    """A list of texts; in one text, with commas between."""

    def read(self, value: object) -> tuple[str, ...]:
        texts = _Patterns.read(self, value)
        if texts != ("*",) and not all(
            re.fullmatch(r"[a-z][a-z0-9+.-]*://[!-+.-~-]*[!-+.0-~-]", text) for text in texts
        ):
            raise ValueError(value)
        return texts


ORIGINS = _Origins(_origins, "origins such as https://a.example, with commas between, or *", "ORIGINS", ",".join)


def _patterns(text: str) -> tuple[str, ...]:
    return PATTERNS.read(list(json.loads(text)))  # JSON's errors are ValueErrors


PATTERNS: Kind[tuple[str, ...]] = _Patterns(
    _patterns, 'a list of patterns such as [".*", "*.part"]', "LIST", lambda texts: json.dumps(list(texts))
)


Root = Path | StoreURL
"""Where a tree of files is: on a disk, or in an object store."""


def _root(text: str) -> Root:
    if text.startswith("s3://"):
        return StoreURL.of(text)
    if re.match("[A-Za-z0-9]+://", text):
        raise ValueError(text)
    return _path(text)


def _show_root(root: Root) -> str:
    return str(root) if isinstance(root, StoreURL) else written(root)


ROOT: Kind[Root] = Kind(_root, "a path or s3://BUCKET/PREFIX", "PATH", _show_root)
OWN_URL = matching(
    r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+", "a path such as /media, of letters, digits and ._~-", "PATH"
)
