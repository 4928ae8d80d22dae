"""What is SQLite's own: files, locks, odd tables and odd times."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import (
    Exhausted,
    FileChanged,
    NotFound,
    StorageError,
    TimedOut,
    Unavailable,
    Unusable,
)
from asgi_downloads.storage.rows.notation import Csv, JsonLines, Notation
from asgi_downloads.storage.rows.source import Selection
from asgi_downloads.storage.rows.sqlite import SQLiteRows
from asgi_downloads.storage.rows.sqlite_lines import FIRST_ROWS, WINDOW_LIMIT
from tests.storage.conftest import write_sqlite

pytestmark = pytest.mark.anyio

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, name, email, created_at)"
VIEW = "CREATE VIEW users(id, name, email, created_at) AS SELECT "
ENDLESS = (
    VIEW + "i, '', '', NULL FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)"
)


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


@asynccontextmanager
async def source(path: Path, *, connections: int = 9, query_timeout: float = 60) -> AsyncGenerator[SQLiteRows]:
    rows = SQLiteRows(path, connections=connections, query_timeout=query_timeout, lock_wait=0.05)
    try:
        yield rows
    finally:
        await rows.aclose()


async def export(path: Path, notation: Notation = Csv(), selection: Selection = Selection()) -> bytes:
    """The lines of all rows, without the head."""
    async with source(path) as rows, aclosing(rows.lines(selection, notation)) as lines:
        return b"".join([block async for block in lines]).removeprefix(notation.head(selection.columns))


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
    Broken("directory", lambda path: path.mkdir(), NotFound),
    Broken("locked", locked, Unavailable),
    Broken("not-a-database", lambda path: path.write_bytes(b"not a database" * 100), Unusable),
    Broken("empty", lambda path: path.touch(), Unusable),
    Broken("no-table", lambda path: database(path, "CREATE TABLE other (id)"), Unusable),
    Broken("no-such-column", lambda path: database(path, "CREATE TABLE users (id, name)"), Unusable),
    Broken("unknown-function", lambda path: database(path, f"{VIEW} 1, lost(1), 2, 3"), Unusable),
    Broken("first-row", lambda path: database(path, f"{VIEW} 1, json('['), 2, 3"), Unusable),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
async def test_a_database_that_cannot_be_read_is_an_error_of_storage(
    case: Broken, tmp_path: Path, no_descriptor_left: None
) -> None:
    path = tmp_path / "app.db"
    case.make(path)
    existed = path.exists()
    try:
        async with source(path) as rows:
            for notation in (Csv(), JsonLines(), Csv(for_excel=True)):
                with pytest.raises(case.error):
                    await anext(rows.lines(Selection(), notation))
            with pytest.raises(case.error):
                await rows.check()
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
    blocks = []
    async with source(path) as rows:
        with pytest.raises(Unusable):
            async with aclosing(rows.lines(Selection(), Csv())) as lines:
                async for block in lines:
                    blocks.append(block)  # noqa: PERF401 - what came before the error counts
    assert blocks


async def test_for_excel_numbers_are_left_alone_and_text_is_not(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS, "INSERT INTO users VALUES (-1, -2.5, '-3', x'3d31')")
    assert await export(path, Csv(for_excel=True)) == b"-1,-2.5,'-3,'=1\r\n"


async def test_a_lone_empty_cell_is_quoted_so_that_its_line_is_not_empty(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS, "INSERT INTO users (name) VALUES (NULL), (''), (x''), ('a'), (char(0))")
    assert await export(path, selection=Selection(columns=("name",))) == b'""\r\n""\r\n""\r\na\r\n\0\r\n'


PEOPLE = "CREATE TABLE people (id, name, email, created_at)"
TABLES = [
    pytest.param((USERS,), id="rowid-alias"),
    pytest.param(("CREATE TABLE users (id TEXT, name, email, created_at)",), id="no-primary-key"),
    pytest.param(("CREATE TABLE users (id INTEGER PRIMARY KEY DESC, name, email, created_at)",), id="descending-key"),
    pytest.param(("CREATE TABLE users (id TEXT PRIMARY KEY, name, email, created_at) WITHOUT ROWID",), id="no-rowid"),
    pytest.param(
        (
            PEOPLE,
            "CREATE VIEW users AS SELECT * FROM people",
            (
                "CREATE TRIGGER t INSTEAD OF INSERT ON users BEGIN"
                " INSERT INTO people VALUES (new.id, new.name, new.email, new.created_at); END"
            ),
        ),
        id="view",
    ),
    pytest.param(("CREATE VIRTUAL TABLE users USING fts4 (id, name, email, created_at)",), id="virtual"),
    pytest.param(("CREATE TABLE Users (ID INTEGER PRIMARY KEY, Name, eMail, CREATED_AT)",), id="other-case"),
    pytest.param(("PRAGMA encoding = 'UTF-16'", USERS), id="utf-16"),
    pytest.param(("CREATE TABLE users (id, name, email, created_at, _rowid_ DEFAULT 7)",), id="a-column-_rowid_"),
    pytest.param(("CREATE TABLE users (id, name, email, created_at, RowId DEFAULT 7)",), id="a-column-rowid"),
    pytest.param(
        ("CREATE TABLE users (id, name, email, created_at, rowid DEFAULT 7, _rowid_ DEFAULT 7, oid DEFAULT 7)",),
        id="columns-of-all-names-of-the-rowid",
    ),
    pytest.param(
        (
            "CREATE TABLE users (id COLLATE NOCASE, name COLLATE RTRIM, email COLLATE RTRIM, created_at)",
            "CREATE INDEX covering ON users (name, id, email, created_at)",
        ),
        id="collations",
    ),
]


@pytest.mark.parametrize("statements", TABLES)
@pytest.mark.parametrize("limit", [None, 150], ids=["all", "limit"])
async def test_any_kind_of_table_is_exported(statements: tuple[str, ...], limit: int | None, tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", *statements)
    columns = "id, name, email, created_at"
    with closing(sqlite3.connect(path)) as connection, connection:
        values = [(1000 + i, f"é {i}, x" if i % 7 else " ", 'say "hi"', "2024-01-01") for i in range(5000)]
        connection.executemany(f"INSERT INTO users ({columns}) VALUES (?, ?, ?, ?)", values)
    want = [
        f'{1000 + i},"é {i}, x","say ""hi""",2024-01-01\r\n' if i % 7 else f'{1000 + i}, ,"say ""hi""",2024-01-01\r\n'
        for i in range(limit or 5000)
    ]
    assert (await export(path, selection=Selection(limit=limit))).decode() == "".join(want)


