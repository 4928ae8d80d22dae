"""What an operator serves of their own: tables of the TOML file. Each key is a row, as in `Settings`."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with two words more

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

from asgi_downloads.asgi.parameter import Parameter, ParameterType
from asgi_downloads.endpoints.form import FORM
from asgi_downloads.http.errors import InvalidParameters
from asgi_downloads.http.parameters import Query
from asgi_downloads.service.names import GUIDE_URLS, OTHER_URLS
from asgi_downloads.service.setting import DERIVED, SettingsError, parse_rows, setting, settings_of
from asgi_downloads.service.setting_kinds import (
    FILENAME,
    MAYBE_DATABASE_URL,
    OWN_URL,
    PATTERNS,
    ROOT,
    SQL,
    SWITCH,
    URL_PREFIX,
    Root,
    choice,
    duration,
    matching,
    written,
)
from asgi_downloads.storage.objects.url import StoreURL
from asgi_downloads.storage.rows.statement import placeholders


@dataclass(frozen=True, slots=True)
class OwnDirectory:
    """A directory, sub-folders and all, below a URL. Raises `SettingsError`."""

    url: str = setting("/media", OWN_URL, "where it is")
    path: Root = setting(Path("/srv/media"), ROOT, "the directory, or s3://BUCKET/PREFIX")
    show: str = setting("inline", choice("inline", "download", "video"), "how its files are sent: shown, saved, played")
    hide: tuple[str, ...] = setting((".*", "*.part", "*~"), PATTERNS, "names that are not there for anybody")
    bundle: bool = setting(False, SWITCH, "let folder/?zip be the folder as one archive")
    cache_control: str = setting(
        "", matching("([!-~]([ -~]*[!-~])?)?", "a field value", "TEXT"), "how its files may be kept, if not as all are"
    )
    accel_prefix: str = setting("", URL_PREFIX, "let nginx send its files: X-Accel-Redirect below this path")
    browse: bool = setting(False, SWITCH, "show a page for each of its folders")
    access: str = setting("public", choice("public", "links"), "links: it is there for those alone who have a link")

    def __post_init__(self) -> None:
        for each in settings_of(OwnDirectory):
            object.__setattr__(self, each.name, each.read(getattr(self, each.name), each.name))
        refuse_offload(self.path, self.accel_prefix)


def refuse_offload(root: Root, accel_prefix: str) -> None:
    """Raise `SettingsError` for files that nginx is to send and cannot open."""
    if accel_prefix and isinstance(root, StoreURL):
        raise SettingsError(f"accel_prefix: nginx cannot open {str(root)!r}; for stores there is store_mode")


_NEEDED = ("url", "path")


def directories_of(tables: Any, place: str) -> tuple[OwnDirectory, ...]:
    """The directories of a list of tables; raises `SettingsError`, which begins with the place of a mistake."""
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        raise SettingsError(f"{place}: is to be written as tables, [[directories]]")
    return tuple(_directory_of(table, f"{place}[{number}]") for number, table in enumerate(tables))


def _directory_of(table: Any, place: str) -> OwnDirectory:
    if isinstance(table, OwnDirectory):
        return table
    if not isinstance(table, Mapping):
        raise SettingsError(f"{place}: is to be written as a table, [[directories]]")
    for name in _NEEDED:
        if name not in table:
            raise SettingsError(f"{place}: lacks {name}")
    found = parse_rows(table, {each.name: each for each in settings_of(OwnDirectory)}, f"{place}.")
    return OwnDirectory(**{name: given.value for name, given in found.items()})


def refuse_collisions(directories: Sequence[OwnDirectory], guide_urls: bool) -> None:
    """Raise `SettingsError` for a URL that is another's, or lies below it."""
    taken = {**OTHER_URLS, **(GUIDE_URLS if guide_urls else {})}
    for number, directory in enumerate(directories):
        for url, owner in taken.items():
            if f"{directory.url}/".startswith(f"{url}/") or f"{url}/".startswith(f"{directory.url}/"):
                raise SettingsError(f"directories[{number}].url: {directory.url!r} meets {url!r} of {owner}")
        taken[directory.url] = f"directories[{number}]"


