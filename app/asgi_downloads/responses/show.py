"""How a stored file is shown: its type, and the fields that go with it, from its name alone."""

from collections.abc import Callable
from typing import Literal

from asgi_downloads.http import media_types
from asgi_downloads.http.disposition import Kind, content_disposition
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.http.message import Header
from asgi_downloads.responses.delivery import Shown

Show = Literal["inline", "download", "video"]


def download(path: str) -> Shown:
    """An attachment without a type of its own."""
    return Shown(path, media_types.OCTET_STREAM, (disposition("attachment", path), NOSNIFF))


def inline(path: str, content_type: bytes | None = None, kind: Kind = "inline") -> Shown:
    """With the type of its name, in a sandbox if a browser would run it."""
    content_type = media_types.guess(path) if content_type is None else content_type
    protection = media_types.inline_fields(content_type) if kind == "inline" else (NOSNIFF,)
    return Shown(path, content_type, (disposition(kind, path), *protection))


def video(path: str, content_type: bytes | None = None) -> Shown:
    """With the type of its name and without Content-Disposition, so that the player decides."""
    return Shown(path, media_types.guess(path) if content_type is None else content_type, (NOSNIFF,))


WAYS: dict[str, Callable[[str], Shown]] = {"inline": inline, "download": download, "video": video}


def disposition(kind: Kind, path: str) -> Header:
    """Content-Disposition with the last name of a path."""
    return b"content-disposition", content_disposition(kind, path.rpartition("/")[2])
