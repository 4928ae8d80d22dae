"""The table keeps what was computed, for one state of a file, and no trouble with it reaches a request."""

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.state import FileState
from tests.conftest import descriptors, until
from tests.support.serving import environment

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

FILE = FileState(7, 1 << 40, 1000, 1_700_000_000_000_000_001, 1_700_000_000_000_000_002)
KNOWN = b"\xff\xff\xff\xff"


def remember(table: Checksums, records: list[tuple[FileState, bytes]], kind: str = "") -> None:
    table.remember(records, kind, time.time_ns())


def find(table: Checksums, *states: FileState, kind: str = "") -> dict[int, bytes]:
    values = table.find_blocking(states, kind)
    return {index: value for index, value in enumerate(values) if value is not None}


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
    state: FileState


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
    assert find(table, case.state, FILE) == {1: KNOWN}
    remember(table, [(case.state, b"1")])
    assert find(table, case.state)[0] == b"1"


def test_each_kind_has_its_own_record(table: Checksums) -> None:
    packed = b"\5\0\0\0\1\0\0\0\2\0\0\0"
    remember(table, [(FILE, KNOWN)])
    remember(table, [(FILE, packed)], "a")
    assert find(table, FILE) == {0: KNOWN}
    assert find(table, FILE, kind="a") == {0: packed}
    assert find(table, FILE, kind="b") == {}


def test_a_file_that_is_listed_twice_is_found_twice(table: Checksums) -> None:
    remember(table, [(FILE, KNOWN)])
    assert find(table, FILE, FILE) == {0: KNOWN, 1: KNOWN}


def test_the_oldest_records_go_when_there_are_too_many(tmp_path: Path) -> None:
    files = [FILE._replace(inode=number) for number in range(100)]
    with Checksums(tmp_path, row_limit=32) as table:
        for first in range(0, 100, 2):
            remember(table, [(state, KNOWN) for state in files[first : first + 2]])
            assert len(find(table, *files)) <= 32 + 2
        kept = find(table, *files)
        assert set(kept) >= set(range(100 - 32, 100)), "the newest are all there"


def test_65600_files_are_one_question(table: Checksums) -> None:
    files = [FILE._replace(inode=number, size=number) for number in range(65_600)]
    remember(table, [(state, b"%d" % state.size) for state in files])
    found = find(table, *files)
    assert len(found) == 65_600
    assert found[65_599] == b"65599"


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
    "another-schema": lambda path: change(path, "ALTER TABLE checksum RENAME COLUMN value TO sum"),
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
        remember(table, [(state, KNOWN) for state in files])
    DAMAGE[damage](path_of(tmp_path))
    with Checksums(tmp_path) as table:
        assert set(find(table, *files).values()) <= {KNOWN}
        remember(table, [(FILE, KNOWN)])
        assert find(table, FILE) == {0: KNOWN}
    with Checksums(tmp_path) as table:
        assert find(table, FILE) == {0: KNOWN}, "it was kept on the disk"


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


def test_a_disk_that_is_full_makes_it_work_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def connect_to_a_full_disk(*args: Any, **more: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **more)
        if args[0] != ":memory:":
            database.execute("PRAGMA max_page_count = 5")
        return database

    monkeypatch.setattr(sqlite3, "connect", connect_to_a_full_disk)
    with Checksums(tmp_path) as table:
        assert find(table, FILE) == {}
        files = [FILE._replace(inode=number) for number in range(5000)]
        remember(table, [(state, KNOWN) for state in files])
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
import sys
from pathlib import Path
from asgi_downloads.storage.files.checksums import Checksums
from tests.storage.files.test_checksums import FILE, find, remember
worker = int(sys.argv[2])
with Checksums(Path(sys.argv[1])) as table:
    for number in range(200):
        state = FILE._replace(inode=worker * 1000 + number)
        remember(table, [(state, b"%d" % state.inode)])
        find(table, state)
"""


def test_several_workers_share_one_table(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORK, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(number)], env=environment()) for number in range(3)]
    assert [worker.wait(30) for worker in workers] == [0, 0, 0]
    files = [FILE._replace(inode=worker * 1000 + number) for worker in range(3) for number in range(200)]
    with Checksums(tmp_path) as table:
        assert find(table, *files) == {index: b"%d" % state.inode for index, state in enumerate(files)}


def test_who_starts_while_another_changes_to_wal_waits_and_finds_the_table(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "checksums.sqlite")
    other.execute("BEGIN EXCLUSIVE")  # as while the journal's mode is changed
    with Checksums(tmp_path, patience=5) as table, ThreadPoolExecutor(1) as thread:
        remember(table, [(FILE, KNOWN)])
        found = thread.submit(find, table, FILE)
        assert not wait((found,), timeout=0.05).done
        other.close()
        assert found.result(5) == {0: KNOWN}


def test_a_table_that_nobody_has_any_more_is_closed(tmp_path: Path) -> None:
    """From Python 3.13 on one that is not is a ResourceWarning, here an error."""
    for directory in (tmp_path, None):
        others = threading.enumerate()
        table = Checksums(directory)
        remember(table, [(FILE, KNOWN)])
        assert find(table, FILE) == {0: KNOWN}
        [thread] = [each for each in threading.enumerate() if each not in others]
        del table
        gc.collect()
        thread.join(5)
        assert not thread.is_alive()
    gc.collect()


def test_a_table_is_let_go_of_after_a_while_without_requests_and_opened_again_by_the_next(tmp_path: Path) -> None:
    async def run(table: Checksums) -> None:
        for _ in range(2):
            table.touch()
            remember(table, [(FILE, KNOWN)])
            assert find(table, FILE) == {0: KNOWN}
            await until(lambda: not any(str(tmp_path) in each for each in descriptors()))

    with Checksums(tmp_path, idle=0.02) as table:
        asyncio.run(run(table))


def test_one_in_memory_is_never_let_go_of() -> None:
    async def run(table: Checksums) -> None:
        table.touch()
        remember(table, [(FILE, KNOWN)])
        await asyncio.sleep(0.05)
        assert find(table, FILE) == {0: KNOWN}

    with Checksums(idle=0.01) as table:
        asyncio.run(run(table))


LATE = """
from pathlib import Path
import sys
from asgi_downloads.storage.files.checksums import Checksums
from tests.storage.files.test_checksums import FILE, KNOWN, find, remember
table = Checksums(Path(sys.argv[1]))
remember(table, [(FILE, KNOWN)])
"""


def test_what_is_remembered_last_is_kept_when_the_process_ends_without_closing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", LATE, str(tmp_path)]
    done = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
    assert done.stderr == ""
    with Checksums(tmp_path) as table:
        assert find(table, FILE) == {0: KNOWN}
