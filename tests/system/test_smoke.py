"""Every URL, GET and HEAD, on the served process: both parsers, both kinds of database, there and away."""

import http.client
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from asgi_downloads import demo
from asgi_downloads.service.application import create_app
from asgi_downloads.service.settings import Settings
from tests.support.postgres import postgres_server, psql
from tests.support.serving import ROOT, Served, serving

PARSERS = ("httptools", "h11")
DATABASES = ("sqlite", "postgresql", "sqlite-away", "postgresql-away")


@dataclass(frozen=True)
class Row:
    url: str
    status: int = 200
    away: int = 0
    """The status while the database is away, if it is another."""

    @property
    def path(self) -> str:
        return self.url.partition("?")[0]


ROWS = [
    Row("/download/report.pdf"),
    Row("/download/missing.pdf", 404),
    Row("/download/large/sample-8M.bin"),
    Row("/download/async/notes.txt"),
    Row("/download/bundle/holiday"),
    Row("/download/bundle/holiday?recursive=true&compression=deflate"),
    Row("/download/bundle/missing", 404),
    Row("/download/bundle/holiday?compression=x", 422),
    Row("/file/page.html"),
    Row("/file/page.html?download=true"),
    Row("/file/page.html?download=x", 422),
    Row("/preview/photo.jpg"),
    Row("/video/sample.mp4"),
    Row("/reports/42"),
    Row("/reports/generate/7"),
    Row("/export/users", away=503),
    Row("/export/users?format=jsonl&limit=3", away=503),
    Row("/export/users?excel=true&delimiter=tab&columns=name,id&since=2000-01-01&until=2100-01-01", away=503),
    Row("/export/users?columns=name&since=2999-01-01", away=503),
    Row("/export/users?limit=0", 422),
    Row("/export/data"),
    Row("/livez"),
    Row("/readyz", away=503),
    Row("/healthz"),
    Row("/docs"),
    Row("/openapi.json"),
    Row("/metrics"),
    Row("/", 307),
    Row("/browse", 308),
    Row("/browse/"),
    Row("/browse/?format=json"),
    Row("/browse/files/notes.txt"),
    Row("/browse/files/notes.txt?view"),
    Row("/browse/bundles/holiday/?zip"),
    Row("/browse/?sort=x", 422),
    Row("/browse/none/", 404),
    Row("/.assets/none.css", 404),
    Row("/export/nothing", 404),
    Row("/livez/", 307),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("smoke") / "data"
    demo.write_demo(data, users=50)
    return data


def test_no_route_is_without_a_row(data: Path) -> None:
    asked = {Path(row.path).parent.as_posix() if row.path.count("/") > 1 else row.path for row in ROWS}
    asked |= {row.path for row in ROWS}
    for route in create_app(Settings(data_dir=data, browse=True)).routes:
        assert route.template.partition("/{")[0] in asked


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    pytest.importorskip("asyncpg")
    users = "SELECT n AS id, 'User ' || n AS name, NULL AS email, TIMESTAMPTZ '2024-01-01Z' AS created_at"
    with postgres_server() as url:
        psql(url, f"CREATE TABLE users AS {users} FROM generate_series(1, 50) AS n")
        yield url


@contextmanager
def one_served(parser: str, database_url: str, data: Path, place: Path) -> Iterator[Served]:
    """Our own server, with httptools or as it is where that is not installed."""
    path = [str(ROOT / "app")]
    if parser == "h11":
        (place / "httptools.py").write_text("raise ModuleNotFoundError(name='httptools')")
        path.insert(0, str(place))
    environ = {"PYTHONPATH": ":".join(path), "DOWNLOADS_DATABASE_URL": database_url, "DOWNLOADS_METRICS": "true"}
    with serving(data, "--browse", environ=environ) as served:
        loaded = "/httptools/" in Path("/proc", str(served.process.pid), "maps").read_text()
        assert loaded is (parser == "httptools")
        yield served


@pytest.fixture(
    scope="module", params=[(parser, database) for parser in PARSERS for database in DATABASES], ids="-".join
)
def served(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, bool]]:
    """A running service, and whether its database is there."""
    parser, database = request.param
    place = tmp_path_factory.mktemp(f"{parser}-{database}")
    if "postgresql" in database:
        pytest.importorskip("asyncpg")
    file = Path(shutil.copy(data / "app.db", place))
    url = {
        "sqlite": f"sqlite:///{file}",
        "sqlite-away": f"sqlite:///{file}",
        "postgresql-away": "postgresql://nobody@127.0.0.1:1/none",
    }.get(database) or request.getfixturevalue("postgres_url")
    with one_served(parser, url, data, place) as running:
        if database == "sqlite-away":
            file.unlink()
        yield running, "away" not in database


@dataclass(frozen=True)
class Answer:
    status: int
    fields: dict[str, str]
    content: bytes


def ask(served: Served, method: str, url: str) -> Answer:
    where = urlsplit(served.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        connection.request(method, url)
        answer = connection.getresponse()
        content = answer.read()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, fields, content)
    finally:
        connection.close()


OF_THE_MOMENT = {
    "content-disposition",
    "x-accel-buffering",
    "etag",
    "content-length",
    "accept-ranges",
    "transfer-encoding",
}
"""Fields that one answer may have and the next not, where content is made for each."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.url)
def test_every_url(row: Row, served: tuple[Served, bool]) -> None:
    running, there = served
    status = row.status if there or not row.away else row.away
    got, head = ask(running, "GET", row.url), ask(running, "HEAD", row.url)
    assert (got.status, head.status) == (status, status)
    assert got.content or status in (307, 308)
    assert head.content == b""
    if int(got.fields.get("content-length", 0)):
        assert int(got.fields["content-length"]) == len(got.content)
    made = (
        row.path.startswith(("/reports/generate", "/export/users", "/download/bundle", "/browse/bundles"))
        or row.path == "/metrics"
    )
    left_out = {"date", "x-request-id"} | (OF_THE_MOMENT if made else set())
    same = [{name: value for name, value in each.fields.items() if name not in left_out} for each in (got, head)]
    assert same[0] == same[1]
    if status >= 400:
        assert got.fields["content-type"] == "application/json"
        assert ("retry-after" in got.fields) is (status == 503 and row.path != "/readyz")