@dataclass(frozen=True, slots=True)
class OwnExport:
    """A query whose rows are an export. Raises `SettingsError`."""

    name: str
    sql: str = setting("SELECT id, name FROM users", SQL, "one query that reads; :name stands for a parameter")
    database_url: str = setting("", MAYBE_DATABASE_URL, "its database, if not that of the settings")
    filename: str = setting(
        "NAME-{now}", FILENAME, "what it is saved as; {now} is the time", lambda s: f"{s.name}-{{now}}"
    )
    query_timeout: float = setting(0.0, duration(0, 86400), "how long it may take, if not as long as all may")
    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        for each in settings_of(OwnExport):
            value = getattr(self, each.name)
            value = each.derive(self) if value is DERIVED and each.derive else each.read(value, each.name)
            object.__setattr__(self, each.name, value)
        declared = {parameter.name for parameter in self.parameters}
        used = set(placeholders(self.sql))
        for name in sorted(used - declared):
            raise SettingsError(f"parameters: lack {name!r}, which stands in the query as :{name}")
        for name in sorted(declared - used):
            raise SettingsError(f"parameters.{name}: the query has no :{name}")
        for name in sorted(declared & RESERVED):
            raise SettingsError(f"parameters.{name}: every export has a parameter of that name already")


RESERVED = frozenset(FORM)
"""What all exports take."""

_TYPES = get_args(ParameterType)


def exports_of(tables: Any, place: str) -> tuple[OwnExport, ...]:
    """The exports of a table of tables by name; raises `SettingsError`, which begins with the place of a mistake."""
    if isinstance(tables, tuple):
        tables = {export.name: export for export in tables}
    if not isinstance(tables, Mapping):
        raise SettingsError(f"{place}: are to be written as tables, [exports.NAME]")
    return tuple(_export_of(name, table, f"{place}.{name}") for name, table in tables.items())


def _export_of(name: str, table: Any, place: str) -> OwnExport:
    if isinstance(table, OwnExport):
        return table
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", name):
        raise SettingsError(f"{place}: a name of an export has letters, digits, _ and -")
    if not isinstance(table, Mapping):
        raise SettingsError(f"{place}: is to be written as a table, [exports.{name}]")
    keys = dict(table)
    parameters = keys.pop("parameters", {})
    if "sql" not in keys:
        raise SettingsError(f"{place}: lacks sql")
    found = parse_rows(keys, {each.name: each for each in settings_of(OwnExport)}, f"{place}.")
    declared = _parameters_of(parameters, f"{place}.parameters")
    try:
        return OwnExport(name, **{key: given.value for key, given in found.items()}, parameters=declared)
    except SettingsError as error:
        raise SettingsError(f"{place}.{error}") from None


def _parameters_of(tables: Any, place: str) -> tuple[Parameter, ...]:
    if not isinstance(tables, Mapping):
        raise SettingsError(f"{place}: are to be written as a table")
    return tuple(_parameter_of(name, table, f"{place}.{name}") for name, table in tables.items())


def _parameter_of(name: str, table: Any, place: str) -> Parameter:
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise SettingsError(f"{place}: a name of a parameter is a word of letters, digits and _")
    if not isinstance(table, Mapping):
        raise SettingsError(f'{place}: is to be written as a table, such as {{type = "integer"}}')
    for key in table:
        if key not in ("type", "required", "default", "choices"):
            raise SettingsError(f"{place}.{key}: no such key; a parameter has type, required, default and choices")
    kind, required, choices = table.get("type", "text"), table.get("required", False), table.get("choices", [])
    if kind not in _TYPES:
        raise SettingsError(f"{place}.type: {kind!r} is not one of {', '.join(_TYPES)}")
    if not isinstance(required, bool) or (required and "default" in table):
        raise SettingsError(f"{place}.required: is true or false, and with a default nothing is required")
    if (
        not isinstance(choices, list)
        or not all(isinstance(each, str) for each in choices)
        or (choices and kind != "text")
    ):
        raise SettingsError(f"{place}.choices: are texts, of a parameter of type text")
    default = table.get("default")
    parameter = Parameter(name, kind, required, None, tuple(choices))
    if default is None:
        return parameter
    text = written(default) if not isinstance(default, date) else default.isoformat()
    try:
        with Query(urlencode({name: text}).encode()) as query:
            return replace(parameter, default=parameter.read(query))
    except InvalidParameters as error:
        raise SettingsError(f"{place}.default: {error.detail[0]['msg']}") from None
