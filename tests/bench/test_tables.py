"""The declared tables fit each other, and the data is what it says."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench import data
from bench.bars import BARS, Bar
from bench.cases import BY_ID, CASES, Case
from bench.data import HELLO, KIB, MIB, SIZES, Data, noise, prose
from bench.headlines import TABLES, Table
from bench.metrics import METRICS
from bench.scaling import CASES as POINTS
from bench.scaling import SCALES
from bench.targets import TARGETS, Target, missing


def test_ids_are_unique() -> None:
    assert len({case.id for case in (*CASES, *POINTS)}) == len(BY_ID) + len(POINTS) == len(CASES) + len(POINTS)


def test_scales_go_up() -> None:
    for scale in SCALES.values():
        places = [place for place, _ in scale.points]
        assert places == sorted(set(places))
        assert set(scale.figures) <= set(METRICS)


@pytest.mark.parametrize("case", [*CASES, *POINTS], ids=lambda case: case.id)
def test_a_case_names_what_there_is(case: Case) -> None:
    assert set(case.targets) <= set(TARGETS)
    assert set(case.quick_targets) <= set(case.targets)
    assert set(case.figures) <= set(METRICS)
    assert len({ask.status for ask in case.asks}) == 1


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.words)
def test_a_bar_can_be_measured(bar: Bar) -> None:
    assert {bar.target, bar.over} - {""} <= set(BY_ID[bar.case].targets)
    assert bar.metric in METRICS
    assert bar.relation in ("<=", ">=")


@pytest.mark.parametrize("table", [table for _, table in TABLES])
def test_a_headline_can_be_measured(table: Table) -> None:
    for row in table.rows:
        assert {target for target, _ in table.columns} & set(BY_ID[row.case].targets)
        assert table.columns[0][0] in BY_ID[row.case].targets
        assert row.metric in METRICS


def test_a_target_may_have_the_file_elsewhere() -> None:
    target = TARGETS["fastapi-stream"]
    assert isinstance(target, Target)
    assert target.path("/download/x") == "/download/large/x"
    assert target.path("/export/users") == "/export/users"


def test_what_is_not_installed_is_named() -> None:
    assert missing(()) is None
    assert missing(("py:json",)) is None
    assert missing(("no-such-program",)) == "no-such-program is not installed"
    assert missing(("py:no_such_module",)) == "the Python package no_such_module is not installed"


@pytest.mark.parametrize("size", [1, KIB, MIB - 1, MIB, 3 * MIB + 5])
def test_noise_has_its_size_and_every_part_its_place(size: int) -> None:
    content = b"".join(noise(size))
    assert len(content) == size
    starts = [content[place : place + 16] for place in range(0, size - 16, 64 * KIB)]
    assert len(set(starts)) == len(starts)


def test_stored_files_begin_alike_and_hello_is_that_beginning() -> None:
    assert next(noise(MIB)).startswith(HELLO)
    assert len(HELLO) == SIZES["1KiB"]


def test_prose_compresses_and_noise_does_not() -> None:
    import zlib

    assert len(zlib.compress(prose(20_000, 3))) < 10_000
    assert len(zlib.compress(b"".join(noise(MIB)))) > MIB


def test_data_is_made_once(tmp_path: Path) -> None:
    made = Data(tmp_path / "work")
    path = made.ensure("file:64KiB")
    assert path.read_bytes() == b"".join(noise(64 * KIB))
    before = path.stat().st_ino
    assert made.ensure("file:64KiB").stat().st_ino == before
    assert (tmp_path / "work" / "tree" / "videos" / "64KiB.bin").stat().st_ino == before
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700


def test_every_url_of_files_has_the_cold_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "COLD_FILES", 2)
    Data(tmp_path).ensure("cold:1MiB")
    for folder in ("downloads", "large-files", "files", "videos"):
        assert sorted(path.name for path in (tmp_path / "tree" / folder).iterdir()) == ["cold-00.bin", "cold-01.bin"]


def test_bundle_and_archive(tmp_path: Path) -> None:
    made = Data(tmp_path)
    archive = made.ensure("archive:tiny-5")
    assert archive.stat().st_size > 5 * 1000
    assert len(list((tmp_path / "tree" / "bundles" / "tiny-5").iterdir())) == 5


def test_the_users_table_is_what_the_csv_must_say(tmp_path: Path) -> None:
    made = Data(tmp_path)
    with closing(sqlite3.connect(made.ensure("users:300"))) as connection:
        rows = [[str(value) for value in row] for row in connection.execute("SELECT * FROM users ORDER BY id")]
    assert [list(data.COLUMNS), *rows] == list(data.csv_lines(300))
    data.write_csv(tmp_path / "users.csv", 300)
    with open(tmp_path / "users.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == rows


def test_unknown_data_is_refused(tmp_path: Path) -> None:
    made = Data(tmp_path)
    with pytest.raises(ValueError, match="no such item"):
        made.ensure("nothing:1")
    with pytest.raises(ValueError, match="no such bundle"):
        made.ensure("bundle:none-1")
