"""What rows are written as: CSV (RFC 4180) and JSON lines. The one place that knows either of them; pure.

Goes through blocks of thousands of rows in the few calls that run at C speed.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from typing import Any, ClassVar

Row = tuple[Any, ...]

BYTE_ORDER_MARK = "\ufeff".encode()

CELL_END, LINE_END = b"\x1f", b"\x1e"
"""Between cells and between lines until it is known which cells need quotes: ASCII's unit and record separator."""

_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What a formula starts with, in both widths."""
FORMULA_STARTS = _SIGNS + "\t\r\n\0"
"""What makes a spreadsheet take a cell for a formula when it comes first (CWE-1236; OWASP, "CSV Injection")."""

# A spreadsheet splits cells where its settings say, even within quotes, and drops quotes and NUL.
_FORMULA_WITHIN = re.compile(rf'[,;\t\r\n](?=["\0]*[{re.escape(_SIGNS)}])')
_MAYBE_FORMULA = re.compile(rf'[\x1e\x1f,;\t\r\n]["\0]*[{re.escape(FORMULA_STARTS)}]')
"""Matches before every formula in a regular block, and some that are none, in a third of the time."""


class Number(str):
    """A number as a database wrote it: no formula, whatever it starts with."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Csv:
    """RFC 4180: `line_end` after every line, quotes only around cells that need them, NULL as an empty cell.

    A lone cell that is empty has quotes, as an empty line is no cell. `for_excel` gives a text that a spreadsheet would
    run as a formula a leading apostrophe, at every place where one may split a cell, and the file a byte order mark.
    """

    delimiter: str = ","
    for_excel: bool = False
    line_end: str = "\r\n"

    media_type: ClassVar[bytes] = b"text/csv; charset=utf-8"
    suffix: ClassVar[str] = "csv"

    def real(self, number: float) -> str:
        """A number in the shortest digits that read back alike."""
        return repr(number)

    def head(self, columns: Sequence[str]) -> bytes:
        """What comes before the rows: the names of the columns."""
        return (BYTE_ORDER_MARK if self.for_excel else b"") + self.lines(columns, [tuple(columns)])

    def lines(self, columns: Sequence[str], rows: Sequence[Row]) -> bytes:
        """Rows of Python's values as lines: numbers as `repr` gives them, bytes as the text that they are."""
        if not _BARE.isdisjoint(map(type, chain.from_iterable(rows))):
            rows = [tuple([_text(cell) if type(cell) in _BARE else cell for cell in row]) for row in rows]
        text = _regular(rows)
        if self.may_have_formulas(text):
            rows = [tuple([_guarded(cell) for cell in row]) for row in rows]
            text = _regular(rows)
        finished = self.finished(text.encode("utf-8", "replace"), len(rows), len(columns))
        if finished is None:  # cells that have CELL_END or LINE_END in them
            out = io.StringIO(newline="")
            quoting: Any = csv.QUOTE_ALL if self.for_excel else csv.QUOTE_MINIMAL
            csv.writer(out, delimiter=self.delimiter, lineterminator=self.line_end, quoting=quoting).writerows(rows)
            return out.getvalue().encode("utf-8", "replace")
        return finished

    def lines_of_bytes(self, columns: Sequence[str], rows: Sequence[Row]) -> bytes:
        """The lines of rows whose texts are bytes, as in the database: two thirds of the time. Not for Excel."""
        assert not self.for_excel  # what is a text has to be known then
        block = LINE_END.join(map(CELL_END.join, zip(*map(_bytes, zip(*rows, strict=True)), strict=True)))
        finished = self.finished(block, len(rows), len(columns))
        return self.lines(columns, rows) if finished is None else as_utf8(finished)

    def may_have_formulas(self, block: str) -> bool:
        """Whether a regular block has to go through `lines` for the guard against them."""
        return self.for_excel and _MAYBE_FORMULA.search(LINE_END.decode() + block) is not None

    def finished(self, block: bytes, lines: int, columns: int) -> bytes | None:
        """A block with CELL_END between cells and LINE_END between lines, as CSV.

        None if there are not exactly so many of them, so that some must be within cells.
        """
        if len(block) - len(block.translate(None, CELL_END + LINE_END)) != lines * columns - 1:
            return None
        marks = '"\r\n' + (",;\t" if self.for_excel else self.delimiter)
        block = _quoted(block, marks.encode())
        if columns == 1:
            block = LINE_END.join([line or b'""' for line in block.split(LINE_END)])
        end = self.line_end.encode()
        return block.replace(CELL_END, self.delimiter.encode()).replace(LINE_END, end) + end


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a line, LF after every line; infinite numbers and NaN as text, as JSON has none (RFC 8259 §6)."""

    media_type: ClassVar[bytes] = b"application/x-ndjson"
    suffix: ClassVar[str] = "jsonl"

    def real(self, number: float) -> str:
        """A number in the shortest digits that read back alike; as a string if JSON has none such."""
        return repr(number) if isfinite(number) else f'"{json.dumps(number)}"'

    def head(self, columns: Sequence[str]) -> bytes:
        """Nothing comes before the rows."""
        return b""

    def lines(self, columns: Sequence[str], rows: Sequence[Row]) -> bytes:
        """Rows of Python's values as lines: bytes as the text that they are, dates and times in ISO 8601."""
        return "".join([_json(dict(zip(columns, row, strict=True))) + "\n" for row in rows]).encode("utf-8", "replace")


