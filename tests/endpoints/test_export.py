"""An export is what was asked for, or a clear error; `/export/data` is a file like any other."""

import asyncio
import csv
import gzip
import io
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import pytest
from fastapi import FastAPI, Query
from pydantic import BeforeValidator

from asgi_downloads.asgi.guard import Guard
from asgi_downloads.asgi.types import ASGIApp
from asgi_downloads.bodies.data_export import ROWS, data_export
from asgi_downloads.endpoints.export import ExportData, ExportUsers
from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.errors import Exhausted, MissingExtra
from asgi_downloads.storage.files.temporary import TemporaryFiles
from asgi_downloads.storage.rows.source import COLUMNS
from asgi_downloads.storage.rows.sqlite import SQLiteRows
from tests.conftest import assert_none_left, descriptors
from tests.support.asgi import Recorder, exchange, http_scope

USERS = (
    (1, "Ada, Countess", "ada@example.com", "2024-01-01T00:00:00Z"),
    (2, "=1+1", "+49 30", "2024-02-01T00:00:00Z"),
    (3, 'Robert "Bobby"', None, "2024-03-01T00:00:00Z"),
    (4, "Žofie", "z@example.com", "2024-04-01T12:00:00Z"),
)
HEAD = b"id,name,email,created_at\r\n"


def write_users(path: Path, rows: tuple[tuple[Any, ...], ...] = USERS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name, email, created_at)")
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)


@pytest.fixture
def users(data: Path, app: Application) -> Application:
    """The application with a small users table."""
    write_users(data / "app.db")
    return app


def get(app: ASGIApp, target: str, method: str = "GET", **fields: str) -> Recorder:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return exchange(app, target, method, headers=headers)


class TestUsers:
    def test_the_whole_table_as_csv(self, users: Application) -> None:
        answer = get(users, "/export/users")
        assert (answer.status, answer.complete) == (200, True)
        assert [*csv.reader(io.StringIO(answer.content.decode(), ""), strict=True)] == [
            [*COLUMNS],
            *([str(cell or "") for cell in row] for row in USERS),
        ]
        assert answer.content.startswith(HEAD + b'1,"Ada, Countess",ada@example.com,2024-01-01T00:00:00Z\r\n')
        headers = answer.headers
        assert headers[b"content-type"] == b"text/csv; charset=utf-8"
        assert re.fullmatch(rb'attachment; filename="users-\d{8}-\d{6}\.csv"', headers[b"content-disposition"])
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"vary"].lower() == b"accept-encoding"
        assert headers[b"x-accel-buffering"] == b"no"
        assert headers[b"x-content-type-options"] == b"nosniff"
        for absent in (b"content-length", b"content-encoding", b"accept-ranges", b"etag"):
            assert absent not in headers

    def test_head_is_get_without_content(self, users: Application) -> None:
        answer, whole = get(users, "/export/users", "HEAD"), get(users, "/export/users")
        assert (answer.status, bytes(answer.content)) == (200, b"")
        stamp = b"content-disposition"
        assert {**answer.headers, stamp: b""} == {**whole.headers, stamp: b""}

    def test_the_name_tells_the_time_and_the_format(self, data: Path) -> None:
        write_users(data / "app.db")
        source = SQLiteRows(data / "app.db")
        moment = datetime(2024, 2, 29, 23, 59, 58).timestamp()  # noqa: DTZ001 - of this place
        export = Guard(ExportUsers(source, clock=lambda: moment))
        for query, suffix in (("", b"csv"), ("?format=jsonl", b"jsonl")):
            named = get(export, f"/{query}").headers[b"content-disposition"]
            assert named == b'attachment; filename="users-20240229-235958.%s"' % suffix
        asyncio.run(source.aclose())

    def test_a_range_of_what_has_no_length_is_all_of_it(self, users: Application) -> None:
        answer = get(users, "/export/users", range="bytes=0-3")
        assert answer.status == 200
        assert answer.content.startswith(HEAD)


