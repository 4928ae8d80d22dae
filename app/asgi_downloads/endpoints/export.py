"""`/export/users`: the users table as CSV or JSON lines; `/export/data`: computed figures by way of a made file."""

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import respond, respond_blocks
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.data_export import data_export
from asgi_downloads.bodies.gzip_blocks import gzip_blocks
from asgi_downloads.bodies.spooled_file import made_file
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.endpoints.form import DELIMITERS, FORM
from asgi_downloads.http.accept import prefers
from asgi_downloads.http.disposition import content_disposition
from asgi_downloads.http.errors import HTTPError, InvalidParameters
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header, Representation
from asgi_downloads.http.parameters import Query
from asgi_downloads.http.plan import plan
from asgi_downloads.storage.errors import Exhausted, FileChanged, MissingExtra, StorageError, TimedOut, Unavailable
from asgi_downloads.storage.files.temporary import TemporaryFiles
from asgi_downloads.storage.rows.notation import Csv, JsonLines, Notation
from asgi_downloads.storage.rows.source import COLUMNS, RowSource, Selection
from asgi_downloads.storage.threads import in_thread

logger = logging.getLogger("asgi_downloads")

RETRY_AFTER = b"5"
"""Seconds until it is worth asking again for a database that was away."""


Clock = Callable[[], float]


def missing_extra(error: MissingExtra) -> HTTPError:
    """The answer of an endpoint whose library is not installed."""
    return HTTPError(501, f"Not available here: install asgi-downloads[{error.extra}]")


class ExportUsers:
    """All users, or those that the query selects, as they are at this moment."""

    def __init__(self, source: RowSource | MissingExtra, clock: Clock = time.time) -> None:
        self.source = source
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        selection, notation = read_query(exchange.query_string)
        if isinstance(self.source, MissingExtra):
            raise missing_extra(self.source)
        blocks = self.source.lines(selection, notation)
        await send_export(exchange, blocks, notation, f"users-{stamp(self.clock)}", "users")


async def send_export(
    exchange: Exchange, blocks: AsyncGenerator[bytes], notation: Notation, filename: str, what: str
) -> None:
    """Answer with rows; `filename` is without its suffix. Raises `HTTPError` for what fails before the first one."""
    headers: list[Header] = [
        (b"content-type", notation.media_type),
        (b"content-disposition", content_disposition("attachment", f"{filename}.{notation.suffix}")),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept-encoding"),
        (b"x-accel-buffering", b"no"),  # or nginx would take the whole export onto its disk
        NOSNIFF,
    ]
    if prefers(exchange.headers, b"gzip"):
        headers.append((b"content-encoding", b"gzip"))
        blocks = gzip_blocks(blocks)
    try:
        async with aclosing(blocks):
            if exchange.method == "HEAD":  # sends no block, but says what GET would say
                await exchange.while_connected(partial(anext, blocks, b""))
            await respond_blocks(exchange, 200, headers, blocks)
    except StorageError as error:
        raise export_error(error, what) from error


def export_error(error: StorageError, what: str) -> HTTPError:
    """The answer for an export that cannot be given, its cause being logged."""
    answer = _to_http(error)
    level = logging.ERROR if answer.status == 500 else logging.WARNING
    logger.log(level, "no export of %s: %s: %s", what, type(error).__name__, error)
    return answer


def stamp(clock: Clock) -> str:
    """The time as it stands in names of files."""
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(clock()))


def _to_http(error: StorageError) -> HTTPError:
    """What an error of the database means before the first byte."""
    if isinstance(error, TimedOut):
        return HTTPError(504, "The export takes too long")
    if isinstance(error, Unavailable | Exhausted | FileChanged):
        return HTTPError(503, "The database is not available", ((b"retry-after", RETRY_AFTER),))
    return HTTPError(500, "The database cannot give this export")  # it will not pass: no reason to ask again


def read_query(query_string: bytes) -> tuple[Selection, Notation]:
    """What `/export/users` is asked for. Raises `InvalidParameters`."""
    with Query(query_string) as query:
        notation, columns = read_form(query, COLUMNS)
        since, until = query.moment("since", None), query.moment("until", None)
        selection = Selection(columns, since=since, until=until, limit=read_limit(query))
    refuse_repeated(columns)
    return selection, notation


def read_form(query: Query, names: tuple[str, ...]) -> tuple[Notation, tuple[str, ...]]:
    """The notation that is asked for, and which of the columns `names`."""
    form, delimiter, excel = (FORM[name].read(query) for name in ("format", "delimiter", "excel"))
    columns = query.choices("columns", names, names)
    if form != "csv" or delimiter not in DELIMITERS:
        return JsonLines(), columns
    return Csv(DELIMITERS[str(delimiter)], bool(excel)), columns


def read_limit(query: Query) -> int | None:
    """How many rows are asked for."""
    limit = FORM["limit"].read(query)
    return limit if isinstance(limit, int) else None


def refuse_repeated(columns: tuple[str, ...]) -> None:
    """Raise `InvalidParameters` for a column that is named twice."""
    if len(set(columns)) < len(columns):
        message = "Value error, a column can be named once only"
        raise InvalidParameters(
            [{"type": "value_error", "loc": ["query", "columns"], "msg": message, "input": ",".join(columns)}]
        )


class ExportData:
    """Ten thousand rows, written to a made file and sent from there like any file."""

    def __init__(self, files: TemporaryFiles, clock: Clock = time.time) -> None:
        self.files = files
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        content, etag = await in_thread(data_export)
        fields = ((b"content-disposition", content_disposition("attachment", "export.csv")), NOSNIFF)
        representation = Representation(len(content), Csv.media_type, etag, fields=fields)
        decided = plan(exchange.method, exchange.headers, representation, now=int(self.clock()))
        if not decided.segments:
            await send_whole(exchange, decided.status, decided.headers)
            return
        async with made_file(self.files, (content,)) as file:
            await respond(exchange, decided, StoredFile(file))
