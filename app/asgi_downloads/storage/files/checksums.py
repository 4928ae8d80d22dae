"""What was once computed of a file's content, kept across requests, workers and restarts.

A record belongs to one state of one file (device, inode, size, mtime_ns, ctime_ns) and is of no use for another.
All of it can be computed again: whatever goes wrong with the table costs time, never a request.
"""

import fcntl
import logging
import os
import sqlite3
import threading
import time
import zlib
from array import array
from asyncio import get_running_loop
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from asgi_downloads.storage.files.listing import Listing

ROW_LIMIT = 1_000_000
"""Records kept; about 100 bytes of disk each."""

_FILE_NAME = "checksums.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checksum (
    dev INTEGER NOT NULL, inode INTEGER NOT NULL, form TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    crc INTEGER NOT NULL, blocks BLOB NOT NULL, seal INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS file ON checksum (dev, inode, form);
"""

_FIND = """
SELECT wanted.key, size, mtime_ns, ctime_ns, crc, blocks, seal
FROM json_each(?) AS wanted CROSS JOIN checksum ON dev = ? AND inode = wanted.value AND form = ?
"""

_INSERT = "INSERT OR REPLACE INTO checksum VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

_PRUNE = "DELETE FROM checksum WHERE rowid <= (SELECT max(rowid) FROM checksum) - ?"
"""A record written anew gets a new, higher row id: the oldest go first."""

Row = tuple[int, int, str, int, int, int, int, bytes, int]

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_logger = logging.getLogger(__name__)


class Checksum(NamedTuple):
    """The CRC-32 of a file's content, and the lengths of the blocks it was packed in; none if it is stored."""

    crc: int
    blocks: bytes = b""
    """Little-endian 32-bit numbers."""


class Known:
    """Checksums of the files of a listing by index, as columns. `len(known)` of them are there."""

    __slots__ = ("_blocks", "_count", "_crcs")

    def __init__(self, files: int) -> None:
        self._crcs = array("q", [-1]) * files
        self._blocks: dict[int, bytes] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, index: int) -> Checksum | None:
        crc = self._crcs[index]
        return None if crc < 0 else Checksum(crc, self._blocks.get(index, b""))

    def put(self, index: int, checksum: Checksum) -> None:
        """Add the checksum of a file that has none here."""
        self._count += 1
        self._crcs[index] = checksum.crc
        if checksum.blocks:
            self._blocks[index] = checksum.blocks


