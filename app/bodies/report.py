"""What a report says, and the way to have it made. reportlab itself is known to `pdf_report` alone."""

import json
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec

import anyio
import anyio.to_process

from app.storage.errors import Exhausted, MissingExtra, StorageError
from app.storage.row_source import COLUMNS, JsonLines, RowSource, Selection

ROWS = 40


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, and `rows` with a cell for each of `columns`."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A title's id, a time with its zone, and a table."""

    report_id: str
    made_at: datetime
    table: Table


SAMPLE = Table(
    "Sample figures",
    ("month", "downloads", "gigabytes"),
    tuple((f"2024-{month:02}", str(1200 + 37 * month), str(80 + 3 * month)) for month in range(1, 13)),
)


async def users_table(source: RowSource | None) -> Table:
    """The first users of the database; sample figures if it has none, or cannot be read."""
    if source is None:
        return SAMPLE
    try:
        async with aclosing(source.lines(Selection(limit=ROWS), JsonLines())) as lines:
            text = b"".join([block async for block in lines])
    except StorageError:
        return SAMPLE
    users = [json.loads(line) for line in text.splitlines()]
    rows = tuple(tuple("" if user[name] is None else str(user[name]) for name in COLUMNS) for user in users)
    return Table("The first users of the database", COLUMNS, rows) if rows else SAMPLE


def to_pdf(report: Report) -> bytes:
    """The report as a PDF file: the same report, the same bytes. Blocks; the first call imports reportlab."""
    from app.bodies.pdf_report import render

    return render(report)


def require_reportlab() -> None:
    """Raise `MissingExtra` if no report can be made."""
    if find_spec("reportlab") is None:
        raise MissingExtra("pdf")


async def in_process(report: Report) -> bytes:
    """As `to_pdf`, in a worker process: in a thread it would hold up the event loop by the interpreter's lock.

    Raises `MissingExtra`, and `Exhausted` when there is no process to be had.
    """
    require_reportlab()
    try:
        return await anyio.to_process.run_sync(to_pdf, report)
    except (anyio.BrokenWorkerProcess, BlockingIOError) as error:
        raise Exhausted(str(error)) from error
