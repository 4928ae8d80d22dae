"""A caller's own rows as lines of CSV or JSON: lists, tuples, mappings, dataclasses and what databases give."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import fields, is_dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from asgi_downloads.bodies.producer import Producer
from asgi_downloads.storage.rows.notation import Csv, Notation, Row
from asgi_downloads.storage.rows.source import BLOCK_SIZE
from asgi_downloads.storage.threads import in_thread

MOST_ROWS = 4096
"""Of one block."""

PATIENCE = 0.25
"""Seconds that a row waits for more rows to leave with."""

Cells = Callable[[Any], Row]
"""The cells of one row; raises `ValueError` for a row that has not just the columns."""


async def row_lines(
    producer: Producer[Any], columns: Sequence[str] | None, notation: Notation
) -> AsyncGenerator[bytes]:
    """The head and all rows, in blocks of whole lines: the first row at once, then about `BLOCK_SIZE` each.

    `columns` selects and orders; None takes those of the first row. Rows without names for their cells make no head.
    Raises what the producer raises, `TypeError` for a row that is none, and `ValueError`.
    """
    lines = _Lines(columns, notation)
    head = b"" if columns is None else notation.head(columns)
    most, started = 1, time.monotonic()

    def enough(count: int) -> bool:
        nonlocal started
        if count == 1:
            started = time.monotonic()
        return count >= most or time.monotonic() - started > PATIENCE

    async with aclosing(producer.batches(enough)) as batches:
        async for batch in batches:
            block = await in_thread(lines.make, batch)
            most = max(1, min(MOST_ROWS, 2 * most, len(batch) * BLOCK_SIZE // (len(block) + 1)))
            yield head + block
            head = b""
    if head:
        yield head


class _Lines:
    """How rows become lines, which the first of them decides."""

    def __init__(self, columns: Sequence[str] | None, notation: Notation) -> None:
        self._columns = None if columns is None else tuple(columns)
        self._selects = columns is not None
        self._notation = notation
        self._cells: dict[type, Cells] = {}
        self._width = 0

    def make(self, rows: Sequence[Any]) -> bytes:
        """The lines of these rows, with the head if the names of the columns come from the first of them."""
        head = b""
        if self._columns is None and not self._width:
            first = rows[0]
            names = _names(first)
            if names is None and not isinstance(self._notation, Csv):
                raise TypeError(f"columns= has to name the cells of a {type(first).__name__}")
            self._width = len(first if names is None else names)
            self._columns = names
            if names is not None:
                head = self._notation.head(names)
        columns = self._columns or ("",) * self._width
        cells = [self._cells_of(row)(row) for row in rows]
        return head + self._notation.lines(columns, cells)

    def _cells_of(self, row: Any) -> Cells:
        kind = type(row)
        if kind not in self._cells:
            self._cells[kind] = self._find(row)
        return self._cells[kind]

    def _find(self, row: Any) -> Cells:
        names = _names(row)
        if self._columns is None or names is None:
            width = self._width if self._columns is None else len(self._columns)
            return partial(_all, width)
        if isinstance(row, Mapping):
            return partial(_by_key, self._columns, self._selects)
        if is_dataclass(row):
            return _by_attribute(self._columns)
        if names == self._columns:
            return partial(_all, len(names))
        return partial(_by_index, [names.index(column) for column in self._columns])


def _names(row: Any) -> tuple[str, ...] | None:
    """The names of the row's cells, None for a row of cells without; raises `TypeError` for what is no row."""
    if isinstance(row, Mapping):
        return tuple(row)
    if is_dataclass(row) and not isinstance(row, type):
        return tuple(field.name for field in fields(row))
    if hasattr(row, "_fields"):  # named tuples, and SQLAlchemy's rows
        return tuple(row._fields)
    if hasattr(row, "keys"):  # rows of sqlite3, records of asyncpg
        return tuple(row.keys())
    if isinstance(row, list | tuple):
        return None
    raise TypeError(f"a row is a list, a tuple, a mapping or a dataclass, not {type(row).__name__}")


def _all(width: int, row: Sequence[Any]) -> Row:
    if len(row) != width:
        raise ValueError(f"a row of {len(row)} cells among rows of {width}")
    return tuple(row)


def _by_index(indexes: Sequence[int], row: Sequence[Any]) -> Row:
    cells = tuple(row)
    return tuple([cells[index] for index in indexes])


def _by_key(columns: tuple[str, ...], selects: bool, row: Mapping[str, Any]) -> Row:
    if not selects and len(row) != len(columns):
        raise ValueError(f"a row with the columns {list(row)} among rows with {list(columns)}")
    return tuple([row[column] for column in columns])


def _by_attribute(columns: tuple[str, ...]) -> Cells:
    if len(columns) > 1:
        return attrgetter(*columns)
    (column,) = columns
    return lambda row: (getattr(row, column),)
