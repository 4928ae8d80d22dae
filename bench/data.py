"""The data directory that every target serves: made once below a work directory, the same bytes every time, and reused.

A name is present only when complete: everything is written beside its place and then renamed.
"""

import csv
import os
import random
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path

KIB, MIB, GIB = 2**10, 2**20, 2**30
FOLDERS = ("downloads", "large-files", "files", "reports", "videos", "bundles", "archives")
COLUMNS = ("id", "name", "email", "created_at")
SIZES = {
    "1KiB": KIB, "16KiB": 16 * KIB, "64KiB": 64 * KIB, "256KiB": 256 * KIB, "1MiB": MIB, "8MiB": 8 * MIB,
    "16MiB": 16 * MIB, "256MiB": 256 * MIB, "1GiB": GIB, "4GiB": 4 * GIB,
}  # fmt: skip
_STAMPED = 64 * KIB
_SPARSE_FROM = 4 * GIB
_WORDS = (
    "archive band byte cache canvas chapter client column copy daily delta document draft edition export field file "
    "folder frame gate harbour image index journal kernel ledger letter line margin message month number offset order "
    "page paper part picture queue range record report reader river row sample season sender server signal slice "
    "stream summer table target thread ticket upper value video village water window winter writer yellow"
)


@cache
def _noise() -> bytes:
    return random.Random(20).randbytes(MIB)


@cache
def _prose() -> bytes:
    rng = random.Random(21)
    vocabulary = _WORDS.split()
    words: list[str] = []
    length = 0
    while length < 2 * MIB:
        word = rng.choice(vocabulary) if rng.random() < 0.9 else str(rng.randrange(100_000))
        words.append(word + ("\n" if rng.random() < 0.1 else " "))
        length += len(words[-1])
    return "".join(words).encode()[: 2 * MIB]


