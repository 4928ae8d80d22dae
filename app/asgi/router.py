"""Which endpoint a path names. Literal segments win over parameters; a parameter is one whole segment."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from app.asgi.request import route_path
from app.asgi.respond import send_whole
from app.asgi.types import ASGIApp, Receive, Scope, Send
from app.http.errors import HTTPError

ALLOW = ((b"allow", b"GET, HEAD"),)  # RFC 9110 §15.5.6: what is supported, HEAD with every GET (§9.1)


@dataclass(frozen=True, slots=True)
class Route:
    """A path template, as `/download/{filename}`, and the ASGI callable that answers it."""

    template: str
    endpoint: ASGIApp


@dataclass(slots=True)
class _Node:
    """What may follow a prefix: named segments, any segment, or nothing more."""

    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    name: str = ""
    endpoint: ASGIApp | None = None


class Router:
    """An ASGI application that hands each request to the endpoint of its path.

    Raises `HTTPError` 404 for an unknown path and 405 for a method other than GET and HEAD; a
    path that would match without its trailing slashes is redirected (307), as in FastAPI.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.template.split("/")[1:]:
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter = _Node(name=segment[1:-1])
                node = node.parameter
                if node.name != segment[1:-1]:
                    raise ValueError(f"{route.template}: this segment is already called {node.name}")
            else:
                node = node.literals.setdefault(segment, _Node())
        if node.endpoint is not None:
            raise ValueError(f"{route.template}: two routes for one path")
        node.endpoint = route.endpoint

    def match(self, path: str) -> tuple[ASGIApp, dict[str, str]] | None:
        """The endpoint for a decoded path and its parameters; None if no route matches."""
        segments = path.split("/")
        if segments[0]:
            return None
        params: dict[str, str] = {}
        endpoint = _descend(self._root, segments, 1, params)
        return None if endpoint is None else (endpoint, params)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        found = self.match(path)
        if found is None:
            await self._answer_unmatched(path, scope, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPError(405, headers=ALLOW)
        endpoint, scope["path_params"] = found
        await endpoint(scope, receive, send)

    async def _answer_unmatched(self, path: str, scope: Scope, send: Send) -> None:
        bare = path.rstrip("/")
        if bare == path or self.match(bare) is None:
            raise HTTPError(404)
        # RFC 9110 §10.2.2: a relative reference, so that a forged Host cannot steer it.
        location = quote(scope.get("root_path", "") + bare, safe="/").encode()
        if scope["query_string"]:
            location += b"?" + scope["query_string"]
        await send_whole(307, [(b"location", location), (b"content-length", b"0")], b"", send)


def _descend(node: _Node, segments: list[str], index: int, params: dict[str, str]) -> ASGIApp | None:
    if index == len(segments):
        return node.endpoint
    segment = segments[index]
    below = node.literals.get(segment)
    if below is not None:
        endpoint = _descend(below, segments, index + 1, params)
        if endpoint is not None:
            return endpoint
    below = node.parameter
    if below is not None and segment:
        endpoint = _descend(below, segments, index + 1, params)
        if endpoint is not None:
            params[below.name] = segment
        return endpoint
    return None
