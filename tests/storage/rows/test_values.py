"""Values arrive as they are: every storage class and column type, in both notations, from both kinds of database.

What is right is what Python's own drivers, `csv` and `json` make of the same value; where they make nothing of it, or
nothing that others can read, the row says what is right.
"""

import csv
import io
import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.storage.rows.notation import Csv, JsonLines, Notation
from asgi_downloads.storage.rows.source import RowSource, Selection
from asgi_downloads.storage.rows.sqlite import SQLiteRows
from tests.support.postgres import psql

pytestmark = pytest.mark.anyio

NAME = Selection(columns=("name", "id"))


async def text_of(lines: AsyncGenerator[bytes]) -> str:
    async with aclosing(lines):
        return b"".join([block async for block in lines]).decode()


async def cell(source: RowSource, notation: Notation = Csv()) -> str:
    """The one cell as CSV has it, read by Python's csv."""
    _, row = csv.reader(io.StringIO(await text_of(source.lines(NAME, notation)), ""), strict=True)
    assert row[1] == "1"
    return row[0]


async def member(source: RowSource) -> Any:
    """The one value as JSON has it, read by Python's json; its numbers stay in the digits that they have."""
    text = await text_of(source.lines(NAME, JsonLines()))
    assert text.endswith("\n")
    assert text.count("\n") == 1
    found = json.loads(text, parse_float=Decimal, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["id"] == 1
    return found["name"]


LONG = "a \"quoted\", 'long' text; " * 200

SQLITE: list[Any] = [
    # Column type, value, and the cell and member where they are not what csv and json make of the driver's value.
    *(
        pytest.param(kind, value, {}, id=f"{kind or 'none'}-{name}")
        for kind in ("INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "")
        for name, value in {
            "null": "NULL",
            "zero": "0",
            "highest": "9223372036854775807",
            "lowest": "-9223372036854775808",
            "half": "1.5",
            "sum": "0.1 + 0.2",
            "text": "'text'",
            "digits": "'007'",
            "decimal": "'1.10'",
        }.items()
    ),
    pytest.param("REAL", "1700000000.1234567", {}, id="seventeen-digits"),
    pytest.param("REAL", "9223372036854775808.0", {}, id="two-to-the-63rd"),
    pytest.param("REAL", "9007199254740993", {}, id="beyond-two-to-the-53rd"),
    pytest.param("REAL", "-0.0", {}, id="minus-zero"),
    pytest.param("REAL", "100.0", {}, id="a-whole-real"),
    pytest.param("REAL", "1e15", {}, id="1e15"),
    pytest.param("REAL", "1e16", {}, id="1e16"),
    pytest.param("REAL", "1e22", {}, id="1e22"),
    pytest.param("REAL", "1e23", {}, id="1e23"),
    pytest.param("REAL", "1.7976931348623157e308", {}, id="greatest"),
    pytest.param("REAL", "2.2250738585072014e-308", {}, id="smallest-normal"),
    pytest.param("REAL", "5e-324", {}, id="smallest"),
    pytest.param("REAL", "0.0001", {}, id="1e-4"),
    pytest.param("REAL", "0.00001", {}, id="1e-5"),
    pytest.param("REAL", "1.0 / 3", {}, id="third"),
    pytest.param("REAL", "9e999", {"member": "Infinity"}, id="infinite"),
    pytest.param("REAL", "-9e999", {"member": "-Infinity"}, id="minus-infinite"),
    pytest.param("TEXT", "''", {}, id="empty"),
    pytest.param("TEXT", "'   '", {}, id="spaces"),
    pytest.param("TEXT COLLATE RTRIM", "'   '", {}, id="spaces-that-a-collation-ignores"),
    pytest.param("TEXT COLLATE NOCASE", "'ABC'", {}, id="letters-that-a-collation-ignores"),
    pytest.param("TEXT", "'a,b;c\td'", {}, id="delimiters"),
    pytest.param("TEXT", "'say \"hi\"'", {}, id="quotes"),
    pytest.param("TEXT", "char(10)", {}, id="lf"),
    pytest.param("TEXT", "char(13)", {}, id="cr"),
    pytest.param("TEXT", "'a' || char(0) || 'b'", {}, id="nul"),
    pytest.param("TEXT", "char(0) || ',\"'", {}, id="nul-before-a-quote"),
    pytest.param("TEXT", "char(30, 31)", {}, id="separators-of-ours"),
    pytest.param("TEXT", "char(1, 8, 9, 12, 27, 127, 128, 159)", {}, id="controls"),
    pytest.param("TEXT", "char(8232, 8233, 133)", {}, id="line-separators"),
    pytest.param("TEXT", "'é' || char(128054, 65533, 65279)", {}, id="beyond-ascii"),
    pytest.param("TEXT", f"replace('{LONG.replace(chr(39), chr(39) * 2)}', '', '')", {}, id="long"),
    pytest.param("TEXT", "'NULL'", {}, id="the-word-null"),
    pytest.param("TEXT", "'\\N\\.'", {}, id="backslashes"),
    pytest.param("TEXT", "'[1]'", {}, id="json-as-text"),
    pytest.param("TEXT", "'0x1F'", {}, id="hexadecimal"),
    pytest.param("INTEGER", "'1e3'", {}, id="a-number-by-affinity"),
    pytest.param("BOOLEAN", "TRUE", {}, id="boolean"),
    pytest.param("DATE", "'2024-02-29'", {}, id="date"),
    pytest.param("VARCHAR(3)", "'longer'", {}, id="longer-than-declared"),
    pytest.param("BLOB", "x''", {"cell": "", "member": ""}, id="empty-blob"),
    pytest.param("BLOB", "x'c3a9'", {"cell": "é", "member": "é"}, id="blob"),
    pytest.param("TEXT", "x'2c'", {"cell": ",", "member": ","}, id="blob-in-a-column-of-text"),
    pytest.param("BLOB", "x'1761'", {"cell": "\x17a", "member": "\x17a"}, id="blob-that-sqlite-may-take-for-json"),
    pytest.param("TEXT", "x'1761'", {"cell": "\x17a", "member": "\x17a"}, id="the-same-in-a-column-of-text"),
    pytest.param("BLOB", "x'610062'", {"cell": "a\0b", "member": "a\0b"}, id="blob-with-nul"),
    pytest.param("BLOB", "x'ff2c'", {"cell": "\ufffd,", "member": "\ufffd,"}, id="blob-that-is-no-utf-8"),
    pytest.param("TEXT", "CAST(x'ff2c' AS TEXT)", {"cell": "\ufffd,", "member": "\ufffd,"}, id="text-that-is-no-utf-8"),
    pytest.param("TEXT", "CAST(x'eda080' AS TEXT)", {"cell": "\ufffd" * 3, "member": "\ufffd" * 3}, id="surrogate"),
]


@pytest.mark.parametrize("kind", ["table", "view", "utf-16"])
@pytest.mark.parametrize(("column", "value", "want"), SQLITE)
async def test_sqlite(column: str, value: str, want: dict[str, Any], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.text_factory = lambda text: text.decode(errors="replace")
        if kind == "utf-16":
            connection.execute("PRAGMA encoding = 'UTF-16'")
        connection.execute(f"CREATE TABLE people (id INTEGER PRIMARY KEY, name {column})")
        connection.execute(f"INSERT INTO people (name) VALUES ({value})")
        connection.execute(
            "CREATE VIEW users AS SELECT * FROM people" if kind == "view" else "ALTER TABLE people RENAME TO users"
        )
        [(driver,)] = connection.execute("SELECT name FROM users")
    if kind == "utf-16" and value.startswith("CAST"):
        pytest.skip("all text is UTF-16 here, and the driver sees none that is not")
    source = SQLiteRows(path)
    out = io.StringIO()
    csv.writer(out).writerow([want.get("cell", driver)])
    [[expected]] = csv.reader(io.StringIO(out.getvalue(), ""))
    assert await cell(source) == expected
    assert await member(source) == want.get(
        "member", json.loads(json.dumps(want.get("cell", driver)), parse_float=Decimal)
    )
    await source.aclose()


POSTGRES: list[Any] = [
    # An expression, and the cell and member where they are not the driver's value by Python's own str or JSON.
    pytest.param("NULL::text", {"cell": ""}, id="null"),
    pytest.param("true", {"cell": "t"}, id="true"),
    pytest.param("false", {"cell": "f"}, id="false"),
    pytest.param("32767::int2", {}, id="int2"),
    pytest.param("(-2147483648)::int4", {}, id="int4"),
    pytest.param("9223372036854775807::int8", {}, id="int8"),
    pytest.param("4294967295::oid", {"member": "4294967295"}, id="oid"),
    pytest.param("0.1::float4", {"cell": "0.1", "member": Decimal("0.1")}, id="float4"),
    pytest.param("0.1::float8 + 0.2", {}, id="float8-sum"),
    pytest.param("1700000000.1234567::float8", {}, id="seventeen-digits"),
    pytest.param("9223372036854775808::float8", {"cell": "9.223372036854776e+18"}, id="two-to-the-63rd"),
    pytest.param("1e300::float8", {}, id="1e300"),
    pytest.param("5e-324::float8", {}, id="smallest"),
    pytest.param("'-0'::float8", {"cell": "-0", "member": 0}, id="minus-zero"),
    pytest.param("'NaN'::float8", {"cell": "NaN", "member": "NaN"}, id="nan"),
    pytest.param("'-Infinity'::float8", {"cell": "-Infinity", "member": "-Infinity"}, id="minus-infinite"),
    pytest.param("1.10::numeric", {}, id="numeric"),
    pytest.param("'NaN'::numeric", {"cell": "NaN", "member": "NaN"}, id="numeric-nan"),
    pytest.param("(10::numeric ^ 40 + 0.1)", {}, id="forty-digits"),
    pytest.param("'-12.34'::money", {"cell": "-$12.34", "member": "-$12.34"}, id="money"),
    pytest.param("'text'::text", {}, id="text"),
    pytest.param("''::text", {}, id="empty"),
    pytest.param("'   '::text", {}, id="spaces"),
    pytest.param("'ab'::char(4)", {}, id="padded"),
    pytest.param("'007'::varchar", {}, id="digits"),
    pytest.param("'name'::name", {}, id="name"),
    pytest.param("'x'::\"char\"", {"cell": "x", "member": "x"}, id="one-byte"),
    pytest.param("'a,b;c' || chr(9) || 'd'", {}, id="delimiters"),
    pytest.param("'say \"hi\"'::text", {}, id="quotes"),
    pytest.param("chr(10)", {}, id="lf"),
    pytest.param("chr(13)", {}, id="cr"),
    pytest.param("chr(13) || chr(10) || '\"'", {}, id="crlf-and-a-quote"),
    pytest.param("chr(1) || chr(2) || chr(8) || chr(27) || chr(127) || chr(159)", {}, id="controls"),
    pytest.param("chr(30) || chr(31)", {}, id="separators-of-ours"),
    pytest.param("chr(8232) || chr(133)", {}, id="line-separators"),
    pytest.param("'é' || chr(128054) || chr(65533) || chr(65279)", {}, id="beyond-ascii"),
    pytest.param("repeat('a \"long\" one; ', 5000)", {}, id="long"),
    pytest.param("'\\.'::text", {}, id="end-of-data"),
    pytest.param("'\\N'::text", {}, id="the-sign-of-null"),
    pytest.param("'É' COLLATE \"und-x-icu\"", {}, id="a-collation"),
    pytest.param("decode('00ff2c', 'hex')", {"cell": r"\x00ff2c", "member": r"\x00ff2c"}, id="bytea"),
    pytest.param("''::bytea", {"cell": r"\x", "member": r"\x"}, id="empty-bytea"),
    pytest.param("DATE '2024-02-29'", {}, id="date"),
    pytest.param("DATE 'infinity'", {"cell": "infinity", "member": "infinity"}, id="date-infinite"),
    pytest.param("DATE '0044-03-15 BC'", {"cell": "0044-03-15 BC", "member": "0044-03-15 BC"}, id="date-bc"),
    pytest.param("TIME '12:30:00.5'", {"cell": "12:30:00.5", "member": "12:30:00.5"}, id="time"),
    pytest.param("TIMESTAMP '2024-02-29 12:30:00.000001'", {}, id="timestamp"),
    pytest.param("TIMESTAMPTZ '2024-02-29 12:30:00+02'", {}, id="timestamptz"),
    pytest.param("TIMESTAMPTZ '-infinity'", {"cell": "-infinity", "member": "-infinity"}, id="timestamptz-infinite"),
    pytest.param("INTERVAL '1 day 02:03:04'", {"cell": "1 day 02:03:04", "member": "1 day 02:03:04"}, id="interval"),
    pytest.param("'c0ffee00-0000-4000-8000-000000000000'::uuid", {}, id="uuid"),
    pytest.param("'192.0.2.1'::inet", {}, id="inet"),
    pytest.param("'10.0.0.0/8'::cidr", {}, id="cidr"),
    pytest.param("B'101'", {"cell": "101", "member": "101"}, id="bits"),
    pytest.param(
        '\'{"a": 1,\n\r\n "a": [1.10]}\'::json', {"member": {"a": [Decimal("1.10")]}}, id="json-with-line-breaks"
    ),
    pytest.param("'\"a\\nb\"'::json", {"member": "a\nb"}, id="json-with-an-escape"),
    pytest.param("'{\"b\": null}'::jsonb", {"member": {"b": None}}, id="jsonb"),
    pytest.param("ARRAY[1, NULL, 3]", {"cell": "{1,NULL,3}"}, id="array"),
    pytest.param("ARRAY['a,b', E'\n']", {"cell": '{"a,b","\n"}'}, id="array-of-text"),
    pytest.param("ARRAY['[1,\n2]'::json]", {"cell": '{"[1,\n2]"}', "member": [[1, 2]]}, id="array-of-json"),
    pytest.param(
        "ROW(1, '[\n]')::public.pair", {"cell": '(1,"[\n]")', "member": {"f1": 1, "f2": []}}, id="composite-with-json"
    ),
    pytest.param("int4range(1, 5)", {"cell": "[1,5)", "member": "[1,5)"}, id="range"),
    pytest.param("'<a>é</a>'::xml", {}, id="xml"),
    pytest.param("point(1, 2)", {"cell": "(1,2)", "member": "(1,2)"}, id="point"),
    pytest.param("'fat cat'::tsvector", {"cell": "'cat' 'fat'", "member": "'cat' 'fat'"}, id="tsvector"),
    pytest.param("'b'::public.mood", {}, id="enum"),
    pytest.param("(-7)::public.small", {}, id="domain"),
]


@pytest.fixture(scope="module")
def postgres_values(postgres_url: str) -> dict[str, str]:
    """A URL for each expression, under which users have it as their name."""
    statements = [
        "CREATE TYPE public.mood AS ENUM ('a', 'b'); CREATE DOMAIN public.small AS int2;",
        "CREATE TYPE public.pair AS (f1 int, f2 json);",
    ]
    urls = {}
    for place, parameter in enumerate(POSTGRES):
        expression = parameter.values[0]
        statements.append(
            f"CREATE SCHEMA v{place}; CREATE VIEW v{place}.users AS SELECT 1 AS id, {expression} AS name;"
        )
        urls[expression] = f"{postgres_url}&options=-csearch_path%3Dv{place}"
    psql(postgres_url, "\n".join(statements))
    return urls


@pytest.mark.parametrize(("expression", "want"), POSTGRES)
async def test_postgresql(expression: str, want: dict[str, Any], postgres_values: dict[str, str]) -> None:
    asyncpg = pytest.importorskip("asyncpg")
    from asgi_downloads.storage.rows.postgres import PostgresRows

    url = postgres_values[expression]
    found, value = await cell(PostgresRows(url)), await member(PostgresRows(url))
    if {"cell", "member"} <= want.keys():
        assert (found, value) == (want["cell"], want["member"])
        return
    connection = await asyncpg.connect(url)
    driver = await connection.fetchval("SELECT name FROM users")
    await connection.close()
    assert found == want["cell"] if "cell" in want else read_as(type(driver), found) == driver
    if "member" in want:
        assert value == want["member"]
    elif isinstance(driver, float):
        assert float(value) == driver
        assert len(found) <= len(repr(driver)) + len("+")  # PostgreSQL writes 1e+300
    elif driver is None or isinstance(driver, str | int | Decimal | list):
        assert value == driver
    else:
        assert read_as(type(driver), value) == driver


def read_as(kind: Any, text: str) -> object:
    """A value of the driver's type out of the database's text."""
    return kind.fromisoformat(text) if issubclass(kind, date | datetime) else kind(text)
