"""What a row of settings is: its kind, its default, its line of help; and the reading of rows in one place."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, TypeVar

from asgi_downloads.service.setting_kinds import Kind

PREFIX = "DOWNLOADS_"

T = TypeVar("T")


class SettingsError(Exception):
    """A setting that cannot be used; the text is one line and begins with where it was given."""


DERIVED: Any = object()


def setting(default: T, kind: Kind[T], text: str, derive: "Callable[[Any], T] | None" = None) -> T:
    """One setting: its default, how it is written, its line of help.

    With `derive` the default is made from the settings above it, and `default` only shows how.
    """
    metadata = {"kind": kind, "help": text, "default": kind.show(default), "derive": derive}
    return field(default=default if derive is None else DERIVED, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table, as the command line and the documents need it."""

    name: str
    kind: Kind[Any]
    help: str
    default: str
    """As a user would write it; empty where nothing is chosen."""
    derive: Callable[[Any], Any] | None

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    def read(self, written: object, place: str) -> Any:
        """The value of what was written at `place`; raises `SettingsError`, which names that."""
        try:
            return self.kind.read(written)
        except ValueError:
            shown = self.kind.redact(str(written).lower() if isinstance(written, bool) else str(written))
            raise SettingsError(f"{place}: {shown!r} is not {self.kind.wanted}") from None


def settings_of(dataclass_: Any) -> tuple[Setting, ...]:
    """The rows that the fields of a dataclass are, each made by `setting`: of `Settings`, or of a table in the file."""
    return tuple(Setting(each.name, **each.metadata) for each in fields(dataclass_) if each.metadata)


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody chose, and where: `--port`, `DOWNLOADS_PORT` or `FILE: port`."""

    value: Any
    source: str


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of `names` that a user who wrote `name` most likely meant."""
    return get_close_matches(name, names, n=1, cutoff=0)[0]


def parse_rows(written: Mapping[str, object], table: Mapping[str, Setting], place: str = "") -> dict[str, Given]:
    """What is `written` in one place, by name of the setting. `table` is by the spelling of that place."""
    found = {}
    for spelling, value in written.items():
        if spelling not in table:
            raise SettingsError(f"{place}{spelling}: no such setting; the nearest is {nearest(spelling, table)}")
        source = place + spelling
        found[table[spelling].name] = Given(table[spelling].read(value, source), source)
    return found
