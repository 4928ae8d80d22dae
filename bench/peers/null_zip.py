"""Archives made for nobody: what the making costs by itself. `python -m bench.peers.null_zip MAKER FOLDER > OUT`.

To /dev/null the blocks are counted and dropped; into a file they are written, to be verified. The account goes to
stderr: the mean of as many makings as take half a second, after a small one for the imports.
"""

import asyncio
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

READ = 256 << 10

ENOUGH = 0.5
"""Seconds of making that are measured: one small archive takes less than the clock and the caches vary."""


class Sink:
    """Where an archive goes: counted, and written if `fd` is a file that keeps it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.keeps = stat.S_ISREG(os.fstat(fd).st_mode)
        self.length = 0
        self._buffer = memoryview(bytearray(READ))

    def take(self, block: bytes | memoryview) -> None:
        self.length += len(block)
        while self.keeps and block:
            block = block[os.write(self.fd, block) :]

    def copy(self, fd: int, offset: int, count: int) -> None:
        """Read bytes of another file, as for a socket that must be given them."""
        while count:
            block = self._buffer[: min(READ, count)]
            got = os.preadv(fd, (block,), offset)
            self.take(block[:got])
            offset, count = offset + got, count - got

    def send(self, fd: int, offset: int, count: int) -> None:
        """Have the kernel bring bytes of another file."""
        self.length += count
        while count:
            sent = os.sendfile(self.fd, fd, offset, count)
            offset, count = offset + sent, count - sent


class Maker:
    """Makes an archive of a folder. `prepare`, before each, is not measured."""

    async def prepare(self, folder: Path) -> None:
        pass

    async def make(self, folder: Path, sink: Sink) -> None:
        raise NotImplementedError


class Zipstream(Maker):
    def __init__(self, level: int | None = None) -> None:
        self._level = level

    async def make(self, folder: Path, sink: Sink) -> None:
        from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream  # type: ignore[import-untyped]

        method = ZIP_STORED if self._level is None else ZIP_DEFLATED
        stream: Any = ZipStream(compress_type=method, compress_level=self._level)
        for path in sorted(folder.iterdir()):
            stream.add_path(path, arcname=path.name)
        for block in stream:
            sink.take(block)


class Ours(Maker):
    """Our archives; what was learned of checksums is kept.

    With `zero_copy` slices of files go the way that the server takes for them, else all of them are read.
    `forgetful`, it has never been asked for the folder.
    """

    def __init__(self, *, deflated: bool = False, zero_copy: bool = False, forgetful: bool = False) -> None:
        self._deflated = deflated
        self._zero_copy = zero_copy
        self._forgetful = forgetful
        self._known: set[Path] = set()
        self._begin()

    def _begin(self) -> None:
        from asgi_downloads.bodies.zip.cache import Archives
        from asgi_downloads.storage.files.checksums import Checksums

        self._archives = Archives(Checksums())

    async def prepare(self, folder: Path) -> None:
        if self._forgetful:
            self._archives.resources.checksums.close()
            self._begin()
        elif folder not in self._known:
            self._known.add(folder)
            with open(os.devnull, "wb") as nothing:
                await self.make(folder, Sink(nothing.fileno()))

    async def make(self, folder: Path, sink: Sink) -> None:
        from asgi_downloads.asgi.sender import COPIED
        from asgi_downloads.bodies.zip.archive import Archive
        from asgi_downloads.bodies.zip.body import ZipBody
        from asgi_downloads.bodies.zip.deflate import DEFLATE
        from asgi_downloads.bodies.zip.first_deflate import deflate
        from asgi_downloads.storage.files.contents import Folder
        from asgi_downloads.storage.files.tree import Tree

        form = DEFLATE.form if self._deflated else ""
        async with Tree(folder.parent).subtree(folder.name) as directory:
            found = await self._archives.find(Folder(directory), form)
            if not isinstance(found, Archive):
                async for block in deflate(found, directory, DEFLATE, self._archives.resources):
                    sink.take(block)
                return
            async for piece in ZipBody(found, directory).pieces(0, found.size):
                if isinstance(piece, bytes):
                    sink.take(piece)
                elif self._zero_copy and piece.count > COPIED:
                    sink.send(piece.file.fd, piece.offset, piece.count)
                else:
                    sink.copy(piece.file.fd, piece.offset, piece.count)


MAKERS: dict[str, Callable[[], Maker]] = {
    "zipstream": Zipstream,
    "zipstream-6": lambda: Zipstream(6),
    "ours": Ours,
    "ours-zero-copy": lambda: Ours(zero_copy=True),
    "ours-cold": lambda: Ours(forgetful=True),
    "ours-cold-zero-copy": lambda: Ours(forgetful=True, zero_copy=True),
    "ours-deflate": lambda: Ours(deflated=True, forgetful=True),
}


async def measure(maker: Maker, folder: Path) -> dict[str, float]:
    """All on one event loop in one task, as in a server, so that its threads go on too."""
    await _warm_up(maker)
    sink = Sink(sys.stdout.fileno())
    wall = cpu = 0.0
    times = 0
    while not times or (wall < ENOUGH and not sink.keeps):
        await maker.prepare(folder)
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        await maker.make(folder, sink)
        wall += time.perf_counter() - wall_before
        cpu += time.process_time() - cpu_before
        times += 1
    return {"wall": wall / times, "cpu": cpu / times, "bytes": sink.length // times}


async def _warm_up(maker: Maker) -> None:
    """Make one small archive, so that imports and first uses are over before the clock runs."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "wb") as nothing:
        Path(folder, "small.txt").write_bytes(b"small " * 1000)
        await maker.prepare(Path(folder))
        await maker.make(Path(folder), Sink(nothing.fileno()))


if __name__ == "__main__":
    account = asyncio.run(measure(MAKERS[sys.argv[1]](), Path(sys.argv[2])))
    print(json.dumps(account), file=sys.stderr)