@dataclass(frozen=True)
class Asked:
    id: str
    query: str
    want: bytes


ASKED = [
    Asked("limit", "limit=1", HEAD + b'1,"Ada, Countess",ada@example.com,2024-01-01T00:00:00Z\r\n'),
    Asked("columns-in-order", "columns=email,id&limit=2", b"email,id\r\nada@example.com,1\r\n+49 30,2\r\n"),
    Asked("one-column", "columns=email", b'email\r\nada@example.com\r\n+49 30\r\n""\r\nz@example.com\r\n'),
    Asked("semicolon", "delimiter=semicolon&limit=1&columns=id,name", b"id;name\r\n1;Ada, Countess\r\n"),
    Asked("tab", "delimiter=tab&limit=1&columns=id,name", b"id\tname\r\n1\tAda, Countess\r\n"),
    Asked(
        "excel",
        "excel=1&columns=id,name,email&limit=2",
        b"\xef\xbb\xbfid,name,email\r\n1,\"Ada, Countess\",ada@example.com\r\n2,'=1+1,'+49 30\r\n",
    ),
    Asked("excel-leaves-numbers", "excel=yes&columns=id&limit=1", b"\xef\xbb\xbfid\r\n1\r\n"),
    Asked("not-excel", "excel=off&columns=name,id&since=2024-02-01&limit=1", b"name,id\r\n=1+1,2\r\n"),
    Asked("since-is-inclusive", "since=2024-03-01&columns=id,email", b"id,email\r\n3,\r\n4,z@example.com\r\n"),
    Asked("until-is-exclusive", "until=2024-02-01T00:00:00Z&columns=id,email", b"id,email\r\n1,ada@example.com\r\n"),
    Asked("zones", "since=2024-04-01T13:00:00%2B01:00&columns=id,name", "id,name\r\n4,Žofie\r\n".encode()),
    Asked("none", "since=2030-01-01", HEAD),
    Asked("json-lines", "format=jsonl&limit=1&columns=id,name", b'{"id":1,"name":"Ada, Countess"}\n'),
    Asked("no-json-lines", "format=jsonl&since=2030-01-01", b""),
    Asked("unknown-parameters", "Limit=0&x=y&limit=1&columns=id", b"id\r\n1\r\n"),
    Asked("the-last-value-counts", "limit=0&limit=1&columns=id", b"id\r\n1\r\n"),
]


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.id)
def test_what_is_asked_for(case: Asked, users: Application) -> None:
    answer = get(users, f"/export/users?{case.query}")
    assert (answer.status, answer.complete) == (200, True)
    assert bytes(answer.content) == case.want


def test_json_lines_are_objects_with_the_types_of_the_table(users: Application) -> None:
    answer = get(users, "/export/users?format=jsonl")
    assert answer.headers[b"content-type"] == b"application/x-ndjson"
    lines = answer.content.decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == [dict(zip(COLUMNS, row, strict=True)) for row in USERS]


def split_last(value: object) -> object:
    return tuple(value[-1].split(",")) if isinstance(value, list) else value


def reference() -> FastAPI:
    """The same parameters as FastAPI declares them."""
    app = FastAPI()
    column = Literal["id", "name", "email", "created_at"]

    @app.get("/export/users")
    def export(
        format: Literal["csv", "jsonl"] = "csv",  # noqa: A002 - the parameter's name
        delimiter: Literal["comma", "semicolon", "tab"] = "comma",
        excel: bool = False,
        columns: Annotated[tuple[column, ...], Query(), BeforeValidator(split_last)] = COLUMNS,  # type: ignore[assignment]
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    ) -> None:
        """Nothing but its parameters matters."""

    return app


REFUSED = {
    "format": ("", "CSV", "xml", "csv "),
    "delimiter": ("", ",", ";", "\t", "Comma", "pipe"),
    "excel": ("", "2", "maybe"),
    "columns": ("", "password", "ID", "id,", "id;name", "id,password,x"),
    "since": ("", "yesterday", "2024-13-01", "2024-02-30", "0000-01-01", "2024-01-01T25:00"),
    "until": ("", "now", "99999999999999999999"),
    "limit": ("", "0", "-1", "1.5", "x", "1e3", str(2**63), "9" * 5000),
}


