"""Settings: one frozen value, made from one table.

A line of `Settings` is at once a flag of `serve`, a variable DOWNLOADS_<NAME>, a key of the TOML file and
a row of the help; to add a setting, add a line. Flag wins over environment, over file, over default.
Nothing here touches the disk but the reading of that one file.
"""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with two words more

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Self

from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.service.own import (
    OwnDirectory,
    OwnExport,
    directories_of,
    exports_of,
    refuse_collisions,
    refuse_offload,
)
from asgi_downloads.service.setting import (
    DERIVED,
    PREFIX,
    Given,
    Setting,
    SettingsError,
    parse_rows,
    setting,
    settings_of,
)
from asgi_downloads.service.setting_kinds import (
    HOST,
    MAYBE_DATABASE_URL,
    MAYBE_PATH,
    ORIGINS,
    PATH,
    ROOT,
    SWITCH,
    URL_PATH,
    URL_PREFIX,
    Root,
    choice,
    duration,
    matching,
    size,
    whole,
    written,
)
from asgi_downloads.storage.objects.url import StoreURL

CONFIG = "DOWNLOADS_CONFIG"
"""Names the TOML file, as `--config` does; it is a way to settings and not one of them."""

_SERVICE_LINK = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT_[0-9]+_(TCP|UDP|SCTP)\w*)")
"""What Kubernetes puts into the environment for a service called "downloads", or "downloads-x"."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen. Sizes are bytes, times are seconds, paths are as they were given.

    A value may be given as it is or as text, `chunk_size=262144` or `chunk_size="256K"`. Raises `SettingsError`.
    """

    data_dir: Root = setting(Path("data"), ROOT, "the directory that is served, or s3://BUCKET/PREFIX")
    database_url: str = setting(
        "sqlite:///DATA_DIR/app.db",
        MAYBE_DATABASE_URL,
        "where the users are; none if DATA_DIR is in a store",
        lambda s: s.default_database,
    )
    database_connections: int = setting(8, whole(1, 10_000), "exports from PostgreSQL at a time in each worker process")
    query_timeout: float = setting(
        600.0, duration(0.01, 86400), "how long an export may take, from its query to its last row"
    )
    temp_dir: Path | None = setting(None, MAYBE_PATH, "where temporary files are made, if not in the system's place")
    state_dir: Path | None = setting(
        Path("DATA_DIR/.state"),
        MAYBE_PATH,
        "what is kept between runs, where it can be written; in memory if DATA_DIR is in a store",
        lambda s: None if isinstance(s.data_dir, StoreURL) else s.data_dir / ".state",
    )
    store_mode: str = setting(
        "stream",
        choice("stream", "accel", "redirect"),
        "who sends what is in an object store: the service, nginx, or the store itself",
    )
    store_timeout: float = setting(
        5.0, duration(0.1, 600), "how long an object store may take to begin an answer, or fall silent within one"
    )
    store_requests: int = setting(
        64, whole(1, 10_000), "answers of each store that are waited for at a time in each worker process"
    )
    chunk_size: int = setting(256 << 10, size(4 << 10, 1 << 20), "bytes of a file in one read and one send")
    cache_control: str = setting(
        "no-cache", matching("[!-~]([ -~]*[!-~])?", "a field value", "TEXT"), "how stored files may be kept by clients"
    )
    accel_prefix: str = setting("", URL_PREFIX, "let nginx send stored files: X-Accel-Redirect below this path")
    stall_timeout: float = setting(30.0, duration(0.1, 3600), "drop a client that has taken nothing for so long")
    etag: str = setting("strict", choice("strict", "portable"), "portable: the same on replicas with copied trees")
    unreadable: str = setting(
        "refuse", choice("refuse", "skip"), "bundles with files that cannot be read: refused, or made without them"
    )
    host: str = setting("127.0.0.1", HOST, "the address to listen on")
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
    docs: bool = setting(True, SWITCH, "answer /docs and /openapi.json, which describe all URLs")
    cors_origins: tuple[str, ...] = setting(
        (), ORIGINS, "origins whose scripts may read answers, as https://a.example; or *"
    )
    guide_urls: bool = setting(True, SWITCH, "answer the URLs of DATA_DIR's own directories, reports and exports")
    browse: bool = setting(
        False, SWITCH, "show a page of DATA_DIR, and of each directory that says so; a plain folder has one"
    )
    browse_title: str = setting("Files", matching("[^\0-\x1f\x7f]{1,100}", "a line", "TEXT"), "what the page is called")
    link_keys_file: Path | None = setting(None, MAYBE_PATH, "the keys of links that expire; without it there are none")
    revoked_links_file: Path | None = setting(None, MAYBE_PATH, "links that are no more: the SHA-256 of each token")
    link_grace: float = setting(86400.0, duration(0, 30 * 86400), "how long a download goes on beyond its link's end")
    link_max: float = setting(30 * 86400.0, duration(1, 3650 * 86400), "the longest that a new link may last")
    link_forever: bool = setting(False, SWITCH, "let links without an end be")
    directories: tuple[OwnDirectory, ...] = field(default=(), metadata={})
    """Directories of one's own: tables `[[directories]]` of the file; here values, or mappings of their keys."""

    exports: tuple[OwnExport, ...] = field(default=(), metadata={})
    """Queries of one's own: tables `[exports.NAME]` of the file; here values, or a mapping of mappings by name."""

    def __post_init__(self) -> None:
        for each in TABLE:
            value = getattr(self, each.name)
            value = each.derive(self) if value is DERIVED and each.derive else each.read(value, each.name)
            object.__setattr__(self, each.name, value)
        object.__setattr__(self, "directories", directories_of(self.directories, "directories"))
        object.__setattr__(self, "exports", exports_of(self.exports, "exports"))
        refuse_offload(self.data_dir, self.accel_prefix)
        _refuse_open_secrets(self)
        for export in self.exports:
            if not (export.database_url or self.database_url):
                raise SettingsError(f"exports.{export.name}: lacks database_url, as the settings have none")
        refuse_collisions(self.directories, self.guide_urls)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Settings of the variables DOWNLOADS_*, and of the file that DOWNLOADS_CONFIG names."""
        return cls.of(gather({}, environ))

    @classmethod
    def of(cls, gathered: "Mapping[str, Given]") -> Self:
        """Settings of what was gathered; whatever was not is as by default."""
        return cls(**{name: given.value for name, given in gathered.items()})

    @property
    def database_is_default(self) -> bool:
        """Whether nobody asked for this database; it may then be absent."""
        return self.database_url == self.default_database

    @property
    def default_database(self) -> str:
        """Where the users are if nobody says; empty for a data directory in a store."""
        return "" if isinstance(self.data_dir, StoreURL) else f"sqlite:///{written(self.data_dir / 'app.db')}"

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for another kind. `sqlite:////x` is `/x`, `sqlite:///x` is `x`."""
        file = self.database_url.removeprefix("sqlite:///")
        return None if file == self.database_url else Path(file)


