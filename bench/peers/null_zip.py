"""Archives made for nobody: what the making costs by itself. `python -m bench.peers.null_zip MAKER FOLDER > OUT`.

To /dev/null the blocks are counted and dropped, not written; into a file they are written, to be verified.
The account goes to stderr: the mean of as many makings as take half a second, after a small one for the imports.
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

Take = Callable[[bytes], None]
Make = Callable[[Path, Take], None]


def zipstream(folder: Path, take: Take, *, level: int | None = None) -> None:
    from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream  # type: ignore[import-untyped]

    stream: Any = ZipStream(compress_type=ZIP_STORED if level is None else ZIP_DEFLATED, compress_level=level)
    for path in sorted(folder.iterdir()):
        stream.add_path(path, arcname=path.name)
    for block in stream:
        take(block)


class Ours:
    """Our archive of a folder; it knows the checksums that it has computed before."""

    def __init__(self, *, deflated: bool = False) -> None:
        from app.bodies.zip_cache import Archives
        from app.storage.checksums import Checksums

        self._archives = Archives(Checksums())
        self._deflated = deflated

    def __call__(self, folder: Path, take: Take) -> None:
        asyncio.run(self._make(folder, take))

    async def _make(self, folder: Path, take: Take) -> None:
        from app.bodies.zip_archive import Archive, ZipBody
        from app.bodies.zip_deflate import DEFLATE
        from app.bodies.zip_stream import deflate
        from app.storage.tree import Tree

        form = DEFLATE.form if self._deflated else ""
        async with Tree(folder.parent).subtree(folder.name) as directory:
            found = await self._archives.find(directory, recursive=False, form=form)
            if not isinstance(found, Archive):
                async for block in deflate(found, directory, DEFLATE, self._archives.checksums):
                    take(block)
                return
            async for piece in ZipBody(found, directory).pieces(0, found.size):
                if isinstance(piece, bytes):
                    take(piece)
                    continue
                stop = piece.offset + piece.count
                for offset in range(piece.offset, stop, READ):
                    take(os.pread(piece.file.fd, min(READ, stop - offset), offset))


def _ours_known(folder: Path) -> Make:
    ours = Ours()
    ours(folder, lambda block: None)
    return ours


MAKERS: dict[str, Callable[[Path], Make]] = {
    "zipstream": lambda folder: zipstream,
    "zipstream-6": lambda folder: lambda folder, take: zipstream(folder, take, level=6),
    "ours": _ours_known,
    "ours-cold": lambda folder: Ours(),
    "ours-deflate": lambda folder: Ours(deflated=True),
}


def _warm_up(maker: Callable[[Path], Make]) -> None:
    """Make one small archive, so that imports and first uses are over before the clock runs, whoever makes it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "small.txt").write_bytes(b"small " * 1000)
        maker(Path(folder))(Path(folder), lambda block: None)


def main() -> int:
    maker, folder = MAKERS[sys.argv[1]], Path(sys.argv[2])
    out = sys.stdout.buffer
    keep = stat.S_ISREG(os.fstat(out.fileno()).st_mode)
    _warm_up(maker)
    wall = cpu = 0.0
    times = length = 0

    def take(block: bytes) -> None:
        nonlocal length
        length += len(block)
        if keep:
            out.write(block)

    while not times or (wall < ENOUGH and not keep):
        make = maker(folder)
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        make(folder, take)
        wall += time.perf_counter() - wall_before
        cpu += time.process_time() - cpu_before
        times += 1
    out.flush()
    print(json.dumps({"wall": wall / times, "cpu": cpu / times, "bytes": length // times}), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
