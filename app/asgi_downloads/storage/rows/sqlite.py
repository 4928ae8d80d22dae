"""Rows from SQLite: read-only, one connection and one read transaction for each export, blocks made in threads."""

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from urllib.parse import quote

import anyio

from asgi_downloads.storage.errors import Exhausted, FileChanged, StorageError, Unavailable, Unusable, from_oserror
from asgi_downloads.storage.rows.notation import Notation, has_replacement
from asgi_downloads.storage.rows.source import QUERY_TIMEOUT, Put, RowSource, Selection, Wanted
from asgi_downloads.storage.rows.sqlite_lines import lines
from asgi_downloads.storage.rows.statement import Statement, bare

logger = logging.getLogger("asgi_downloads")

CONNECTIONS = 200
"""Exports at a time. A connection costs a file and some 150 KiB, so that stalled clients set the bound."""

LOCK_WAIT = 2.0
"""Seconds to wait for a writer that has the database locked."""

POOL_SIZE = 8
PROGRESS_STEPS = 200_000
"""Steps of SQLite's machine, a few milliseconds, between two looks at whether the reader has gone."""

_CACHE = "PRAGMA cache_size = -128"  # in KiB; a page is read once, so that more of it would be for nothing


class SQLiteRows(RowSource):
    """The SQLite database in the file `path`, also while others write to it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        connections: int = CONNECTIONS,
        query_timeout: float = QUERY_TIMEOUT,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        super().__init__(connections, query_timeout)
        self.path = os.path.abspath(path)
        self.lock_wait = lock_wait
        self._pool = ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="rows")
        self._probing = ThreadPoolExecutor(1, thread_name_prefix="probe")

    async def describe(self, statement: Statement) -> tuple[str, ...]:
        return await asyncio.wrap_future(self._probing.submit(self._describe_blocking, statement))

    async def read(
        self, wanted: Wanted, notation: Notation, put: Put, seconds: float, *, probing: bool = False
    ) -> None:
        pool, stopped = self._probing if probing else self._pool, threading.Event()
        blocks = self._blocks_blocking(wanted, notation, stopped)
        try:
            # One job for each block, so that no thread is held for a reader that is slow.
            while (block := await asyncio.wrap_future(making := pool.submit(next, blocks, None))) is not None:
                if block:
                    await put(block)
        finally:
            stopped.set()
            closed = pool.submit(_close_blocking, blocks, making)  # takes place even if nobody can wait for it
            with anyio.CancelScope(shield=True):
                await asyncio.wrap_future(closed)

    async def aclose(self) -> None:
        self._pool.shutdown(wait=False)
        self._probing.shutdown(wait=False)

    def _describe_blocking(self, statement: Statement) -> tuple[str, ...]:
        try:
            connection, _ = _open(self.path, self.lock_wait)
            with closing(connection):
                # Within a SELECT nothing can stand that writes, and one row fewer than one is never looked for.
                cursor = connection.execute(f"SELECT * FROM ({bare(statement.sql)}\n) LIMIT 0", statement.values)
                return _as_written([name for name, *_ in cursor.description])
        except sqlite3.Error as error:
            raise _translated(error) from error

    def _blocks_blocking(self, wanted: Wanted, notation: Notation, stopped: threading.Event) -> Generator[bytes]:
        """What `RowSource.lines` gives; empty blocks now and then, while nothing is found."""
        refused: list[object] = []

        def refuse(value: object) -> None:
            refused.append(value)
            raise ValueError(value)

        try:
            connection, version = _open(self.path, self.lock_wait)
            with closing(connection):
                connection.set_progress_handler(stopped.is_set, PROGRESS_STEPS)
                connection.create_function("exact", 1, notation.real, deterministic=True)
                connection.create_function("uncomparable", 1, refuse)
                connection.execute("BEGIN")  # from the first SELECT on, all that is read is of one moment
                head, told = notation.head(wanted.columns), False
                for block in lines(connection, wanted, notation):
                    if version is not None and version != _version(self.path):
                        raise FileChanged
                    if not told and has_replacement(block):
                        logger.warning("an export of %s has U+FFFD, as text that is not UTF-8 becomes", self.path)
                        told = True
                    yield head + block if block else b""
                    head = b"" if block else head
                if head:
                    yield head
        except sqlite3.Error as error:
            if refused and isinstance(wanted, Selection):
                where = f"{wanted.table}.{wanted.moment}"
                raise Unusable(f"{where} has {refused[0]!r}, which cannot be compared with a time") from error
            raise _translated(error) from error


def _as_written(names: list[str]) -> tuple[str, ...]:
    """Names of columns without what SQLite puts behind one that a query gives twice: `a`, `a:1`."""
    found: list[str] = []
    for name in names:
        first, _, number = name.rpartition(":")
        found.append(first if number.isdecimal() and first in found else name)
    return tuple(found)


def _close_blocking(blocks: Generator[bytes], making: "Future[bytes | None]") -> None:
    """Free what `blocks` holds, after the block under way."""
    wait([making])
    blocks.close()


def _open(path: str, lock_wait: float) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
    """Open read-only; a database that is missing is not created.

    Even to be read, a database in WAL mode needs its -shm file. Where that is missing and the directory does not let
    us make it, nobody has the database open, and it is read as a file that must not change; the second value returned
    is then its version. Not if there is a journal or a -wal: what it has to say belongs to the database.
    """
    uri = f"file:{quote(os.fsencode(path))}?mode=ro"
    try:
        return _connect(uri, lock_wait), None
    except sqlite3.OperationalError:
        version = _version(path)
        left = any(os.path.exists(path + companion) for companion in ("-wal", "-journal"))
        if left or os.access(os.path.dirname(path), os.W_OK):
            raise
    return _connect(f"{uri}&immutable=1", lock_wait), version


def _connect(uri: str, lock_wait: float) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=lock_wait, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        connection.execute(_CACHE)
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # the first look at the file itself
    except BaseException:
        connection.close()
        raise
    return connection


def _version(path: str) -> tuple[int, int]:
    """Size and time of the file. Raises what keeps it from being read: `Unavailable` if it is not there."""
    try:
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
    except FileNotFoundError as error:
        raise Unavailable(str(error)) from error
    except OSError as error:
        raise from_oserror(error) from error
    return facts.st_size, facts.st_mtime_ns


# READONLY: a journal has to be rolled back first.
_PASSING = ("BUSY", "LOCKED", "CANTOPEN", "IOERR", "PROTOCOL", "READONLY", "SCHEMA", "INTERRUPT")


def _translated(error: sqlite3.Error) -> StorageError:
    """What an error of SQLite means; its text stays in the chain, for the log."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL):
        return Exhausted(str(error))
    passes = code in {getattr(sqlite3, f"SQLITE_{name}") for name in _PASSING}
    return (Unavailable if passes else Unusable)(str(error))