class Checksums:
    """The table in `directory`, or in memory alone when that is None or cannot be used.

    Safe with several processes on one table; `patience` is for how many seconds to wait for another's writing.
    One thread of its own makes every call to SQLite.
    A `form` says how the content was packed; "" is the content itself.
    """

    def __init__(self, directory: Path | None = None, *, row_limit: int = ROW_LIMIT, patience: float = 2.0) -> None:
        self._directory = directory
        self._row_limit = row_limit
        self._patience = patience
        self._thread = ThreadPoolExecutor(1, "checksums")
        self._database: sqlite3.Connection | None = None
        self._pending: list[Row] = []
        self._lock = threading.Lock()
        self._rebuilt = False
        self._until_prune = 0

    async def find(self, files: Listing, form: str = "") -> Known:
        """What is known of these files in this form; one query, however many they are."""
        return await get_running_loop().run_in_executor(self._thread, self._find, files, form)

    def remember(self, files: Listing, found: Iterable[tuple[int, Checksum]], form: str = "") -> None:
        """Keep what was found of these files, by index, but of none that may still change unseen.

        Returns at once, on whatever thread it is called.
        """
        rows = []
        for index, (crc, blocks) in found:
            if files.is_settled(index):
                dev, inode, size, mtime_ns, ctime_ns, _ = files.facts(index)
                seal = _seal(size, mtime_ns, ctime_ns, crc, blocks)
                rows.append((dev, inode, form, size, mtime_ns, ctime_ns, crc, blocks, seal))
        with self._lock:
            idle = not self._pending
            self._pending += rows
        if idle and rows:
            with suppress(RuntimeError):  # closed: nothing is kept any more
                self._thread.submit(self._write)

    def close(self) -> None:
        """Write what is pending and close the table; blocks for a moment."""
        with suppress(RuntimeError):
            self._thread.submit(self._close)
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # What follows runs in the thread.

    def _find(self, files: Listing, form: str) -> Known:
        found = Known(len(files))
        devices, inodes = files.column("dev"), files.column("inode")

        def select(database: sqlite3.Connection) -> None:
            for dev in set(devices):
                indexes = [index for index, other in enumerate(devices) if other == dev]
                wanted = str([inodes[index] for index in indexes])  # JSON too
                for place, size, mtime_ns, ctime_ns, crc, blocks, seal in database.execute(_FIND, (wanted, dev, form)):
                    same = (size, mtime_ns, ctime_ns) == tuple(files.facts(indexes[place])[2:5])
                    if same and seal == _seal(size, mtime_ns, ctime_ns, crc, blocks):
                        found.put(indexes[place], Checksum(crc, blocks))

        self._transact(select)
        return found

    def _write(self) -> None:
        with self._lock:
            rows, self._pending = self._pending, []
        self._transact(lambda database: database.executemany(_INSERT, rows))
        self._until_prune -= len(rows)
        if self._until_prune <= 0:
            self._transact(lambda database: database.execute(_PRUNE, (self._row_limit,)))
            self._until_prune = self._row_limit // 16

    def _close(self) -> None:
        if self._pending:
            self._write()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _transact(self, action: Callable[[sqlite3.Connection], object]) -> None:
        """Run `action` in a transaction: on the table as it is, else on a rebuilt one, else in memory."""
        for _ in range(3):
            try:
                if self._database is None:
                    self._database = _open(self._directory, self._patience)
                with self._database:
                    action(self._database)
            except (sqlite3.Error, OSError) as error:
                if not self._recover(error):
                    return
            else:
                return

    def _recover(self, error: sqlite3.Error | OSError) -> bool:
        """Put another table in the place of one that failed; False when it is only busy."""
        code = (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_CANTOPEN) & 0xFF
        if code in _BUSY:
            return False
        if self._database is not None:
            self._database.close()
            self._database = None
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
        if damaged and self._directory is not None and not self._rebuilt:
            self._rebuilt = True
            _logger.warning("checksum table is damaged and starts anew: %s", error)
            with suppress(sqlite3.Error, OSError):
                _rebuild(self._directory)
        else:
            _logger.warning("checksum table is kept in memory: %s", error)
            self._directory = None
        return True


def _open(directory: Path | None, patience: float) -> sqlite3.Connection:
    if directory is None:
        path = ":memory:"
    else:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = str(directory / _FILE_NAME)
    database = sqlite3.connect(path, timeout=patience)
    try:
        _use_wal(database, patience)
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def _use_wal(database: sqlite3.Connection, patience: float) -> None:
    """SQLite does not wait by itself for others to be out of the way of this, as it does for everything else."""
    until = time.monotonic() + patience
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def _rebuild(directory: Path) -> None:
    """Remove a damaged table, unless another process has already done so."""
    with _locked(directory):
        path = directory / _FILE_NAME
        with suppress(sqlite3.Error), closing(_open(directory, 2.0)) as database:
            if database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return
        for suffix in ("-wal", "-shm", ""):  # the table last: an interrupted removal leaves it damaged
            Path(f"{path}{suffix}").unlink(missing_ok=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _seal(size: int, mtime_ns: int, ctime_ns: int, crc: int, blocks: bytes) -> int:
    """Betrays a record that a failing disk has altered: a wrong CRC would make every archive unreadable."""
    mixed = crc ^ size ^ mtime_ns ^ ctime_ns
    return (zlib.crc32(blocks, mixed & 0xFFFFFFFF) if blocks else mixed) & 0xFFFFFFFF
