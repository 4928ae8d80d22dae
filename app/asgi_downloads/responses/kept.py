"""Answers to plain requests for small files, kept ready to send; the file system is asked before each use."""

import os
import time
from dataclasses import dataclass

from asgi_downloads.asgi.types import Scope
from asgi_downloads.http.message import Header, Plan
from asgi_downloads.http.plan import is_plain
from asgi_downloads.storage.errors import NotFound
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory, Tree

LARGEST = 64 << 10
"""Bytes of the largest file that is kept."""

SETTLED = 2
"""Seconds after its last change before a file is kept: a second change within one tick of the kernel's clock
would leave no trace in the times that are compared."""

Key = tuple[str, str, bytes]
"""Path, prefix and query: all that the answer to a plain request depends on, besides the file."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 and what must still be so for it to be true."""

    headers: list[Header]
    content: bytes
    tree: Tree
    directory: Directory
    name: bytes
    stat: os.stat_result

    def holds(self) -> bool:
        """Whether the name still leads to that very file, unchanged: what the ETag says, asked anew."""
        try:
            if self.tree.directory() is not self.directory:
                return False
            now = os.stat(self.name, dir_fd=self.directory.fd, follow_symlinks=False)
        except (NotFound, OSError):
            return False
        then = self.stat
        return (
            now.st_ino == then.st_ino
            and now.st_ctime_ns == then.st_ctime_ns
            and now.st_mtime_ns == then.st_mtime_ns
            and now.st_size == then.st_size
            and now.st_dev == then.st_dev
        )


class Answers:
    """At most `limit` bytes, heads included; those kept first go first."""

    def __init__(self, limit: int = 8 << 20) -> None:
        self._limit = limit
        self._size = 0
        self._kept: dict[Key, Answer] = {}

    def find(self, scope: Scope) -> Answer | None:
        """The answer to this request if there is one and it holds."""
        key = scope["path"], scope.get("root_path", ""), scope["query_string"]
        answer = self._kept.get(key)
        if answer is None or scope["method"] not in ("GET", "HEAD") or not is_plain(scope["headers"]):
            return None
        if answer.holds():
            return answer
        self._forget(key)
        return None

    def keep(self, scope: Scope, plan: Plan, file: OpenFile, tree: Tree, name: str) -> None:
        """Keep the answer just sent, if it was a whole small file that has settled, to a plain request."""
        if plan.status != 200 or file.size > LARGEST or not is_plain(scope["headers"]):
            return
        latest = max(file.stat.st_ctime_ns, file.stat.st_mtime_ns) // 1_000_000_000
        if latest > time.time() - SETTLED:
            return
        content = file.read_cached(0, file.size)
        if content is None:
            return
        answer = Answer(plan.headers, content, tree, tree.directory(), name.encode(), file.stat)
        if not answer.holds():  # by a link, or replaced meanwhile
            return
        key = scope["path"], scope.get("root_path", ""), scope["query_string"]
        if key not in self._kept:
            self._kept[key] = answer
            self._size += _cost(key, answer)
        while self._size > self._limit:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        self._size -= _cost(key, self._kept.pop(key))


def _cost(key: Key, answer: Answer) -> int:
    """About the bytes that an answer takes, its head and its key included."""
    return len(answer.content) + sum(map(len, key)) + sum(len(value) for _, value in answer.headers) + 2048
