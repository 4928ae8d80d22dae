"""A report shows what it was given, whatever that is, as readers of PDF see it."""

import itertools
import re
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("reportlab")

from asgi_downloads.bodies.report.pdf import LONGEST, render, visible
from asgi_downloads.bodies.report.report import SAMPLE, Report, Table
from tests.support.tools import require

MADE_AT = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)


def report(report_id: str = "q1", table: Table = SAMPLE, made_at: datetime = MADE_AT) -> Report:
    return Report(report_id, made_at, table)


def read(content: bytes) -> str:
    """The text as a reader shows it, pages ended by form feeds."""
    require("pdftotext")
    done = subprocess.run(
        ("pdftotext", "-layout", "-enc", "UTF-8", "-", "-"), input=content, capture_output=True, check=True
    )
    return done.stdout.decode()


def words(content: bytes) -> str:
    return "".join(read(content).split())


@pytest.mark.parametrize(
    ("report_id", "shown"),
    [
        ("q1", "q1"),
        ("two words", "twowords"),
        ("<b>bold", "<b>bold"),
        ("&lt; &#65;", "&lt;&#65;"),
        ("Übersicht-žlutý", "Übersicht-žlutý"),
        ("<b>bold</b>&amp;<para>", "<b>bold</b>&amp;<para>"),
        ("(a) \\(b\\) %c", "(a)\\(b\\)%c"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("bell\x07 tab\t line\n", "bell\\x07tab\\x09line\\x0a"),
        ("\x00\x1b[31m\x7f\x85", "\\x00\\x1b[31m\\x7f\\x85"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("lone \ud800", "lone\\ud800"),
        ("private \ue000", "private\\ue000"),
        ("composed e\u0301", "composedé"),
    ],
    ids=lambda value: ascii(value)[1:-1],
)
def test_an_id_is_shown_as_it_is_and_what_has_no_shape_as_an_escape(report_id: str, shown: str) -> None:
    assert words(render(report(report_id))).startswith("Report" + shown + "Generatedat")


@pytest.mark.parametrize("text", ["山田太郎", "简体中文", "繁體中文", "한국어"])
def test_east_asian_text_is_set_in_fonts_that_have_it(text: str) -> None:
    assert visible(text) == text
    assert render(report(text)) != render(report("x" * len(text)))


def test_a_long_id_is_broken_into_lines_and_cut_in_the_end() -> None:
    most = LONGEST - len("Report ")
    assert "x" * most in words(render(report("x" * most)))
    shown = words(render(report("x" * (most + 1))))
    assert f"{'x' * most}…({LONGEST + 1:,}characters)" in shown


def test_lines_are_broken_between_words() -> None:
    lines = read(render(report("word " * 100))).split("\n")
    assert sum("word" in line for line in lines) > 3
    assert all(part in ("Report", "word") for line in lines if "word" in line for part in line.split())


def test_every_space_is_kept() -> None:
    def left(content: bytes) -> float:
        """How far from the left `two` stands."""
        done = subprocess.run(("pdftotext", "-bbox", "-", "-"), input=content, capture_output=True, check=True)
        return float(re.search(rb'xMin="([0-9.]+)"[^>]*>two<', done.stdout)[1])  # type: ignore[index]

    require("pdftotext")
    places = [left(render(report(f"one{' ' * spaces}two"))) for spaces in range(1, 5)]
    assert [round(right - left, 1) for left, right in itertools.pairwise(places)] == [5.0, 5.0, 5.0]


def test_the_time_is_in_utc() -> None:
    made_at = datetime(2024, 3, 1, 1, 59, 59, tzinfo=timezone(timedelta(hours=2)))
    assert "Generated at 2024-02-29 23:59:59 UTC" in read(render(report(made_at=made_at)))


def test_the_table_is_all_there_and_each_page_says_which_it_is() -> None:
    rows = tuple((str(n), f"Name {n}") for n in range(1, 201))
    pages = read(render(report(table=Table("A caption", ("number", "name"), rows)))).split("\f")[:-1]
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert [line.split() for line in page.split("\n")].count(["number", "name"]) == 1
    assert "A caption" in pages[0]
    shown = [line.split() for page in pages for line in page.split("\n") if "Name" in line]
    assert shown == [[str(n), "Name", str(n)] for n in range(1, 201)]


def test_a_cell_longer_than_its_column_is_broken_within_it() -> None:
    lines = read(render(report(table=Table("", ("a", "b"), (("left " * 40, "right"), ("next", "row")))))).split("\n")
    assert sum(line.split().count("left") for line in lines) == 40
    below = [line.split() for line in lines if "left" in line]
    assert below[0][-1] == "right"
    assert all("right" not in line for line in below[1:])


@pytest.mark.parametrize(
    "table",
    [
        Table("", ("only",), ()),
        Table("", (), ()),
        Table("", ("a",), (("",),)),
        Table("", ("a", "b"), (("x" * 9999, ""),)),
    ],
    ids=["no-rows", "no-columns", "empty-cell", "cell-beyond-a-page"],
)
def test_odd_tables(table: Table) -> None:
    assert "Page 1 of" in read(render(report(table=table)))


def test_equal_reports_are_equal_to_the_byte() -> None:
    assert render(report("Žluťoučký")) == render(report("Žluťoučký"))
    assert render(report("a")) != render(report("b"))
    assert render(report()) != render(report(made_at=MADE_AT + timedelta(seconds=1)))


def test_a_checker_finds_no_fault(tmp_path: Path) -> None:
    require("qpdf")
    path = tmp_path / "report.pdf"
    path.write_bytes(render(report("Ωmega 山 (\\) \x00")))
    subprocess.run(("qpdf", "--check", path), check=True, capture_output=True)


@given(st.text(st.characters(codec=None), max_size=60), st.lists(st.text(max_size=20), max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_it(report_id: str, cells: list[str]) -> None:
    content = render(report(report_id, Table("", tuple(cells), (tuple(cells),))))
    assert content.startswith(b"%PDF-")
    assert content.endswith(b"%%EOF\n")


@given(st.text(st.characters(codec=None), max_size=60))
@settings(max_examples=60, deadline=None)
def test_what_is_shown_can_be_seen(text: str) -> None:
    shown = visible(text)
    assert all(char == " " or char.isprintable() for char in shown)
    assert visible(shown) == shown
