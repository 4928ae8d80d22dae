import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_downloads.storage.rows.csv_text import CELL_END, LINE_END, as_utf8, finished, is_regular, with_crlf

CELLS = st.text(st.sampled_from('ab,;\t"\r\n é'), max_size=6)
DELIMITERS = st.sampled_from([",", ";", "\t"])


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(2, 4))
    return draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))


def raw(rows: list[list[str]]) -> bytes:
    return LINE_END.join(CELL_END.join(cell.encode() for cell in row) for row in rows)


def written(rows: list[list[str]], delimiter: str) -> bytes:
    """What the csv module writes, which quotes as few cells as can be."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return file.getvalue().encode()


@settings(max_examples=150)
@given(tables(), DELIMITERS)
@example([["", ""], ['"', ","]], ",")
def test_a_regular_block_becomes_what_the_csv_module_writes(rows: list[list[str]], delimiter: str) -> None:
    block = raw(rows)
    assert is_regular(block, len(rows), len(rows[0]))
    assert finished(block, delimiter.encode()) + b"\r\n" == written(rows, delimiter)


@pytest.mark.parametrize(
    "cell", [CELL_END, LINE_END, CELL_END + LINE_END, b"x" + LINE_END + b"y"], ids=["cell", "line", "both", "within"]
)
def test_a_block_with_a_separator_within_a_cell_is_not_regular(cell: bytes) -> None:
    assert not is_regular(raw([["1", "a"], ["2", cell.decode()]]), 2, 2)


@settings(max_examples=150)
@given(tables(), DELIMITERS, st.lists(st.integers(0, 400), max_size=4))
def test_line_ends_become_crlf_outside_quotes_however_the_text_is_cut(
    rows: list[list[str]], delimiter: str, cuts: list[int]
) -> None:
    special = {delimiter, '"', "\r", "\n"}
    cells = [['"' + cell.replace('"', '""') + '"' if special & set(cell) else cell for cell in row] for row in rows]
    text = "".join(delimiter.join(row) + "\n" for row in cells).encode()
    out, in_quotes, start = b"", False, 0
    for cut in [*sorted(cuts), len(text)]:
        block, in_quotes = with_crlf(text[start:cut], in_quotes)
        out, start = out + block, max(start, cut)
    assert out == written(rows, delimiter)
    assert not in_quotes


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
