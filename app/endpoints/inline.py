"""`/file/...` and `/preview/...`: files to look at, made harmless where they could run."""

from app.asgi.request import Request
from app.endpoints.delivery import NOSNIFF
from app.endpoints.stored import Styled
from app.http import media_types
from app.http.disposition import content_disposition
from app.http.parameters import Query

MISSING = "File not found"


def file(request: Request) -> Styled:
    """Inline with the type of its name, or an attachment with `?download=true`; raises 422."""
    query = Query(request.query_string)
    download = query.boolean("download", default=False)
    query.check()
    filename = request.path_params["filename"]
    return _shown(filename, media_types.guess(filename), "attachment" if download else "inline")


def preview(request: Request) -> Styled:
    """Inline; the seven types that browsers show safely, everything else as bytes."""
    filename = request.path_params["filename"]
    return _shown(filename, media_types.preview(filename), "inline")


def _shown(filename: str, content_type: bytes, kind: str) -> Styled:
    fields = ((b"content-disposition", content_disposition(kind, filename)), NOSNIFF)
    if kind == "inline":
        fields += media_types.sandbox(content_type)
    return Styled(filename, content_type, fields)
