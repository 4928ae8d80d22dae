"""A small data directory, and the whole application over it."""

from collections.abc import Generator
from pathlib import Path

import pytest

from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.settings import Settings
from tests.conftest import assert_none_left, descriptors
from tests.support.files import write_files

MODIFIED = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT

FILES = {
    "downloads/a.bin": b"download",
    "downloads/two words.txt": b"spaces",
    "downloads/empty": b"",
    "large-files/big.bin": b"large" * 500_000,
    "files/page.html": b"<script>alert(1)</script>",
    "files/notes.txt": b"notes",
    "files/picture.png": b"\x89PNG",
    "files/archive.tar.gz": b"\x1f\x8b",
    "reports/q1.pdf": b"%PDF-",
    "videos/film.mp4": b"film",
    "videos/film.webm": b"webm",
    "outside": b"secret",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The tree of `FILES`, all of one age."""
    data = tmp_path / "data"
    write_files(data, FILES, MODIFIED)
    return data


@pytest.fixture
def app(data: Path) -> Generator[Application]:
    """The application, which keeps its directories and its table of checksums open and must keep nothing else."""
    before = descriptors()
    yield create_app(Settings(data_dir=data))
    kept = {
        each for each in descriptors() if (path := Path(each.partition(" -> ")[2])).is_dir() or ".state" in path.parts
    }
    assert_none_left(before | kept)
