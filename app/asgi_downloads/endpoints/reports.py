"""`/reports/{report_id}`: reports that are kept, private to who asks and fresh for an hour."""

from asgi_downloads.asgi.request import Request
from asgi_downloads.endpoints.stored import Styled
from asgi_downloads.http.disposition import content_disposition, header_value
from asgi_downloads.http.media_types import NOSNIFF

MISSING = "Report not found"


def report(request: Request) -> Styled:
    """`<id>.pdf` as the attachment `report-<id>.pdf`."""
    report_id = request.path_params["report_id"]
    fields = (
        (b"content-disposition", content_disposition("attachment", f"report-{report_id}.pdf")),
        (b"cache-control", b"private, max-age=3600"),
        (b"x-report-id", header_value(report_id)),
        NOSNIFF,
    )
    return Styled(f"{report_id}.pdf", b"application/pdf", fields)
