"""Answers to plain requests for small files, kept ready to send; the file system is asked before each use."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.errors import Disconnected
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.http.message import Header, Plan
from asgi_downloads.http.plan import is_plain
from asgi_downloads.storage.errors import StorageError
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.files.tree import Tree, encode

LARGEST = 64 << 10
"""Bytes of the largest file that is kept."""

Key = tuple[str, str, bytes]
"""Path, prefix and query: all that the answer to a plain request depends on, besides the file."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 and what must still be so for it to be true."""

    headers: list[Header]
    content: bytes
    tree: Tree
    name: bytes
    state: FileState

    def holds(self) -> bool:
        """Whether the name still leads to that very file, unchanged: what the ETag says, asked anew."""
        try:
            now = os.stat(self.name, dir_fd=self.tree.directory().fd, follow_symlinks=False)
        except (StorageError, OSError):
            return False
        return self.state.is_of(now)


KEPT = "asgi_downloads.kept"
"""In the scope: what keeps the answer to this request."""


class Kept:
    """An ASGI application around another, with a cache of small answers: `limit` bytes, the oldest leave first."""

    def __init__(self, app: ASGIApp, limit: int = 8 << 20) -> None:
        self._app = app
        self._limit = limit
        self._size = 0
        self._answers: dict[Key, Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope["path"], scope.get("root_path", ""), scope["query_string"]
        answer = self._find(key, scope)
        if answer is None:
            scope[KEPT] = partial(self.keep, key)
            await self._app(scope, receive, send)
            return
        with suppress(Disconnected):
            # A copy of the list: who stands between us and the server may add to it.
            await send_whole(Exchange(scope, receive, send), 200, answer.headers.copy(), answer.content)

    def _find(self, key: Key, scope: Scope) -> Answer | None:
        """The answer to this request if there is one and it holds."""
        answer = self._answers.get(key)
        if answer is None or scope["method"] not in ("GET", "HEAD") or not is_plain(scope["headers"]):
            return None
        if b"%2f" in scope.get("raw_path", b"").lower():  # an encoded slash, which may make it another name
            return None
        if answer.holds():
            return answer
        self._forget(key)
        return None

    def keep(self, key: Key, answer: Answer) -> None:
        """Keep an answer that holds."""
        if key not in self._answers:
            self._answers[key] = answer
            self._size += _cost(key, answer)
        while self._size > self._limit:
            self._forget(next(iter(self._answers)))

    def _forget(self, key: Key) -> None:
        self._size -= _cost(key, self._answers.pop(key))


def keep(scope: Scope, plan: Plan, file: OpenFile, tree: Tree, name: str) -> None:
    """Keep the answer just sent, if it was a whole small file that has settled, to a plain request."""
    take: Callable[[Answer], None] | None = scope.get(KEPT)
    if "\ufffd" in scope["path"]:  # stands for any bytes that are not UTF-8: two names would be one
        return
    if take is None or plan.status != 200 or file.size > LARGEST or not is_plain(scope["headers"]):
        return
    state, now = file.state, time.time_ns()
    if not state.is_settled(now) or state.mtime_ns > now:  # Last-Modified moves with the clock then
        return
    content = file.read_cached(0, file.size)
    if content is None:
        return
    answer = Answer(plan.headers, content, tree, encode(name), state)
    if answer.holds():  # else it was reached by a link, or replaced meanwhile
        take(answer)


def _cost(key: Key, answer: Answer) -> int:
    """About the bytes that an answer takes, its head and its key included."""
    return len(answer.content) + sum(map(len, key)) + sum(len(value) for _, value in answer.headers) + 2048
