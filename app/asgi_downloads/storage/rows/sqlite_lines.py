"""Lines of a query on SQLite, in blocks.

Any query is read row by row, and written by its notation. A plain table goes a way that takes half the time: a block is
one SELECT over a window of rowids, in which SQL makes the lines (`||` or json_object joins cells, group_concat joins
lines) and Python sees one bytes object for some thousand rows. A window with anything that SQL cannot write well goes
row by row after all.
"""

import sqlite3
from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any

from asgi_downloads.storage.errors import Unusable
from asgi_downloads.storage.rows.notation import CELL_END, LINE_END, Csv, JsonLines, Notation, Row, as_utf8
from asgi_downloads.storage.rows.source import BLOCK_SIZE, Selection, Wanted
from asgi_downloads.storage.rows.statement import Statement, Value, bare

FIRST_ROWS = 100
"""Rows of the first block: few enough to be there at once, enough to guess the length of a row from."""

WINDOW_LIMIT = 1 << 21
"""Bytes of a window beyond which it goes row by row: bounds the memory of an export whose rows grow."""

_MOST_ROWS = 1 << 15
_LAST_ROWID = (1 << 63) - 1

Values = dict[str, Any]
"""What is bound to a statement."""


def lines(connection: sqlite3.Connection, wanted: Wanted, notation: Notation) -> Generator[bytes]:
    """The rows in blocks of whole lines, empty now and then. Blocks.

    The connection has functions `exact`, the notation's text of a REAL, and `uncomparable`, which ends the export.
    """
    if isinstance(wanted, Statement):
        yield from _by_query(connection, wanted, notation)
    else:
        yield from _of_table(connection, wanted, notation)


def _by_query(connection: sqlite3.Connection, statement: Statement, notation: Notation) -> Generator[bytes]:
    cursor = connection.execute(bare(statement.sql), _bound(statement.values))
    names = tuple(name for name, *_ in cursor.description or ())
    if names != statement.names:
        raise Unusable(f"the query gives other columns than before: {', '.join(names)}")
    yield b""
    rows: Iterator[Row] = cursor if statement.limit is None else islice(cursor, statement.limit)
    if statement.columns != names:
        chosen = [names.index(column) for column in statement.columns]
        rows = (tuple([row[place] for place in chosen]) for row in rows)
    write = notation.lines
    if isinstance(notation, Csv) and not notation.for_excel:
        connection.text_factory, write = bytes, notation.lines_of_bytes
    yield from _by_row(rows, statement.columns, write, 1)


def _bound(values: Mapping[str, Value]) -> Values:
    """Times as SQLite's own functions write them; a date as text that compares with them."""
    return {
        name: value.isoformat(" ") if isinstance(value, datetime) else str(value) if isinstance(value, date) else value
        for name, value in values.items()
    }


def _of_table(connection: sqlite3.Connection, selection: Selection, notation: Notation) -> Generator[bytes]:
    table, columns = selection.table, ", ".join(selection.columns)
    condition, values = _condition(selection)
    left = _LAST_ROWID if selection.limit is None else selection.limit
    info = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
    types = {name.lower(): kind.upper() for _, name, kind, *_ in info}
    rowid = _rowid(connection, table, types)
    if rowid is None:  # rows come in the order that SQLite gives
        cursor = connection.execute(f"SELECT {columns} FROM {table} WHERE 1{condition} LIMIT {left}", values)
        yield from _by_row(cursor, selection.columns, notation.lines, 1)
        return
    window = f"FROM {table} NOT INDEXED WHERE {rowid} BETWEEN :first AND :last{condition}"  # in order of rowids
    by_row = f"SELECT {columns} {window} LIMIT :left"
    maybe_real = {column: _may_be_real(connection, table, column, types) for column in selection.columns}
    at_once = f"SELECT {_lines_at_once(maybe_real, notation)}, count(*) {window}"
    end = f"SELECT {rowid} FROM {table} NOT INDEXED WHERE {rowid} >= :first ORDER BY {rowid} LIMIT 1 OFFSET :rows - 1"
    # Walks along the rowids, never by OFFSET from the start; no window takes long, whatever the condition.
    first, rows = -_LAST_ROWID - 1, FIRST_ROWS
    while left > 0:
        found = connection.execute(end, {"first": first, "rows": rows}).fetchone()
        last = _LAST_ROWID if found is None else found[0]
        bound = values | {"first": first, "last": last, "left": left}
        made = _at_once(connection, at_once, bound, selection, notation) if rows <= left else None
        if made is None:
            rows_left = connection.execute(by_row, bound)
            length, count = yield from _by_row(rows_left, selection.columns, notation.lines, 2 * BLOCK_SIZE)
        else:
            block, count = made
            length = len(block)
            yield block
        if last == _LAST_ROWID:
            return
        first = last + 1
        left -= count
        rows = max(1, min(_MOST_ROWS, rows * BLOCK_SIZE // (length + 1)))


def _by_row(
    found: Iterator[Row], columns: Sequence[str], write: Callable[[Sequence[str], Sequence[Row]], bytes], enough: int
) -> Generator[bytes, None, tuple[int, int]]:
    """The lines of any query, the first block at `enough` bytes; returns how many bytes and rows."""
    block, length, count, batch = b"", 0, 0, 1
    while rows := list(islice(found, batch)):
        text = write(columns, rows)
        block, count = block + text, count + len(rows)
        batch = min(2 * batch, FIRST_ROWS) if len(text) < BLOCK_SIZE else 1  # many at a time, unless they are large
        if len(block) >= enough:
            yield block
            length, block, enough = length + len(block), b"", BLOCK_SIZE
    if block:
        yield block
    return length + len(block), count


def _at_once(
    connection: sqlite3.Connection, statement: str, bound: Values, selection: Selection, notation: Notation
) -> tuple[bytes, int] | None:
    """The lines of a window as SQL makes them, and how many; None for a window that has to go row by row."""
    text_factory, connection.text_factory = connection.text_factory, bytes
    length = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, WINDOW_LIMIT)
    try:
        block, count = connection.execute(statement, bound).fetchone()
    except sqlite3.Error:  # too long; if it is anything else, going row by row will tell
        return None
    finally:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, length)
        connection.text_factory = text_factory
    if not count:
        return b"", 0
    if isinstance(notation, JsonLines):
        return as_utf8(block + b"\n"), count
    if notation.for_excel and notation.may_have_formulas(block.decode("utf-8", "replace")):
        return None
    finished = notation.finished(block, count, len(selection.columns))
    return None if finished is None else (as_utf8(finished), count)


