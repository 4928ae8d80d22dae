"""What is SQLite's own: files, locks, odd tables and odd values."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import FileChanged, NotFound, StorageError, Unavailable
from asgi_downloads.storage.rows import sqlite as rows
from asgi_downloads.storage.rows.source import FIRST_ROWS, Csv, JsonLines, Notation, Selection
from asgi_downloads.storage.rows.sqlite import SQLiteRows
from tests.storage.conftest import write_sqlite

pytestmark = pytest.mark.anyio

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, name, email, created_at)"


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


async def export(path: Path, notation: Notation = Csv(), selection: Selection = Selection()) -> bytes:
    source = SQLiteRows(path)
    try:
        async with aclosing(source.lines(selection, notation)) as lines:
            return b"".join([block async for block in lines])
    finally:
        await source.aclose()


def locked(path: Path) -> Path:
    database(path, USERS)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    _kept.append(connection)
    return path


_kept: list[sqlite3.Connection] = []


@dataclass(frozen=True)
class Broken:
    id: str
    make: Callable[[Path], object]
    error: type[StorageError]


BROKEN = [
    Broken("missing", lambda path: None, Unavailable),
    Broken("directory", lambda path: path.mkdir(), Unavailable),
    Broken("not-a-database", lambda path: path.write_bytes(b"not a database" * 100), Unavailable),
    Broken("no-table", lambda path: database(path, "CREATE TABLE other (id)"), NotFound),
    Broken("no-such-column", lambda path: database(path, "CREATE TABLE users (id, name)"), NotFound),
    Broken("locked", locked, Unavailable),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
async def test_a_database_that_cannot_be_read_is_an_error_of_storage(
    case: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_descriptor_left: None
) -> None:
    monkeypatch.setattr(rows, "LOCK_WAIT", 0.05)
    path = tmp_path / "app.db"
    case.make(path)
    existed = path.exists()
    try:
        with pytest.raises(case.error):
            await export(path)
        source = SQLiteRows(path)
        with pytest.raises(case.error):
            await source.check()
        await source.aclose()
        assert path.exists() == existed, "an export creates nothing"
    finally:
        while _kept:
            _kept.pop().close()


async def test_a_corrupt_page_breaks_off_the_export_with_an_error(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO users (name) VALUES (?)", [("x" * 200,)] * 20_000)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 65536)
    source = SQLiteRows(path)
    blocks = []
    with pytest.raises(Unavailable):
        async with aclosing(source.lines(Selection(), Csv())) as lines:
            async for block in lines:
                blocks.append(block)  # noqa: PERF401 - what came before the error counts
    assert blocks
    await source.aclose()


VALUES = [
    pytest.param("NULL", b"", b"null", id="null"),
    pytest.param("42", b"42", b"42", id="integer"),
    pytest.param("-7", b"-7", b"-7", id="negative"),
    pytest.param("1.5", b"1.5", b"1.5", id="real"),
    pytest.param("9e999", b"Inf", b"null", id="infinite"),
    pytest.param("'a' || char(0) || 'b'", b"a\0b", b'"a\\u0000b"', id="nul"),
    pytest.param("char(0) || ',\"'", b'"\0,"""', b'"\\u0000,\\""', id="nul-before-a-quote"),
    pytest.param("x'c3a9'", "é".encode(), '"é"'.encode(), id="blob"),
    pytest.param("x''", b"", b'""', id="empty-blob"),
    pytest.param("x'2c'", b'","', b'","', id="blob-that-is-a-comma"),
    pytest.param("CAST(x'ff2c' AS TEXT)", '"\ufffd,"'.encode(), '"\ufffd,"'.encode(), id="not-utf-8"),
]


@pytest.mark.parametrize(("value", "cell", "json"), VALUES)
async def test_any_value_that_sqlite_may_keep_is_written(value: str, cell: bytes, json: bytes, tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS, f"INSERT INTO users VALUES (1, {value}, 'e', 't')")
    assert await export(path) == b"1,%s,e,t\r\n" % cell
    assert await export(path, JsonLines()) == b'{"id":1,"name":%s,"email":"e","created_at":"t"}\n' % json