@pytest.mark.parametrize(
    "query",
    [
        *(f"{name}={quote(value, safe='')}" for name, values in REFUSED.items() for value in values),
        "limit=0&format=x&excel=y&columns=a,b&since=z&until=z&delimiter=%2C",
    ],
    ids=lambda query: query[:40],
)
def test_what_fastapi_refuses_is_refused_in_its_words(query: str, users: Application) -> None:
    answer = get(users, f"/export/users?{query}")
    theirs = exchange(reference(), f"/export/users?{query}")
    assert answer.status == theirs.status == 422
    assert json.loads(answer.content) == json.loads(theirs.content)
    assert answer.headers[b"content-type"] == b"application/json"


def test_a_column_named_twice_is_refused(users: Application) -> None:
    answer = get(users, "/export/users?columns=id,name,id")
    assert answer.status == 422
    assert json.loads(answer.content)["detail"][0]["loc"] == ["query", "columns"]


class TestGzip:
    def test_unpacked_it_is_the_same(self, users: Application) -> None:
        answer = get(users, "/export/users", accept_encoding="gzip, br")
        assert answer.headers[b"content-encoding"] == b"gzip"
        assert answer.headers[b"vary"].lower() == b"accept-encoding"
        assert gzip.decompress(answer.content) == get(users, "/export/users").content

    @pytest.mark.parametrize("accept", ["", "br", "gzip;q=0", "identity, gzip;q=0.5", "*;q=0"])
    def test_not_unless_it_is_asked_for(self, accept: str, users: Application) -> None:
        answer = get(users, "/export/users", accept_encoding=accept)
        assert b"content-encoding" not in answer.headers
        assert answer.headers[b"vary"].lower() == b"accept-encoding"
        assert answer.content.startswith(HEAD)

    def test_head_says_so_too(self, users: Application) -> None:
        answer = get(users, "/export/users", "HEAD", accept_encoding="gzip")
        assert answer.headers[b"content-encoding"] == b"gzip"
        assert answer.content == b""


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


VIEW = "CREATE VIEW users(id, name, email, created_at) AS SELECT "
BUSY = (503, "The database is not available")
BROKEN = (500, "The database cannot give this export")
AWAY = [
    pytest.param(lambda path: None, "", BUSY, id="missing"),
    pytest.param(lambda path: path.write_bytes(b"secret text" * 1000), "", BROKEN, id="not-a-database"),
    pytest.param(lambda path: path.touch(), "", BROKEN, id="empty"),
    pytest.param(lambda path: _execute(path, "CREATE TABLE users (id, name)"), "", BROKEN, id="no-such-column"),
    pytest.param(lambda path: _execute(path, f"{VIEW} 1, secret(1), 2, 3"), "", BROKEN, id="unknown-function"),
    pytest.param(lambda path: _execute(path, f"{VIEW} 1, json('secret'), 2, 3"), "", BROKEN, id="first-row"),
    pytest.param(write_users, "since=2024-01-01&columns=id", (200, None), id="dates"),
    pytest.param(
        lambda path: write_users(path, ((1, "a", "b", "01.06.2024"),)), "since=2024-01-01", BROKEN, id="odd-dates"
    ),
]


