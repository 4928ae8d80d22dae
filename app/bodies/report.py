"""What a report says, and the way to have it made. reportlab itself is known to `pdf_report` alone."""

from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec

import anyio.to_process

from app.storage.errors import MissingExtra


@dataclass(frozen=True, slots=True)
class Report:
    """A title's id, a time with its zone, and a table: `rows` have a cell for each of `columns`."""

    report_id: str
    made_at: datetime
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def to_pdf(report: Report) -> bytes:
    """The report as a PDF file: the same report, the same bytes. Blocks; the first call imports reportlab."""
    from app.bodies.pdf_report import render

    return render(report)


async def made_in_process(report: Report) -> bytes:
    """As `to_pdf`, in a worker process. Raises `MissingExtra` without reportlab."""
    if find_spec("reportlab") is None:
        raise MissingExtra("pdf")
    return await anyio.to_process.run_sync(to_pdf, report)
