"""Settings: what is read from flags, environment and file, which wins, and how a mistake is told."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_downloads.service.setting import Setting, SettingsError, nearest
from asgi_downloads.service.setting_kinds import Kind, choice, duration, size, whole
from asgi_downloads.service.settings import TABLE, Settings, as_toml, gather


def load(flags: dict[str, object], environ: dict[str, str], config: Path | None = None) -> Settings:
    return Settings.of(gather(flags, environ, config))


@dataclass(frozen=True)
class Written:
    id: str
    kind: Kind[Any]
    text: str
    want: object
    """ValueError, or the value."""


WRITTEN = [
    Written("whole", whole(0, 65535), "8000", 8000),
    Written("whole-lowest", whole(0, 65535), "0", 0),
    Written("whole-above", whole(0, 65535), "65536", ValueError),
    Written("whole-below", whole(1, 9), "0", ValueError),
    Written("whole-signed", whole(0, 9), "+1", ValueError),
    Written("whole-underscore", whole(0, 99), "1_0", ValueError),
    Written("whole-other-digits", whole(0, 9), "٣", ValueError),
    Written("whole-endless", whole(0, 9), "1" * 5000, ValueError),
    Written("whole-newline", whole(0, 9), "1\n", ValueError),
    Written("size-bytes", size(1, 1 << 30), "4096", 4096),
    Written("size-K", size(1, 1 << 30), "256K", 256 << 10),
    Written("size-small-letter", size(1, 1 << 30), "256k", 256 << 10),
    Written("size-MiB", size(1, 1 << 30), "1MiB", 1 << 20),
    Written("size-MB-is-MiB", size(1, 1 << 30), "1 MB", 1 << 20),
    Written("size-above", size(1, 1 << 20), "2M", ValueError),
    Written("size-fraction", size(1, 1 << 30), "1.5M", ValueError),
    Written("size-unknown-unit", size(1, 1 << 30), "1T", ValueError),
    Written("size-no-number", size(1, 1 << 30), "K", ValueError),
    Written("time-seconds", duration(0, 3600), "30", 30.0),
    Written("time-s", duration(0, 3600), "30s", 30.0),
    Written("time-m", duration(0, 3600), "5m", 300.0),
    Written("time-h", duration(0, 3600), "1h", 3600.0),
    Written("time-ms", duration(0, 3600), "500ms", 0.5),
    Written("time-fraction", duration(0, 3600), "1.5 s", 1.5),
    Written("time-negative", duration(0, 3600), "-1", ValueError),
    Written("time-above", duration(0, 3600), "2h", ValueError),
    Written("time-infinite", duration(0, 3600), "inf", ValueError),
    Written("choice", choice("strict", "portable"), "portable", "portable"),
    Written("choice-large", choice("strict", "portable"), "Portable", "portable"),
    Written("choice-other", choice("strict", "portable"), "weak", ValueError),
    Written("choice-part", choice("strict", "portable"), "strictly", ValueError),
]


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: case.id)
def test_a_value_is_read_as_it_is_written(case: Written) -> None:
    if case.want is ValueError:
        with pytest.raises(ValueError, match=r".+"):
            case.kind.parse(case.text)
    else:
        assert case.kind.parse(case.text) == case.want


KINDS = {entry.name: entry.kind for entry in TABLE}


@dataclass(frozen=True)
class Text:
    id: str
    name: str
    text: str
    good: bool


TEXTS = [
    Text("prefix", "accel_prefix", "/_files/", good=True),
    Text("prefix-off", "accel_prefix", "", good=True),
    Text("prefix-without-its-slash", "accel_prefix", "/_files", good=False),
    Text("prefix-relative", "accel_prefix", "_files/", good=False),
    Text("prefix-with-a-line-end", "accel_prefix", "/a\r\nX: y/", good=False),
    Text("root-path", "root_path", "/files", good=True),
    Text("root-path-with-a-slash", "root_path", "/files/", good=False),
    Text("sqlite", "database_url", "sqlite:////srv/app.db", good=True),
    Text("sqlite-without-a-path", "database_url", "sqlite:///", good=False),
    Text("postgresql", "database_url", "postgresql://me@db/users", good=True),
    Text("another-database", "database_url", "mysql://me@db/users", good=False),
    Text("empty-directory", "data_dir", "", good=False),
    Text("directory-with-nul", "data_dir", "a\0b", good=False),
    Text("no-socket", "uds", "", good=True),
    Text("switch-yes", "access_log", "Yes", good=True),
    Text("switch-perhaps", "access_log", "perhaps", good=False),
    Text("no-origin", "cors_origins", "", good=True),
    Text("an-origin-of-an-app", "cors_origins", "capacitor://localhost", good=True),
    Text("an-origin-with-a-slash", "cors_origins", "https://a.example/", good=False),
    Text("an-origin-without-a-scheme", "cors_origins", "a.example", good=False),
    Text("all-origins-and-one", "cors_origins", "*,https://a.example", good=False),
    Text("the-origin-of-nobody", "cors_origins", "null", good=False),
    Text("an-origin-in-capitals", "cors_origins", "HTTPS://a.example", good=False),
    Text("a-comma-too-many", "cors_origins", "https://a.example,", good=False),
    Text("host-empty", "host", "", good=False),
]


@dataclass(frozen=True)
class Means:
    id: str
    name: str
    written: object
    value: object


HOME = Path("/home/me")
MEANS = [
    Means("level-in-large-letters", "log_level", "DEBUG", "debug"),
    Means("ipv6-as-in-a-url", "host", "[::1]", "::1"),
    Means("ipv6", "host", "::1", "::1"),
    Means("no-ipv6", "host", "[a]", "[a]"),
    Means("home", "data_dir", "~", HOME),
    Means("below-home", "data_dir", "~/files", HOME / "files"),
    Means("socket-below-home", "uds", "~/s", HOME / "s"),
    Means("database-below-home", "database_url", "sqlite:///~/a.db", "sqlite:////home/me/a.db"),
    Means("nobody's-home", "data_dir", "~nobody-of-this-name/x", Path("~nobody-of-this-name/x")),
    Means("called-like-a-home", "data_dir", "./~", Path("~")),
    Means("a-path-is-no-text", "data_dir", Path("~"), Path("~")),
    Means("number", "stall_timeout", 45, 45.0),
    Means("many-digits", "stall_timeout", 4 / 3, 1.333),
    Means("text-for-a-number", "chunk_size", "64K", 65536),
    Means("nothing", "uds", None, None),
    Means("nothing-as-text", "uds", "", None),
    Means("origins", "cors_origins", "https://a.example, http://b:80", ("https://a.example", "http://b:80")),
    Means("origins-as-a-list", "cors_origins", ["https://a.example"], ("https://a.example",)),
    Means("all-origins", "cors_origins", "*", ("*",)),
    Means("switch", "metrics", True, True),
]


@pytest.mark.parametrize("case", MEANS, ids=lambda case: case.id)
def test_a_value_means_the_same_however_it_is_given(case: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directly, through a flag, and as it is shown; a value that was read is read to itself."""
    monkeypatch.setenv("HOME", str(HOME))
    chosen = Settings(**{case.name: case.written})  # type: ignore[arg-type]
    assert getattr(chosen, case.name) == case.value
    assert load({case.name: case.written}, {}) == chosen
    assert Settings(**{case.name: case.value}) == chosen  # type: ignore[arg-type]
    shown = {each.name: each.kind.show(getattr(chosen, each.name)) for each in TABLE}
    assert load({case.name: shown[case.name]}, {}) == chosen
    assert load({name: text for name, text in shown.items() if text}, {}) == chosen


