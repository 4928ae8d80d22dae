"""The response classes as Starlette's own, for routes of FastAPI and Starlette.

Each is the class of that name in `asgi_downloads`, and a `starlette.responses.Response`: returned from a route, its
`headers` and cookies can be set, and its background task runs after the answer. An error before the first byte is
Starlette's `HTTPException`, so that the site's own handlers answer it.

    from asgi_downloads.starlette import FileResponse, openapi

    @site.api_route(
        "/invoices/{name}",
        methods=["GET", "HEAD"],
        response_class=FileResponse,
        responses=openapi("application/pdf"),
    )
    async def invoice(name: str, user: User = Depends(current_user)):
        return FileResponse(name, within=INVOICES, filename=f"invoice-{name}")
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.guard import to_http
from asgi_downloads.responses import file, files, rows, spooled
from asgi_downloads.responses.zip import ZipResponse as _ZipResponse

__all__ = ["CSVResponse", "FileResponse", "Files", "JSONLinesResponse", "SpooledResponse", "ZipResponse", "openapi"]


async def _raise(error: Exception, exchange: Exchange) -> None:
    answer = to_http(error, exchange)
    if answer is None:
        raise error
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    raise HTTPException(answer.status, answer.detail, headers or None) from error


class FileResponse(file.FileResponse, Response):
    """`asgi_downloads.FileResponse` for a route: a stored file that resumes."""

    on_error = staticmethod(_raise)


class ZipResponse(_ZipResponse, Response):
    """`asgi_downloads.ZipResponse` for a route: files as one archive that resumes."""

    on_error = staticmethod(_raise)


class CSVResponse(rows.CSVResponse, Response):
    """`asgi_downloads.CSVResponse` for a route: rows that cannot look complete when they are not."""

    on_error = staticmethod(_raise)


class JSONLinesResponse(rows.JSONLinesResponse, Response):
    """`asgi_downloads.JSONLinesResponse` for a route: rows that cannot look complete when they are not."""

    on_error = staticmethod(_raise)


class SpooledResponse(spooled.SpooledResponse, Response):
    """`asgi_downloads.SpooledResponse` for a route: content made for a request, that resumes."""

    on_error = staticmethod(_raise)


class Files(files.Files):
    """`asgi_downloads.Files` to mount in a site whose own handlers answer errors."""

    on_error = staticmethod(_raise)


def openapi(media_type: str = "application/octet-stream", *, ranges: bool = True) -> dict[int | str, dict[str, Any]]:
    """The answers of a download, for the `responses` of a FastAPI route: content is bytes, not JSON.

    `ranges` is for what resumes: all but CSV and JSON lines. With `response_class=` on the route no JSON is described
    beside it.
    """
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    found: dict[int | str, dict[str, Any]] = {200: {"description": "The content", "content": content}}
    if ranges:
        found |= {
            206: {"description": "The range that was asked for", "content": content},
            304: {"description": "Not changed since the ETag that was sent"},
            412: {"description": "A precondition does not hold"},
            416: {"description": "No range that was asked for lies in the content"},
        }
    return found | {404: {"description": "Not there"}}
