"""What is looked at before serving. Most refusals are in tests/test_main.py, as users see them."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from asgi_downloads.server.errors import StartError
from asgi_downloads.server.process.checks import check
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


@pytest.fixture
def no_privileges() -> Iterator[None]:
    """Run as an ordinary user; root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def warnings(settings: Settings, *, database_given: bool = False) -> list[str]:
    return list(check(settings, database_given=database_given))


def test_a_whole_tree_gives_no_warning(data: Path) -> None:
    assert warnings(Settings(data_dir=data)) == []


def test_checking_leaves_nothing_behind(data: Path, no_descriptor_left: None) -> None:
    before = sorted(os.listdir(data))
    warnings(Settings(data_dir=data))
    assert sorted(os.listdir(data)) == before


def test_a_default_database_may_be_absent(data: Path) -> None:
    (data / "app.db").unlink()
    (warning,) = warnings(Settings(data_dir=data))
    assert "so /export/users answers 503" in warning
    with pytest.raises(StartError, match="No such file"):
        warnings(Settings(data_dir=data), database_given=True)


def test_a_default_database_that_is_there_must_be_one(data: Path) -> None:
    (data / "app.db").write_bytes(b"no database at all, and longer than a header" * 20)
    with pytest.raises(StartError, match="file is not a database"):
        warnings(Settings(data_dir=data))


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
    assert warnings(Settings(data_dir=data, database_url=f"sqlite:///{strange}"), database_given=True) == []


def test_a_tree_without_any_root_is_told(tmp_path: Path) -> None:
    first, second = warnings(Settings(data_dir=tmp_path))
    assert "has none of downloads, large-files" in first
    assert "no database" in second


def test_a_directory_that_may_not_be_read_is_refused(data: Path, no_privileges: None) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as closed:
        os.chmod(closed, 0)
        with pytest.raises(StartError, match="Permission denied"):
            warnings(Settings(data_dir=Path(closed)))


def test_a_database_that_may_not_be_read_is_refused(data: Path) -> None:
    (data / "app.db").chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(StartError, match="Permission denied"):
            warnings(Settings(data_dir=data))
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_missing_driver_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=data, database_url="postgresql://db/users")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert warnings(settings, database_given=True) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (warning,) = warnings(settings, database_given=True)
    assert "pip install 'asgi-downloads[postgres]'" in warning