async def test_for_excel_numbers_are_left_alone_and_text_is_not(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS, "INSERT INTO users VALUES (-1, -2.5, '-3', x'3d31')")
    assert await export(path, Csv(for_excel=True)) == b"-1,-2.5,'-3,'=1\r\n"


async def test_a_lone_empty_cell_is_quoted_so_that_its_line_is_not_empty(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS, "INSERT INTO users (name) VALUES (NULL), (''), (x''), ('a'), (char(0))")
    assert await export(path, selection=Selection(columns=("name",))) == b'""\r\n""\r\n""\r\na\r\n\0\r\n'


TABLES = [
    pytest.param((USERS,), id="rowid-alias"),
    pytest.param(("CREATE TABLE users (id TEXT, name, email, created_at)",), id="no-primary-key"),
    pytest.param(("CREATE TABLE users (id TEXT PRIMARY KEY, name, email, created_at) WITHOUT ROWID",), id="no-rowid"),
    pytest.param(
        (
            "CREATE TABLE people (id, name, email, created_at)",
            "CREATE VIEW users AS SELECT * FROM people",
            (
                "CREATE TRIGGER t INSTEAD OF INSERT ON users BEGIN"
                " INSERT INTO people VALUES (new.id, new.name, new.email, new.created_at); END"
            ),
        ),
        id="view",
    ),
    pytest.param(("CREATE TABLE Users (ID INTEGER PRIMARY KEY, Name, eMail, CREATED_AT)",), id="other-case"),
    pytest.param(("PRAGMA encoding = 'UTF-16'", USERS), id="utf-16"),
]


@pytest.mark.parametrize("statements", TABLES)
@pytest.mark.parametrize("limit", [None, 150], ids=["all", "limit"])
async def test_any_kind_of_table_is_exported(statements: tuple[str, ...], limit: int | None, tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", *statements)
    with closing(sqlite3.connect(path)) as connection, connection:
        values = [(1000 + i, f"é {i}, x", 'say "hi"', "2024-01-01") for i in range(5000)]
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", values)
    want = "".join(f'{1000 + i},"é {i}, x","say ""hi""",2024-01-01\r\n' for i in range(limit or 5000))
    assert (await export(path, selection=Selection(limit=limit))).decode() == want


async def test_the_lowest_and_the_highest_rowid_are_exported(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS)
    with closing(sqlite3.connect(path)) as connection, connection:
        ids = [-(1 << 63), -1, 0, (1 << 63) - 1]
        connection.executemany("INSERT INTO users (id) VALUES (?)", [(i,) for i in ids])
    assert await export(path, selection=Selection(columns=("id",))) == b"".join(b"%d\r\n" % i for i in ids)


async def test_cells_that_grow_past_every_guess_still_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "VALUE_LIMIT", 200_000)
    path = database(tmp_path / "app.db", USERS)
    names = ["short"] * 100 + ["long" * 10_000] * 50
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO users (name) VALUES (?)", [(name,) for name in names])
    assert await export(path, selection=Selection(columns=("name", "id"))) == b"".join(
        b"%s,%d\r\n" % (name.encode(), i) for i, name in enumerate(names, 1)
    )
    monkeypatch.setattr(rows, "VALUE_LIMIT", 10_000)
    with pytest.raises(Unavailable):
        await export(path)