def _lines_at_once(columns: Mapping[str, bool], notation: Notation) -> str:
    """All lines of a window as an expression: a regular block for CSV, lines but for the last end for JSON.

    `columns` says of each whether it may be a REAL, whose text is rounded by SQLite.
    """
    exact = "exact({0})" if isinstance(notation, Csv) else "json(exact({0}))"
    asked = f"CASE typeof({{0}}) WHEN 'real' THEN {exact} ELSE {{0}} END"
    cells = {column: asked.format(column) if maybe_real else column for column, maybe_real in columns.items()}
    if isinstance(notation, Csv):
        line = f" || '{CELL_END.decode()}' || ".join(f"ifnull({cell}, '')" for cell in cells.values())
        return f"group_concat({line}, '{LINE_END.decode()}')"
    # A blob is greater than all else. SQLite 3.45 takes some for JSON of a form of its own.
    text = "CASE WHEN {0} COLLATE BINARY >= x'' THEN CAST({0} AS TEXT) ELSE {1} END"
    members = ", ".join(f"'{column}', {text.format(column, cell)}" for column, cell in cells.items())
    return f"group_concat(json_object({members}), char(10))"


def _may_be_real(connection: sqlite3.Connection, table: str, column: str, types: Mapping[str, str]) -> bool:
    """Whether a value's type has to be asked for, which takes time."""
    kind = types.get(column, "")
    if "INT" not in kind and any(word in kind for word in ("CHAR", "CLOB", "TEXT")):
        return False  # TEXT affinity: https://sqlite.org/datatype3.html §3
    return all(opcode != "Rowid" for _, opcode, *_ in connection.execute(f"EXPLAIN SELECT {column} FROM {table}"))


def _rowid(connection: sqlite3.Connection, table: str, columns: Container[str]) -> str | None:
    """The name by which rows are numbered; None for a view, a virtual table or one WITHOUT ROWID.

    None in UTF-16 too: what SQL joins there to a blob takes that for UTF-16.
    """
    statement = "SELECT sql FROM sqlite_master WHERE type = 'table' AND lower(name) = ?"
    found = connection.execute(statement, (table,)).fetchone()
    rowid = next((name for name in ("rowid", "_rowid_", "oid") if name not in columns), None)
    if found is None or found[0].upper().startswith("CREATE VIRTUAL") or rowid is None:
        return None
    if connection.execute("PRAGMA encoding").fetchone() != ("UTF-8",):
        return None
    try:
        connection.execute(f"SELECT {rowid} FROM {table} LIMIT 0")
    except sqlite3.OperationalError:
        return None
    return rowid


def _condition(selection: Selection) -> tuple[str, Values]:
    """Conditions on the moment, and the values bound in them.

    A time is text that starts with YYYY-MM and is one to SQLite, or a number: seconds since 1970, milliseconds beyond
    20,000,000,000. What is neither, or might as well be a Julian day or a date in digits, ends the export.
    """
    column = selection.moment
    number = (
        f"CASE WHEN {column} BETWEEN 1 AND 99999999 THEN NULL"
        f" WHEN {column} NOT BETWEEN -20000000000 AND 20000000000 THEN julianday({column} / 1000.0, 'unixepoch')"
        f" ELSE julianday({column}, 'unixepoch') END"
    )
    moment = (
        f"CASE WHEN {column} GLOB '???[0-9]-*' AND {column} COLLATE BINARY < x''"
        f" THEN ifnull(julianday({column}), uncomparable({column}))"
        f" WHEN typeof({column}) IN ('integer', 'real') THEN ifnull({number}, uncomparable({column}))"
        f" WHEN {column} IS NOT NULL THEN uncomparable({column}) END"
    )
    condition, values = "", {}
    for place, (comparison, time) in enumerate(selection.span.items()):
        condition += f" AND {moment} {comparison} julianday(:bound{place})"
        values[f"bound{place}"] = time.replace(tzinfo=None).isoformat(" ", "milliseconds")
    return condition, values
