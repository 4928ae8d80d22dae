"""What URLs represent, kept so that one look at the file answers: small files with their content, ready to send."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from asgi_downloads.asgi.answer import send_whole
from asgi_downloads.asgi.errors import Disconnected
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.guard import answer_error, guarded
from asgi_downloads.asgi.respond import respond
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.bodies.base import Held
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http.digest import wanted_fields
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.message import Header, Plan, Representation
from asgi_downloads.http.plan import is_plain, plan
from asgi_downloads.storage.errors import FileChanged, StorageError
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.files.tree import Tree, encode

SMALL = 64 << 10
"""Bytes of the largest file whose content is kept at once."""

LARGEST = 1 << 20
"""Bytes of the largest one whose content is kept when it is asked for again, while there is room."""

Key = tuple[str, str, bytes]
"""Path, prefix and query: all that the answer to a plain request depends on, besides the file."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a URL was found to represent, and what must still be so for it to be true."""

    representation: Representation
    headers: list[Header]
    """Of a plain 200."""
    content: bytes | None
    """None if it is not kept."""
    tree: Tree
    name: bytes
    state: FileState

    def holds(self) -> bool:
        """Whether the name still leads to that very file, unchanged: what the ETag says, asked anew."""
        try:
            directory = self.tree.directory()  # held, for it may be open for us alone
            now = os.stat(self.name, dir_fd=directory.fd, follow_symlinks=False)
        except (StorageError, OSError):
            return False
        return self.state.is_of(now)

    def open_cached(self) -> OpenFile | None:
        """The file, if it can be had without waiting and is still that one."""
        try:
            file = self.tree.directory().open_cached(self.name)
        except (StorageError, OSError):
            return None
        if file is not None and not self.state.is_of(file.stat):
            file.close()
            return None
        return file


KEPT = "asgi_downloads.kept"
"""In the scope: what keeps the answer to this request."""


class Kept:
    """An ASGI application around another, which answers for it where one look at the file says what it would.

    Answers take `limit` bytes, the oldest leave first; for the content of a larger file none has to.
    """

    def __init__(self, app: ASGIApp, limit: int = 8 << 20) -> None:
        self._app = app
        self._limit = limit
        self._size = 0
        self._answers: dict[Key, Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope["path"], scope.get("root_path", ""), scope["query_string"]
        answer = self._answers.get(key)
        if answer is not None and _may_be_answered(scope):
            exchange = Exchange(scope, receive, send)
            if answer.content is None or not is_plain(scope["headers"]):
                if not wanted_fields(scope["headers"]) and await self._planned(exchange, key, answer):
                    return
            elif answer.holds():
                try:  # noqa: SIM105  # of a small answer it is a fiftieth
                    # A copy of the list: who stands between us and the server may add to it.
                    await send_whole(exchange, 200, answer.headers.copy(), answer.content)
                except Disconnected:
                    pass
                return
        scope[KEPT] = partial(self.keep, key)
        await self._app(scope, receive, send)

    async def _planned(self, exchange: Exchange, key: Key, answer: Answer) -> bool:
        """Answer a precondition or a range, or with content that is not kept; False where all is to be asked anew."""
        try:
            decided = plan(exchange.method, exchange.headers, answer.representation, now=int(time.time()))
        except HTTPError:
            return False
        if not decided.segments or answer.content is not None:
            if not answer.holds():
                return False
            with suppress(Disconnected):
                await respond(exchange, decided, Held(answer.content or b""))
            return True
        file = answer.open_cached()
        if file is None:
            return False

        async def send(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await respond(Exchange(scope, receive, send), decided, StoredFile(file))
            except FileChanged:  # just now, and nothing was sent
                await self._app(scope, receive, send)

        with file:
            if decided.status == 200 and is_plain(exchange.scope["headers"]):
                self._keep_content(key, answer, decided.headers, file)
            await guarded(send, exchange, answer_error)
        return True

    def keep(self, key: Key, answer: Answer) -> None:
        """Keep an answer that holds."""
        known = self._answers.get(key)
        if known is not None and known.state == answer.state and (known.content is not None or answer.content is None):
            return
        if known is not None:
            self._forget(key)
        self._answers[key] = answer
        self._size += _cost(key, answer)
        while self._size > self._limit:
            self._forget(next(iter(self._answers)))

    def _keep_content(self, key: Key, answer: Answer, headers: list[Header], file: OpenFile) -> None:
        """Keep what `answer` lacks, the content of `file`, if there is room and it need not be waited for."""
        if file.size > LARGEST or self._size + file.size > self._limit:
            return
        content = file.read_cached(0, file.size)
        if content is not None:  # and if it has changed just now, the answer does not hold
            self.keep(key, replace(answer, headers=headers.copy(), content=content))

    def _forget(self, key: Key) -> None:
        self._size -= _cost(key, self._answers.pop(key))


def _may_be_answered(scope: Scope) -> bool:
    """Whether the file alone decides: not the method, or an encoded slash that may make another name."""
    return scope["method"] in ("GET", "HEAD") and b"%2f" not in scope.get("raw_path", b"").lower()


def keep(scope: Scope, plan: Plan, representation: Representation, file: OpenFile, tree: Tree, name: str) -> None:
    """Keep what was just found of a file that has settled; with its content, if a plain request was for a small one."""
    take: Callable[[Answer], None] | None = scope.get(KEPT)
    if "\ufffd" in scope["path"]:  # stands for any bytes that are not UTF-8: two names would be one
        return
    if take is None or wanted_fields(scope["headers"]):
        return
    state, now = file.state, time.time_ns()
    if not state.is_settled(now) or state.mtime_ns > now:  # Last-Modified moves with the clock then
        return
    is_small = plan.status == 200 and file.size <= SMALL and is_plain(scope["headers"])
    content = file.read_cached(0, file.size) if is_small else None
    answer = Answer(representation, plan.headers.copy() if is_small else [], content, tree, encode(name), state)
    if answer.holds():  # else it was reached by a link, or replaced meanwhile
        take(answer)


def _cost(key: Key, answer: Answer) -> int:
    """About the bytes that an answer takes, its head and its key included."""
    fields = sum(len(value) for _, value in answer.representation.fields)
    return len(answer.content or b"") + sum(map(len, key)) + fields + 2048
