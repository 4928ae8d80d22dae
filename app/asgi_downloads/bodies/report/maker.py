"""Has a report made: reportlab takes tens of milliseconds of pure Python, too long for the event loop."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import anyio
import anyio.to_process

from asgi_downloads.bodies.report.report import Report
from asgi_downloads.storage.errors import MissingExtra

logger = logging.getLogger("asgi_downloads")

START_TIMEOUT = 10.0
"""Seconds for the first worker process to make its first report."""


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
