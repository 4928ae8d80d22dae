"""Settings: one frozen value, made from one table.

A line of `Settings` is at once a flag of `serve`, a variable DOWNLOADS_<NAME>, a key of the TOML file and
a row of the help; to add a setting, add a line. Flag wins over environment, over file, over default.
Nothing here touches the disk but the reading of that one file.
"""
# ruff: noqa: RUF009 - setting() and derived() are dataclasses.field() with two words more

import json
import logging
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, TypeVar

from asgi_downloads.service.setting_kinds import (
    DATABASE_URL,
    MAYBE_PATH,
    PATH,
    SWITCH,
    TEXT,
    URL_PATH,
    URL_PREFIX,
    Kind,
    choice,
    duration,
    matching,
    size,
    whole,
)

logger = logging.getLogger("asgi_downloads")

PREFIX = "DOWNLOADS_"
CONFIG = "DOWNLOADS_CONFIG"
"""Names the TOML file, as `--config` does; it is a way to settings and not one of them."""

T = TypeVar("T")


class SettingsError(Exception):
    """A setting that cannot be used; the text is one line and begins with where it was given."""


_DERIVED: Any = object()


def setting(default: T, kind: Kind[T], text: str) -> T:
    """One setting: its default, how it is written, its line of help."""
    return field(default=default, metadata={"kind": kind, "help": text, "default": kind.show(default)})


def derived(derive: "Callable[[Settings], T]", shown: str, kind: Kind[T], text: str) -> T:
    """A setting whose default comes from those above it, and is `shown` so in the help."""
    default: T = _DERIVED
    return field(default=default, metadata={"kind": kind, "help": text, "default": shown, "derive": derive})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen. Sizes are bytes, times are seconds, paths are as they were given.

    Made by `load` from what users write, or directly from values, which are then taken as they are.
    """

    data_dir: Path = setting(Path("data"), PATH, "the directory that is served")
    database_url: str = derived(
        lambda s: f"sqlite:///{s.data_dir / 'app.db'}", "sqlite:///DATA_DIR/app.db", DATABASE_URL, "where the users are"
    )
    database_connections: int = setting(8, whole(1, 10_000), "exports from PostgreSQL at a time in each worker process")
    query_timeout: float = setting(
        600.0, duration(0.1, 86400), "how long an export may take, from its query to its last row"
    )
    temp_dir: Path | None = setting(None, MAYBE_PATH, "where temporary files are made, if not in the system's place")
    state_dir: Path = derived(
        lambda s: s.data_dir / ".state", "DATA_DIR/.state", PATH, "what is kept between runs, where it can be written"
    )
    chunk_size: int = setting(256 << 10, size(4 << 10, 1 << 20), "bytes of a file in one read and one send")
    cache_control: str = setting(
        "no-cache", matching("[!-~]([ -~]*[!-~])?", "a field value", "TEXT"), "how stored files may be kept by clients"
    )
    accel_prefix: str = setting("", URL_PREFIX, "let nginx send stored files: X-Accel-Redirect below this path")
    stall_timeout: float = setting(30.0, duration(0.1, 3600), "drop a client that has taken nothing for so long")
    etag: str = setting("strict", choice("strict", "portable"), "portable: the same on replicas with copied trees")
    host: str = setting("127.0.0.1", TEXT, "the address to listen on")
    port: int = setting(8000, whole(0, 65535), "the port to listen on; 0 takes a free one and prints it")
    uds: Path | None = setting(None, MAYBE_PATH, "listen on this Unix socket instead")
    workers: int = setting(1, whole(1, 256), "processes that serve")
    access_log: bool = setting(False, SWITCH, "write a line for each request")
    log_level: str = setting(
        "info", choice("critical", "error", "warning", "info", "debug", "trace"), "how much to log"
    )
    root_path: str = setting("", URL_PATH, "the path below which a proxy shows the service")
    forwarded_allow_ips: str = setting(
        "127.0.0.1,::1", matching("[!-~ ]*", "a list of addresses", "IPS"), "proxies whose X-Forwarded-* is believed"
    )
    graceful_timeout: float = setting(30.0, duration(0, 86400), "how long running downloads may take after SIGTERM")
    drain_delay: float = setting(0.0, duration(0, 3600), "accept so long after SIGTERM, while /readyz says 503")
    keep_alive_timeout: float = setting(5.0, duration(1, 3600), "how long an idle connection is kept")
    access_log_format: str = setting(
        "auto", choice("auto", "json", "text"), "lines of the access log; auto: text on a terminal, else JSON"
    )
    metrics: bool = setting(False, SWITCH, "answer /metrics for Prometheus")
    max_downloads: int = setting(0, whole(0, 1_000_000), "answers at a time, in all; 0: any number")
    max_downloads_per_client: int = setting(0, whole(0, 1_000_000), "answers at a time to one address; 0: any number")
    rate_limit: int = setting(0, size(0, 1 << 40), "bytes per second for one answer; 0: as fast as it goes")

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) is _DERIVED:
                object.__setattr__(self, each.name, each.metadata["derive"](self))

    @classmethod
    def load(
        cls,
        flags: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        config: Path | None = None,
    ) -> Self:
        """Settings from flags (by field name, absent when not given), the environment and a TOML file.

        Without `environ` this process's is read. Raises `SettingsError`.
        """
        return cls.of(gather(flags or {}, os.environ if environ is None else environ, config))

    @classmethod
    def embedded(cls) -> Self:
        """Settings from this process's environment, for an application that others import.

        Their DOWNLOADS_ variables are none of our business: what is no setting is logged and passed over.
        """
        environ = dict(os.environ)
        known = {CONFIG, *(entry.variable for entry in TABLE)}
        for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in known):
            logger.warning("%s: no such setting; the nearest is %s", name, nearest(name, known))
            del environ[name]
        return cls.load({}, environ)

    @classmethod
    def of(cls, gathered: "Mapping[str, Given]") -> Self:
        return cls(**{name: given.value for name, given in gathered.items()})

    @property
    def database_is_default(self) -> bool:
        """Whether nobody asked for this database; it may then be absent."""
        return self.database_url == f"sqlite:///{self.data_dir / 'app.db'}"

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for another kind. `sqlite:////x` is `/x`, `sqlite:///x` is `x`."""
        file = self.database_url.removeprefix("sqlite:///")
        return None if file == self.database_url else Path(file)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table, as the command line and the documents need it."""

    name: str
    kind: Kind[Any]
    help: str
    default: str
    """As a user would write it; empty where nothing is chosen."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


