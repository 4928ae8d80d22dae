"""Rows from PostgreSQL by COPY, through asyncpg: the server writes the lines, we pass them on.

A connection for each export, freed with it. COPY is one statement, thus of one moment. asyncpg stops reading while our
sink waits, so a reader that stalls stalls the server.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import asyncpg

from asgi_downloads.storage.errors import Exhausted, StorageError, TimedOut, Unavailable, Unusable, from_oserror
from asgi_downloads.storage.rows.notation import Csv, JsonLines, Notation, Number, with_crlf
from asgi_downloads.storage.rows.source import BLOCK_SIZE, QUERY_TIMEOUT, Put, RowSource, Selection, Wanted
from asgi_downloads.storage.rows.statement import Statement, bare, filled
from asgi_downloads.storage.threads import in_thread

CONNECT_TIMEOUT = 5.0
"""Seconds until a server that does not answer counts as away."""

DESCRIBE_TIMEOUT = 10.0
"""Seconds in which a query's columns have to be known."""

CLOSE_TIMEOUT = 2.0
"""Seconds for a connection to end in good order: its query cancelled, the server told."""

_SESSION = (
    "BEGIN READ ONLY; SET LOCAL statement_timeout = {0:.0f};"
    # What a value looks like must not depend on what somebody has set for this database, role or server.
    " SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'postgres';"
    " SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL standard_conforming_strings = on;"
    " SET LOCAL extra_float_digits = 1;"  # the shortest text that reads back alike
    # In the order of an index rather than sorted: the first row must not wait for the last.
    " SET LOCAL enable_sort = off; SET LOCAL max_parallel_workers_per_gather = 0"
)
_NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")
_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

Connection = Any
"""asyncpg's; it has no types."""


class PostgresRows(RowSource):
    """The database that a `postgresql://` URL names."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 8,
        query_timeout: float = QUERY_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        super().__init__(connections, query_timeout)
        self.url = url
        self.connect_timeout = connect_timeout

    async def describe(self, statement: Statement) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(DESCRIBE_TIMEOUT):
                connection = await self._connect()
                try:
                    sql = f"SELECT * FROM ({await _literal(connection, statement)}\n) _q_ LIMIT 0"
                    attributes = (await connection.prepare(sql, name="")).get_attributes()
                    return tuple(attribute.name for attribute in attributes)
                finally:
                    connection.terminate()
        except _ERRORS as error:
            raise _translated(error) from error

    async def read(
        self, wanted: Wanted, notation: Notation, put: Put, seconds: float, *, probing: bool = False
    ) -> None:
        connection = await self._connect()
        sink = _Sink(put)
        copying = asyncio.ensure_future(_copy(connection, wanted, notation, sink, seconds, in_order=not probing))
        try:
            await asyncio.wait((copying,))
            copying.result()
        finally:
            if sink.begun and not copying.done():
                # The server ends a COPY that it cannot send. Told to cancel it, asyncpg 0.32 takes what still arrives
                # for the answer to something else.
                connection.terminate()
            copying.cancel()  # of no effect if it is done; a query that has sent nothing yet is ended so
            await _close(connection, copying)

    async def _connect(self) -> Connection:
        named = "application_name" in parse_qs(urlsplit(self.url).query)
        try:
            return await asyncpg.connect(
                self.url,
                timeout=self.connect_timeout,
                statement_cache_size=0,  # nothing is left for a pooler before the server to trip over
                server_settings=None if named else {"application_name": "asgi-downloads"},
            )
        except (*_ERRORS, ValueError) as error:
            raise _translated(error) from error


class _Sink:
    """Between asyncpg, which pushes rows as they come, and a reader of blocks."""

    def __init__(self, put: Put) -> None:
        self.begun = False
        """Whether any row has come."""
        self.head = b""
        self.finish: Callable[[bytes], bytes] = with_crlf
        """Makes our lines of COPY's."""
        self.takes_time = False
        self._put = put
        self._parts: list[bytes] = []
        self._length = 0
        self._enough = 1  # the first rows leave as they come

    async def push(self, data: bytes) -> None:
        """What asyncpg calls with a number of whole rows; it reads no more until this returns."""
        self.begun = True
        self._parts.append(data)
        self._length += len(data)
        if self._length >= self._enough:
            self._enough = BLOCK_SIZE
            await self.flush()

    async def flush(self) -> None:
        """Hand over what there is, once the reader has taken the block before it."""
        block, self.head = self.head, b""
        if self._parts:
            rows = b"".join(self._parts)
            block += await in_thread(self.finish, rows) if self.takes_time else self.finish(rows)
        self._parts.clear()
        self._length = 0
        if block:
            await self._put(block)


