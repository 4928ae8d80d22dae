"""What is looked at before serving. Most refusals are in tests/test_main.py, as users see them."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from asgi_downloads.server.errors import StartError
from asgi_downloads.server.process.checks import check
from asgi_downloads.service.own import OwnDirectory, OwnExport
from asgi_downloads.service.settings import Settings


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that other users of the machine can reach."""
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        directory = Path(made)
        (directory / "downloads").mkdir()
        with closing(sqlite3.connect(directory / "app.db")) as database:
            database.execute("CREATE TABLE users (id)")
        yield directory


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """As on a read-only mount; root may write everywhere, so be somebody else meanwhile."""
    directory.chmod(0o555)
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        directory.chmod(0o755)


def warnings(settings: Settings) -> list[str]:
    return list(check(settings))


def test_a_whole_tree_gives_no_warning(data: Path) -> None:
    assert warnings(Settings(data_dir=data)) == []


def test_checking_leaves_nothing_behind(data: Path, no_descriptor_left: None) -> None:
    before = sorted(os.listdir(data))
    warnings(Settings(data_dir=data))
    assert sorted(os.listdir(data)) == before


def no_database(path: Path) -> None:
    path.unlink()


def something_else(path: Path) -> None:
    path.write_bytes(b"no database at all, and longer than a header" * 20)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_write_ahead_log_without_its_index(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE more (id)")
        saved = {name: Path(f"{path}{name}").read_bytes() for name in ("", "-wal")}
    for name, content in saved.items():
        Path(f"{path}{name}").write_bytes(content)


def a_hot_journal(path: Path) -> None:
    """As a power failure leaves it, to be rolled back first."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("CREATE TABLE large (content)")
        database.execute("BEGIN")
        database.execute(
            "INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 99)"
            " SELECT randomblob(9999) FROM n"
        )
        saved = {name: Path(f"{path}{name}").read_bytes() for name in ("", "-journal")}
        database.execute("ROLLBACK")
    for name, content in saved.items():
        Path(f"{path}{name}").write_bytes(content)


UNREADABLE = {
    "absent": (no_database, "No such file"),
    "something-else": (something_else, "file is not a database"),
    "a-directory": (a_directory, "Is a directory"),
    "log-without-its-index": (a_write_ahead_log_without_its_index, "unable to open database file"),
    "not-ours": (lambda path: path.chmod(0), "Permission denied"),
    "hot-journal": (a_hot_journal, "attempt to write a readonly database"),
}


@pytest.mark.parametrize("given", [True, False], ids=["given", "by-default"])
@pytest.mark.parametrize(("make", "says"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_database_that_cannot_be_read_is_told_and_files_are_served(
    make: Callable[[Path], None], says: str, given: bool, data: Path
) -> None:
    database = data / "other.db" if given else data / "app.db"
    (data / "app.db").rename(database)
    make(database)
    settings = Settings(data_dir=data, database_url=f"sqlite:///{database}") if given else Settings(data_dir=data)
    with read_only(data):
        (warning,) = warnings(settings)
    assert warning.startswith(f"database '{database}' cannot be read, so /export/users answers 503: ")
    assert says in warning


def test_a_database_without_users_is_told(data: Path) -> None:
    with closing(sqlite3.connect(data / "app.db")) as database:
        database.execute("DROP TABLE users")
    (warning,) = warnings(Settings(data_dir=data))
    assert "has no table users" in warning


def test_a_database_that_is_being_written_is_no_mistake(data: Path) -> None:
    with closing(sqlite3.connect(data / "app.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert warnings(Settings(data_dir=data)) == []


def test_a_name_with_signs_of_urls_is_still_a_name(data: Path) -> None:
    strange = data / "50% ?#.db"
    (data / "app.db").rename(strange)
    assert warnings(Settings(data_dir=data, database_url=f"sqlite:///{strange}")) == []


def test_a_plain_folder_lacks_its_database_alone(tmp_path: Path) -> None:
    (only,) = warnings(Settings(data_dir=tmp_path))
    assert "app.db' cannot be read" in only


def test_a_directory_of_ones_own_that_is_not_there_is_told(data: Path) -> None:
    own = (OwnDirectory("/media", data / "none"),)
    assert warnings(Settings(data_dir=data, directories=own)) == [
        f"directories[0]: '{data}/none' is not there, so /media/ answers 404"
    ]
    assert warnings(Settings(data_dir=data / "none", directories=own, database_url=f"sqlite:///{data}/app.db"))


WRONG = [
    ("SELECT 1 AS a", None),
    ("SELECT no_such FROM users", "exports.x: answers 500, for its query cannot be run: no such column: no_such"),
    ("DELETE FROM users", "exports.x: answers 500, for its query cannot be run: "),
    ("SELECT 1 AS a, 2 AS a", "exports.x: answers 500, for its query cannot be run: two columns have one name"),
]


@pytest.mark.parametrize(("sql", "want"), WRONG)
def test_a_query_that_is_wrong_is_one_line(sql: str, want: str | None, data: Path) -> None:
    found = warnings(Settings(data_dir=data, exports=(OwnExport("x", sql),)))
    assert len(found) == (want is not None)
    assert all(line.startswith(want or "") for line in found)


def test_a_name_that_is_not_utf_8_is_a_name(data: Path) -> None:
    strange = data / os.fsdecode(b"caf\xe9")
    strange.mkdir()
    (data / "app.db").rename(strange / "app.db")
    (data / "downloads").rename(strange / "downloads")
    assert warnings(Settings(data_dir=strange)) == []


@pytest.mark.parametrize("way", ["missing", "no-directory", "no-usual-place"])
def test_a_temporary_directory_that_cannot_be_used_is_told(
    way: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    place = {"missing": data / "none", "no-directory": data / "app.db" / "x", "no-usual-place": None}[way]
    (warning,) = warnings(Settings(data_dir=data, temp_dir=place))
    assert warning.endswith("so /reports/generate and /export/data answer 503: choose another with --temp-dir")


def test_a_directory_that_may_not_be_read_is_refused(data: Path) -> None:
    (data / "closed").mkdir(0)
    with read_only(data), pytest.raises(StartError, match="Permission denied"):
        warnings(Settings(data_dir=data / "closed"))


def test_a_missing_driver_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=data, database_url="postgresql://db/users")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert warnings(settings) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (warning,) = warnings(settings)
    assert "pip install 'asgi-downloads[postgres]'" in warning
