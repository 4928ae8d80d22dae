"""The sample database: a table of users whose names try a CSV reader."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle
from pathlib import Path

_TABLE = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at TEXT NOT NULL
)
"""

SPECIAL = (
    'Robert "Bobby" Tables',
    "Lovelace, Ada",
    "Grace\nHopper",
    "Two\r\nLines",
    "=1+1",
    "+1 555 0100",
    "-2+3",
    "@SUM(A1:A9)",
    "Мария Склодовская",
    "山田 太郎",
    "José Núñez",
    "נועה כהן",
    "🦊 Fox",
    " spaces around ",
    "O'Brien; DROP TABLE users",
    '","',
)
"""Names with commas, quotes, line ends, other scripts, and what a spreadsheet would run."""

_FIRST = ("Ada", "Alan", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Hedy", "John", "Katherine", "Ken", "Radia")
_LAST = (
    "Allen",
    "Dijkstra",
    "Hamilton",
    "Hopper",
    "Johnson",
    "Knuth",
    "Lamarr",
    "Liskov",
    "Perlman",
    "Ritchie",
    "Turing",
)
_REGULAR = tuple(f"{first} {last}" for first in _FIRST for last in _LAST)
_CYCLE = tuple(chain.from_iterable((*_REGULAR[at::16], special) for at, special in enumerate(SPECIAL)))
_DAY_ONE = datetime(2020, 1, 1, tzinfo=UTC)
_STEP = timedelta(minutes=2, seconds=53)


def write(path: Path, count: int) -> None:
    """A new SQLite database with `count` users, ids from 1 on; the same bytes each time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in ("page_size = 4096", "encoding = 'UTF-8'", "journal_mode = OFF", "synchronous = OFF"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        database.execute(_TABLE)
        database.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", _rows(count))
        database.execute("COMMIT")
    with path.open("r+b") as file:
        # SQLite's own version, for information only: file format §1.3, offset 96.
        file.seek(96)
        file.write(bytes(4))


def _rows(count: int) -> Iterator[tuple[int, str, str, str]]:
    """Every special name comes first; later one of nine or ten users has one."""
    names = chain(SPECIAL, cycle(_CYCLE))
    created = _DAY_ONE
    for number, name in zip(range(1, count + 1), names, strict=False):
        yield number, name, f"user{number}@example.com", created.isoformat()[:19] + "Z"  # +00:00 is Z
        created += _STEP
