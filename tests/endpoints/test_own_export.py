"""Exports of the operator's own queries, from both databases: what is asked for, bound and never pasted."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from asgi_downloads.asgi.guard import Guard
from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.router import Route, Router
from asgi_downloads.asgi.types import ASGIApp
from asgi_downloads.endpoints.own_export import ExportOwn
from asgi_downloads.storage.errors import MissingExtra
from asgi_downloads.storage.rows.open import open_rows
from tests.support.asgi import Recorder, exchange
from tests.support.postgres import postgres_server, psql

TABLE = """
CREATE TABLE sales (id integer, region text, amount {real}, day date, at {time}, paid boolean);
INSERT INTO sales VALUES
 (1, 'eu', 0.1, '2026-01-01', '2026-01-01 10:00:00+00:00', {true}),
 (2, 'us', 1e300, '2026-02-01', '2026-02-01 10:00:00+00:00', {false}),
 (3, 'it''s "odd"; \\ :x', -5, '2026-03-01', '2026-03-01 10:00:00+00:00', {true}),
 (9223372036854775807, NULL, NULL, NULL, NULL, NULL);
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("own") / "own.db"
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(TABLE.format(real="real", time="text", true=1, false=0))
        yield f"sqlite:///{path}"
        return
    with postgres_server() as server:
        table = TABLE.format(real="double precision", time="timestamptz", true="true", false="false")
        psql(server, table.replace("integer,", "bigint,", 1))
        yield server


def export(url: str, sql: str, *parameters: Parameter, **more: Any) -> ASGIApp:
    source = open_rows(url)
    return Guard(Router((Route("/export/x", ExportOwn("x", sql, source, parameters, **more)),)))


def rows(answer: Recorder) -> list[list[str]]:
    assert answer.status == 200, answer.content
    assert answer.complete
    return list(csv.reader(io.StringIO(answer.content.decode())))


ALL = "SELECT id, region, amount FROM sales ORDER BY id DESC"


def test_rows_come_in_the_querys_own_order_with_its_own_names(url: str) -> None:
    answer = exchange(export(url, ALL, clock=lambda: 0.0, filename="sales-{now}.csv"), "/export/x")
    assert [row[0] for row in rows(answer)] == ["id", "9223372036854775807", "3", "2", "1"]
    assert rows(answer)[1] == ["9223372036854775807", "", ""]
    assert rows(answer)[-1] == ["1", "eu", "0.1"]
    assert b'filename="sales-19700101-0' in answer.headers[b"content-disposition"]
    assert answer.headers[b"content-disposition"].count(b".csv") == 1


FORMS = [
    ("?columns=amount,id&limit=2", [["amount", "id"], ["", "9223372036854775807"], ["-5", "3"]]),
    ("?columns=id", [["id"], ["9223372036854775807"], ["3"], ["2"], ["1"]]),
    ("?limit=1&delimiter=semicolon", [["id;region;amount"], ["9223372036854775807;;"]]),
    ("?unknown=1&limit=1", [["id", "region", "amount"], ["9223372036854775807", "", ""]]),
]


@pytest.mark.parametrize(("query", "want"), FORMS)
def test_every_export_has_a_form(query: str, want: list[list[str]], url: str) -> None:
    found = rows(exchange(export(url, ALL), f"/export/x{query}"))
    assert [[cell.removesuffix(".0") for cell in row] for row in found] == want


def test_json_lines(url: str) -> None:
    answer = exchange(export(url, "SELECT id, region FROM sales WHERE id < 3 ORDER BY id"), "/export/x?format=jsonl")
    assert [json.loads(line) for line in answer.content.splitlines()] == [
        {"id": 1, "region": "eu"},
        {"id": 2, "region": "us"},
    ]


def test_for_a_spreadsheet(url: str) -> None:
    answer = exchange(export(url, "SELECT '=1+1' AS a, 2 AS b"), "/export/x?excel=true")
    assert answer.content.decode() == "\ufeffa,b\r\n'=1+1,2\r\n"


@dataclass(frozen=True)
class Bound:
    parameter: Parameter
    condition: str
    value: str | None
    want: list[int]


P = Parameter
BOUND = [
    Bound(P("x", "integer"), "id = :x", "2", [2]),
    Bound(P("x", "integer"), "id = :x", "9223372036854775807", [9223372036854775807]),
    Bound(P("x", "integer"), "id > :x", "-9223372036854775808", [1, 2, 3, 9223372036854775807]),
    Bound(P("x", "integer", default=1), "id = :x", None, [1]),
    Bound(P("x", "integer"), "id = :x OR :x IS NULL", None, [1, 2, 3, 9223372036854775807]),
    Bound(P("x", "number"), "amount = :x", "0.1", [1]),
    Bound(P("x", "number"), "amount = :x", "1e300", [2]),
    Bound(P("x", "number"), "amount < :x", "-4.5", [3]),
    Bound(P("x", "boolean"), "paid = :x", "yes", [1, 3]),
    Bound(P("x", "boolean"), "paid = :x", "false", [2]),
    Bound(P("x", "date"), "day >= :x", "2026-02-01", [2, 3]),
    Bound(P("x", "datetime"), "at > :x", "2026-02-01T11:00:00%2B01:00", [3]),
    Bound(P("x", "datetime"), "at >= :x", "2026-02-01T10:00:00Z", [2, 3]),
    Bound(P("x", "datetime"), "at >= :x", "2026-02-01T10:00:00", [2, 3]),
    Bound(P("x", "text"), "region = :x", "eu", [1]),
    Bound(P("x", "text"), "region = :x", quote('it\'s "odd"; \\ :x'), [3]),
    Bound(P("x", "text", choices=("eu", "us"), default="us"), "region = :x", None, [2]),
    *(
        Bound(P("x", "text"), "region = :x", quote(attack), [])
        for attack in (
            "' OR '1'='1",
            "'; DROP TABLE sales; --",
            "\\' OR 1=1 --",
            "$1",
            ":x",
            "x') OR ('1'='1",
            "$$ OR 1=1 $$",
            "\u02bc OR 1=1",
            "eu'/*",
            "%00"[:0] + "\\",
        )
    ),
]


