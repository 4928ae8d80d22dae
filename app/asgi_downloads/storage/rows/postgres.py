"""Rows from PostgreSQL by COPY, through asyncpg: the server writes the lines, we pass them on.

A connection for each export, freed with it. COPY is one statement, thus of one moment. asyncpg stops reading while our
sink waits, so a reader that stalls stalls the server.
"""

import asyncio
import errno
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import asyncpg

from asgi_downloads.storage.errors import Exhausted, NotFound, StorageError, Unavailable
from asgi_downloads.storage.rows.csv_text import with_crlf
from asgi_downloads.storage.rows.source import BLOCK_SIZE, FORMULA_STARTS, TABLE, Csv, Notation, Selection, as_utc

CONNECT_TIMEOUT = 5.0
"""Seconds until a server that does not answer counts as away."""

CLOSE_TIMEOUT = 2.0
"""Seconds for a connection to end in good order: its query cancelled, the server told."""

_SESSION = (
    "BEGIN READ ONLY; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC';"
    # In the order of an index rather than sorted: the first row must not wait for the last.
    " SET LOCAL enable_sort = off; SET LOCAL max_parallel_workers_per_gather = 0"
)
_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

Connection = Any
"""asyncpg's; it has no types."""


class PostgresRows:
    """The users table of the database that a `postgresql://` URL names."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def lines(self, selection: Selection, notation: Notation) -> AsyncGenerator[bytes]:
        connection = await self._connect()
        sink = _Sink(crlf=isinstance(notation, Csv))
        copying = asyncio.ensure_future(_copy(connection, selection, notation, sink))
        copying.add_done_callback(sink.end)
        try:
            while block := await sink.take():
                yield block
            copying.result()
        finally:
            with anyio.CancelScope(shield=True):
                if sink.begun and not copying.done():
                    # The server ends a COPY that it cannot send. Told to cancel it, asyncpg 0.32 takes what still
                    # arrives for the answer to something else.
                    connection.terminate()
                copying.cancel()  # of no effect if it is done; a query that has sent nothing yet is ended so
                await asyncio.gather(copying, return_exceptions=True)
                await _close(connection)

    async def check(self) -> None:
        connection = await self._connect()
        try:
            await connection.execute(f"SELECT FROM {TABLE} LIMIT 1")
        except _ERRORS as error:
            raise _translated(error) from error
        finally:
            with anyio.CancelScope(shield=True):
                await _close(connection)

    async def aclose(self) -> None:
        """Nothing outlives an export."""

    async def _connect(self) -> Connection:
        try:
            # No statement is prepared, so that a pooler before the server does no harm.
            return await asyncpg.connect(self.url, timeout=CONNECT_TIMEOUT, statement_cache_size=0)
        except _ERRORS as error:
            raise _translated(error) from error


class _Sink:
    """Between asyncpg, which pushes, and the reader, who pulls; has room for one block."""

    def __init__(self, crlf: bool) -> None:
        self.begun = False
        """Whether any row has come."""
        self._crlf = crlf
        self._in_quotes = False
        self._parts: list[bytes] = []
        self._length = 0
        self._enough = 1  # the first rows leave as they come
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue()
        self._taken = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """What asyncpg calls with a number of whole rows; it reads no more until this returns."""
        self.begun = True
        self._parts.append(data)
        self._length += len(data)
        if self._length >= self._enough:
            self._enough = BLOCK_SIZE
            await self.flush()

    async def flush(self) -> None:
        """Hand over what there is, as soon as the block before it has been taken."""
        block = b"".join(self._parts)
        self._parts.clear()
        self._length = 0
        if self._crlf:
            block, self._in_quotes = with_crlf(block, self._in_quotes)
        while not self._blocks.empty():
            self._taken.clear()
            await self._taken.wait()
        if block:
            self._blocks.put_nowait(block)

    async def take(self) -> bytes:
        """The next block; empty when there are no more."""
        block = await self._blocks.get()
        self._taken.set()
        return block

    def end(self, copying: "asyncio.Future[None]") -> None:
        """No more blocks, for better or worse."""
        self._blocks.put_nowait(b"")


async def _copy(connection: Connection, selection: Selection, notation: Notation, sink: _Sink) -> None:
    # Neither control character occurs in JSON, so that COPY leaves it as it is.
    marks = {"delimiter": notation.delimiter} if isinstance(notation, Csv) else {"delimiter": "\x02", "quote": "\x01"}
    try:
        await connection.execute(_SESSION)
        await connection.copy_from_query(_query(selection, notation), output=sink.put, format="csv", **marks)
    except _ERRORS as error:
        raise _translated(error) from error
    await sink.flush()


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_TIMEOUT)
    except _ERRORS:  # close() has aborted it: the server was gone or silent
        connection.terminate()


def _query(selection: Selection, notation: Notation) -> str:
    """The SELECT to copy. A request puts nothing into it but words and digits of our own."""
    columns = selection.columns
    if isinstance(notation, Csv):
        wanted = ", ".join(_cell(column, notation, alone=len(columns) == 1) for column in columns)
    else:
        wanted = "row_to_json(r)"
    conditions = [
        f"created_at::timestamptz {comparison} TIMESTAMPTZ '{as_utc(time).isoformat(' ', 'microseconds')}'"
        for comparison, time in ((">=", selection.since), ("<", selection.until))
        if time is not None
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    limit = f" LIMIT {selection.limit:d}" if selection.limit is not None else ""
    return f"SELECT {wanted} FROM (SELECT {', '.join(columns)} FROM {TABLE}{where} ORDER BY id{limit}) r"


def _cell(column: str, notation: Csv, alone: bool) -> str:
    """A cell for COPY to quote. Alone on its line an empty one becomes `""`, as an empty line is no cell."""
    if notation.for_excel:
        starts = ", ".join(f"'{start}'" for start in FORMULA_STARTS)
        numbers = "'int2'::regtype, 'int4', 'int8', 'float4', 'float8', 'numeric'"
        column = (
            f"CASE WHEN left({column}::text, 1) IN ({starts}) AND pg_typeof({column}) NOT IN ({numbers})"
            f" THEN '''' || {column}::text ELSE {column}::text END"
        )
    return f"coalesce(({column})::text, '')" if alone else column


def _translated(error: Exception) -> StorageError:
    """What an error of the driver means; its text stays in the chain, for the log."""
    if isinstance(error, (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)):
        return NotFound(str(error))
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return Exhausted(str(error))
    return Unavailable(str(error))
