"""The table keeps what was computed, for one state of a file, and no trouble with it reaches a request."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.storage.files import checksums
from asgi_downloads.storage.files.checksums import Checksum, Checksums
from asgi_downloads.storage.files.listing import Facts, Listing
from tests.support.archives import as_dict

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

FILE = Facts(7, 1 << 40, 1000, 1_700_000_000_000_000_001, 1_700_000_000_000_000_002, 0o100644)
KNOWN = Checksum(0xFFFFFFFF)


def listing(*files: Facts) -> Listing:
    made = Listing()
    for number, facts in enumerate(files):
        made.add([str(number)], facts)
    return made


def remember(table: Checksums, records: list[tuple[Facts, Checksum]], form: str = "") -> None:
    files, found = zip(*records, strict=True)
    table.remember(listing(*files), enumerate(found), form)


def find(table: Checksums, *files: Facts, form: str = "") -> dict[int, Checksum]:
    return as_dict(asyncio.run(table.find(listing(*files), form)), len(files))


@pytest.fixture
def table(tmp_path: Path) -> Generator[Checksums]:
    with Checksums(tmp_path / "state") as opened:
        yield opened


def test_what_is_remembered_is_found_after_a_restart(tmp_path: Path) -> None:
    with Checksums(tmp_path) as table:
        remember(table, [(FILE, KNOWN)])
    with Checksums(tmp_path) as table:
        assert find(table, FILE) == {0: KNOWN}


def test_a_file_that_may_still_change_unseen_is_not_remembered(table: Checksums) -> None:
    fresh = FILE._replace(ctime_ns=time.time_ns())
    remember(table, [(fresh, KNOWN), (FILE._replace(inode=2), KNOWN)])
    assert find(table, fresh, FILE._replace(inode=2)) == {1: KNOWN}


@dataclass(frozen=True)
class Case:
    id: str
    facts: Facts


OTHERS = [
    Case("device", FILE._replace(dev=8)),
    Case("inode", FILE._replace(inode=-5)),
    Case("size", FILE._replace(size=1001)),
    Case("mtime", FILE._replace(mtime_ns=FILE.mtime_ns + 1)),
    Case("ctime", FILE._replace(ctime_ns=FILE.ctime_ns + 1)),
]


@pytest.mark.parametrize("case", OTHERS, ids=lambda c: c.id)
def test_another_state_or_file_is_not_known(table: Checksums, case: Case) -> None:
    remember(table, [(FILE, KNOWN)])
    assert find(table, case.facts, FILE) == {1: KNOWN}
    remember(table, [(case.facts, Checksum(1))])
    assert find(table, case.facts)[0] == Checksum(1)


def test_each_form_has_its_own_record(table: Checksums) -> None:
    packed = Checksum(5, b"\1\0\0\0\2\0\0\0")
    remember(table, [(FILE, KNOWN)])
    remember(table, [(FILE, packed)], "a")
    assert find(table, FILE) == {0: KNOWN}
    assert find(table, FILE, form="a") == {0: packed}
    assert find(table, FILE, form="b") == {}


def test_a_file_that_is_listed_twice_is_found_twice(table: Checksums) -> None:
    remember(table, [(FILE, KNOWN)])
    assert find(table, FILE, FILE) == {0: KNOWN, 1: KNOWN}


def test_the_oldest_records_go_when_there_are_too_many(tmp_path: Path) -> None:
    files = [FILE._replace(inode=number) for number in range(100)]
    with Checksums(tmp_path, row_limit=32) as table:
        for first in range(0, 100, 2):
            remember(table, [(facts, KNOWN) for facts in files[first : first + 2]])
            assert len(find(table, *files)) <= 32 + 2
        kept = find(table, *files)
        assert set(kept) >= set(range(100 - 32, 100)), "the newest are all there"


def test_65600_files_are_one_question(table: Checksums) -> None:
    files = [FILE._replace(inode=number, size=number) for number in range(65_600)]
    remember(table, [(facts, Checksum(facts.size)) for facts in files])
    found = find(table, *files)
    assert len(found) == 65_600
    assert found[65_599] == Checksum(65_599)


def test_every_call_to_the_disk_is_made_by_a_thread_of_its_own(
    table: Checksums, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = set()
    connect = sqlite3.connect

    def noted(*args: object, **kwargs: object) -> sqlite3.Connection:
        callers.add(threading.current_thread())
        return connect(*args, **kwargs)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", noted)
    remember(table, [(FILE, KNOWN)])
    assert find(table, FILE) == {0: KNOWN}
    assert len(callers) == 1
    assert threading.main_thread() not in callers


# Trouble


def path_of(directory: Path) -> Path:
    (path,) = directory.glob("*.sqlite")
    return path


DAMAGE: dict[str, Callable[[Path], object]] = {
    "not-a-database": lambda path: path.write_bytes(b"garbage" * 1000),
    "empty": lambda path: path.write_bytes(b""),
    "cut-short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "pages-overwritten": lambda path: overwrite(path, 4096, os.urandom(path.stat().st_size - 4096)),
    "another-schema": lambda path: change(path, "ALTER TABLE checksum RENAME COLUMN crc TO sum"),
}


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_starts_anew(tmp_path: Path, damage: str) -> None:
    files = [FILE._replace(inode=number) for number in range(2000)]
    with Checksums(tmp_path) as table:
        remember(table, [(facts, KNOWN) for facts in files])
    DAMAGE[damage](path_of(tmp_path))
    with Checksums(tmp_path) as table:
        assert set(find(table, *files).values()) <= {KNOWN}
        remember(table, [(FILE, KNOWN)])
        assert find(table, FILE) == {0: KNOWN}
    if damage != "another-schema":  # a table of another version is left to it
        with Checksums(tmp_path) as table:
            assert find(table, FILE) == {0: KNOWN}, "it was kept on the disk"


def test_a_record_that_the_disk_has_altered_is_not_believed(tmp_path: Path) -> None:
    with Checksums(tmp_path) as table:
        remember(table, [(FILE, KNOWN)])
    change(path_of(tmp_path), "UPDATE checksum SET crc = crc - 1")
    with Checksums(tmp_path) as table:
        assert find(table, FILE) == {}


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "a-file-in-its-place": lambda path: path.write_text("not a directory"),
    "a-directory-in-the-files-place": lambda path: (path / "checksums.sqlite").mkdir(parents=True),
    "below-a-file": lambda path: path.symlink_to("/dev/null/state"),
}


@pytest.mark.parametrize("trouble", UNUSABLE)
def test_where_nothing_can_be_written_it_works_in_memory(tmp_path: Path, trouble: str) -> None:
    UNUSABLE[trouble](tmp_path / "state")
    with Checksums(tmp_path / "state") as table:
        assert find(table, FILE) == {}
        remember(table, [(FILE, KNOWN)])
        assert find(table, FILE) == {0: KNOWN}


def test_a_disk_that_is_full_makes_it_work_in_memory(tmp_path: Path) -> None:
    with Checksums(tmp_path) as table:
        assert find(table, FILE) == {}
        database = table._database
        assert database is not None
        table._thread.submit(database.execute, "PRAGMA max_page_count = 3").result()
        files = [FILE._replace(inode=number) for number in range(5000)]
        remember(table, [(facts, KNOWN) for facts in files])
        assert len(find(table, *files)) == 5000


def test_a_table_that_another_process_holds_costs_no_error(tmp_path: Path) -> None:
    with Checksums(tmp_path, patience=0.01) as table:
        remember(table, [(FILE, KNOWN)])
        assert find(table, FILE) == {0: KNOWN}
        other = sqlite3.connect(path_of(tmp_path))
        other.execute("BEGIN IMMEDIATE")
        remember(table, [(FILE._replace(inode=1), KNOWN)])
        assert find(table, FILE, FILE._replace(inode=1)) == {0: KNOWN}, "not kept, but what was there is found"
        other.close()
        remember(table, [(FILE._replace(inode=1), KNOWN)])
        assert find(table, FILE._replace(inode=1)) == {0: KNOWN}


def test_after_closing_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    table = Checksums(tmp_path)
    table.close()
    remember(table, [(FILE, KNOWN)])
    table.close()


WORK = """
import asyncio, sys
from pathlib import Path
from asgi_downloads.storage.files.checksums import Checksum, Checksums
from tests.storage.files.test_checksums import FILE, find, remember
worker = int(sys.argv[2])
with Checksums(Path(sys.argv[1])) as table:
    for number in range(200):
        facts = FILE._replace(inode=worker * 1000 + number)
        remember(table, [(facts, Checksum(facts.inode))])
        find(table, facts)
