"""SHA-256 of files, kept while the file stays the same, computed once for all who ask at a time."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import cache, partial

from asgi_downloads.storage.files.openfile import READ_LIMIT, OpenFile
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.jobs import Jobs, Stopped, Work


class Digests:
    """At most `limit` digests by the state of their file, the oldest use going first; `jobs` computes them."""

    def __init__(self, limit: int = 10_000, jobs: Jobs | None = None) -> None:
        self._limit = limit
        self._jobs = jobs or Jobs("digests", threads=2, most=64)
        self._known: OrderedDict[FileState, bytes] = OrderedDict()

    async def known(self, states: Iterable[FileState]) -> list[bytes | None]:
        """The digest of each of these, if it is kept."""
        return [self._known.get(state) for state in states]

    async def sha256(self, file: OpenFile) -> bytes:
        """The 32 bytes for the file as it was opened; raises `FileChanged` if it changes meanwhile, and `Busy`."""
        state = file.state
        digest = self._known.get(state)
        if digest is None:

            def begin() -> Work[bytes]:
                return partial(_sha256_blocking, file.hold())

            digest = self._known[state] = await self._jobs.run(state, begin)
        self._known.move_to_end(state)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return digest


@cache
def digests() -> Digests:
    """Those that all share who have none of their own."""
    return Digests()


def _sha256_blocking(file: OpenFile, stop: threading.Event) -> bytes:
    digest = hashlib.sha256()
    with file:
        for offset in range(0, file.size, READ_LIMIT):
            if stop.is_set():
                raise Stopped
            digest.update(file.read_blocking(offset, min(READ_LIMIT, file.size - offset)))
        file.check()
    return digest.digest()
