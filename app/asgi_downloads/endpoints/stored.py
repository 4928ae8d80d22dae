"""The URLs of stored files. They differ in a style, not in code."""

from collections.abc import Callable
from dataclasses import dataclass

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.http import media_types
from asgi_downloads.http.disposition import header_value
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.parameters import Query
from asgi_downloads.responses import show
from asgi_downloads.responses.delivery import Delivery, Shown
from asgi_downloads.storage.anywhere import AnyTree
from asgi_downloads.storage.errors import NotFound

LONGEST = 255
"""Characters of a name; none has more on any file system of Linux, so that nothing is made of longer ones."""


AS_DOWNLOAD = Parameter("download", "boolean", default=False, help="To be saved")


def _download(name: str, exchange: Exchange) -> Shown:
    return show.download(name)


def _file(name: str, exchange: Exchange) -> Shown:
    """Inline, or an attachment with `?download=true`; raises 422."""
    with Query(exchange.query_string) as query:
        download = AS_DOWNLOAD.read(query)
    return show.inline(name, kind="attachment" if download else "inline")


def _preview(name: str, exchange: Exchange) -> Shown:
    """Inline; the seven types that browsers show safely, everything else as bytes."""
    return show.inline(name, media_types.for_preview(name))


def _video(name: str, exchange: Exchange) -> Shown:
    return show.video(name, b"video/mp4")


def _report(report_id: str, exchange: Exchange) -> Shown:
    """`<id>.pdf` as the attachment `report-<id>.pdf`, private to who asks and fresh for an hour."""
    fields = (
        show.disposition("attachment", f"report-{report_id}.pdf"),
        (b"x-report-id", header_value(report_id)),
        (b"cache-control", b"private, max-age=3600"),
        NOSNIFF,
    )
    return Shown(f"{report_id}.pdf", b"application/pdf", fields)


@dataclass(frozen=True, slots=True)
class FileStyle:
    """How the files of one URL are shown, decided from name and request alone, and the detail of its 404."""

    show: Callable[[str, Exchange], Shown]
    missing: str


DOWNLOAD = FileStyle(_download, "File not found")
FILE = FileStyle(_file, "File not found")
PREVIEW = FileStyle(_preview, "File not found")
VIDEO = FileStyle(_video, "Video not found")
REPORT = FileStyle(_report, "Report not found")


@dataclass(frozen=True, slots=True)
class StoredEndpoint:
    """An ASGI callable that answers with files of `tree`, by the one parameter of its path."""

    tree: AnyTree
    style: FileStyle
    delivery: Delivery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        (name,) = exchange.path_params.values()
        if len(name) > LONGEST:
            raise HTTPError(404, self.style.missing)
        shown = self.style.show(name, exchange)
        try:
            await self.delivery.send(exchange, self.tree, shown)
        except NotFound:
            raise HTTPError(404, self.style.missing) from None