async def test_the_lowest_and_the_highest_rowid_are_exported(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS)
    with closing(sqlite3.connect(path)) as connection, connection:
        ids = [-(1 << 63), -1, 0, (1 << 63) - 1]
        connection.executemany("INSERT INTO users (id) VALUES (?)", [(i,) for i in ids])
    assert await export(path, selection=Selection(columns=("id",))) == b"".join(b"%d\r\n" % i for i in ids)


@pytest.mark.parametrize("notation", [Csv(), Csv(for_excel=True), JsonLines()], ids=["csv", "excel", "json"])
async def test_cells_that_grow_past_every_guess_still_come_out(notation: Notation, tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS)
    names = ["short"] * 200 + ["long" * 10_000] * 50 + ["longest" * (WINDOW_LIMIT // 4)] + ["short"] * 200
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO users (name) VALUES (?)", [(name,) for name in names])
    columns = ("name", "id")
    rows = [(name, i) for i, name in enumerate(names, 1)]
    assert await export(path, notation, Selection(columns=columns)) == notation.lines(columns, rows)


@pytest.mark.parametrize("kind", ["table", "view"])
async def test_large_rows_make_no_large_blocks(kind: str, tmp_path: Path) -> None:
    """An export holds what its client waits for: few rows, if they are large."""
    path = database(tmp_path / "app.db", PEOPLE)
    database(path, f"{VIEW} * FROM people" if kind == "view" else "ALTER TABLE people RENAME TO users")
    large = "zeroblob(1000000)"
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60)"
    database(path, f"INSERT INTO {'people' if kind == 'view' else 'users'} {series} SELECT i, {large}, '', '' FROM n")
    for notation in (Csv(), Csv(for_excel=True)):
        async with source(path) as rows, aclosing(rows.lines(Selection(), notation)) as lines:
            assert max([len(block) async for block in lines]) < 3_000_000


async def test_a_row_of_more_than_16_mib_is_exported(tmp_path: Path) -> None:
    path = database(
        tmp_path / "app.db", USERS, "INSERT INTO users VALUES (1, zeroblob(17000000), zeroblob(17000000), 2)"
    )
    assert len(await export(path)) == len(b"1,,,2\r\n") + 2 * 17_000_000


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type, misc]


