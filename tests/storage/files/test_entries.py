"""What a person sees of a directory, and in which order."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.storage.errors import NotFound, OutsideRoot
from asgi_downloads.storage.files.entries import Entry, entries_blocking, sort_keys
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.private import Private
from asgi_downloads.storage.jobs import Stopped
from tests.support.archives import directory

HIDDEN = Hidden((".*", "*.part"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "root"
    for name in ("img10.jpg", "Img2.jpg", "img1.jpg", "b/x", "a/y", ".dot", "half.part", "caf\udce9", "new\nline"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name.encode("utf-8", "replace").decode())
    os.mkfifo(root / "pipe")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "nowhere").symlink_to("none")
    (root / "loop").symlink_to("loop")
    (root / "file-link").symlink_to("a/y")
    (root / "folder-link").symlink_to("b")
    (tmp_path / "secret").write_text("secret")
    os.utime(root / "img1.jpg", ns=(0, 1_700_000_000_123_456_789))
    os.utime(root / "a", ns=(0, 5))
    return root


def listed(root: Path, at: str = "", private: Private | None = None) -> list[Entry]:
    with directory(root) as opened:
        return entries_blocking(opened, at, hidden=HIDDEN, private=private or Private())


def test_directories_first_digits_by_value_links_as_what_they_lead_to(root: Path) -> None:
    found = listed(root)
    assert [entry.name for entry in found] == [
        *("a/", "b/", "folder-link/"),
        *("caf\udce9", "file-link", "img1.jpg", "Img2.jpg", "img10.jpg", "new\nline"),
    ]
    assert found[0][2:] == (0, 5)
    assert found[5][2:] == (8, 1_700_000_000_123_456_789)


@pytest.mark.parametrize(("at", "names"), [("a/", ["y"]), ("folder-link/", ["x"]), ("b/", ["x"])])
def test_one_beneath(at: str, names: list[str], root: Path) -> None:
    assert [entry.name for entry in listed(root, at)] == names


@pytest.mark.parametrize("at", ["none/", "img1.jpg/", "out/", "pipe/", "nowhere/", "loop/", "a/none/"])
def test_what_is_no_directory_is_not_found(at: str, root: Path) -> None:
    with pytest.raises((NotFound, OutsideRoot)):
        listed(root, at)


def test_what_is_private_is_not_there(root: Path) -> None:
    private = Private([root / "img10.jpg", root / "b"])
    assert [entry.name for entry in listed(root, private=private)] == [
        *("a/", "caf\udce9", "file-link", "img1.jpg", "Img2.jpg", "new\nline")
    ]
    for at in ("b/", "folder-link/"):
        with pytest.raises(NotFound):
            listed(root, at, private)


def test_a_link_that_leads_out_is_not_found_as_a_directory(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "away").symlink_to(tmp_path / "outside")
    assert "away/" not in [entry.name for entry in listed(root)]


def test_one_that_nobody_waits_for_is_stopped(root: Path) -> None:
    stop = threading.Event()
    stop.set()
    with directory(root) as opened, pytest.raises(Stopped):
        entries_blocking(opened, stop=stop)


def test_names_are_sorted_as_people_count() -> None:
    names = ["b", "a10", "a2", "A1", "a1b", "10", "2"]
    assert sorted(names, key=dict(zip(names, sort_keys(names), strict=True)).__getitem__) == [
        *("2", "10", "A1", "a1b", "a2", "a10", "b")
    ]


@given(st.lists(st.text(st.characters(exclude_characters="/\0")), max_size=20))
def test_every_name_has_a_key_of_its_own_place(names: list[str]) -> None:
    keys = sort_keys(names)
    assert len(keys) == len(names)
    assert all(sort_keys([name]) == [key] for name, key in zip(names, keys, strict=True))


@given(st.integers(0, 10**20), st.integers(0, 10**20), st.text("0", max_size=3))
def test_numbers_count_by_their_value_whatever_zeros_stand_before(one: int, other: int, zeros: str) -> None:
    first, second = sort_keys([f"img{zeros}{one}.jpg", f"img{other}.jpg"])
    assert (first < second, first > second) == (one < other, one > other)
