import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_downloads.storage.rows.notation import CELL_END, LINE_END, Csv, JsonLines, Number, as_utf8, with_crlf

CELLS = st.text(st.sampled_from('ab,;\t"\r\n é'), max_size=6)
ODD_CELLS = st.text(st.sampled_from('a,"\n\x1e\x1f'), max_size=6)
VALUES = st.lists(
    st.tuples(
        *[st.one_of(st.none(), st.integers(), st.floats(), st.binary(max_size=4), ODD_CELLS.map(str.encode))] * 2
    ),
    min_size=1,
    max_size=8,
)
DELIMITERS = st.sampled_from([",", ";", "\t"])
Table = list[tuple[str, ...]]


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str] = CELLS) -> Table:
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.tuples(*[cells] * width), min_size=1, max_size=8))


def raw(rows: Table) -> bytes:
    return LINE_END.join(CELL_END.join(cell.encode() for cell in row) for row in rows)


def written(rows: list[Any], delimiter: str = ",") -> bytes:
    """What the csv module writes, which quotes as few cells as can be."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return file.getvalue().encode()


def names(rows: list[Any]) -> list[str]:
    return [f"column {place}" for place, _ in enumerate(rows[0])]


class TestCsv:
    @settings(max_examples=150)
    @given(tables(), DELIMITERS)
    @example([("", ""), ('"', ",")], ",")
    @example([("",), ("a",)], ",")
    def test_a_block_that_sql_made_becomes_what_the_csv_module_writes(self, rows: Table, delimiter: str) -> None:
        assert Csv(delimiter).finished(raw(rows), len(rows), len(rows[0])) == written(rows, delimiter)

    @settings(max_examples=150)
    @given(tables(ODD_CELLS), DELIMITERS)
    @example([("\x1e",)], ",")
    @example([("", "\x1f")], ",")
    def test_lines_are_what_the_csv_module_writes(self, rows: Table, delimiter: str) -> None:
        assert Csv(delimiter).lines(names(rows), rows) == written(rows, delimiter)

    @settings(max_examples=150)
    @given(VALUES)
    @example([(b"\xc3", None), (b"a\x1e", 1.5)])
    @example([(b"a",), (None,)])
    def test_rows_of_bytes_are_written_as_rows_of_text(self, rows: list[Any]) -> None:
        text = [
            tuple(cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in row) for row in rows
        ]
        assert Csv().lines_of_bytes(names(rows), rows) == Csv().lines(names(rows), text)

    def test_values_are_what_the_csv_module_writes(self) -> None:
        rows = [(None, True, -1, 10**30), (0.1 + 0.2, 1e300, "", " ")]
        assert Csv().lines(names(rows), rows) == written(rows)

    def test_bytes_are_the_text_that_they_are(self) -> None:
        assert Csv().lines("ab", [("é".encode(), b"\xff,")]) == 'é,"\ufffd,"\r\n'.encode()

    @pytest.mark.parametrize(
        "cell", [CELL_END, LINE_END, CELL_END + LINE_END, b"x" + LINE_END], ids=["cell", "line", "both", "within"]
    )
    def test_a_block_with_a_separator_within_a_cell_cannot_be_finished(self, cell: bytes) -> None:
        assert Csv().finished(raw([("1", "a"), ("2", cell.decode())]), 2, 2) is None

    @pytest.mark.parametrize(
        ("notation", "want"),
        [
            pytest.param(Csv(), b"id,name\r\n", id="csv"),
            pytest.param(Csv(";"), b"id;name\r\n", id="delimiter"),
            pytest.param(Csv(line_end="\n"), b"id,name\n", id="line-end"),
            pytest.param(Csv(for_excel=True), b"\xef\xbb\xbfid,name\r\n", id="for-excel"),
            pytest.param(JsonLines(), b"", id="json"),
        ],
    )
    def test_the_head_names_the_columns(self, notation: Csv | JsonLines, want: bytes) -> None:
        assert notation.head(("id", "name")) == want


FORMULAS = [
    # A cell, and what it becomes for a spreadsheet, without its quotes.
    pytest.param("=1+1", "'=1+1", id="equals"),
    pytest.param("+1", "'+1", id="plus"),
    pytest.param("-1", "'-1", id="minus"),
    pytest.param("@SUM(1)", "'@SUM(1)", id="at"),
    pytest.param("\t=1", "'\t'=1", id="tab"),
    pytest.param("\r=1", "'\r'=1", id="cr"),
    pytest.param("\n=1", "'\n'=1", id="lf"),
    pytest.param("\0=1", "'\0=1", id="nul"),
    pytest.param("\uff1d1", "'\uff1d1", id="full-width-equals"),
    pytest.param("\uff0b1", "'\uff0b1", id="full-width-plus"),
    pytest.param("\uff0d1", "'\uff0d1", id="full-width-minus"),
    pytest.param("\uff20a", "'\uff20a", id="full-width-at"),
    pytest.param("x;=1+2;y", "x;'=1+2;y", id="after-a-semicolon"),
    pytest.param("x,=1+2,y", "x,'=1+2,y", id="after-a-comma"),
    pytest.param("x\t=1+2", "x\t'=1+2", id="after-a-tab"),
    pytest.param("x\n+1", "x\n'+1", id="after-lf"),
    pytest.param("x\r\n-1", "x\r\n'-1", id="after-crlf"),
    pytest.param("x;\uff1d1", "x;'\uff1d1", id="full-width-after-a-semicolon"),
    pytest.param('x;"=1"', 'x;\'"=1"', id="behind-a-quote"),
    pytest.param("x,\0=1", "x,'\0=1", id="behind-nul"),
    pytest.param("=a,=b;=c", "'=a,'=b;'=c", id="everywhere"),
    pytest.param("a=b", "a=b", id="in-a-word"),
    pytest.param("a-b, c", "a-b, c", id="nothing-after-a-comma"),
    pytest.param("user@example.com", "user@example.com", id="an-address"),
    pytest.param("'=1", "'=1", id="guarded-already"),
    pytest.param("", "", id="empty"),
]


class TestForExcel:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize(("cell", "want"), FORMULAS)
    def test_no_text_starts_as_a_formula_wherever_it_may_be_split(self, cell: str, want: str, delimiter: str) -> None:
        text = Csv(delimiter, for_excel=True).lines("ab", [(1, cell)]).decode()
        [row] = csv.reader(io.StringIO(text, ""), delimiter=delimiter)
        assert row == ["1", want]

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("mark", [",", ";", "\t", '"', "\r", "\n"])
    def test_a_cell_that_may_be_split_is_quoted(self, mark: str, delimiter: str) -> None:
        for columns, row in (("ab", (f"x{mark}y", 1)), ("a", (f"x{mark}y",))):
            doubled = mark.replace('"', '""')
            assert Csv(delimiter, for_excel=True).lines(columns, [row]).startswith(f'"x{doubled}y"'.encode())

    @pytest.mark.parametrize("number", [-1, -2.5, True, Number("-1.50"), -(10**30)])
    def test_numbers_are_left_alone(self, number: object) -> None:
        rows = [(number, "=1")]
        assert Csv(for_excel=True).lines("ab", rows) == f"{number},'=1\r\n".encode()

    def test_cells_with_separators_of_ours_are_guarded_and_quoted_too(self) -> None:
        assert Csv(for_excel=True).lines("ab", [("=\x1e", "a;\x1f")]) == b'"\'=\x1e","a;\x1f"\r\n'

    def test_names_of_columns_are_text_as_well(self) -> None:
        assert Csv(for_excel=True).head(("=1", "a;b")) == b'\xef\xbb\xbf\'=1,"a;b"\r\n'


class TestJsonLines:
    def test_a_line_is_an_object_of_the_values(self) -> None:
        row = (1, "é\n\u2028", None, 0.1 + 0.2, True)
        text = JsonLines().lines("abcde", [row, row]).decode()
        assert text.count("\n") == 2
        assert [json.loads(line) for line in text.split("\n")[:-1]] == [dict(zip("abcde", row, strict=True))] * 2

    @pytest.mark.parametrize(("number", "want"), [(float("inf"), "Infinity"), (-float("inf"), "-Infinity")])
    def test_what_json_has_no_number_for_is_text(self, number: float, want: str) -> None:
        assert JsonLines().lines("ab", [(number, 1)]) == f'{{"a":"{want}","b":1}}\n'.encode()

    def test_bytes_are_the_text_that_they_are(self) -> None:
        assert JsonLines().lines("a", [("é".encode(),)]) == '{"a":"é"}\n'.encode()


class TestCopied:
    """What PostgreSQL's COPY has written."""

    @settings(max_examples=150)
    @given(tables(), DELIMITERS)
    def test_line_ends_become_crlf_outside_quotes(self, rows: Table, delimiter: str) -> None:
        special = {delimiter, '"', "\r", "\n"}
        cells = [['"' + cell.replace('"', '""') + '"' if special & set(cell) else cell for cell in row] for row in rows]
        text = "".join(delimiter.join(row) + "\n" for row in cells)
        assert with_crlf(text.encode()) == "".join(delimiter.join(row) + "\r\n" for row in cells).encode()


@pytest.mark.parametrize(
    ("block", "want"),
    [
        pytest.param(b"plain", b"plain", id="ascii"),
        pytest.param("é🦊".encode(), "é🦊".encode(), id="utf-8"),
        pytest.param(b"a\xe9,\xff\n", "a\ufffd,\ufffd\n".encode(), id="latin-1"),
        pytest.param(b"\xe2\x82,", "\ufffd,".encode(), id="cut-short-before-a-delimiter"),
        pytest.param(b"\xed\xa0\x80", "\ufffd\ufffd\ufffd".encode(), id="surrogate"),
    ],
)
def test_what_is_not_utf8_is_replaced_and_swallows_nothing(block: bytes, want: bytes) -> None:
    assert as_utf8(block) == want