def _refuse_open_secrets(settings: Settings) -> None:
    """Raise `SettingsError` for what only links are to lead to and another directory has as well."""
    public = [settings.data_dir, *(own.path for own in settings.directories if own.access == "public")]
    for number, own in enumerate(settings.directories):
        # On a disk such a directory is known by its inode, wherever it is met.
        secret = own.path if own.access == "links" and isinstance(own.path, StoreURL) else None
        if secret and any(secret.is_relative_to(str(root)) for root in public):
            raise SettingsError(f"directories[{number}].path: {str(secret)!r} is below another that is public")


TABLE = settings_of(Settings)
"""Every setting, in the order of `Settings`."""


def gather(
    flags: Mapping[str, object], environ: Mapping[str, str], config: str | Path | None = None
) -> dict[str, Given]:
    """All that is given, by name of the setting; the strongest source of each. Raises `SettingsError`.

    `flags` are by name too; `config` is the TOML file, else the environment may name one.
    """
    config = config or environ.get(CONFIG)
    in_file = _read_toml(PATH.read(config)) if config else {}
    own = {}
    if "directories" in in_file:
        source = f"{config}: directories"
        own["directories"] = Given(directories_of(in_file.pop("directories"), source), source)
    if "exports" in in_file:
        source = f"{config}: exports"
        own["exports"] = Given(exports_of(in_file.pop("exports"), source), source)
    variables = {name: text for name, text in environ.items() if _is_ours(name, text)}
    spelt = {"--" + name.replace("_", "-"): value for name, value in flags.items()}
    return {
        **own,
        **parse_rows(in_file, {each.name: each for each in TABLE}, f"{config}: "),
        **parse_rows(variables, {each.variable: each for each in TABLE}),
        **parse_rows(spelt, {each.flag: each for each in TABLE}),
    }


def as_toml(settings: Settings, gathered: Mapping[str, Given]) -> Iterator[str]:
    """The effective settings as lines of a TOML file, each with its source; passwords are hidden."""
    for each in TABLE:
        source = gathered[each.name].source if each.name in gathered else "default"
        yield f"{_line(each, settings):<40}  # {source}"
    for number, directory in enumerate(settings.directories):
        source = f"{gathered['directories'].source}[{number}]" if "directories" in gathered else "given"
        yield from ("", f"{'[[directories]]':<40}  # {source}")
        yield from (_line(each, directory) for each in settings_of(OwnDirectory))
    for export in settings.exports:
        source = f"{gathered['exports'].source}.{export.name}" if "exports" in gathered else "given"
        yield from ("", f"{f'[exports.{export.name}]':<40}  # {source}")
        yield from (_line(each, export) for each in settings_of(OwnExport))
        for parameter in export.parameters:
            yield f"parameters.{parameter.name} = {_inline(parameter)}"


def _line(setting: Setting, values: object) -> str:
    text = setting.kind.redact(setting.kind.show(getattr(values, setting.name)))
    bare = re.fullmatch(r"true|false|0|[1-9][0-9]*|\[.*\]", text)
    return f"{setting.name} = {text if bare else json.dumps(text, ensure_ascii=False)}"


def _inline(parameter: Parameter) -> str:
    words = [f'type = "{parameter.type}"']
    if parameter.required:
        words.append("required = true")
    if parameter.default is not None:
        default = parameter.default
        words.append(f"default = {default.isoformat() if isinstance(default, date) else json.dumps(default)}")
    if parameter.choices:
        words.append(f"choices = {json.dumps(parameter.choices)}")
    return f"{{{', '.join(words)}}}"


def _is_ours(variable: str, text: str) -> bool:
    if not variable.startswith(PREFIX) or variable == CONFIG or _SERVICE_LINK.fullmatch(variable):
        return False
    return not (variable.endswith("PORT") and re.match("(tcp|udp|sctp)://", text))  # of Kubernetes as well


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # editors of Windows begin it with a mark
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None