def noise(size: int, salt: int = 0) -> Iterator[bytes]:
    """`size` bytes that do not compress, in blocks; each 64 KiB bears its number, so that a wrong offset shows."""
    base = _noise()
    for start in range(0, size, MIB):
        block = bytearray(base)
        for place in range(0, MIB, _STAMPED):
            block[place : place + 16] = b"%08x%08x" % (salt, (start + place) // _STAMPED)
        yield bytes(block[: size - start])


def prose(size: int, salt: int = 0) -> bytes:
    """`size` bytes (at most 1 MiB) that compress as text does."""
    start = (salt * 7919) % MIB
    return _prose()[start : start + size]


HELLO = next(noise(KIB))
"""The first KiB of every stored file, and what the hello-world target answers: its bodies verify as the others' do."""


def default_workdir() -> Path:
    return Path(tempfile.gettempdir()) / f"asgi-downloads-bench-{os.getuid()}"


class Data:
    """The trees below `workdir`: `tree` with files and bundles, and `users-<n>` with a database of n rows."""

    def __init__(self, workdir: Path) -> None:
        workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if workdir.stat().st_uid != os.getuid():
            raise PermissionError(f"{workdir} belongs to another user")
        self.workdir = workdir

    def root(self, name: str) -> Path:
        """A data directory with every folder of the service in it, if only empty."""
        root = self.workdir / name
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        return root

    def ensure(self, item: str) -> Path:
        """Make `item` unless it is there: `file:SIZE`, `bundle:NAME`, `archive:NAME`, `users:ROWS`, `cold:1MiB`."""
        kind, _, name = item.partition(":")
        match kind:
            case "file":
                return self._file(name)
            case "cold":
                for number in range(COLD_FILES):
                    path = self.root("tree") / "downloads" / f"cold-{number:02}.bin"
                    self._link(self._write(path, noise(MIB, number + 1)))
                return self.root("tree") / "downloads"
            case "bundle":
                return self._bundle(name)
            case "archive":
                return self._archive(name)
            case "users":
                return self._users(int(name))
            case _:
                raise ValueError(f"no such item of data: {item}")

    def warm(self, item: str) -> None:
        """Read an item, so that its pages are in memory when it is served: the system may have let go of some."""
        path = self.ensure(item)
        buffer = bytearray(MIB)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            with open(file, "rb", buffering=0) as opened:
                while opened.readinto(buffer):
                    pass

    def _room(self, size: int) -> None:
        if shutil.disk_usage(self.workdir).free < size + GIB:
            raise OSError(f"{self.workdir} has less than {size / GIB:.1f} + 1 GiB free; name another with --workdir")

    def _write(self, path: Path, blocks: Iterator[bytes], *, mtime: int = 1_700_000_000) -> Path:
        if path.exists():
            return path
        made = path.with_name(f".new-{path.name}")
        with open(made, "wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())  # a dirty page cannot be evicted, and write-back would disturb the measuring
        os.utime(made, (mtime, mtime))
        made.rename(path)
        return path

    def _file(self, name: str) -> Path:
        size = SIZES[name]
        root = self.root("tree")
        path = root / "downloads" / f"{name}.bin"
        if not path.exists():
            self._room(size if size < _SPARSE_FROM else 0)
            if size >= _SPARSE_FROM:
                _sparse(path, size)
            else:
                self._write(path, noise(size))
        return self._link(path)

    def _link(self, path: Path) -> Path:
        """The same file in every folder that files are served from."""
        for folder in ("large-files", "files", "videos"):
            other = path.parent.parent / folder / path.name
            if not other.exists():
                os.link(path, other)
        return path

    def _bundle(self, name: str) -> Path:
        folder = self.root("tree") / "bundles" / name
        if folder.exists():
            return folder
        made = self.workdir / f".new-{name}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for member, blocks in _members(name):
            self._write(made / member, blocks)
        made.rename(folder)
        return folder

    def _archive(self, name: str) -> Path:
        """The bundle as a stored ZIP on disk, for a server that can only send files."""
        path = self.root("tree") / "archives" / f"{name}.zip"
        if not path.exists():
            folder = self._bundle(name)
            made = path.with_name(f".new-{path.name}")
            with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
                for member in sorted(folder.iterdir()):
                    archive.write(member, member.name)
            made.rename(path)
        return path

    def _users(self, rows: int) -> Path:
        path = self.root(f"users-{rows}") / "app.db"
        if path.exists():
            return path
        made = path.with_name(".new-app.db")
        made.unlink(missing_ok=True)
        with closing(sqlite3.connect(made)) as connection:
            connection.execute(
                "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, "
                "created_at TEXT NOT NULL)"
            )
            connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", users(rows))
            connection.commit()
        made.rename(path)
        return path


COLD_FILES = 64


def _sparse(path: Path, size: int) -> None:
    """A file of holes: its pages are as real in the page cache as any, and the disk stays free."""
    with open(path, "wb") as file:
        file.truncate(size)


def _members(name: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and content of each member of a bundle."""
    match name.partition("-"):
        case ("small", _, count):  # text of 20 KB each
            for number in range(int(count)):
                yield f"note-{number:05}.txt", iter((prose(20_000, number),))
        case ("tiny", _, count):
            for number in range(int(count)):
                yield f"tiny-{number:05}.txt", iter((prose(1000, number),))
        case ("large", _, count):  # 100 MB each, as pictures and videos are
            for number in range(int(count)):
                yield f"film-{number:02}.mp4", noise(100_000_000, number + 1)
        case ("mixed", _, count):  # 5 MB each, text and noise in turns
            for number in range(int(count)):
                yield f"book-{number:03}.dat", _mixed(number)
        case ("one", _, _):
            yield "disk.img", noise(10**9)
        case _:
            raise ValueError(f"no such bundle: {name}")


def _mixed(number: int) -> Iterator[bytes]:
    """5 MB: ten times 250 kB of noise and 250 kB of text."""
    for turn in range(10):
        yield next(noise(250_000, number * 10 + turn))
        yield prose(250_000, number * 10 + turn)


def users(rows: int) -> Iterator[tuple[int, str, str, str]]:
    """The table's rows: mostly plain, some with a comma, a quote or letters beyond ASCII."""
    rng = random.Random(22)
    firsts = ("Ada", "Björn", "Chloé", "Dmitri", "Eva", "Farid", "Grace", "Hana", "Ivan", "June")
    lasts = ("Moss", "Okafor", "Quine", "Rossi", 'St"one', "Tanaka", "Umar", "Vega, Jr.", "Weiss", "Young")
    begin = datetime(2020, 1, 1)  # noqa: DTZ001  # the column holds local text
    for number in range(1, rows + 1):
        name = f"{rng.choice(firsts)} {rng.choice(lasts)}"
        created = (begin + timedelta(seconds=number * 61)).isoformat(" ")
        yield number, name, f"user{number}@example.org", created


def csv_lines(rows: int) -> Iterator[list[str]]:
    """What a CSV reader must find in an export of the table, line by line."""
    yield list(COLUMNS)
    for row in users(rows):
        yield [str(row[0]), *row[1:]]


def write_csv(path: Path, rows: int) -> None:
    """The table as CSV, to load it into another database."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(islice(csv_lines(rows), 1, None))