WRONG = {
    "port-too-high": ("port", 70000, "port: '70000' is not a whole number between 0 and 65535"),
    "true-is-no-number": ("port", True, "port: 'true' is not a whole number"),
    "true-is-no-time": ("stall_timeout", True, "stall_timeout: 'true' is not a time"),
    "no-number": ("stall_timeout", float("nan"), "stall_timeout: 'nan' is not a time"),
    "fraction": ("workers", 1.5, "workers: '1.5' is not a whole number"),
    "bytes": ("data_dir", b"data", "data_dir: \"b'data'\" is not a path"),
    "nothing": ("data_dir", None, "data_dir: 'None' is not a path"),
    "password": ("database_url", "mysql://me:secret@db", "database_url: 'mysql://me:***@db' is not a database"),
}


@pytest.mark.parametrize(("name", "value", "says"), WRONG.values(), ids=WRONG)
def test_values_that_are_given_directly_are_checked_like_any_other(name: str, value: Any, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**{name: value})
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.id)
def test_each_setting_takes_what_makes_sense(case: Text) -> None:
    if case.good:
        load({case.name: case.text}, {})
    else:
        with pytest.raises(SettingsError):
            load({case.name: case.text}, {})


def test_defaults_follow_the_data_directory() -> None:
    chosen = Settings(data_dir=Path("/srv/files"))
    assert chosen.database_url == "sqlite:////srv/files/app.db"
    assert chosen.database_file == Path("/srv/files/app.db")
    assert chosen.state_dir == Path("/srv/files/.state")
    assert Settings().database_file == Path("data/app.db")
    assert Settings(database_url="postgresql://db/users").database_file is None


