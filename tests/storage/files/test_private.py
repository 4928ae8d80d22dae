"""What is nobody's to see, whatever name leads to it."""

import os
from pathlib import Path

import pytest

from asgi_downloads.storage.files import private
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from tests.support.archives import directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "state" / "below").mkdir(parents=True)
    (tmp_path / "state" / "below" / "file").write_text("x")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").write_text("x")
    (tmp_path / "alias").symlink_to("state")
    (tmp_path / "db").write_text("x")
    (tmp_path / "hard").hardlink_to(tmp_path / "db")
    return tmp_path


@pytest.mark.parametrize(("name", "want"), [("db", True), ("hard", True), ("state", True), ("plain/file", False)])
def test_it_is_told_by_device_and_inode(name: str, want: bool, root: Path) -> None:
    assert Private([root / "db", root / "state"], root).hides(os.stat(root / name)) is want


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("state/below/file", True),
        ("state/below/none", True),
        ("alias/below/file", True),
        ("plain/../state/below/file", True),
        ("plain/file", False),
        ("none/file", False),
        ("db", False),
    ],
)
def test_so_is_what_lies_below(path: str, want: bool, root: Path) -> None:
    with directory(root) as opened:
        assert Private([root / "state"], root).hides_above(opened, path) is want


def test_what_lies_elsewhere_needs_no_look_at_the_way(root: Path) -> None:
    assert Private([root / "state"], root).is_inside
    assert not Private([root / "state"], root / "plain").is_inside
    assert not NOTHING_PRIVATE.is_inside
    assert not NOTHING_PRIVATE.hides(os.stat(root))


def test_what_comes_later_is_private_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "CHECK", 0.0)
    hidden = Private([root / "db-wal"], root)
    assert not hidden.hides(os.stat(root / "db"))
    (root / "db-wal").write_text("x")
    assert hidden.hides(os.stat(root / "db-wal"))
