"""Rows as CSV or JSON lines, made while they are sent, as the answer of a route."""

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import respond_blocks
from asgi_downloads.bodies.gzip_blocks import gzip_blocks
from asgi_downloads.bodies.producer import Producer
from asgi_downloads.bodies.row_lines import row_lines
from asgi_downloads.http.accept import prefers
from asgi_downloads.http.disposition import content_disposition
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.responses.base import Background, Response
from asgi_downloads.storage.rows.notation import Csv, JsonLines, Notation

Rows = Iterable[Any] | AsyncIterable[Any]

DELIMITERS = (",", ";", "\t", "|")


class _RowsResponse(Response):
    def __init__(
        self,
        rows: Rows,
        notation: Notation,
        columns: Sequence[str] | None,
        filename: str,
        status_code: int,
        headers: Mapping[str, str] | None,
        background: Background | None,
    ) -> None:
        super().__init__(status_code, headers, background)
        self.rows = rows
        self.columns = columns
        self.filename = filename
        self._notation = notation

    async def answer(self, exchange: Exchange) -> None:
        headers = [
            (b"content-type", self.given(b"content-type") or self._notation.media_type),
            *self.fields(
                (b"content-disposition", content_disposition("attachment", self.filename)),
                (b"cache-control", b"no-store"),
                (b"vary", b"accept-encoding"),
                (b"x-accel-buffering", b"no"),  # or nginx would take all of it onto its disk
                NOSNIFF,
            ),
        ]
        async with Producer(self.rows) as producer:
            blocks = row_lines(producer, self.columns, self._notation)
            if prefers(exchange.headers, b"gzip"):
                headers.append((b"content-encoding", b"gzip"))
                blocks = gzip_blocks(blocks)
            async with aclosing(blocks):
                if exchange.method == "HEAD":  # sends no block, but fails where GET would
                    await exchange.while_connected(partial(anext, blocks, b""))
                await respond_blocks(exchange, self.status_code, headers, blocks)


class CSVResponse(_RowsResponse):
    """Rows as CSV (RFC 4180), the first at once, the others as they come.

    `rows` are of any iterable, which is asked in a worker thread, or of an async one: lists, tuples, mappings,
    dataclasses, named tuples, or rows of sqlite3, asyncpg and SQLAlchemy. The producer is asked for no more than the
    client takes, and closed in the end, also when the client leaves. `columns` selects, orders and heads; without it
    they are those of the first row, and rows of lists or tuples have no head. `delimiter` is one of `, ; | TAB`.
    `excel=True` adds a byte order mark, and an apostrophe before what a spreadsheet would run as a formula.

    None becomes an empty cell, all else is what `str` makes of it. Content is gzipped for who asks. It has no length,
    so nothing of it can be resumed; but what fails midway, the producer or a row that has not the columns of the
    others, arrives as a broken transfer. What fails before the first row is raised as it is.

        async def people(scope, receive, send):
            rows = await database.fetch("SELECT id, name FROM people")
            await CSVResponse(rows, filename="people.csv")(scope, receive, send)
    """

    def __init__(
        self,
        rows: Rows,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: Background | None = None,
        *,
        columns: Sequence[str] | None = None,
        filename: str = "export.csv",
        delimiter: str = ",",
        excel: bool = False,
    ) -> None:
        if delimiter not in DELIMITERS:
            raise ValueError(f"delimiter is one of {DELIMITERS}, not {delimiter!r}")
        super().__init__(rows, Csv(delimiter, excel), columns, filename, status_code, headers, background)


class JSONLinesResponse(_RowsResponse):
    """Rows as JSON lines, an object each, the first at once, the others as they come.

    `rows` are taken as for `CSVResponse`; `columns` has to name the cells of lists and tuples. Dates and times are in
    ISO 8601, infinite numbers and NaN text, as JSON has none (RFC 8259 §6).

        async def people(scope, receive, send):
            await JSONLinesResponse(([1, "Ada"], [2, "Grace"]), columns=["id", "name"])(scope, receive, send)
    """

    def __init__(
        self,
        rows: Rows,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: Background | None = None,
        *,
        columns: Sequence[str] | None = None,
        filename: str = "export.jsonl",
    ) -> None:
        super().__init__(rows, JsonLines(), columns, filename, status_code, headers, background)
