"""The response classes as Starlette's own, for routes of FastAPI and Starlette.

Each is the class of that name in `asgi_downloads`, and a `starlette.responses.Response`: returned from a route, its
`headers` and cookies can be set and its background task runs after the answer. An error before the first byte is
Starlette's `HTTPException`, so that the site's own handlers answer it.

    from asgi_downloads.starlette import FileResponse

    @site.api_route("/invoices/{name}", methods=["GET", "HEAD"])
    async def invoice(name: str, user: User = Depends(current_user)) -> FileResponse:
        return FileResponse(name, within=INVOICES, filename=f"invoice-{name}")
"""

from starlette.exceptions import HTTPException
from starlette.responses import Response

from asgi_downloads import responses
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.guard import to_http

__all__ = ["FileResponse"]


async def _raise(error: Exception, exchange: Exchange) -> None:
    answer = to_http(error, exchange)
    if answer is None:
        raise error
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    raise HTTPException(answer.status, answer.detail, headers or None) from error


class FileResponse(responses.FileResponse, Response):
    """`asgi_downloads.FileResponse` for a route: a stored file with ranges, validators and preconditions."""

    on_error = staticmethod(_raise)
