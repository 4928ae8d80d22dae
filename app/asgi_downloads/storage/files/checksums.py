"""What was once computed of a file's content, kept across requests, workers and restarts.

A record belongs to one state of one file and is of no use for another. All of it can be computed again: whatever goes
wrong with the table costs time, never a request.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.idle import IdleTimer

ROW_LIMIT = 1_000_000
"""Records kept; about 100 bytes of disk each."""

_FILE_NAME = "checksums.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checksum (
    dev INTEGER NOT NULL, inode INTEGER NOT NULL, kind TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, value BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS file ON checksum (dev, inode, kind);
"""

_FIND = """
SELECT wanted.key, size, mtime_ns, ctime_ns, checksum.value
FROM json_each(?) AS wanted CROSS JOIN checksum ON dev = ? AND inode = wanted.value AND kind = ?
"""

_INSERT = "INSERT OR REPLACE INTO checksum VALUES (?, ?, ?, ?, ?, ?, ?)"

_PRUNE = "DELETE FROM checksum WHERE rowid <= (SELECT max(rowid) FROM checksum) - ?"
"""A record written anew gets a new, higher row id: the oldest go first."""

Row = tuple[int, int, str, int, int, int, bytes]

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)

_logger = logging.getLogger(__name__)


class Checksums:
    """A table in `directory`, or in memory alone when that is None or cannot be used.

    Safe with several processes on one table; `patience` is for how many seconds to wait for another's writing.
    One thread of its own makes every call to SQLite. The table is closed with this, when nobody has this any more, and
    for the time being after `idle` seconds without a `touch`, so that its disk can be unmounted.
    A `kind` says what a value is, such as CRC-32s in one form of packing.
    """

    def __init__(
        self, directory: Path | None = None, *, row_limit: int = ROW_LIMIT, patience: float = 2.0, idle: float = 60.0
    ) -> None:
        self._thread = ThreadPoolExecutor(1, "checksums")
        self._table = _Table(directory, row_limit, patience)
        self._idle = IdleTimer(idle, self._let_go)

    def find_blocking(self, states: Iterable[FileState], kind: str) -> list[bytes | None]:
        """The value for each of these, or None; one query, however many they are."""
        return self._find(states, kind).result()

    async def find(self, states: Iterable[FileState], kind: str) -> list[bytes | None]:
        """What `find_blocking` gives."""
        self.touch()
        return await asyncio.wrap_future(self._find(states, kind))

    def _find(self, states: Iterable[FileState], kind: str) -> "Future[list[bytes | None]]":
        wanted = list(states)
        try:
            return self._thread.submit(self._table.find, wanted, kind)
        except RuntimeError:  # closed: nothing is known any more
            nothing: Future[list[bytes | None]] = Future()
            nothing.set_result([None] * len(wanted))
            return nothing

    def remember(self, found: Iterable[tuple[FileState, bytes]], kind: str, seen_ns: int) -> None:
        """Keep the values of these states, which were seen at `seen_ns`, but of none that may still change unseen.

        Returns at once, on whatever thread it is called.
        """
        rows = [
            (state.dev, state.inode, kind, state.size, state.mtime_ns, state.ctime_ns, value)
            for state, value in found
            if state.is_settled(seen_ns)
        ]
        with suppress(RuntimeError):  # closed: nothing is kept any more
            self._thread.submit(self._table.write, rows)

    def touch(self) -> None:
        """Say from an event loop that the table is in use."""
        self._idle.touch()

    def _let_go(self) -> None:
        with suppress(RuntimeError):
            self._thread.submit(self._table.rest)

    def close(self) -> None:
        """Write what is under way and close the table; blocks for a moment."""
        with suppress(RuntimeError):  # closed before
            self._thread.submit(self._table.close)
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Table:
    """The database, opened when it is needed. All calls come from one thread, but the last."""

    def __init__(self, directory: Path | None, row_limit: int, patience: float) -> None:
        self._directory = directory
        self._row_limit = row_limit
        self._patience = patience
        self._database: sqlite3.Connection | None = None
        self._until_prune = 0

    def find(self, states: list[FileState], kind: str) -> list[bytes | None]:
        found: list[bytes | None] = [None] * len(states)

        def select(database: sqlite3.Connection) -> None:
            for dev in {state.dev for state in states}:
                wanted = [index for index, state in enumerate(states) if state.dev == dev]
                inodes = str([states[index].inode for index in wanted])  # JSON too
                for place, *facts, value in database.execute(_FIND, (inodes, dev, kind)):
                    if states[wanted[place]][2:] == tuple(facts):
                        found[wanted[place]] = value

        self._transact(select)
        return found

    def write(self, rows: list[Row]) -> None:
        self._transact(lambda database: database.executemany(_INSERT, rows))
        self._until_prune -= len(rows)
        if self._until_prune <= 0:
            self._transact(lambda database: database.execute(_PRUNE, (self._row_limit,)))
            self._until_prune = self._row_limit // 16

    def rest(self) -> None:
        """Close until the next use, if what is in the table outlives that."""
        if self._directory is not None:
            self.close()

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    # Whoever had the table may have gone without closing it, as a site that mounts the application does.
    def __del__(self) -> None:
        self.close()

    def _transact(self, action: Callable[[sqlite3.Connection], object]) -> None:
        """Run `action` in a transaction: on the table as it is, else on a new one, else in memory."""
        for place in ("table", "new table", "memory"):
            try:
                if self._database is None:
                    self._database = _open(self._directory, self._patience)
                with self._database:
                    action(self._database)
                return
            except (sqlite3.Error, OSError) as error:
                code = (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_CANTOPEN) & 0xFF
                if code in _BUSY:
                    return
                self.close()
                if place == "table" and code in _DAMAGED and self._directory is not None:
                    _logger.warning("checksum table is damaged and starts anew: %s", error)
                    with suppress(OSError):  # whoever has it open goes on with what has no name then
                        for path in self._directory.glob(_FILE_NAME + "*"):
                            path.unlink(missing_ok=True)
                else:
                    _logger.warning("checksum table is kept in memory: %s", error)
                    self._directory = None


def _open(directory: Path | None, patience: float) -> sqlite3.Connection:
    if directory is not None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = ":memory:" if directory is None else directory / _FILE_NAME
    database = sqlite3.connect(path, timeout=patience, check_same_thread=False)
    try:
        with suppress(
            sqlite3.OperationalError
        ):  # busy: SQLite does not wait for this one, and another has done it then
            database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database
