"""Letting nginx send a file: X-Accel-Redirect."""

from collections.abc import Iterable
from urllib.parse import quote

from asgi_downloads.http.message import Header


def offload(headers: Iterable[Header], path: str) -> list[Header]:
    """The head of an answer as nginx is to have it, which puts the content of the file at `path` behind it.

    Only for requests that leave nothing to decide: ranges and preconditions are ours, so that a
    download may be resumed in another mode than it began in.
    """
    kept = [line for line in headers if line[0] != b"content-length"]
    # nginx decodes the path once, so a `%` or `?` in a name must not be one to it.
    return [*kept, (b"content-length", b"0"), (b"x-accel-redirect", quote(path, errors="surrogateescape").encode())]
