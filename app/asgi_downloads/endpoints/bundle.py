"""`/download/bundle/{bundle_id}`: a directory as one ZIP archive."""

from dataclasses import dataclass

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.bodies.zip.deflate import PACKINGS
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.parameters import Query
from asgi_downloads.responses.zip_delivery import Bundle, ZipDelivery
from asgi_downloads.storage.anywhere import AnyTree
from asgi_downloads.storage.errors import NotFound
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from asgi_downloads.storage.objects.contents import folder_at

MISSING = "Bundle not found"
COMPRESSION = Parameter("compression", default="store", choices=tuple(PACKINGS), help="How files are packed")
RECURSIVE = Parameter("recursive", "boolean", default=False, help="With the files of directories below")


@dataclass(frozen=True, slots=True)
class BundleEndpoint:
    """An ASGI callable that answers with the directories of `tree`."""

    tree: AnyTree
    delivery: ZipDelivery
    private: Private = NOTHING_PRIVATE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        with Query(exchange.query_string) as query:
            compression, recursive = COMPRESSION.read(query), RECURSIVE.read(query)
        bundle_id = exchange.path_params["bundle_id"]
        if bundle_id == ".":  # the directory of all bundles is not one of them
            raise HTTPError(404, MISSING)
        try:
            async with self.tree.subtree(bundle_id) as directory:
                contents = folder_at(directory, recursive=bool(recursive), private=self.private)
                bundle = Bundle(contents, f"bundle-{bundle_id}.zip", PACKINGS[str(compression)])
                await self.delivery.send(exchange, bundle)
        except NotFound:
            raise HTTPError(404, MISSING) from None
