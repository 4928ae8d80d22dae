"""One request and its answer, as everything here sees them."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote, unquote_to_bytes

import anyio

from asgi_downloads.asgi.errors import Disconnected
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.headers import combined
from asgi_downloads.http.message import Headers

T = TypeVar("T")

CHUNK_SIZE = "asgi_downloads.chunk_size"
"""In the scope: bytes of one body event where content is copied."""

LINKS_URL = "/s"
"""Below it the first segment of a path is a secret: who has it has what it grants."""

DEFAULT_CHUNK_SIZE = 256 << 10


class Exchange:
    """Scope, receive and send of one request; `headers` are lower-case names in order."""

    __slots__ = ("_watched", "headers", "method", "receive", "scope", "send")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.headers: Headers = scope["headers"]
        self._watched = False

    @property
    def path_params(self) -> dict[str, str]:
        """Decoded parts of the path, by the names of the route's template."""
        return self.scope.get("path_params") or {}

    @property
    def query_string(self) -> bytes:
        """What stands behind the `?`, as it was sent."""
        query: bytes = self.scope["query_string"]
        return query

    @property
    def origin(self) -> str:
        """Scheme and authority as the client has them, in characters that mean nothing to HTML, JSON and shells."""
        server, port = self.scope.get("server") or ("localhost", None)
        host = combined(self.headers, b"host") or (server if port is None else f"{server}:{port}").encode()
        return f"{self.scope.get('scheme', 'http')}://{quote(host, safe=':[].')}"

    @property
    def extensions(self) -> dict[str, dict[str, int]]:
        """What the server can do beyond ASGI, by name."""
        return self.scope.get("extensions") or {}

    @property
    def chunk_size(self) -> int:
        """Bytes of one body event where content is copied."""
        size: int = self.scope.get(CHUNK_SIZE, DEFAULT_CHUNK_SIZE)
        return size

    @property
    def send_tells(self) -> bool:
        """Whether `send` raises OSError after a hang-up (ASGI 2.4)."""
        version = self.scope.get("asgi", {}).get("spec_version", "2.0")
        major, _, minor = version.partition(".")
        return (int(major), int(minor)) >= (2, 4)

    async def content(self, most: int) -> bytes:
        """The content of the request; raises `HTTPError` 413 for more than so many bytes, and `Disconnected`."""
        announced = combined(self.headers, b"content-length") or b""
        if announced.isdigit() and int(announced[:18]) > most:
            raise HTTPError(413)
        content, more = bytearray(), True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            content += message.get("body", b"")
            more = message.get("more_body", False)
            if len(content) > most:
                raise HTTPError(413)
        return bytes(content)

    async def while_connected(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns, cancelled as soon as the client hangs up; for whatever takes more than a moment.

        Raises what `work` raises, and `Disconnected` when the client left before the end.
        """
        if self._watched:  # within such work: it will be cancelled with that
            return await work()
        self._watched = True
        failure: Exception = Disconnected()
        results: list[T] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._cancel_on_disconnect, group.cancel_scope)
            try:
                results.append(await work())
            except Exception as error:  # kept out of the group, which would wrap it
                failure = error
            group.cancel_scope.cancel()
            self._watched = False
        if not results:
            raise failure
        return results[0]

    async def _cancel_on_disconnect(self, scope: anyio.CancelScope) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass  # content of a request that has no use for it (RFC 9110 §9.3.1)
        scope.cancel()


def route_path(scope: Scope) -> str:
    """The path without the prefix that the application is mounted at (ASGI: `root_path`).

    Bytes that are not UTF-8 are in it as the file system's names have them, as lone surrogates.
    """
    path: str = scope["path"]
    if "\ufffd" in path and "raw_path" in scope:  # servers decode what is not UTF-8 so: names would be mixed up
        path = unquote_to_bytes(scope["raw_path"]).decode("utf-8", "surrogateescape")
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :]
    return path


def loggable(scope: Scope) -> str:
    """The decoded path as others may read it: of a link's token, all but the id of its key is left out."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    begin = path.find(f"{LINKS_URL}/", 0, len(root) + len(LINKS_URL) + 1)
    if begin not in (0, len(root)):
        return path
    secret = begin + len(LINKS_URL) + 1
    return path[:secret] + _SECRET.sub(r"\1...", path[secret:])


_SECRET = re.compile(r"\A(1\.[A-Za-z0-9]{1,8}\.)?[^/]+")
