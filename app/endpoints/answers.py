"""Answers to plain requests for small files, kept ready to send; the file system is asked before each use."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass

from app.http.message import Header, Plan
from app.storage.errors import NotFound
from app.storage.openfile import OpenFile
from app.storage.tree import Directory, Tree

LARGEST = 64 << 10
"""Bytes of the largest file that is kept."""

SETTLED = 2
"""Seconds after its last change before a file is kept: a second change within one tick of the kernel's clock
would leave no trace in the times that are compared."""

Key = tuple[str, bytes]
"""The file's parameter in the path and the query: all that the answer to a plain request depends on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 and what must still be so for it to be true."""

    headers: list[Header]
    content: bytes
    directory: Directory
    name: str
    stat: os.stat_result

    def holds(self, directory: Directory) -> bool:
        """Whether the name still leads to that very file, unchanged: what the ETag says, asked anew."""
        if directory is not self.directory:
            return False
        now, then = directory.facts(self.name), self.stat
        return (
            now is not None
            and now.st_ino == then.st_ino
            and now.st_ctime_ns == then.st_ctime_ns
            and now.st_mtime_ns == then.st_mtime_ns
            and now.st_size == then.st_size
            and now.st_dev == then.st_dev
        )


class Answers:
    """At most `limit` bytes of content; those kept first go first."""

    def __init__(self, limit: int = 2 << 20) -> None:
        self._limit = limit
        self._size = 0
        self._kept: dict[Key, Answer] = {}

    def find(self, key: Key, tree: Tree) -> Answer | None:
        """The answer if there is one and it holds."""
        answer = self._kept.get(key)
        if answer is None:
            return None
        with suppress(NotFound):
            if answer.holds(tree.directory()):
                return answer
        self._forget(key)
        return None

    def keep(self, key: Key, plan: Plan, file: OpenFile, directory: Directory, name: str) -> None:
        """Keep the answer just sent, if it was a whole small file that has settled."""
        if plan.status != 200 or file.size > LARGEST or key in self._kept:
            return
        latest = max(file.stat.st_ctime_ns, file.stat.st_mtime_ns) // 1_000_000_000
        content = file.read_cached(0, file.size)
        if content is None or latest > time.time() - SETTLED:
            return
        answer = Answer(plan.headers, content, directory, name, file.stat)
        if not answer.holds(directory):  # by a link, or replaced meanwhile
            return
        self._kept[key] = answer
        self._size += _cost(key, answer)
        while self._size > self._limit:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        self._size -= _cost(key, self._kept.pop(key))


def _cost(key: Key, answer: Answer) -> int:
    """About the bytes that an answer takes, its headers and its key included."""
    return len(answer.content) + 2 * len(key[0]) + len(key[1]) + 2048
