"""What is nobody's to see, whatever name leads to it."""

import os
import threading
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import NotFound
from asgi_downloads.storage.files import private
from asgi_downloads.storage.files.contents import Folder
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from tests.support.archives import directory, later


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "state" / "below").mkdir(parents=True)
    (tmp_path / "state" / "below" / "file").write_text("x")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").write_text("x")
    (tmp_path / "plain" / "link").symlink_to("../state/below/file")
    (tmp_path / "alias").symlink_to("state")
    (tmp_path / "stated").write_text("x")
    (tmp_path / "db").write_text("x")
    (tmp_path / "hard").hardlink_to(tmp_path / "db")
    return tmp_path


CASES = [
    ("db", True),
    ("hard", True),
    ("state/below/file", True),
    ("alias/below/file", True),
    ("plain/link", True),
    ("plain/../state/below/file", True),
    ("plain/file", False),
    ("stated", False),
]


@pytest.mark.parametrize(("name", "want"), CASES)
def test_a_file_is_told_by_device_and_inode_and_by_where_it_lies(name: str, want: bool, root: Path) -> None:
    hidden = Private([root / "db", root / "state"])
    with (root / name).open() as file:
        assert hidden.hides_file(file.fileno(), os.fstat(file.fileno())) is want
        assert not NOTHING_PRIVATE.hides_file(file.fileno(), os.fstat(file.fileno()))


def test_no_listing_has_any_of_it(root: Path) -> None:
    with directory(root) as opened:
        folder = Folder(opened, True, private=Private([root / "db", root / "state"]))
        listing = folder.scan_blocking(100, threading.Event(), later)
    assert listing.names == ["stated", "plain/file"]


@pytest.mark.parametrize("at", ["state/", "state/below/", "alias/"])
def test_a_directory_of_it_has_no_listing(at: str, root: Path) -> None:
    with directory(root) as opened, pytest.raises(NotFound):
        Folder(opened, True, at, private=Private([root / "state"])).scan_blocking(100, threading.Event(), later)


def test_what_comes_later_is_private_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "CHECK", 0.0)
    hidden = Private([root / "db-wal"])
    assert not hidden.hides(os.stat(root / "db"))
    (root / "db-wal").write_text("x")
    assert hidden.hides(os.stat(root / "db-wal"))