async def _copy(
    connection: Connection, wanted: Wanted, notation: Notation, sink: _Sink, seconds: float, *, in_order: bool
) -> None:
    try:
        await connection.execute(_SESSION.format(seconds * 1000))
        if isinstance(wanted, Statement):
            statement = await _own(connection, wanted)
        else:
            statement = _select(wanted, in_order)
        columns = (await connection.prepare(statement, name="")).get_attributes()
        names = tuple(column.name for column in columns)
        sink.head = notation.head(names)
        marks = {"delimiter": "\x02", "quote": "\x01"}  # neither is in JSON, so that COPY leaves that as it is
        if isinstance(notation, JsonLines):
            # Within a value of type json a line break is white space.
            line = "replace(replace(row_to_json(_row_)::text COLLATE \"C\", E'\\n', ' '), E'\\r', ' ')"
            statement, sink.finish = f"SELECT {line} FROM ({statement}) _row_", bytes
        elif notation.for_excel or len(names) == 1:  # cells have to be looked at
            places = [f"c{place}" for place in range(len(names))]
            types = ["" if column.type.name in _NUMBERS else "::text" for column in columns]
            cells = ", ".join(map("".join, zip(places, types, strict=True)))
            statement = f"SELECT json_build_array({cells}) FROM ({statement}) _row_({', '.join(places)})"
            sink.finish, sink.takes_time = partial(_rewritten, notation, names), True
        else:
            marks = {"delimiter": notation.delimiter}
        await connection.copy_from_query(statement, output=sink.push, format="csv", **marks)
    except _ERRORS as error:
        raise _translated(error) from error
    await sink.flush()


def _rewritten(notation: Csv, names: tuple[str, ...], block: bytes) -> bytes:
    """Lines of CSV out of lines that are JSON arrays of cells: numbers, and all else as text."""
    rows = json.loads(b"[%b]" % block[:-1].replace(b"\n", b","), parse_int=Number, parse_float=Number)
    return notation.lines(names, [*map(tuple, rows)])


async def _close(connection: Connection, copying: "asyncio.Future[None]") -> None:
    """End the connection, after its COPY, whoever is cancelled meanwhile."""
    try:
        with anyio.CancelScope(shield=True):
            await asyncio.gather(copying, return_exceptions=True)
            await connection.close(timeout=CLOSE_TIMEOUT)
    except _ERRORS:  # it was gone or silent
        pass
    finally:
        connection.terminate()


_TYPES: dict[type, str] = {
    int: "bigint", float: "double precision", bool: "boolean", date: "date", datetime: "timestamptz", str: "text"
}  # fmt: skip


async def _literal(connection: Connection, statement: Statement) -> str:
    """The text of a query with its values in it, each quoted by the server's own rules."""
    written = {name: "NULL" if value is None else str(value) for name, value in statement.values.items()}
    asked = [name for name, value in statement.values.items() if value is not None]
    if asked:
        cells = ", ".join(f"quote_literal(${place}::text)" for place in range(1, len(asked) + 1))
        quoted = await connection.fetchrow(f"SELECT {cells}", *(written[name] for name in asked))
        for name, text in zip(asked, quoted, strict=True):
            written[name] = f"({text}::{_TYPES[type(statement.values[name])]})"
    return filled(bare(statement.sql), written.__getitem__)


async def _own(connection: Connection, statement: Statement) -> str:
    """A query of the operator's own, as it is copied: the columns wanted, so many rows."""
    sql = await _literal(connection, statement)
    if statement.columns == statement.names and statement.limit is None:
        return f"{sql}\n"  # it may end in a comment
    columns = ", ".join('"{}"'.format(name.replace('"', '""')) for name in statement.columns)
    limit = "" if statement.limit is None else f" LIMIT {statement.limit:d}"
    return f"SELECT {columns} FROM ({sql}\n) _q_{limit}"


def _select(selection: Selection, in_order: bool) -> str:
    """The SELECT to copy. A request puts nothing into it but words and digits of our own."""
    conditions = [
        f"{selection.moment}::timestamptz {comparison} TIMESTAMPTZ '{time.isoformat(' ', 'microseconds')}'"
        for comparison, time in selection.span.items()
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = " ORDER BY id" if in_order else ""  # without an index that would read all rows, even for one
    limit = f" LIMIT {selection.limit:d}" if selection.limit is not None else ""
    return f"SELECT {', '.join(selection.columns)} FROM {selection.table}{where}{order}{limit}"


_PASSING = ("08", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE that time may mend: connections, conflicts, resources, locks, operators, the system."""


def _translated(error: Exception) -> StorageError:
    """What an error of the driver means; its text stays in the chain, for the log."""
    text = str(error) or type(error).__name__
    if isinstance(error, asyncpg.QueryCanceledError):
        return TimedOut(text)
    if isinstance(error, OSError) and isinstance(from_oserror(error), Exhausted):
        return Exhausted(text)
    state = getattr(error, "sqlstate", None)
    passes = state[:2] in _PASSING if state else isinstance(error, OSError) or not isinstance(error, ValueError)
    return Unavailable(text) if passes else Unusable(text)