"""


def test_several_workers_share_one_table(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORK, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(number)]) for number in range(3)]
    assert [worker.wait(30) for worker in workers] == [0, 0, 0]
    files = [FILE._replace(inode=worker * 1000 + number) for worker in range(3) for number in range(200)]
    with Checksums(tmp_path) as table:
        assert find(table, *files) == {index: Checksum(facts.inode) for index, facts in enumerate(files)}


class Busy:
    """A connection that another one is in the way of, so many times."""

    def __init__(self, times: int, code: int = sqlite3.SQLITE_BUSY) -> None:
        self.times = times
        self.code = code
        self.asked = 0

    def execute(self, statement: str) -> None:
        self.asked += 1
        if self.asked <= self.times:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.code
            raise error


def test_the_change_to_wal_waits_for_others_as_sqlite_itself_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    busy = Busy(3)
    checksums._use_wal(busy, 60)  # type: ignore[arg-type]
    assert busy.asked == 4
    with pytest.raises(sqlite3.OperationalError):
        checksums._use_wal(Busy(3), -1)  # type: ignore[arg-type]
    full = Busy(1, sqlite3.SQLITE_FULL)
    with pytest.raises(sqlite3.OperationalError):
        checksums._use_wal(full, 60)  # type: ignore[arg-type]
    assert full.asked == 1
