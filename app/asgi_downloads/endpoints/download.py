"""`/download/...`: files to keep. The browser saves them whatever they are."""

from functools import lru_cache

from asgi_downloads.asgi.request import Request
from asgi_downloads.endpoints.stored import Styled
from asgi_downloads.http.disposition import content_disposition
from asgi_downloads.http.media_types import NOSNIFF

MISSING = "File not found"


def download(request: Request) -> Styled:
    """Any file, as an attachment without a type of its own."""
    return _attachment(request.path_params["filename"])


@lru_cache(maxsize=1024)
def _attachment(filename: str) -> Styled:
    fields = ((b"content-disposition", content_disposition("attachment", filename)), NOSNIFF)
    return Styled(filename, b"application/octet-stream", fields)
