"""What a report says, and the way to have it made. reportlab itself is known to `pdf_report` alone."""

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec

import anyio
import anyio.to_process

from asgi_downloads.storage.errors import MissingExtra, StorageError
from asgi_downloads.storage.rows.source import COLUMNS, JsonLines, RowSource, Selection

logger = logging.getLogger("asgi_downloads")

ROWS = 40
START_TIMEOUT = 10.0
"""Seconds for the first worker process to make its first report."""


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
    from asgi_downloads.bodies.report.pdf import render

    return render(report)


def require_reportlab() -> None:
    """Raise `MissingExtra` if no report can be made."""
    if find_spec("reportlab") is None:
        raise MissingExtra("pdf")


class ReportMaker:
    """As `to_pdf`, in a worker process: in a thread it would hold up the event loop by the interpreter's lock.

    A worker process first runs the main module of this one, as multiprocessing's do. That fails with one that knows
    only how to be run (`python -m granian`, a script that starts its server unguarded); then it is a thread after all.
    Raises `MissingExtra`.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._processes_work = False

    async def __call__(self, report: Report) -> bytes:
        require_reportlab()
        if asyncio.current_task() is None:  # as in `in_thread`
            await asyncio.sleep(0)
        if self._thread is None or self._processes_work:
            try:
                content = await self._in_process(report)
            except (anyio.BrokenWorkerProcess, OSError, NotImplementedError) as error:
                logger.warning("a report is made in a thread, as no process can be had: %r", error.__cause__ or error)
            else:
                self._processes_work = True
                return content
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="reports")
        return await asyncio.wrap_future(self._thread.submit(to_pdf, report))

    async def _in_process(self, report: Report) -> bytes:
        if self._processes_work:
            return await anyio.to_process.run_sync(to_pdf, report)
        try:
            with anyio.fail_after(START_TIMEOUT):  # a main module may start a second server and stay there
                return await anyio.to_process.run_sync(to_pdf, report, cancellable=True)
        except TimeoutError as error:
            raise anyio.BrokenWorkerProcess("no answer") from error
