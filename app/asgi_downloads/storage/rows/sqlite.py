"""Rows from SQLite: read-only, one connection and one read transaction for each export, made into lines by SQL.

A block is one SELECT over a window of rowids: `||` joins cells, group_concat joins lines, and Python sees one bytes
object for some thousand rows. Which cells need quotes is then found by searching the block, as few do. SQL that looks
at each cell is half as fast, and for what that cannot do: a guard against formulas, JSON, separators within cells.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from functools import partial
from urllib.parse import quote

from asgi_downloads.storage.errors import Exhausted, FileChanged, NotFound, StorageError, Unavailable
from asgi_downloads.storage.read_ahead import ahead
from asgi_downloads.storage.rows.csv_text import is_regular
from asgi_downloads.storage.rows.source import BLOCK_SIZE, FIRST_ROWS, TABLE, Csv, Notation, Selection
from asgi_downloads.storage.rows.sqlite_text import LAST_ROWID, Statements

MOST_ROWS = 1 << 15

VALUE_LIMIT = 1 << 24
"""The most bytes of one value in SQLite, our blocks included: bounds the memory of an export."""

LOCK_WAIT = 2.0
"""Seconds to wait for a writer that has the database locked."""

POOL_SIZE = 8
PROGRESS_STEPS = 200_000
"""Steps of SQLite's machine, a few milliseconds, between two looks at whether the reader has gone."""


class SQLiteRows:
    """The users table of the SQLite database in the file `path`, also while others write to it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        self._pool = ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="rows")

    async def lines(self, selection: Selection, notation: Notation) -> AsyncGenerator[bytes]:
        async with aclosing(ahead(self._pool, partial(_blocks, self.path, selection, notation))) as blocks:
            async for finish in blocks:
                # SQLite meanwhile makes the next block, without the interpreter's lock.
                yield await asyncio.wrap_future(self._pool.submit(finish))

    async def check(self) -> None:
        async with aclosing(self.lines(Selection(limit=1), Csv())) as lines:
            await anext(lines, b"")

    async def aclose(self) -> None:
        self._pool.shutdown(wait=False)


Unfinished = Callable[[], bytes]
"""What remains to be done to a block without the database."""


def _blocks(path: str, selection: Selection, notation: Notation, stopped: threading.Event) -> Generator[Unfinished]:
    """What `RowSource.lines` gives, for threads to iterate."""
    statements = Statements(selection, notation)
    try:
        connection, frozen = _open(path)
        with closing(connection):
            connection.set_progress_handler(stopped.is_set, PROGRESS_STEPS)
            connection.execute("BEGIN")  # from the first SELECT on, all that is read is of one moment
            make = _by_window if _has_rowids(connection) else _by_row
            for block in make(connection, statements):
                if frozen is not None and frozen != _version(path):
                    raise FileChanged
                yield block
    except sqlite3.Error as error:
        raise _translated(error) from error


def _by_window(connection: sqlite3.Connection, statements: Statements) -> Generator[Unfinished]:
    """Walk along the rowids, never by OFFSET from the start."""
    first, rows, left = -LAST_ROWID - 1, FIRST_ROWS, statements.limit
    while left > 0:
        rows = min(rows, left)
        found = connection.execute(statements.window_end, statements.values | {"first": first, "rows": rows}).fetchone()
        last = LAST_ROWID if found is None else found[0]
        try:
            block, count, finish = _window(connection, statements, first, last)
        except sqlite3.DataError:  # longer than VALUE_LIMIT
            if rows == 1:
                raise
            rows = max(1, rows // 16)
            continue
        if count:
            yield partial(finish, block)
            rows = _fitting_rows(len(block), count)
        if last == LAST_ROWID:
            return
        first = last + 1
        left -= count


def _window(
    connection: sqlite3.Connection, statements: Statements, first: int, last: int
) -> tuple[bytes, int, Callable[[bytes], bytes]]:
    """The lines of a range of rowids, how many they are, and what makes them a block."""
    values = statements.values | {"first": first, "last": last}
    if statements.plain is not None:
        block, count = connection.execute(statements.plain, values).fetchone()
        if not count or is_regular(block, count, statements.columns):
            return block or b"", count, statements.finish_plain
    block, count = connection.execute(statements.careful, values).fetchone()
    return block or b"", count, statements.finish_careful


def _by_row(connection: sqlite3.Connection, statements: Statements) -> Generator[Unfinished]:
    """For what has no rowids, a view or a WITHOUT ROWID table: one cursor, in the order that SQLite gives."""
    cursor = connection.execute(statements.by_row, statements.values | {"limit": statements.limit})
    rows = FIRST_ROWS
    while lines := cursor.fetchmany(rows):
        block = statements.line_end.join([line for (line,) in lines])
        yield partial(statements.finish_careful, block)
        rows = _fitting_rows(len(block), len(lines))


def _fitting_rows(length: int, rows: int) -> int:
    """How many rows the next block may have, if `rows` had `length` bytes."""
    return max(1, min(MOST_ROWS, BLOCK_SIZE * rows // (length + 1)))


def _open(path: str) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
    """Open read-only; a database that is missing is not created.

    Even to be read, a database in WAL mode needs its -shm file. Where that is missing and the directory does not let
    us make it, nobody has the database open, and it is read as a file that must not change; the second value returned
    is then its version.
    """
    uri = f"file:{quote(os.fsencode(path))}?mode=ro"
    try:
        return _connect(uri), None
    except sqlite3.OperationalError:
        if os.access(os.path.dirname(path), os.W_OK) or os.path.exists(path + "-wal") or not os.path.exists(path):
            raise
    version = _version(path)
    return _connect(f"{uri}&immutable=1"), version


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = bytes
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_LIMIT)
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # the first look at the file itself
    except BaseException:
        connection.close()
        raise
    return connection


def _version(path: str) -> tuple[int, int]:
    try:
        facts = os.stat(path)
    except OSError as error:
        raise Unavailable from error
    return facts.st_size, facts.st_mtime_ns


def _has_rowids(connection: sqlite3.Connection) -> bool:
    kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE", (TABLE,)).fetchone()
    if kind is None:
        raise NotFound(TABLE)
    try:
        connection.execute(f"SELECT _rowid_ FROM {TABLE} LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return bool(kind[0] == b"table")  # old releases give a view rowids, all NULL


def _translated(error: sqlite3.Error) -> StorageError:
    """What an error of SQLite means; its text stays in the chain, for the log."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL):
        return Exhausted(str(error))
    if code == sqlite3.SQLITE_ERROR:  # no such column
        return NotFound(str(error))
    return Unavailable(str(error))
