"""SHA-256 of files: kept in the table of checksums, computed once for all who ask at a time."""

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial

from asgi_downloads.storage.anywhere import AnyFile
from asgi_downloads.storage.errors import Busy
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.openfile import READ_LIMIT
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.jobs import Jobs, Stopped, Work, mark_seen

KIND = "sha-256"

PATIENCE = 0.25
"""Seconds that the first byte of an answer may wait for a digest."""

AT_ONCE = 128 << 20
"""Bytes left to read for which an answer waits at all: half of that time, on a processor of its own."""

_BEGUN = 256
"""Digests of which a part is kept."""


class Digests:
    """SHA-256 of files, by the state of the file; `jobs` compute those that are waited for.

    When nobody asks any more the work ends, and goes on from there with the next who asks. `clock` gives nanoseconds
    since the epoch.
    """

    def __init__(
        self,
        checksums: Checksums | None = None,
        jobs: Jobs | None = None,
        *,
        patience: float = PATIENCE,
        at_once: int = AT_ONCE,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._checksums = checksums or Checksums()
        self.jobs = jobs or Jobs("digests", threads=2, most=64)
        self._later = Jobs("digests-for-later", threads=1, most=64)
        self._patience = patience
        self._at_once = at_once
        self._clock = clock
        self._begun: OrderedDict[FileState, _Begun] = OrderedDict()

    async def known(self, states: Iterable[FileState]) -> list[bytes | None]:
        """The digest of each of these, if it is kept."""
        return await self._checksums.find(states, KIND)

    async def sha256(self, file: AnyFile) -> bytes:
        """The 32 bytes for the file as it was opened; raises `FileChanged` if it changes meanwhile, and `Busy`."""
        (known,) = await self.known((file.state,))
        return known or await self._compute(self.jobs, file)

    async def soon(self, file: AnyFile) -> bytes | None:
        """The digest, if it is known or there in so little time that an answer can wait; raises `FileChanged`."""
        with suppress(TimeoutError, Busy):
            async with asyncio.timeout(self._patience):
                (known,) = await self.known((file.state,))
                begun = self._begun.get(file.state)
                if known is None and file.size - (begun.offset if begun else 0) <= self._at_once:
                    known = await self._compute(self.jobs, file)
                return known
        return None

    @asynccontextmanager
    async def meanwhile(self, file: AnyFile) -> AsyncGenerator[None]:
        """Compute the digest for the next who asks, as long as the block lasts."""
        work = asyncio.ensure_future(self._compute(self._later, file))
        work.add_done_callback(mark_seen)
        try:
            yield
        finally:
            work.cancel()

    async def _compute(self, jobs: Jobs, file: AnyFile) -> bytes:
        now = self._clock()

        def begin() -> Work[bytes]:
            return partial(self._compute_blocking, file.hold(), now)

        return await jobs.run(file.state, begin)

    def _compute_blocking(self, file: AnyFile, asked_ns: int, stop: threading.Event) -> bytes:
        state = file.state
        begun = self._begun.pop(state, None) or _Begun()
        with file:
            while begun.offset < file.size:
                if stop.is_set():
                    if state.is_settled(asked_ns):
                        self._begun[state] = begun
                        while len(self._begun) > _BEGUN:
                            self._begun.popitem(last=False)
                    raise Stopped
                begun.read_blocking(file)
            file.check()
        digest = begun.hash.digest()
        self._checksums.remember([(state, digest)], KIND, asked_ns)
        return digest


class _Begun:
    """The hash of a file up to an offset."""

    __slots__ = ("hash", "offset")

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.offset = 0

    def read_blocking(self, file: AnyFile) -> None:
        block = file.read_blocking(self.offset, min(READ_LIMIT, file.size - self.offset))
        self.hash.update(block)
        self.offset += len(block)


@cache
def digests() -> Digests:
    """Those that all share who have none of their own."""
    return Digests()