TABLE: tuple[Entry, ...] = tuple(
    Entry(each.name, each.metadata["kind"], each.metadata["help"], each.metadata["default"])
    for each in fields(Settings)
)
"""Every setting, in the order of `Settings`."""


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody chose, and where: `--port`, `DOWNLOADS_PORT` or `FILE: port`."""

    value: Any
    source: str


def gather(flags: Mapping[str, object], environ: Mapping[str, str], config: Path | None) -> dict[str, Given]:
    """All that is given, by field name; the strongest source of each. Raises `SettingsError`."""
    if config is None and environ.get(CONFIG):
        config = Path(environ[CONFIG])
    variables = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name != CONFIG}
    gathered: dict[str, Given] = {}
    if config is not None:
        gathered.update(_parse(_read_toml(config), {entry.name: entry for entry in TABLE}, f"{config}: "))
    gathered.update(_parse(variables, {entry.variable: entry for entry in TABLE}))
    spelt = {"--" + name.replace("_", "-"): value for name, value in flags.items()}
    gathered.update(_parse(spelt, {entry.flag: entry for entry in TABLE}))
    return gathered


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of `names` that a user who wrote `name` most likely meant."""
    return get_close_matches(name, names, n=1, cutoff=0)[0]


def as_toml(settings: Settings, gathered: Mapping[str, Given]) -> Iterator[str]:
    """The effective settings as lines of a TOML file, each with its source; passwords are hidden."""
    for entry in TABLE:
        text = entry.kind.redact(entry.kind.show(getattr(settings, entry.name)))
        bare = re.fullmatch("true|false|0|[1-9][0-9]*", text)
        line = f"{entry.name} = {text if bare else json.dumps(text, ensure_ascii=False)}"
        source = gathered[entry.name].source if entry.name in gathered else "default"
        yield f"{line:<40}  # {source}"


def _parse(written: Mapping[str, object], entries: Mapping[str, Entry], place: str = "") -> Iterator[tuple[str, Given]]:
    """`entries` are by the spelling of this source; `place` precedes a spelling in messages."""
    for spelling, value in written.items():
        entry = entries.get(spelling)
        if entry is None:
            raise SettingsError(f"{place}{spelling}: no such setting; the nearest is {nearest(spelling, entries)}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            if not isinstance(value, str | int | float | os.PathLike):
                raise ValueError(value)  # a list or a table of TOML
            yield entry.name, Given(entry.kind.parse(text), place + spelling)
        except ValueError:
            shown = entry.kind.redact(text)
            raise SettingsError(f"{place}{spelling}: {shown!r} is not {entry.kind.wanted}") from None


def _read_toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None