MOMENTS = [
    # A value of created_at, and whether since=2024-06-01 takes it; None if that cannot be known.
    pytest.param("'2024-06-01'", True, id="date"),
    pytest.param("'2024-05-31 23:59:59.999'", False, id="the-last-moment-before"),
    pytest.param("'2024-06-01T02:00:00+02:00'", True, id="zone"),
    pytest.param("'2024-06-01T01:59:59+02:00'", False, id="zone-before"),
    pytest.param("'2024-06-01T00:00:00.123456Z'", True, id="microseconds"),
    pytest.param("x'323032342d30362d3032'", None, id="text-as-a-blob"),
    pytest.param("1717200000", True, id="seconds"),
    pytest.param("1717199999.5", False, id="seconds-before"),
    pytest.param("1717200000000", True, id="milliseconds"),
    pytest.param("1717199999999", False, id="milliseconds-before"),
    pytest.param("0", False, id="the-epoch"),
    pytest.param("-86400", False, id="before-the-epoch"),
    pytest.param("NULL", False, id="null"),
    pytest.param("20240601", None, id="a-date-in-digits"),
    pytest.param("'20240601'", None, id="a-date-in-digits-as-text"),
    pytest.param("'01.06.2024'", None, id="a-german-date"),
    pytest.param("'06/01/2024'", None, id="an-american-date"),
    pytest.param("'1717200000'", None, id="seconds-as-text"),
    pytest.param("2460462.5", None, id="a-julian-day"),
    pytest.param("'2460462.5'", None, id="a-julian-day-as-text"),
    pytest.param("1e-05", False, id="next-to-the-epoch"),
    pytest.param("1e300", None, id="beyond-all-time"),
    pytest.param("-9223372036854775808", None, id="the-lowest-number"),
    pytest.param("'now'", None, id="now"),
    pytest.param("'12:00'", None, id="a-time-of-day"),
    pytest.param("'2024-13-01'", None, id="month-13"),
    pytest.param("''", None, id="empty"),
    pytest.param("x'ff'", None, id="bytes"),
]


@pytest.mark.parametrize(("value", "taken"), MOMENTS)
@pytest.mark.parametrize("kind", ["table", "view"])
async def test_a_row_is_within_the_span_or_not_or_the_export_says_that_it_cannot_tell(
    kind: str, value: str, taken: bool | None, tmp_path: Path
) -> None:
    path = database(tmp_path / "app.db", PEOPLE, f"INSERT INTO people VALUES (1, '', '', {value})")
    database(path, f"{VIEW} * FROM people" if kind == "view" else "ALTER TABLE people RENAME TO users")
    since, until = Selection(("id",), since=at(2024, 6, 1)), Selection(("id",), until=at(2024, 6, 1))
    if taken is None:
        for selection in (since, until):
            with pytest.raises(Unusable, match="created_at has "):
                await export(path, selection=selection)
    else:
        not_null = value != "NULL"
        assert await export(path, selection=since) == (b"1\r\n" if taken else b"")
        assert await export(path, selection=until) == (b"1\r\n" if not taken and not_null else b"")
    assert await export(path, selection=Selection(("id",))) == b"1\r\n"


