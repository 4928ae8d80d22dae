"""Has a report made: reportlab takes tens of milliseconds of pure Python, too long for the event loop."""

import logging
from importlib.util import find_spec

import anyio
import anyio.to_process
import anyio.to_thread

from asgi_downloads.bodies.report.report import Report
from asgi_downloads.storage.errors import Busy, MissingExtra

logger = logging.getLogger("asgi_downloads")

TIMEOUT = 10.0
"""Seconds for a worker process to start and to make a report."""

MOST_ASKED = 32
"""Reports that are being made or wait for it, at most: a second's work."""


def to_pdf(report: Report) -> bytes:
    """The report as a PDF file: the same report, the same bytes. Blocks; the first call imports reportlab."""
    from asgi_downloads.bodies.report.pdf import render

    return render(report)


def require_reportlab() -> None:
    """Raise `MissingExtra` if no report can be made."""
    if find_spec("reportlab") is None:
        raise MissingExtra("pdf")


class ReportMaker:
    """Queue of reports that are made one at a time, in a worker process: a thread would hold up the event loop.

    A call that is cancelled before its turn makes nothing. A worker process first runs the main module of this one, as
    multiprocessing's do. That fails with one that knows only how to be run (`python -m granian`, a script that starts
    its server unguarded); then it is a thread after all.
    """

    def __init__(self, most_asked: int = MOST_ASKED, timeout: float = TIMEOUT) -> None:
        self.most_asked = most_asked
        self.timeout = timeout
        self._turn = anyio.Lock()
        self._asked = 0
        self._processes_work: bool | None = None

    async def __call__(self, report: Report) -> bytes:
        """`to_pdf(report)`. Raises `MissingExtra`, and `Busy` when too many are waiting."""
        require_reportlab()
        if self._asked == self.most_asked:
            raise Busy(f"{self._asked} reports are waiting to be made")
        self._asked += 1
        try:
            async with self._turn:
                with anyio.CancelScope(shield=True):  # to end a process and start another costs more than a report
                    content = await self._make(report)
            return content
        finally:
            self._asked -= 1

    async def _make(self, report: Report) -> bytes:
        if self._processes_work is not False:
            try:
                with anyio.fail_after(self.timeout):  # a main module may start a second server and stay there
                    content = await anyio.to_process.run_sync(to_pdf, report, cancellable=True)
            except (anyio.BrokenWorkerProcess, OSError, NotImplementedError) as error:
                logger.warning("a report is made in a thread, as no process can be had: %r", error.__cause__ or error)
                self._processes_work = self._processes_work or False
            else:
                self._processes_work = True
                return content
        return await anyio.to_thread.run_sync(to_pdf, report, limiter=anyio.CapacityLimiter(1))
