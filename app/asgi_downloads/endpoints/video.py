"""`/video/...`: what a player loads and seeks in."""

from asgi_downloads.asgi.request import Request
from asgi_downloads.endpoints.stored import Styled
from asgi_downloads.http.media_types import NOSNIFF

MISSING = "Video not found"


def video(request: Request) -> Styled:
    """Always `video/mp4` and without Content-Disposition, so that the player decides."""
    return Styled(request.path_params["filename"], b"video/mp4", (NOSNIFF,))
