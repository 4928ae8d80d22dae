"""What an operator serves of their own: tables of the file, read, refused and shown."""

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.service.example import example_config
from asgi_downloads.service.own import OwnDirectory
from asgi_downloads.service.setting import SettingsError
from asgi_downloads.service.settings import TABLE, Settings, as_toml, gather

FILE = """
port = 9000

[[directories]]
url = "/media"
path = "/srv/media"
show = "video"
hide = [".*", "*.tmp"]
bundle = true
cache_control = "max-age=60"

[[directories]]
url = "/a/b-c"
path = "~/x"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(FILE)
    return path


def test_tables_of_the_file_are_directories(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    settings = Settings.of(gather({}, {}, config))
    assert settings.port == 9000
    assert settings.directories == (
        OwnDirectory("/media", Path("/srv/media"), "video", (".*", "*.tmp"), bundle=True, cache_control="max-age=60"),
        OwnDirectory("/a/b-c", Path("/home/me/x")),
    )
    assert settings.directories[1].hide == (".*", "*.part", "*~")


def test_what_is_shown_reads_back_alike(config: Path) -> None:
    gathered = gather({}, {}, config)
    settings = Settings.of(gathered)
    shown = "\n".join(as_toml(settings, gathered))
    assert f"# {config}: directories[1]" in shown
    config.write_text(shown)
    assert Settings.of(gather({}, {}, config)) == settings


@dataclass(frozen=True)
class Wrong:
    text: str
    says: str


WRONG = [
    Wrong("directories = 3", "directories: is to be written as tables, [[directories]]"),
    Wrong("directories = 'x'", "directories: is to be written as tables"),
    Wrong("directories = ['x']", "directories[0]: is to be written as a table"),
    Wrong("[directories]\nurl = '/a'", "directories: is to be written as tables"),
    Wrong("[[directories]]\nurl = '/a'", "directories[0]: lacks path"),
    Wrong("[[directories]]\npath = '/a'", "directories[0]: lacks url"),
    Wrong(
        "[[directories]]\nurl = '/a'\npath = '/a'\npth = 1", "directories[0].pth: no such setting; the nearest is path"
    ),
    Wrong("[[directories]]\nurl = 'a'\npath = '/a'", "directories[0].url: 'a' is not a path such as /media"),
    Wrong("[[directories]]\nurl = '/a/'\npath = '/a'", "directories[0].url: '/a/' is not a path"),
    Wrong("[[directories]]\nurl = '/'\npath = '/a'", "directories[0].url: '/' is not a path"),
    Wrong("[[directories]]\nurl = '/a/../b'\npath = '/a'", "directories[0].url: '/a/../b' is not a path"),
    Wrong("[[directories]]\nurl = '/a%2Fb'\npath = '/a'", "directories[0].url: '/a%2Fb' is not a path"),
    Wrong("[[directories]]\nurl = '/{a}'\npath = '/a'", "directories[0].url: '/{a}' is not a path"),
    Wrong("[[directories]]\nurl = '/a'\npath = ''", "directories[0].path: '' is not a path"),
    Wrong("[[directories]]\nurl = '/a'\npath = 'ftp://b/p'", "'ftp://b/p' is not a path or s3://BUCKET/PREFIX"),
    Wrong("[[directories]]\nurl = '/a'\npath = 's3://b/p'", "'s3://b/p' is not a path or s3://BUCKET/PREFIX"),
    Wrong(
        "[[directories]]\nurl = '/a'\npath = 's3://bucket/p'\naccel_prefix = '/x/'",
        "accel_prefix: nginx cannot open 's3://bucket/p'; for stores there is store_mode",
    ),
    Wrong(
        "data_dir = 's3://bucket/p'\n[[directories]]\nurl = '/a'\npath = 's3://bucket/p/q'\naccess = 'links'",
        "directories[0].path: 's3://bucket/p/q' is below another that is public",
    ),
    Wrong(
        "[[directories]]\nurl = '/a'\npath = 's3://bucket'\n"
        "[[directories]]\nurl = '/b'\npath = 's3://bucket/p'\naccess = 'links'",
        "directories[1].path: 's3://bucket/p' is below another that is public",
    ),
    Wrong(
        "[[directories]]\nurl = '/a'\npath = 's3://bucket/p'\n"
        "[[directories]]\nurl = '/b'\npath = 's3://bucket/p'\naccess = 'links'",
        "directories[1].path: 's3://bucket/p' is below another that is public",
    ),
    Wrong(
        "data_dir = 's3://bucket/p'\n[exports.x]\nsql = 'SELECT 1'",
        "exports.x: lacks database_url, as the settings have none",
    ),
    Wrong("[[directories]]\nurl = '/a'\npath = '/a'\nshow = 'x'", "directories[0].show: 'x' is not one of inline"),
    Wrong("[[directories]]\nurl = '/a'\npath = '/a'\nhide = '.*'", "directories[0].hide: '.*' is not a list"),
    Wrong("[[directories]]\nurl = '/a'\npath = '/a'\nhide = [1]", "directories[0].hide: '[1]' is not a list"),
    Wrong("[[directories]]\nurl = '/a'\npath = '/a'\nbundle = 'x'", "directories[0].bundle: 'x' is not true or false"),
    Wrong(
        "[[directories]]\nurl = '/download'\npath = '/a'", "directories[0].url: '/download' meets '/download' of the"
    ),
    Wrong("[[directories]]\nurl = '/download/x'\npath = '/a'", "'/download/x' meets '/download' of the guide"),
    Wrong("[[directories]]\nurl = '/readyz'\npath = '/a'", "'/readyz' meets '/readyz' of the service"),
    Wrong("[[directories]]\nurl = '/s'\npath = '/a'", "'/s' meets '/s' of the service"),
    Wrong(
        "[[directories]]\nurl = '/a'\npath = '/a'\n[[directories]]\nurl = '/a/b'\npath = '/b'",
        "directories[1].url: '/a/b' meets '/a' of directories[0]",
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.text)
def test_a_mistake_is_one_line_that_says_where(case: Wrong, config: Path) -> None:
    config.write_text(case.text)
    with pytest.raises(SettingsError) as caught:
        Settings.of(gather({}, {}, config))
    assert case.says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["/download-more", "/filed", "/media", "/a.b/c_d/e~f", "/sub"])
def test_what_only_looks_like_anothers_is_free(url: str) -> None:
    own: Any = [{"url": url, "path": "/x"}]
    assert Settings(directories=own).directories[0].url == url


@pytest.mark.parametrize("path", ["s3://bucket/pq", "s3://bucket", "s3://other-bucket/p/q"])
def test_what_is_for_links_may_lie_beside_what_is_public(path: str) -> None:
    own: Any = [{"url": "/a", "path": path, "access": "links"}, {"url": "/b", "path": "s3://bucket/p"}]
    assert str(Settings(directories=own).directories[0].path) == path


def test_without_the_guide_its_urls_are_free() -> None:
    own: Any = [{"url": "/file", "path": "/x"}]
    assert Settings(guide_urls=False, directories=own).directories[0].url == "/file"


def test_tables_are_of_the_file_alone() -> None:
    with pytest.raises(SettingsError, match="no such setting"):
        gather({}, {"DOWNLOADS_DIRECTORIES": "[]"})


def test_the_example_says_what_is_so_by_default(config: Path) -> None:
    config.write_text(example_config())
    assert gather({}, {}, config) == {}
    names = {each.name for each in TABLE} | set(OwnDirectory.__dataclass_fields__)
    lines = example_config().splitlines()
    assert {line[1:].partition(" = ")[0] for line in lines if " = " in line} == names
    uncommented = "\n".join(line[1:] if line.startswith("#") and line[1:2] not in (" ", "") else line for line in lines)
    assert tomllib.loads(uncommented)["directories"][0]["url"] == "/media"
    config.write_text(uncommented)
    assert Settings.of(gather({}, {}, config)).directories == (OwnDirectory(),)


EXPORTS = """
[exports.sales]
sql = "SELECT id FROM sales WHERE at >= :since AND region = :region AND id < :most"
database_url = "sqlite:////srv/sales.db"
filename = "sales-{now}"
query_timeout = "30s"
[exports.sales.parameters]
since = {type = "datetime", required = true}
region = {type = "text", choices = ["eu", "us"], default = "eu"}
most = {type = "integer", default = 7}

