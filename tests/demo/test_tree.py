"""The sample tree as a whole: the same everywhere, there for every URL, all or nothing."""

import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from asgi_downloads import demo
from asgi_downloads.demo import tree, users
from tests.support.serving import ROOT, environment

DIGEST = "a71009bb8f8db8f073fd638d3530833f0cf311668120882edc7b426628b40c6e"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tree") / "demo"
    demo.write_demo(directory, users=100)
    return directory


def digest(directory: Path) -> str:
    """Of every name, type, time and byte below."""
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        facts = path.lstat()
        total.update(f"{path.relative_to(directory)}\0{stat.S_IFMT(facts.st_mode)}\0{facts.st_mtime_ns}\0".encode())
        if path.is_file():
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def test_every_run_and_every_machine_makes_the_same_bytes(made: Path) -> None:
    """Change the digest with the samples; SQLite, zlib and Python of other versions must not."""
    assert digest(made) == DIGEST


def test_another_process_with_another_hash_seed_makes_the_same(made: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "asgi_downloads", "demo", tmp_path / "again", "--users", "100"],
        env=environment({"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}),
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=20,
    )
    assert digest(tmp_path / "again") == digest(made)


def test_every_file_has_the_same_time_and_may_be_read_by_all(made: Path) -> None:
    for path in (made, *made.rglob("*")):
        facts = path.stat()
        assert facts.st_mtime == tree.WRITTEN
        assert facts.st_mode & (0o055 if path.is_dir() else 0o044)


def test_every_command_names_something_that_is_there(made: Path) -> None:
    folders = {
        "/download/large/": "large-files",
        "/download/async/": "files",
        "/download/bundle/": "bundles",
        "/download/": "downloads",
        "/file/": "files",
        "/preview/": "files",
        "/video/": "videos",
    }
    made_for_the_request = ("/reports/generate/", "/export/", "/healthz")
    for command in demo.commands("curl", "http://h"):
        path = unquote(urlsplit(command.rsplit(" ", 1)[1]).path)
        if path.startswith(made_for_the_request):
            continue
        if path.startswith("/reports/"):
            assert (made / "reports" / f"{path.removeprefix('/reports/')}.pdf").is_file()
            continue
        prefix = next(prefix for prefix in folders if path.startswith(prefix))
        assert (made / folders[prefix] / path.removeprefix(prefix)).exists()


def test_there_are_names_of_every_sort(made: Path) -> None:
    names = [path.name for path in (made / "downloads").iterdir()]
    assert any(" " in name for name in names)
    assert any(not name.isascii() for name in names)
    assert any(name.isascii() for name in names)
    assert sorted(path.name for path in (made / "bundles").iterdir()) == ["empty", "holiday", "reports"]
    assert not list((made / "bundles" / "empty").iterdir())


def test_an_empty_directory_is_filled_and_a_full_one_never(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    demo.write_demo(tmp_path / "empty", users=1)
    assert demo.is_demo(tmp_path / "empty")
    before = digest(tmp_path)
    with pytest.raises(demo.DemoError, match="not empty"):
        demo.write_demo(tmp_path / "empty", users=1)
    assert digest(tmp_path) == before


def test_parents_are_made(tmp_path: Path) -> None:
    demo.write_demo(tmp_path / "a" / "b", users=1)
    assert demo.is_demo(tmp_path / "a" / "b")


@pytest.mark.parametrize("wrong", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
def test_what_goes_wrong_midway_leaves_nothing(
    wrong: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, count: int) -> None:
        path.write_bytes(b"half")
        raise wrong

    monkeypatch.setattr(users, "write", write)
    with pytest.raises(demo.DemoError if isinstance(wrong, OSError) else type(wrong)):
        demo.write_demo(tmp_path / "demo")
    assert os.listdir(tmp_path) == []


def test_a_directory_that_appears_meanwhile_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, count: int) -> None:
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / "mine").touch()

    monkeypatch.setattr(users, "write", write)
    with pytest.raises(demo.DemoError, match="not empty"):
        demo.write_demo(tmp_path / "demo")
    assert [path.name for path in tmp_path.rglob("*")] == ["demo", "mine"]


def test_the_users_try_a_csv_reader(made: Path) -> None:
    with closing(sqlite3.connect(f"file:{made / 'app.db'}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        columns = [(name, kind) for _, name, kind, *_ in database.execute("PRAGMA table_info(users)")]
        rows = database.execute("SELECT id, name, email, created_at FROM users ORDER BY id").fetchall()
    assert columns == [("id", "INTEGER"), ("name", "TEXT"), ("email", "TEXT"), ("created_at", "TEXT")]
    assert [row[0] for row in rows] == list(range(1, 101))
    assert len({row[2] for row in rows}) == 100
    assert [row[3] for row in rows] == sorted(row[3] for row in rows)
    names = [row[1] for row in rows]
    for sign in (",", '"', "\n", "\r\n", "=", "+", "-", "@", "é", "Я", "山"):
        assert any(sign in name or sign.lower() in name for name in names), sign
    assert names[: len(users.SPECIAL)] == list(users.SPECIAL)


def test_another_count_is_the_same_table_longer(tmp_path: Path) -> None:
    for count in (0, 3, 500):
        users.write(tmp_path / str(count), count)
    rows = {}
    for count in (0, 3, 500):
        with closing(sqlite3.connect(tmp_path / str(count))) as database:
            rows[count] = database.execute("SELECT * FROM users").fetchall()
    assert [len(rows[count]) for count in rows] == [0, 3, 500]
    assert rows[500][:3] == rows[3]


def test_users_are_made_by_the_hundred_thousand_in_a_second_or_two(tmp_path: Path) -> None:
    """A tenth of a million, in processor time, with room for a slow machine; 0.2 s where this was written."""
    started = time.process_time()
    users.write(tmp_path / "app.db", 100_000)
    assert time.process_time() - started < 2


def test_the_samples_need_only_the_standard_library() -> None:
    code = "import sys; before = set(sys.modules); import asgi_downloads.demo; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in loaded if not name.startswith("asgi_downloads.demo")} == {"asgi_downloads"}
