"""Selections and notations as SQL for SQLite. A request puts nothing into it but bound values and words of our own."""

from asgi_downloads.storage.rows.csv_text import CELL_END, LINE_END, as_utf8, finished
from asgi_downloads.storage.rows.source import FORMULA_STARTS, TABLE, Csv, Notation, Selection, as_utc

LAST_ROWID = (1 << 63) - 1


class Statements:
    """The statements of one export. `:first` and `:last` bound a window of rowids, both inclusive.

    `plain` puts CELL_END and LINE_END between and looks at no cell, `careful` gives finished lines with their own ends
    between; both give the number of lines too. `values` are to be bound besides.
    """

    def __init__(self, selection: Selection, notation: Notation) -> None:
        self.columns = len(selection.columns)
        self.limit = LAST_ROWID if selection.limit is None else selection.limit
        self.values: dict[str, str | int] = {}
        condition = self._condition(selection)
        self.line_end = b"\r\n" if isinstance(notation, Csv) else b"\n"
        self.delimiter = notation.delimiter.encode() if isinstance(notation, Csv) else b""
        line = _line(selection, notation)
        window = f"FROM {TABLE} NOT INDEXED WHERE _rowid_ BETWEEN :first AND :last{condition}"  # in order of rowids
        self.careful = f"SELECT group_concat({line}, {_text(self.line_end.decode())}), count(*) {window}"
        self.plain: str | None = None
        # Each cell has to be seen if it may be a formula, or be a line by itself, as an empty line is no cell.
        if isinstance(notation, Csv) and not notation.for_excel and self.columns > 1:
            cells = _joined([f"ifnull({column}, '')" for column in selection.columns], CELL_END.decode())
            self.plain = f"SELECT group_concat({cells}, {_text(LINE_END.decode())}), count(*) {window}"
        self.window_end = (
            f"SELECT _rowid_ FROM {TABLE} NOT INDEXED WHERE _rowid_ >= :first{condition}"
            " ORDER BY _rowid_ LIMIT 1 OFFSET :rows - 1"
        )
        self.by_row = f"SELECT {line} FROM {TABLE} WHERE 1{condition} LIMIT :limit"

    def finish_plain(self, block: bytes) -> bytes:
        return as_utf8(finished(block, self.delimiter) + self.line_end)

    def finish_careful(self, block: bytes) -> bytes:
        return as_utf8(block + self.line_end)

    def _condition(self, selection: Selection) -> str:
        """Conditions on created_at, be it text that SQLite can read or seconds since the epoch."""
        moment = (
            "CASE typeof(created_at) WHEN 'text' THEN julianday(created_at) ELSE julianday(created_at, 'unixepoch') END"
        )
        condition = ""
        for name, comparison, time in (("since", ">=", selection.since), ("until", "<", selection.until)):
            if time is not None:
                condition += f" AND {moment} {comparison} julianday(:{name})"
                self.values[name] = as_utc(time).replace(tzinfo=None).isoformat(" ", "milliseconds")
        return condition


def _line(selection: Selection, notation: Notation) -> str:
    """A finished line without its end, as an expression."""
    columns = selection.columns
    if isinstance(notation, Csv):
        return _joined([_cell(column, notation, alone=len(columns) == 1) for column in columns], notation.delimiter)
    members = ", ".join(f"{_text(column)}, {_json_value(column)}" for column in columns)
    return f"json_object({members})"


def _cell(column: str, notation: Csv, alone: bool) -> str:
    """A cell of CSV (RFC 4180 §2, rules 5 to 7), NULL as an empty one."""
    prefix = ""
    if notation.for_excel:
        starts = ", ".join(map(_text, FORMULA_STARTS))
        prefix = (
            f"CASE WHEN typeof({column}) IN ('text', 'blob') AND substr(CAST({column} AS TEXT), 1, 1) IN ({starts})"
            " THEN '''' ELSE '' END || "
        )
    needs_quotes = " OR ".join(f"instr({column}, {_text(mark)})" for mark in ('"', notation.delimiter, "\r", "\n"))
    quoted = f"""'"' || {prefix}replace({column}, '"', '""') || '"'"""
    empty = """'""'""" if alone else "''"
    return (
        f"CASE WHEN {needs_quotes} THEN {quoted}"
        f" WHEN {column} IS NULL OR {column} IN ('', x'') THEN {empty} ELSE {prefix}{column} END"
    )


def _json_value(column: str) -> str:
    """A value that json_object takes: a blob as text, and what JSON has no number for as null."""
    return (
        f"CASE typeof({column}) WHEN 'blob' THEN CAST({column} AS TEXT)"
        f" WHEN 'real' THEN CASE WHEN {column} - {column} = 0 THEN {column} END ELSE {column} END"
    )


def _joined(expressions: list[str], mark: str) -> str:
    return f" || {_text(mark)} || ".join(f"({expression})" for expression in expressions)


def _text(value: str) -> str:
    """A string literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
