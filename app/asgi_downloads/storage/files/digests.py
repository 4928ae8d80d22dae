"""SHA-256 of files, kept while the file stays the same, computed once for all who ask at a time."""

import asyncio
import hashlib
from collections import OrderedDict

from asgi_downloads.storage.files.openfile import READ_LIMIT, OpenFile
from asgi_downloads.storage.threads import in_thread

Key = tuple[int, int, int, int, int]


class Digests:
    """At most `limit` digests, by device, inode, size, mtime_ns and ctime_ns; the oldest use goes first."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._known: OrderedDict[Key, bytes] = OrderedDict()
        self._running: dict[Key, asyncio.Task[bytes]] = {}

    async def sha256(self, file: OpenFile) -> bytes:
        """The 32 bytes for the file as it was opened; `FileChanged` if it changes meanwhile."""
        facts = file.stat
        key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._compute(key, file.hold()))
            task.add_done_callback(_mark_seen)
        # Shielded: one asker's hang-up must not fail the others.
        return await asyncio.shield(task)

    async def _compute(self, key: Key, file: OpenFile) -> bytes:
        try:
            with file:
                digest = await in_thread(_sha256, file)
        finally:
            del self._running[key]
        self._known[key] = digest
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return digest


def _mark_seen(task: asyncio.Task[bytes]) -> None:
    """Every asker may have gone; then nobody else looks at what went wrong."""
    if not task.cancelled():
        task.exception()


def _sha256(file: OpenFile) -> bytes:
    state = hashlib.sha256()
    offset = 0
    while offset < file.size:
        block = file.read_now(offset, min(READ_LIMIT, file.size - offset))
        state.update(block)
        offset += len(block)
    file.check()
    return state.digest()