[exports.users]
sql = "SELECT 1 AS a"
"""


def test_tables_of_the_file_are_exports(config: Path) -> None:
    config.write_text(EXPORTS)
    sales, users = Settings.of(gather({}, {}, config)).exports
    assert (sales.name, sales.filename, sales.query_timeout) == ("sales", "sales-{now}", 30.0)
    assert sales.database_url == "sqlite:////srv/sales.db"
    assert sales.parameters == (
        Parameter("since", "datetime", required=True),
        Parameter("region", "text", default="eu", choices=("eu", "us")),
        Parameter("most", "integer", default=7),
    )
    assert (users.filename, users.parameters, users.database_url) == ("users-{now}", (), "")


def test_exports_are_shown_as_they_read_back(config: Path) -> None:
    config.write_text(EXPORTS.replace("sqlite:////srv/sales.db", "postgresql://me:secret@db/x"))
    gathered = gather({}, {}, config)
    shown = "\n".join(as_toml(Settings.of(gathered), gathered))
    assert "secret" not in shown
    assert f"# {config}: exports.sales" in shown
    config.write_text(shown)
    assert Settings.of(gather({}, {}, config)).exports[1] == Settings.of(gathered).exports[1]
    assert Settings.of(gather({}, {}, config)).exports[0].parameters == Settings.of(gathered).exports[0].parameters


def sql(parameters: str, query: str = "SELECT :a") -> str:
    return f"[exports.x]\nsql = '{query}'\nparameters = {parameters}"


WRONG_EXPORTS = [
    Wrong("exports = 3", "exports: are to be written as tables, [exports.NAME]"),
    Wrong("[exports]\nx = 3", "exports.x: is to be written as a table"),
    Wrong("[exports.x]", "exports.x: lacks sql"),
    Wrong("[exports.'a/b']\nsql = 'SELECT 1'", "exports.a/b: a name of an export has letters"),
    Wrong("[exports.x]\nsql = ' '", "exports.x.sql: ' ' is not a query"),
    Wrong(
        "[exports.x]\nsql = 'SELECT 1'\nfilenam = 'x'", "exports.x.filenam: no such setting; the nearest is filename"
    ),
    Wrong("[exports.x]\nsql = 'SELECT 1'\nfilename = 'a/b'", "exports.x.filename: 'a/b' is not a file name"),
    Wrong("[exports.x]\nsql = 'SELECT 1'\ndatabase_url = 'mysql://x'", "exports.x.database_url: 'mysql://x' is not"),
    Wrong(sql("{}"), "exports.x.parameters: lack 'a', which stands in the query as :a"),
    Wrong(sql("{a = {}, b = {}}"), "exports.x.parameters.b: the query has no :b"),
    Wrong(
        sql("{limit = {}}", "SELECT :limit"), "exports.x.parameters.limit: every export has a parameter of that name"
    ),
    Wrong(sql("{'a-b' = {}}"), "exports.x.parameters.a-b: a name of a parameter is a word"),
    Wrong(sql("{a = 3}"), "exports.x.parameters.a: is to be written as a table"),
    Wrong(sql("{a = {typ = 'text'}}"), "exports.x.parameters.a.typ: no such key"),
    Wrong(sql("{a = {type = 'int'}}"), "exports.x.parameters.a.type: 'int' is not one of integer"),
    Wrong(sql("{a = {required = 1}}"), "exports.x.parameters.a.required: is true or false"),
    Wrong(sql("{a = {required = true, default = 'x'}}"), "exports.x.parameters.a.required: is true or false, and with"),
    Wrong(sql("{a = {type = 'integer', choices = ['1']}}"), "exports.x.parameters.a.choices: are texts"),
    Wrong(
        sql("{a = {type = 'integer', default = 'x'}}"), "exports.x.parameters.a.default: Input should be a valid int"
    ),
    Wrong(sql("{a = {choices = ['x'], default = 'y'}}"), "exports.x.parameters.a.default: Input should be 'x'"),
]


@pytest.mark.parametrize("case", WRONG_EXPORTS, ids=lambda case: case.text)
def test_a_mistake_in_an_export_is_one_line_that_says_where(case: Wrong, config: Path) -> None:
    test_a_mistake_is_one_line_that_says_where(case, config)


DEFAULTS = [
    ("integer", "7", 7),
    ("number", "0.5", 0.5),
    ("boolean", "true", True),
    ("text", "'x'", "x"),
    ("date", "2026-01-02", date(2026, 1, 2)),
    ("date", "'2026-01-02'", date(2026, 1, 2)),
    ("datetime", "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("datetime", "'2026-01-02T03:04:05'", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
]


@pytest.mark.parametrize(("kind", "written", "want"), DEFAULTS)
def test_a_default_is_of_the_parameters_type(kind: str, written: str, want: object, config: Path) -> None:
    config.write_text(sql(f"{{a = {{type = '{kind}', default = {written}}}}}"))
    (export,) = Settings.of(gather({}, {}, config)).exports
    assert export.parameters[0].default == want
