"""A URL whose files lie in one tree. The URL families differ in a style, not in code."""

from collections.abc import Callable
from dataclasses import dataclass

from asgi_downloads.asgi.request import Request
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.message import Header
from asgi_downloads.responses.file import Delivery, Shown
from asgi_downloads.responses.kept import Answers
from asgi_downloads.storage.errors import NotFound
from asgi_downloads.storage.files.tree import Tree


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
