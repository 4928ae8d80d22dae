"""A view of an HTTP scope: the names that endpoints use, no copies."""

from asgi_downloads.asgi.types import Scope
from asgi_downloads.http.message import Headers

ZERO_COPY = "http.response.zerocopysend"
"""The ASGI extension by which a server sends a slice of a file itself."""

SETTLE = "asgi_downloads.settle"
"""Our server's word that it knows `settle` and `lend` of a slice: see `SocketWire.send_file`."""

EXACT_DATE = "asgi_downloads.exact_date"
"""Our server's word that it makes Date when the head is written, so that no second lies between."""


class Request:
    """One request; `path_params` are decoded segments, `headers` lower-case names in order."""

    __slots__ = ("extensions", "headers", "method", "path_params", "query_string")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.headers: Headers = scope["headers"]
        self.path_params: dict[str, str] = scope.get("path_params") or {}
        self.query_string: bytes = scope["query_string"]
        self.extensions: dict[str, object] = scope.get("extensions") or {}


def route_path(scope: Scope) -> str:
    """The path without the prefix that the application is mounted at (ASGI: `root_path`)."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :]
    return path


__all__ = ["EXACT_DATE", "SETTLE", "ZERO_COPY", "Request", "route_path"]