Notation = Csv | JsonLines

_BARE = {type(None), bytes}
"""Types whose `str` is not what a cell is to have."""


def _regular(rows: Sequence[Row]) -> str:
    line = CELL_END.decode().join(["%s"] * len(rows[0]))
    return LINE_END.decode().join(map(line.__mod__, rows))


def _text(value: object) -> str:
    """What a cell has, or JSON a text, of a value that needs a word: no number, and no text yet."""
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bytes(cells: Row) -> Iterable[bytes]:
    """A column as its bytes."""
    if set(map(type, cells)) == {bytes}:
        return cells
    return [cell if isinstance(cell, bytes) else b"" if cell is None else str(cell).encode() for cell in cells]


def _guarded(cell: Any) -> Any:
    """A text such that no spreadsheet takes it, or a part of it, for a formula; all else as it is."""
    if not isinstance(cell, str) or isinstance(cell, Number) or not cell:
        return cell
    return ("'" if cell[0] in FORMULA_STARTS else "") + _FORMULA_WITHIN.sub(r"\g<0>'", cell)


def _json_text(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else _text(value)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json_text).encode


def _json(members: dict[str, Any]) -> str:
    try:
        return _encode(members)
    except ValueError:
        odd = {name: json.dumps(value) for name, value in members.items() if isinstance(value, float)}
        return _encode(members | {name: text for name, text in odd.items() if not isfinite(float(text))})


def _quoted(block: bytes, marks: bytes) -> bytes:
    """A regular block with quotes around every cell that has one of `marks` in it."""
    alike = block.translate(bytes.maketrans(marks + LINE_END, b'"' * len(marks) + CELL_END))
    hit = alike.find(b'"')
    if hit < 0:
        return block
    parts: list[bytes] = []
    done = 0
    while hit >= 0:
        start = alike.rfind(CELL_END, done, hit) + 1 or done
        stop = alike.find(CELL_END, hit)
        stop = len(block) if stop < 0 else stop
        parts += block[done:start], b'"', block[start:stop].replace(b'"', b'""'), b'"'
        hit = alike.find(b'"', done := stop)
    return b"".join((*parts, block[done:]))


def with_crlf(lines: bytes) -> bytes:
    """Whole lines of CSV with their LF ends made CRLF; line breaks within quoted cells stay."""
    if b'"' not in lines:
        return lines.replace(b"\n", b"\r\n")
    stretches = lines.split(b'"')  # every quote, a doubled one too, changes sides
    stretches[::2] = [stretch.replace(b"\n", b"\r\n") for stretch in stretches[::2]]
    return b'"'.join(stretches)


def as_utf8(block: bytes) -> bytes:
    """The block with U+FFFD for whatever is not UTF-8, so that the charset announced is true."""
    try:
        if not block.isascii():
            block.decode()
    except UnicodeDecodeError:
        return block.decode("utf-8", "replace").encode()
    return block


def has_replacement(block: bytes) -> bool:
    """Whether the block has U+FFFD in it."""
    mark = "\ufffd".encode()
    return mark[:1] in block and mark in block  # few blocks have the first byte, and one is found faster than three
