"""Databases with the same rows in them, one of each kind."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from asgi_downloads.storage.rows.source import RowSource
from tests.support.postgres import postgres_server, psql

Row = tuple[int, str | None, str | None, str | None]

AWKWARD = (
    "plain",
    "",
    "Lovelace, Ada",
    'Robert "Bobby" Tables',
    '"',
    '""',
    '","',
    "semi;colon",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "both\r\n",
    "\r\n",
    " spaces around ",
    "=1+1",
    "+1",
    "-1",
    "@cell",
    "\tformula",
    "\rformula",
    '=",\n"',
    "unit\x1fseparator",
    "record\x1eseparator",
    "\x1e\x1f",
    "Мария Склодовская",
    "山田 太郎",
    "🦊",
    "back\\slash",
    "\\.",
    "\\N",
    "NULL",
    "\x01\x02\x7f",
    "a" * 5000,
)
"""Text that a careless writer of CSV gets wrong."""

ROWS: tuple[Row, ...] = (
    *((i, text, AWKWARD[-i % len(AWKWARD)], f"2024-01-{i % 28 + 1:02}T00:00:00Z") for i, text in enumerate(AWKWARD, 1)),
    (900, None, None, None),
    (901, None, "last@example.com", "2024-03-01T12:00:00Z"),
    *((i, f"Name {i}", f"user{i}@example.com", "2024-06-01T00:00:00Z") for i in range(1000, 21000, 2)),
)


def write_sqlite(path: Path, rows: tuple[Row, ...] = ROWS) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, created_at TEXT)")
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)
    return path


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sqlite(tmp_path_factory.mktemp("rows") / "app.db")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        lines = "".join("\t".join(map(_copy_text, row)) + "\n" for row in ROWS)
        psql(
            url,
            "CREATE TABLE users (id bigint PRIMARY KEY, name text, email text, created_at timestamptz);\n"
            f"SET timezone = 'UTC';\nCOPY users FROM STDIN;\n{lines}\\.\nANALYZE users;\n",
        )
        yield url


def _copy_text(value: object) -> str:
    if value is None:
        return "\\N"
    text = str(value).replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


@pytest.fixture(params=["sqlite", "postgres"])
def source(request: pytest.FixtureRequest) -> RowSource:
    """The same table from each kind of database in turn."""
    if request.param == "sqlite":
        from asgi_downloads.storage.rows.sqlite import SQLiteRows

        return SQLiteRows(request.getfixturevalue("sqlite_file"))
    pytest.importorskip("asyncpg")
    from asgi_downloads.storage.rows.postgres import PostgresRows

    return PostgresRows(request.getfixturevalue("postgres_url"))
