"""Files from anywhere as one ZIP archive, as the answer of a route."""

import os
from collections.abc import Iterable, Mapping
from typing import Literal

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.bodies.zip.deflate import PACKINGS
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.responses.base import Background, Response
from asgi_downloads.responses.file import tree_at
from asgi_downloads.responses.zip_delivery import Bundle, ZipDelivery, archives
from asgi_downloads.storage.errors import NotFound, Unreadable
from asgi_downloads.storage.files.contents import Gathered

Path = str | os.PathLike[str]


class ZipResponse(Response):
    """Files as one ZIP archive, made while it is sent: with a length, a strong validator and ranges, so it resumes.

    `members` are pairs, or a mapping, of a name in the archive and the path of a file or a directory, which becomes a
    directory there with all that is below it. Names may have "/" in them; they are made safe for Windows, macOS and
    Linux, and of those that collide the later ones are numbered. Paths come from no client: links are followed, but
    within a directory none that leads out of it.

    `compression` is "store", which costs next to nothing and is resumable from the first byte; "deflate"; or "auto",
    which deflates what shrinks. The first deflated answer of the same files has no length and no ranges.

    A member that is missing or cannot be read is 404 before the first byte, never a shorter archive; a precondition
    that fails 412, a range beyond the end 416.

        async def invoices(scope, receive, send):
            members = {"2026/may.pdf": "/srv/invoices/4711.pdf", "photos": "/srv/photos"}
            await ZipResponse(members, filename="invoices.zip")(scope, receive, send)
    """

    def __init__(
        self,
        members: Mapping[str, Path] | Iterable[tuple[str, Path]],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: Background | None = None,
        *,
        filename: str = "archive.zip",
        compression: Literal["store", "deflate", "auto"] = "store",
        cache_control: str = "no-cache",
    ) -> None:
        super().__init__(status_code, headers, background)
        pairs = members.items() if isinstance(members, Mapping) else members
        self.members = tuple((_relative(name), os.path.abspath(os.fspath(path))) for name, path in pairs)
        self.filename = filename
        self._packing = PACKINGS[compression]
        self._cache_control = cache_control

    async def answer(self, exchange: Exchange) -> None:
        delivery = ZipDelivery(archives(), self._cache_control.encode("latin-1"))
        bundle = Bundle(
            Gathered(tree_at("/").directory(), self.members),
            self.filename,
            self._packing,
            self.fields,
            self.status_code,
        )
        try:
            await delivery.send(self.asked(exchange), bundle)
        except NotFound as error:
            raise HTTPError(404, f"File not found: {error}") from error
        except Unreadable as error:
            raise HTTPError(404, str(error)) from error


def _relative(name: str) -> str:
    """A name without what says nothing: "/" at an end, empty segments and dots."""
    return "/".join(segment for segment in name.split("/") if segment not in ("", ".")) or "_"
