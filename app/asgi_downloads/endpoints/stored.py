"""A URL whose files lie in one tree. The URL families differ in a style, not in code."""

from collections.abc import Callable
from dataclasses import dataclass

from app.asgi.request import Request
from app.asgi.types import Receive, Scope, Send
from app.endpoints.answers import Answers
from app.endpoints.delivery import Delivery, Shown
from app.http.errors import HTTPError
from app.http.message import Header
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

    What it answers to plain requests for small files it leaves with `answers`.
    """

    def __init__(self, tree: Tree, style: Style, missing: str, delivery: Delivery, answers: Answers) -> None:
        self.tree = tree
        self.style = style
        self.missing = missing
        self.delivery = delivery
        self.answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        styled = self.style(request)
        try:
            async with self.tree.open(styled.name) as file:
                shown = Shown(file, styled.content_type, styled.fields, f"{self.tree.root.name}/{styled.name}")
                plan = await self.delivery.send(shown, request, scope, receive, send)
                if plan is not None:
                    self.answers.keep(scope, plan, file, self.tree, styled.name)
        except NotFound:
            raise HTTPError(404, self.missing) from None
