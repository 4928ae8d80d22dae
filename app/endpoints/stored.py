"""A URL whose files lie in one tree. The URL families differ in a style, not in code."""

from collections.abc import Callable
from dataclasses import dataclass

from app.asgi.request import Request
from app.asgi.respond import send_whole
from app.asgi.types import Receive, Scope, Send
from app.endpoints.answers import Answers
from app.endpoints.delivery import Delivery, Shown
from app.http.errors import HTTPError
from app.http.message import Header
from app.http.plan import is_plain
from app.storage.errors import NotFound
from app.storage.tree import Tree


@dataclass(frozen=True, slots=True)
class Styled:
    """How one URL shows one file: its name beneath the tree, its type, and the fields that go with it."""

    name: str
    content_type: bytes
    fields: tuple[Header, ...]


Style = Callable[[Request], Styled]
"""Decides from the request alone, before any file is looked up; may raise `HTTPError`."""


class StoredEndpoint:
    """An ASGI callable that answers with files of `tree`; `missing` is the detail of its 404.

    `parameter` names the segment of the path that says which file.
    """

    def __init__(self, tree: Tree, style: Style, missing: str, delivery: Delivery, parameter: str = "filename") -> None:
        self.tree = tree
        self.style = style
        self.missing = missing
        self.delivery = delivery
        self.parameter = parameter
        self._answers = Answers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain = is_plain(scope["headers"])
        key = (scope["path_params"][self.parameter], scope["query_string"])
        answer = self._answers.find(key, self.tree) if plain else None
        if answer is not None:
            content = answer.content if scope["method"] == "GET" else b""
            # A copy of the list: who stands between us and the server may add to it.
            await send_whole(200, answer.headers.copy(), content, send)
            return
        request = Request(scope)
        styled = self.style(request)
        try:
            directory = self.tree.directory()
            async with directory.open(styled.name) as file:
                shown = Shown(file, styled.content_type, styled.fields, f"{self.tree.root.name}/{styled.name}")
                plan = await self.delivery.send(shown, request, scope, receive, send)
                if plain and plan is not None:
                    self._answers.keep(key, plan, file, directory, styled.name)
        except NotFound:
            raise HTTPError(404, self.missing) from None