@dataclass(frozen=True)
class Sources:
    id: str
    flag: str | None
    variable: str | None
    file: str | None
    port: int
    source: str


SOURCES = [
    Sources("none", None, None, None, 8000, "default"),
    Sources("file", None, None, "port = 1", 1, "app.toml: port"),
    Sources("environment-over-file", None, "2", "port = 1", 2, "DOWNLOADS_PORT"),
    Sources("flag-over-environment", "3", "2", None, 3, "--port"),
    Sources("flag-over-all", "3", "2", "port = 1", 3, "--port"),
    Sources("file-of-an-editor-of-windows", None, None, "\ufeffport = 1\r\n", 1, "app.toml: port"),
    Sources("file-as-text", None, None, "port = '1'", 1, "app.toml: port"),
]


@pytest.mark.parametrize("case", SOURCES, ids=lambda case: case.id)
@pytest.mark.parametrize("named_by", ["flag", "variable"])
def test_flag_over_environment_over_file_over_default(
    case: Sources, named_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = {} if case.flag is None else {"port": case.flag}
    environ = {"PATH": "/bin"} if case.variable is None else {"DOWNLOADS_PORT": case.variable}
    config = None
    if case.file is not None:
        Path("app.toml").write_text(case.file)
        if named_by == "flag":
            config = Path("app.toml")
            environ["DOWNLOADS_CONFIG"] = "/nowhere.toml"  # a weaker choice, not looked at
        else:
            environ["DOWNLOADS_CONFIG"] = "app.toml"
    gathered = gather(flags, environ, config)
    assert Settings.of(gathered) == Settings(port=case.port)
    if not flags and named_by == "variable":
        assert Settings.from_environment(environ) == Settings(port=case.port)
    assert (gathered["port"].source if gathered else "default") == case.source


@dataclass(frozen=True)
class Mistake:
    id: str
    message: str
    flags: tuple[tuple[str, object], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    file: bytes | None = None


MISTAKES = [
    Mistake(
        "bad-variable",
        "DOWNLOADS_PORT: 'x' is not a whole number between 0 and 65535",
        variables=(("DOWNLOADS_PORT", "x"),),
    ),
    Mistake("bad-flag", "--chunk-size: '2M' is not a size between 4K and 1M", flags=(("chunk_size", "2M"),)),
    Mistake("bad-key", "app.toml: etag: 'weak' is not one of strict, portable", file=b"etag = 'weak'"),
    Mistake(
        "unknown-variable",
        "DOWNLOADS_PROT: no such setting; the nearest is DOWNLOADS_PORT",
        variables=(("DOWNLOADS_PROT", "1"),),
    ),
    Mistake("unknown-key", "app.toml: chunksize: no such setting; the nearest is chunk_size", file=b"chunksize = 1"),
    Mistake("unknown-flag", "--prot: no such setting; the nearest is --port", flags=(("prot", "1"),)),
    Mistake(
        "variable-in-small-letters",
        "DOWNLOADS_port: no such setting; the nearest is DOWNLOADS_",
        variables=(("DOWNLOADS_port", "1"),),
    ),
    Mistake("key-of-a-table", "app.toml: server: no such setting; the nearest is ", file=b"[server]\nport = 1"),
    Mistake("list", "app.toml: data_dir: \"['a']\" is not a path", file=b"data_dir = ['a']"),
    Mistake("true-is-no-number", "app.toml: port: 'true' is not a whole number", file=b"port = true"),
    Mistake("not-toml", "app.toml: is not TOML: ", file=b"port: 1"),
    Mistake("not-utf-8", "app.toml: is not TOML: ", file=b"host = '\xff'"),
    Mistake(
        "no-file", "/nowhere.toml: cannot be read: No such file", variables=(("DOWNLOADS_CONFIG", "/nowhere.toml"),)
    ),
    Mistake(
        "overridden-but-bad", "DOWNLOADS_PORT: 'x' is not", flags=(("port", "1"),), variables=(("DOWNLOADS_PORT", "x"),)
    ),
    Mistake(
        "password-is-not-shown",
        "DOWNLOADS_DATABASE_URL: 'mysql://me:***@db/users' is not a database",
        variables=(("DOWNLOADS_DATABASE_URL", "mysql://me:secret@db/users"),),
    ),
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.id)
def test_a_mistake_is_one_line_that_names_its_place(
    case: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = None
    if case.file is not None:
        config = Path("app.toml")
        config.write_bytes(case.file)
    with pytest.raises(SettingsError) as caught:
        load(dict(case.flags), dict(case.variables), config)
    assert str(caught.value).startswith(case.message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("prot", "port"), ("datadir", "data_dir"), ("acess_log", "access_log"), ("worker", "workers"), ("zz", None)],
)
def test_the_nearest_name_is_the_one_that_was_meant(written: str, meant: str | None) -> None:
    names = [each.name for each in fields(Settings)]
    found = nearest(written, names)
    assert found in names if meant is None else found == meant


@pytest.mark.parametrize("each", TABLE, ids=lambda each: each.name)
def test_every_setting_can_be_given_in_every_way(each: Setting, tmp_path: Path) -> None:
    """Its default, written out, is read back from a flag, a variable and a file."""
    text = each.kind.show(getattr(Settings(), each.name))
    file = tmp_path / "app.toml"
    file.write_text(f"{each.name} = '{text}'\n")
    assert load({each.name: text}, {}) == Settings()
    assert load({}, {each.variable: text}) == Settings()
    assert load({}, {}, file) == Settings()
    assert each.help
    assert not each.help.endswith(".")


KUBERNETES = {
    "DOWNLOADS_SERVICE_HOST": "10.0.0.1",
    "DOWNLOADS_SERVICE_PORT": "8000",
    "DOWNLOADS_SERVICE_PORT_HTTP": "8000",
    "DOWNLOADS_PORT": "tcp://10.0.0.1:8000",
    "DOWNLOADS_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "DOWNLOADS_PORT_8000_TCP_PROTO": "tcp",
    "DOWNLOADS_PORT_8000_TCP_PORT": "8000",
    "DOWNLOADS_PORT_8000_TCP_ADDR": "10.0.0.1",
    "DOWNLOADS_PORT_53_UDP": "udp://10.0.0.1:53",
    "DOWNLOADS_DB_SERVICE_HOST": "10.0.0.2",
    "DOWNLOADS_DB_PORT": "tcp://10.0.0.2:5432",
    "DOWNLOADS_DB_PORT_5432_TCP_ADDR": "10.0.0.2",
}


def test_what_kubernetes_says_of_a_service_of_our_name_is_passed_over() -> None:
    assert Settings.from_environment({**KUBERNETES, "DOWNLOADS_WORKERS": "2"}) == Settings(workers=2)
    with pytest.raises(SettingsError, match="DOWNLOADS_HOST_PORT: no such setting"):
        Settings.from_environment({"DOWNLOADS_HOST_PORT": "8000"})


def test_nothing_is_read_from_the_environment_unless_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNLOADS_PORT", "1")
    assert Settings().port == 8000
    assert Settings.from_environment().port == 1


def chosen_settings() -> st.SearchStrategy[dict[str, object]]:
    name = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", codec="utf-8"), min_size=1)
    return st.fixed_dictionaries(
        {},
        optional={
            "data_dir": name.map(Path),
            "uds": st.none() | name.map(Path),
            "chunk_size": st.integers(4 << 10, 1 << 20),
            "stall_timeout": st.integers(100, 3_600_000).map(lambda ms: ms / 1000),
            "graceful_timeout": st.integers(0, 86_400_000).map(lambda ms: ms / 1000),
            "port": st.integers(0, 65535),
            "access_log": st.booleans(),
            "host": name,
        },
    )


@given(chosen_settings())
@settings(max_examples=60, deadline=None)
def test_what_check_config_prints_is_a_file_of_the_same_settings(values: dict[str, Any]) -> None:
    chosen = Settings(**values)
    printed = "\n".join(as_toml(chosen, {}))
    assert load(tomllib.loads(printed), {}) == chosen


def test_settings_are_hashable_and_cannot_be_changed() -> None:
    assert hash(Settings()) == hash(Settings())
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]
