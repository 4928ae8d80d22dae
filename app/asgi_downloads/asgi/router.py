"""Which endpoint a path names. A literal path wins; then the last segment, whole and not empty, as a parameter; then
the longest prefix below which an endpoint has all paths."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from asgi_downloads.asgi.answer import send_redirect, with_query
from asgi_downloads.asgi.exchange import Exchange, route_path
from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError

_ALL_BELOW = "{path:path}"
ALLOW = ((b"allow", b"GET, HEAD"),)  # RFC 9110 §15.5.6: what is supported, HEAD with every GET (§9.1)


@dataclass(frozen=True, slots=True)
class Route:
    """A path template, as `/export/users`, `/download/{filename}` or `/media/{path:path}`, and its ASGI callable.

    Below a prefix the endpoint is mounted: `root_path` has it, and methods are the endpoint's to refuse. A `probe` is
    asked by orchestrators: no limit keeps it waiting. The rest describes it: a `name` of its own, a line of `summary`,
    the query `parameters` that it reads, and the `answers` that are special to it, each with its meaning; the media
    `types` of its content, the `kind` of answers that it gives, as `service/openapi.py` names them, and `fields` of
    theirs that others of the kind lack.
    """

    template: str
    endpoint: ASGIApp
    name: str = ""
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    answers: Mapping[int, str] = field(default_factory=dict)
    probe: bool = False
    types: tuple[str, ...] = ("*/*",)
    kind: str = ""
    fields: tuple[str, ...] = ()


class Router:
    """An ASGI application that hands each request to the endpoint of its path.

    Raises `HTTPError` 404 for an unknown path and 405 for a method other than GET and HEAD; a
    path that would match without its trailing slashes is redirected (307), as in FastAPI.
    Raises `ValueError` for routes that contradict one another.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._literal: dict[str, ASGIApp] = {}
        self._parameter: dict[str, tuple[ASGIApp, str]] = {}
        self._mounted: dict[str, ASGIApp] = {}
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        prefix, _, last = route.template.rpartition("/")
        if "{" in prefix:
            raise ValueError(f"{route.template}: only the last segment may be a parameter")
        if last == _ALL_BELOW:
            if prefix in self._mounted:
                raise ValueError(f"{route.template}: two routes for one path")
            self._mounted[prefix] = route.endpoint
            return
        if prefix in self._parameter if last.startswith("{") else route.template in self._literal:
            raise ValueError(f"{route.template}: two routes for one path")
        if last.startswith("{"):
            self._parameter[prefix] = route.endpoint, last[1:-1]
        else:
            self._literal[route.template] = route.endpoint

    def match(self, path: str) -> tuple[ASGIApp, dict[str, str]] | None:
        """The endpoint for a decoded path and its parameters; None if no route matches."""
        endpoint = self._literal.get(path)
        if endpoint is not None:
            return endpoint, {}
        prefix, _, segment = path.rpartition("/")
        found = self._parameter.get(prefix)
        if found is None or not segment:
            return None
        return found[0], {found[1]: segment}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        found = self.match(path)
        if found is None:
            if (prefix := self._prefix(path)) is not None:
                below = {**scope, "root_path": scope.get("root_path", "") + prefix}
                await self._mounted[prefix](below, receive, send)
            else:
                await self._answer_unmatched(path, Exchange(scope, receive, send))
            return
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPError(405, headers=ALLOW)
        endpoint, scope["path_params"] = found
        await endpoint(scope, receive, send)

    def _prefix(self, path: str) -> str | None:
        """The longest prefix of whole segments below which something is mounted."""
        prefix = path
        while self._mounted and prefix:
            prefix = prefix.rpartition("/")[0]
            if prefix in self._mounted:
                return prefix
        return None

    async def _answer_unmatched(self, path: str, exchange: Exchange) -> None:
        scope = exchange.scope
        bare = path.rstrip("/")
        if bare == path or self.match(bare) is None:
            raise HTTPError(404)
        location = quote(scope.get("root_path", "") + bare, safe="/", errors="surrogateescape").encode()
        await send_redirect(exchange, 307, with_query(location, exchange))
