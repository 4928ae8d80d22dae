"""Archives made for nobody: what the making costs by itself. `python -m bench.peers.null_zip MAKER FOLDER > OUT`.

To /dev/null the blocks are counted and dropped, not written; elsewhere they are written, to be verified.
The account goes to stderr.
"""

import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def zipstream(folder: Path, *, level: int | None = None) -> Iterable[bytes]:
    from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream  # type: ignore[import-untyped]

    stream: Any = ZipStream(compress_type=ZIP_STORED if level is None else ZIP_DEFLATED, compress_level=level)
    for path in sorted(folder.iterdir()):
        stream.add_path(path, arcname=path.name)
    blocks: Iterable[bytes] = stream
    return blocks


Maker = Callable[[Path], Iterable[bytes]]

MAKERS: dict[str, Maker] = {
    "zipstream": zipstream,
    "zipstream-6": lambda folder: zipstream(folder, level=6),
}


def main() -> int:
    maker, folder = MAKERS.get(sys.argv[1]), Path(sys.argv[2])
    if maker is None:
        print(f"no such maker: {sys.argv[1]}", file=sys.stderr)
        return 2
    out = sys.stdout.buffer
    keep = stat.S_ISREG(os.fstat(out.fileno()).st_mode)
    wall, cpu = time.perf_counter(), time.process_time()
    length = 0
    for block in maker(folder):
        length += len(block)
        if keep:
            out.write(block)
    account = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "bytes": length}
    print(json.dumps(account), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