async def test_seconds_since_the_epoch_are_times_too(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    path = database(tmp_path / "app.db", USERS, "INSERT INTO users (created_at) VALUES (0), (86400), (172800.5)")
    selection = Selection(
        columns=("id",), since=datetime(1970, 1, 2, tzinfo=UTC), until=datetime(1970, 1, 3, tzinfo=UTC)
    )
    assert await export(path, selection=selection) == b"2\r\n"


async def test_the_first_block_is_small_whatever_the_table(tmp_path: Path) -> None:
    source = SQLiteRows(write_sqlite(tmp_path / "app.db"))
    async with aclosing(source.lines(Selection(), Csv())) as lines:
        assert (await anext(lines)).count(b"\r\n") <= 2 * FIRST_ROWS
    await source.aclose()


async def test_all_rows_are_of_one_moment_and_writers_go_on(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "app.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        before = await export(path)
        source = SQLiteRows(path)
        async with aclosing(source.lines(Selection(), Csv())) as lines:
            blocks = [await anext(lines)]
            writer.execute("DELETE FROM users WHERE id > 500")
            writer.execute("UPDATE users SET name = 'changed'")
            blocks += [block async for block in lines]
        assert b"".join(blocks) == before
        assert b"changed" in await export(path)
        await source.aclose()


async def test_a_reader_that_stalls_holds_a_few_blocks_and_no_thread(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "app.db")
    source = SQLiteRows(path)
    made: list[int] = []
    original = rows._window

    def counted(*args: object) -> object:
        made.append(1)
        return original(*args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_window", counted)
        async with aclosing(source.lines(Selection(), Csv())) as lines:
            await anext(lines)
            await asyncio.wrap_future(source._pool.submit(lambda: None))
            for _ in range(100):  # whatever could still be made would be by now
                await asyncio.wrap_future(source._pool.submit(time.sleep, 0.001))
            assert len(made) <= 1 + 2
            assert sum([1 async for _ in lines]) > 2
    await source.aclose()


async def test_a_reader_that_leaves_ends_a_search_that_finds_nothing(tmp_path: Path) -> None:
    path = database(
        tmp_path / "app.db",
        "CREATE VIEW users AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT i AS id, '' AS name, '' AS email, '2024-01-01' AS created_at FROM n WHERE i < 0",
    )
    source = SQLiteRows(path)
    lines = source.lines(Selection(), Csv())
    reading = asyncio.ensure_future(anext(lines))
    while not any(thread.name.startswith("rows") for thread in threading.enumerate()):
        await asyncio.sleep(0.001)
    reading.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait((reading,))
        await lines.aclose()
    await source.aclose()


_AS_NOBODY = """
import asyncio, os, sys
from contextlib import aclosing
path, write = sys.argv[1], sys.argv[2] == "write"
if os.geteuid() == 0:
    os.chmod(path, 0o666 if write else 0o644)
import asgi_downloads.storage.rows.sqlite as rows
from asgi_downloads.storage.rows.source import Csv, Selection
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
async def main():
    source = rows.SQLiteRows(path)
    async with aclosing(source.lines(Selection(), Csv())) as lines:
        async for block in lines:
            sys.stdout.buffer.write(block); sys.stdout.flush()
            if write:
                with open(path, "ab") as file:
                    file.write(bytes(4096))
    await source.aclose()
asyncio.run(main())
"""


@pytest.fixture
def read_only_wal(tmp_path: Path) -> Path:
    """A database that was last closed in WAL mode, in a directory that others cannot write."""
    place = tmp_path / "read-only"
    place.mkdir()
    path = write_sqlite(place / "app.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    for directory in (place, *place.parents):
        if directory.owner() == place.owner() and directory != Path("/tmp"):
            directory.chmod(0o555 if directory == place else directory.stat().st_mode | 0o011)
    return path


def _as_nobody(path: Path, mode: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-c", _AS_NOBODY, str(path), mode]
    return subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, check=False)


async def test_a_database_in_wal_mode_is_read_from_a_directory_that_is_read_only(read_only_wal: Path) -> None:
    done = _as_nobody(read_only_wal, "read")
    assert done.stdout == await export(read_only_wal), done.stderr.decode()


async def test_a_database_read_as_unchanging_breaks_off_when_it_changes(read_only_wal: Path) -> None:
    whole = await export(read_only_wal)
    for left in read_only_wal.parent.glob("*-*"):
        left.unlink()
    if os.geteuid() != 0:
        pytest.skip("only root can let another user change a file in a directory that is closed to them")
    done = _as_nobody(read_only_wal, "write")
    assert done.returncode != 0
    assert FileChanged.__name__ in done.stderr.decode()
    assert whole.startswith(done.stdout)
    assert len(done.stdout) < len(whole)