class TestDatabaseAway:
    @pytest.mark.parametrize("accept", ["identity", "gzip"])
    @pytest.mark.parametrize("form", ["csv", "jsonl"])
    @pytest.mark.parametrize(("make", "query", "want"), AWAY)
    def test_an_error_is_503_if_it_may_pass_and_500_if_not_and_head_says_the_same(
        self,
        make: Callable[[Path], None],
        query: str,
        want: tuple[int, str | None],
        form: str,
        accept: str,
        data: Path,
        app: Application,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        make(data / "app.db")
        target = f"/export/users?format={form}&{query}"
        got, head = (get(app, target, method, accept_encoding=accept) for method in ("GET", "HEAD"))
        assert head.status == got.status == want[0]
        stamp = b"content-disposition"
        assert {**head.headers, stamp: b""} == {**got.headers, stamp: b""}
        assert head.content == b""
        assert (b"retry-after" in got.headers) is (got.status == 503)
        if got.status != 200:
            assert json.loads(got.content) == {"detail": want[1]}
            assert sum("no export of users" in record.getMessage() for record in caplog.records) == 2

    def test_the_log_says_what_is_wrong(self, data: Path, app: Application, caplog: pytest.LogCaptureFixture) -> None:
        _execute(data / "app.db", "CREATE TABLE users (id, name)")
        get(app, "/export/users")
        assert "no export of users: Unusable: no such column: email" in caplog.text

    def test_a_query_that_takes_too_long_is_504(self, data: Path) -> None:
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        _execute(data / "app.db", f"{VIEW} i, '', '', '' FROM ({endless}) WHERE i < 0")
        app = create_app(Settings(data_dir=data, query_timeout=0.05))
        for method in ("GET", "HEAD"):
            assert get(app, "/export/users", method).status == 504
        assert json.loads(get(app, "/export/users").content) == {"detail": "The export takes too long"}

    def test_the_rest_works(self, app: Application) -> None:
        assert get(app, "/download/a.bin").status == 200
        assert get(app, "/export/data").status == 200
        assert get(app, "/livez").status == 200

    def test_it_is_found_when_it_comes_back(self, data: Path, app: Application) -> None:
        assert get(app, "/export/users").status == 503
        write_users(data / "app.db")
        assert get(app, "/export/users").status == 200

    def test_bad_parameters_are_bad_all_the_same(self, app: Application) -> None:
        assert get(app, "/export/users?limit=0").status == 422


def test_a_driver_that_is_missing_is_501_with_what_to_install() -> None:
    answer = get(Guard(ExportUsers(MissingExtra("postgres"))), "/")
    assert answer.status == 501
    assert json.loads(answer.content) == {"detail": "Not available here: install asgi-downloads[postgres]"}


def test_postgresql_that_is_away_is_503(data: Path) -> None:
    pytest.importorskip("asyncpg")
    app = create_app(Settings(data_dir=data, database_url="postgresql://nobody@127.0.0.1:1/none"))
    answer = get(app, "/export/users")
    assert answer.status == 503
    assert b"retry-after" in answer.headers
    assert get(app, "/download/a.bin").status == 200


@pytest.fixture
def failing_late(data: Path) -> None:
    """Users of whom a later one has an e-mail address that cannot be had."""
    write_users(data / "app.db", tuple((n, "x" * 2000, "y" * 2000, "2024-01-01") for n in range(1, 2000)))
    address = "CASE id WHEN 1900 THEN abs(-9223372036854775808) ELSE name END"
    _execute(
        data / "app.db", "ALTER TABLE users DROP COLUMN email", f"ALTER TABLE users ADD COLUMN email AS ({address})"
    )


@pytest.mark.usefixtures("failing_late")
@pytest.mark.parametrize("accept", ["identity", "gzip"])
def test_an_error_after_the_first_byte_leaves_the_answer_unfinished(
    accept: str, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    answer = get(app, "/export/users", accept_encoding=accept)
    assert answer.status == 200
    assert answer.content
    assert not answer.complete
    assert "broken off" in caplog.text


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
@pytest.mark.parametrize("hang_up_after", range(4))
@pytest.mark.parametrize("accept", ["identity", "gzip"])
def test_a_client_that_leaves_ends_the_export(
    hang_up_after: int, spec_version: str, accept: str, data: Path, app: Application
) -> None:
    write_users(data / "app.db", tuple((n, "x" * 2000, "y" * 2000, "2024-01-01") for n in range(1, 2000)))
    before = descriptors()

    async def run() -> Recorder:
        headers = [(b"accept-encoding", accept.encode())]
        recorder = Recorder(http_scope("/export/users", headers=headers, spec_version=spec_version), hang_up_after)
        await app(recorder.scope, recorder.receive, recorder.send)
        return recorder

    answer = asyncio.run(run())
    assert len(answer.events) == hang_up_after
    assert not answer.complete
    assert_none_left(before)


DATA, _ = data_export()


class TestData:
    def test_the_rows_of_the_guide(self, app: Application) -> None:
        answer = get(app, "/export/data")
        lines = answer.content.decode().split("\n")
        assert lines[:3] == ["id,name,value", "0,item-0,0", "1,item-1,100"]
        assert lines[-2:] == [f"{ROWS - 1},item-{ROWS - 1},{(ROWS - 1) * 100}", ""]
        assert len(lines) == ROWS + 2
        headers = answer.headers
        assert headers[b"content-length"] == b"%d" % len(answer.content)
        assert headers[b"content-type"] == b"text/csv; charset=utf-8"
        assert headers[b"content-disposition"] == b'attachment; filename="export.csv"'
        assert headers[b"accept-ranges"] == b"bytes"

    def test_its_tag_is_always_the_same(self, app: Application) -> None:
        tags = {get(app, "/export/data", method).headers[b"etag"] for method in ("GET", "HEAD", "GET")}
        assert len(tags) == 1

    def test_head(self, app: Application) -> None:
        answer, whole = get(app, "/export/data", "HEAD"), get(app, "/export/data")
        assert answer.content == b""
        assert {**answer.headers, b"date": b""} == {**whole.headers, b"date": b""}

    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [("0-12", 0, 13), ("100000-", 100_000, len(DATA)), ("-10", len(DATA) - 10, len(DATA)), ("5-5", 5, 6)],
        ids=["first", "from", "last", "one-byte"],
    )
    def test_ranges(self, asked: str, start: int, stop: int, app: Application) -> None:
        answer = get(app, "/export/data", range=f"bytes={asked}")
        assert answer.status == 206
        assert answer.headers[b"content-range"] == b"bytes %d-%d/%d" % (start, stop - 1, len(DATA))
        assert answer.content == DATA[start:stop]

    def test_a_range_beyond_the_end(self, app: Application) -> None:
        answer = get(app, "/export/data", range="bytes=9999999-")
        assert answer.status == 416
        assert answer.headers[b"content-range"] == b"bytes */%d" % len(DATA)

    def test_an_interrupted_download_is_resumed(self, app: Application) -> None:
        tag = get(app, "/export/data").headers[b"etag"].decode()
        answer = get(app, "/export/data", range="bytes=1000-", if_range=tag)
        assert (answer.status, bytes(answer.content)) == (206, DATA[1000:])
        assert get(app, "/export/data", range="bytes=1000-", if_range='"other"').status == 200

    def test_what_the_client_has_is_not_sent_again(self, app: Application) -> None:
        tag = get(app, "/export/data").headers[b"etag"].decode()
        answer = get(app, "/export/data", if_none_match=tag)
        assert (answer.status, bytes(answer.content)) == (304, b"")
        assert get(app, "/export/data", if_match='"other"').status == 412

    def test_the_disk_being_full_is_503(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> int:
            raise Exhausted

        files = TemporaryFiles(tmp_path)
        monkeypatch.setattr(files, "anonymous_blocking", refuse)
        assert get(Guard(ExportData(files)), "/").status == 503

    def test_nothing_is_left_on_the_disk(self, data: Path, tmp_path: Path) -> None:
        place = tmp_path / "temporary"
        export = Guard(ExportData(TemporaryFiles(place)))
        before = descriptors()
        for hang_up_after in (None, 0, 1):
            recorder = Recorder(http_scope("/"), hang_up_after)
            asyncio.run(_run(export, recorder))
            assert_none_left(before)
            assert list(place.iterdir()) == []


async def _run(app: ASGIApp, recorder: Recorder) -> None:
    await app(recorder.scope, recorder.receive, recorder.send)
