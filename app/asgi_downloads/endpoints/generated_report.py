"""`/reports/generate/{report_id}`: a report that is made for this request and gone after it."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.respond import respond
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.report.maker import ReportMaker, require_reportlab
from asgi_downloads.bodies.report.report import Report, users_table
from asgi_downloads.bodies.spooled_file import content_tag, made_file
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.endpoints.export import Clock, missing_extra
from asgi_downloads.http.disposition import content_disposition
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header, Representation
from asgi_downloads.http.plan import plan
from asgi_downloads.storage.errors import MissingExtra
from asgi_downloads.storage.files.temporary import TemporaryFiles
from asgi_downloads.storage.rows.source import RowSource

PDF_TYPE = b"application/pdf"


class GeneratedReport:
    """A PDF about any id; `make` turns a report into bytes, away from the event loop."""

    def __init__(
        self,
        source: RowSource | None,
        files: TemporaryFiles,
        *,
        make: Callable[[Report], Awaitable[bytes]] | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.source = source
        self.files = files
        self.make = make or ReportMaker()
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        report_id = exchange.path_params["report_id"]
        fields: tuple[Header, ...] = (
            (b"content-disposition", content_disposition("attachment", f"report-{report_id}.pdf")),
            (b"cache-control", b"no-store"),
            NOSNIFF,
        )
        now = self.clock()
        try:
            if exchange.method == "HEAD":  # makes nothing, so it knows no length (RFC 9110 §9.3.2 allows that)
                require_reportlab()
                await send_whole(exchange, 200, [(b"content-type", PDF_TYPE), *fields])
                return
            content = b""

            async def work() -> None:
                nonlocal content
                table = await users_table(self.source)
                content = await self.make(Report(report_id, datetime.fromtimestamp(int(now), UTC), table))

            await exchange.while_connected(work)  # a report that nobody waits for is not made
        except MissingExtra as error:
            raise missing_extra(error) from error
        representation = Representation(len(content), PDF_TYPE, content_tag(content), fields=fields)
        decided = plan(exchange.method, exchange.headers, representation, now=int(now))
        async with made_file(self.files, (content,)) as file:
            await respond(exchange, decided, StoredFile(file))
