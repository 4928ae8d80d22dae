"""Letting others send the content: nginx by X-Accel-Redirect, or a store by a redirection."""

from collections.abc import Iterable
from urllib.parse import quote

from asgi_downloads.http.message import ByteRange, Header

STORE_LOCATION = b"/.asgi-downloads/store"
"""Where nginx fetches from a store what an answer of ours tells it to."""


def offload(headers: Iterable[Header], path: str) -> list[Header]:
    """The head of an answer as nginx is to have it, which puts the content of the file at `path` behind it.

    Only for requests that leave nothing to decide: ranges and preconditions are ours, so that a
    download may be resumed in another mode than it began in.
    """
    kept = [line for line in headers if line[0] != b"content-length"]
    # nginx decodes the path once, so a `%` or `?` in a name must not be one to it.
    return [*kept, (b"content-length", b"0"), (b"x-accel-redirect", quote(path, errors="surrogateescape").encode())]


def offload_from_store(headers: Iterable[Header], url: str, etag: bytes, part: ByteRange | None) -> list[Header]:
    """The head of an answer as nginx is to have it, which fetches that part, or all, of that version from the URL.

    The part was decided by us, so that what the request asks goes no further.
    """
    kept = [line for line in headers if line[0] not in (b"content-length", b"content-range")]
    told = b"" if part is None else b"bytes=%d-%d" % (part.start, part.stop - 1)
    return [
        *kept,
        (b"content-length", b"0"),
        (b"x-accel-redirect", STORE_LOCATION),
        (b"x-store-url", url.encode()),
        (b"x-store-etag", etag),
        (b"x-store-range", told),
    ]


def redirect_to_store(url: str, max_age: int) -> list[Header]:
    """The head of a redirection that may be kept for so many seconds by the client alone, as the URL is a secret."""
    keep = b"private, max-age=%d" % max_age
    return [(b"location", url.encode()), (b"cache-control", keep), (b"content-length", b"0")]
