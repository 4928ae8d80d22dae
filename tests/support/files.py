"""Files for a test, written in one go."""

import os
from collections.abc import Mapping
from pathlib import Path


def write_files(root: Path, files: Mapping[str, bytes], modified: int) -> None:
    """Write contents by their paths below `root`, all of one age, in seconds since the epoch."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (modified, modified))