async def test_two_exports_side_by_side_neither_lose_a_row_nor_have_it_twice(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db", USERS)
    with closing(sqlite3.connect(path)) as connection, connection:
        times = [(f"2024-01-01 00:00:00.{micros:06}",) for micros in range(0, 5000, 50)]
        connection.executemany("INSERT INTO users (created_at) VALUES (?)", times)
    for micros in (0, 1, 499, 500, 999, 1000, 1500, 2501):
        middle = at(2024, 1, 1, 0, 0, 0, micros)
        parts = [Selection(("id",), until=middle), Selection(("id",), since=middle)]
        found = b"".join([await export(path, selection=part) for part in parts]).split()
        assert sorted(found) == sorted(b"%d" % i for i in range(1, 101))


async def test_a_search_that_finds_little_is_done_in_short_steps(tmp_path: Path) -> None:
    """So that nobody else waits for it; and a small limit makes no smaller steps."""
    path = write_sqlite(tmp_path / "app.db")
    database(path, "UPDATE users SET created_at = '2030-01-01' WHERE id = 20998")
    started = time.monotonic()
    selection = Selection(("id",), since=at(2025, 1, 1), limit=1)
    assert await export(path, selection=selection) == b"20998\r\n"
    assert time.monotonic() - started < 1


async def test_the_first_block_is_small_whatever_the_table(tmp_path: Path) -> None:
    async with source(write_sqlite(tmp_path / "app.db")) as rows, aclosing(rows.lines(Selection(), Csv())) as lines:
        assert (await anext(lines)).count(b"\r\n") <= 2 * FIRST_ROWS


async def test_all_rows_are_of_one_moment_and_writers_go_on(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "app.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        before = await export(path)
        async with source(path) as rows, aclosing(rows.lines(Selection(), Csv())) as lines:
            blocks = [await anext(lines)]
            writer.execute("DELETE FROM users WHERE id > 500")
            writer.execute("UPDATE users SET name = 'changed'")
            blocks += [block async for block in lines]
        assert b"".join(blocks).endswith(before)
        assert b"changed" in await export(path)


async def test_text_that_is_not_utf8_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = database(tmp_path / "app.db", USERS, "INSERT INTO users (name) VALUES ('é')")
    await export(path)
    assert not caplog.records
    database(path, "INSERT INTO users (name) VALUES (CAST(x'ff' AS TEXT))")
    for notation in (Csv(), Csv(for_excel=True), JsonLines()):
        caplog.clear()
        await export(path, notation)
        assert [record.getMessage()[:13] for record in caplog.records] == ["an export of "]


class TestBounds:
    async def test_a_reader_that_stalls_holds_no_thread(self, tmp_path: Path) -> None:
        async with source(write_sqlite(tmp_path / "app.db"), connections=20) as rows:
            stalled = [rows.lines(Selection(), Csv()) for _ in range(20)]  # more than there are threads
            for lines in stalled:
                await anext(lines)
            assert await anext(aiter(stalled[0]))
            for lines in stalled:
                await lines.aclose()

    async def test_no_more_exports_than_connections(self, tmp_path: Path) -> None:
        async with source(write_sqlite(tmp_path / "app.db"), connections=2) as rows:
            under_way = [rows.lines(Selection(), Csv()) for _ in range(2)]
            for lines in under_way:
                await anext(lines)
            waiting = [asyncio.ensure_future(anext(rows.lines(Selection(), Csv()))) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(Exhausted):
                await anext(rows.lines(Selection(), Csv()))
            for lines in under_way:
                await lines.aclose()
            assert all(await asyncio.gather(*waiting))

    async def test_a_query_that_takes_too_long_is_ended(self, tmp_path: Path, no_descriptor_left: None) -> None:
        path = database(tmp_path / "app.db", f"{ENDLESS} WHERE i < 0")
        async with source(path, query_timeout=0.05) as rows:
            with pytest.raises(TimedOut):
                await anext(rows.lines(Selection(), Csv()))

    async def test_time_runs_while_the_reader_stalls(self, tmp_path: Path, no_descriptor_left: None) -> None:
        async with source(database(tmp_path / "app.db", ENDLESS), query_timeout=0.05, connections=1) as rows:
            stalled = rows.lines(Selection(), Csv())
            await anext(stalled)
            async with aclosing(rows.lines(Selection(limit=1), Csv())) as lines:  # gets the seat
                assert await anext(lines)
            with pytest.raises(TimedOut):
                async for _ in stalled:
                    pass

    async def test_a_check_waits_for_no_export(self, tmp_path: Path) -> None:
        """Not when all seats are taken, and all threads are busy with searches that find nothing."""
        others = threading.enumerate()
        async with source(database(tmp_path / "app.db", ENDLESS)) as rows:
            nothing = Selection(since=at(2999, 1, 1))
            searching = [asyncio.ensure_future(anext(rows.lines(nothing, Csv()))) for _ in range(9)]
            while sum(thread.name.startswith("rows") for thread in threading.enumerate() if thread not in others) < 8:
                await asyncio.sleep(0.001)
            await rows.check()
            for task in searching:
                task.cancel()
            await asyncio.wait(searching)

    async def test_a_check_takes_a_second_at_most(self, tmp_path: Path, no_descriptor_left: None) -> None:
        others = threading.enumerate()
        async with source(database(tmp_path / "app.db", f"{ENDLESS} WHERE i < 0")) as rows:
            started = time.monotonic()
            with pytest.raises((Unavailable, TimedOut)):
                await rows.check()
            assert time.monotonic() - started < 1.5
            while any(thread.name.startswith("probe") for thread in threading.enumerate() if thread not in others):
                await rows.aclose()
                await asyncio.sleep(0.01)


async def test_a_reader_that_leaves_ends_a_search_that_finds_nothing(tmp_path: Path) -> None:
    others = threading.enumerate()
    async with source(database(tmp_path / "app.db", f"{ENDLESS} WHERE i < 0")) as rows:
        lines = rows.lines(Selection(), Csv())
        reading = asyncio.ensure_future(anext(lines))
        while not any(thread.name.startswith("rows") for thread in threading.enumerate() if thread not in others):
            await asyncio.sleep(0.001)
        reading.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait((reading,))
            await lines.aclose()


_AS_NOBODY = """
import asyncio, os, sys
from contextlib import aclosing
path, write = sys.argv[1], sys.argv[2] == "write"
if os.geteuid() == 0 and sys.argv[2] != "denied":
    os.chmod(path, 0o666 if write else 0o644)
import asgi_downloads.storage.rows.sqlite as rows
from asgi_downloads.storage.rows.notation import Csv
from asgi_downloads.storage.rows.source import Selection
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
def read_only(tmp_path: Path) -> Path:
    """A directory that others can read and not write, once its owner has `closed` it."""
    place = tmp_path / "read-only"
    place.mkdir()
    return place


def closed(place: Path) -> None:
    for directory in (place, *place.parents):
        if directory.owner() == place.owner() and directory != Path("/tmp"):
            directory.chmod(0o555 if directory == place else directory.stat().st_mode | 0o011)


@pytest.fixture
def read_only_wal(read_only: Path) -> Path:
    """A database that was last closed in WAL mode, in a directory that others cannot write."""
    path = write_sqlite(read_only / "app.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    closed(read_only)
    return path


def _as_nobody(path: Path, mode: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-c", _AS_NOBODY, str(path), mode]
    root = Path(__file__).parents[3]
    environ = {**os.environ, "PYTHONPATH": str(root / "app")}
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, check=False)


async def test_a_database_in_wal_mode_is_read_from_a_directory_that_is_read_only(read_only_wal: Path) -> None:
    done = _as_nobody(read_only_wal, "read")
    assert done.stdout.endswith(await export(read_only_wal)), done.stderr.decode()


def _hot_journal(path: Path) -> None:
    """As a process leaves it that is killed while it writes."""
    write_sqlite(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 5")
        connection.execute("BEGIN")
        connection.execute("UPDATE users SET name = name || 'x'")
        for name in ("app.db", "app.db-journal"):
            shutil.copy(path.with_name(name), path.with_name(f"hot-{name}"))
        connection.execute("ROLLBACK")
    for name in ("app.db", "app.db-journal"):
        path.with_name(f"hot-{name}").replace(path.with_name(name))


def _wal_without_shm(path: Path) -> None:
    write_sqlite(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE users SET name = name || 'x'")
        for name in ("app.db", "app.db-wal"):
            shutil.copy(path.with_name(name), path.with_name(f"copy-{name}"))
    for name in ("app.db", "app.db-wal"):
        path.with_name(f"copy-{name}").replace(path.with_name(name))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("make", [_hot_journal, _wal_without_shm])
def test_a_database_that_has_to_be_mended_first_is_an_error_of_storage(
    make: Callable[[Path], None], read_only: Path
) -> None:
    make(read_only / "app.db")
    for file in read_only.iterdir():
        file.chmod(0o444)
    closed(read_only)
    done = _as_nobody(read_only / "app.db", "read")
    assert done.stderr.decode().splitlines()[-1].startswith("asgi_downloads.storage.errors.Unavailable: ")
    assert not done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_file_that_may_not_be_read_is_an_error_of_storage(read_only: Path) -> None:
    path = write_sqlite(read_only / "app.db")
    path.chmod(0)
    closed(read_only)
    done = _as_nobody(path, "denied")
    assert done.stderr.decode().splitlines()[-1] == "asgi_downloads.storage.errors.Forbidden: Permission denied"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can let another user change a file in a closed directory")
async def test_a_database_read_as_unchanging_breaks_off_when_it_changes(read_only_wal: Path) -> None:
    whole = await export(read_only_wal)
    for left in read_only_wal.parent.glob("*-*"):
        left.unlink()
    done = _as_nobody(read_only_wal, "write")
    assert done.returncode != 0
    assert FileChanged.__name__ in done.stderr.decode()
    assert (Csv().head(Selection().columns) + whole).startswith(done.stdout)
    assert len(done.stdout) < len(whole)
