"""`/file/...` and `/preview/...`: files to look at, made harmless where they could run."""

from asgi_downloads.asgi.request import Request
from asgi_downloads.endpoints.stored import Styled
from asgi_downloads.http import media_types
from asgi_downloads.http.disposition import Kind, content_disposition
from asgi_downloads.http.parameters import Query

MISSING = "File not found"


def file(request: Request) -> Styled:
    """Inline with the type of its name, or an attachment with `?download=true`; raises 422."""
    with Query(request.query_string) as query:
        download = query.boolean("download", False)
    filename = request.path_params["filename"]
    return _shown(filename, media_types.guess(filename), "attachment" if download else "inline")


def preview(request: Request) -> Styled:
    """Inline; the seven types that browsers show safely, everything else as bytes."""
    filename = request.path_params["filename"]
    return _shown(filename, media_types.for_preview(filename), "inline")


def _shown(filename: str, content_type: bytes, kind: Kind) -> Styled:
    protection = media_types.inline_fields(content_type) if kind == "inline" else (media_types.NOSNIFF,)
    return Styled(filename, content_type, ((b"content-disposition", content_disposition(kind, filename)), *protection))