@pytest.mark.parametrize("case", BOUND, ids=repr)
def test_a_parameter_is_bound_and_never_pasted(case: Bound, url: str) -> None:
    app = export(url, f"SELECT id FROM sales WHERE {case.condition} ORDER BY id", case.parameter)
    query = "" if case.value is None else f"?x={case.value}"
    assert [int(row[0]) for row in rows(exchange(app, f"/export/x{query}"))[1:]] == case.want
    assert len(rows(exchange(export(url, ALL), "/export/x"))) == 5


REFUSED = [
    (P("x", "integer"), "9223372036854775808", "less_than_equal"),
    (P("x", "integer"), "-9223372036854775809", "greater_than_equal"),
    (P("x", "integer"), "1.5", "int_parsing"),
    (P("x", "integer"), "", "int_parsing"),
    (P("x", "number"), "nan", "finite_number"),
    (P("x", "number"), "-Infinity", "finite_number"),
    (P("x", "number"), "1e999", "finite_number"),
    (P("x", "number"), "one", "float_parsing"),
    (P("x", "boolean"), "maybe", "bool_parsing"),
    (P("x", "date"), "2026-02-30", "datetime_from_date_parsing"),
    (P("x", "date"), "2026-02-01T01:00:00", "date_from_datetime_inexact"),
    (P("x", "datetime"), "yesterday", "datetime_from_date_parsing"),
    (P("x", "text"), "a%00b", "value_error"),
    (P("x", "text", choices=("eu", "us")), "asia", "literal_error"),
    (P("x", "integer", required=True), None, "missing"),
]


@pytest.mark.parametrize(("parameter", "value", "kind"), REFUSED, ids=repr)
def test_a_value_that_is_none_of_its_type_is_422(parameter: Parameter, value: str | None, kind: str, url: str) -> None:
    app = export(url, "SELECT id FROM sales WHERE :x IS NULL", parameter)
    answer = exchange(app, "/export/x" if value is None else f"/export/x?x={value}")
    assert answer.status == 422
    (problem,) = json.loads(answer.content)["detail"]
    assert (problem["type"], problem["loc"]) == (kind, ["query", "x"])


def test_columns_that_there_are_not_are_422(url: str) -> None:
    answer = exchange(export(url, ALL), "/export/x?columns=id,none&limit=0")
    assert answer.status == 422
    assert [problem["loc"] for problem in json.loads(answer.content)["detail"]] == [
        ["query", "columns", 1],
        ["query", "limit"],
    ]
    assert exchange(export(url, ALL), "/export/x?columns=id,id").status == 422


WRONG = [
    "SELECT nothing FROM sales",
    "SELECT id FROM nowhere",
    "SELEC id",
    "DELETE FROM sales",
    "INSERT INTO sales (id) VALUES (7)",
    "UPDATE sales SET id = 1",
    "DROP TABLE sales",
    "SELECT 1; DROP TABLE sales",
    "WITH gone AS (DELETE FROM sales RETURNING id) SELECT id FROM gone",
    "SELECT id, id FROM sales",
    "SELECT 1) x; DROP TABLE sales; --",
    "",
]


@pytest.mark.parametrize("sql", WRONG)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_query_that_is_wrong_or_writes_is_500_and_never_run(sql: str, method: str, url: str) -> None:
    answer = exchange(export(url, sql), "/export/x", method)
    assert answer.status == 500
    if method == "GET":
        assert json.loads(answer.content) == {"detail": "The database cannot give this export"}
    assert len(rows(exchange(export(url, ALL), "/export/x"))) == 5


def test_a_comment_at_its_end_hides_nothing(url: str) -> None:
    sql = "SELECT id FROM sales WHERE id < :x ORDER BY id -- of :y"
    app = export(url, sql, P("x", "integer"))
    for query in ("", "&limit=1", "&columns=id", "&excel=true", "&format=jsonl"):
        assert b"1" in exchange(app, f"/export/x?x=3{query}").content


def test_head_says_what_get_says(url: str) -> None:
    app = export(url, ALL, clock=lambda: 0.0)
    head, whole = exchange(app, "/export/x", "HEAD"), exchange(app, "/export/x")
    assert (head.status, head.headers, bytes(head.content)) == (200, whole.headers, b"")


def test_a_database_that_is_away_is_503() -> None:
    app = export("sqlite:////nowhere/at/all.db", ALL)
    assert exchange(app, "/export/x").status == 503


def test_a_library_that_is_missing_is_501() -> None:
    app = Guard(Router((Route("/export/x", ExportOwn("x", ALL, MissingExtra("postgres"))),)))
    assert exchange(app, "/export/x").status == 501


def test_it_ends_at_its_own_time_limit(url: str) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"
    answer = exchange(export(url, endless, timeout=0.3), "/export/x")
    assert answer.status == 504


def test_altered_tables_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE t (a)")
    app = export(f"sqlite:///{path}", "SELECT * FROM t")
    assert rows(exchange(app, "/export/x")) == [["a"]]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE t ADD COLUMN b")
    assert exchange(app, "/export/x").status == 500
    assert rows(exchange(app, "/export/x")) == [["a", "b"]]
