"""The URLs of stored files. They differ in a style, not in code."""

from collections.abc import Callable
from dataclasses import dataclass

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.http import media_types
from asgi_downloads.http.disposition import Kind, content_disposition, header_value
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.parameters import Query
from asgi_downloads.responses.delivery import Delivery, Shown
from asgi_downloads.storage.errors import NotFound
from asgi_downloads.storage.files.tree import Tree

LONGEST = 255
"""Characters of a name; none has more on any file system of Linux, so that nothing is made of longer ones."""


def _download(name: str, exchange: Exchange) -> Shown:
    """Any file, as an attachment without a type of its own."""
    return Shown(name, media_types.OCTET_STREAM, (_disposition("attachment", name), NOSNIFF))


def _file(name: str, exchange: Exchange) -> Shown:
    """Inline with the type of its name, or an attachment with `?download=true`; raises 422."""
    with Query(exchange.query_string) as query:
        download = query.boolean("download", False)
    return _inline(name, media_types.guess(name), "attachment" if download else "inline")


def _preview(name: str, exchange: Exchange) -> Shown:
    """Inline; the seven types that browsers show safely, everything else as bytes."""
    return _inline(name, media_types.for_preview(name), "inline")


def _inline(name: str, content_type: bytes, kind: Kind) -> Shown:
    protection = media_types.inline_fields(content_type) if kind == "inline" else (NOSNIFF,)
    return Shown(name, content_type, (_disposition(kind, name), *protection))


def _video(name: str, exchange: Exchange) -> Shown:
    """Always `video/mp4` and without Content-Disposition, so that the player decides."""
    return Shown(name, b"video/mp4", (NOSNIFF,))


def _report(report_id: str, exchange: Exchange) -> Shown:
    """`<id>.pdf` as the attachment `report-<id>.pdf`, private to who asks and fresh for an hour."""
    fields = (
        _disposition("attachment", f"report-{report_id}.pdf"),
        (b"x-report-id", header_value(report_id)),
        (b"cache-control", b"private, max-age=3600"),
        NOSNIFF,
    )
    return Shown(f"{report_id}.pdf", b"application/pdf", fields)


def _disposition(kind: Kind, name: str) -> tuple[bytes, bytes]:
    return b"content-disposition", content_disposition(kind, name)


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

    tree: Tree
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
