"""The application of the endpoints, whose answers the response classes make; and a directory of its own."""

from pathlib import Path

import pytest

from tests.endpoints.conftest import MODIFIED, app, data
from tests.support.files import write_files

__all__ = ["app", "data", "root"]

FILES = {
    "a.txt": b"hello",
    "page.html": b"<script>alert(1)</script>",
    "empty": b"",
    "sub/deep/film.mp4": b"film" * 1000,
    "sub/two words.txt": b"spaces",
    "sub/.hidden": b"hidden",
    ".secret": b"secret",
    "big.bin": b"big!" * 500_000,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tree of `FILES`, all of one age, and links."""
    root = tmp_path.resolve() / "root"
    write_files(root, FILES, MODIFIED)
    (root.parent / "outside").write_bytes(b"outside")
    (root / "out").symlink_to(root.parent / "outside")
    (root / "in").symlink_to("a.txt")
    return root
