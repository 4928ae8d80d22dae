"""A listing tells one state of a directory from another."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asgi_downloads.storage.files.listing import Listing
from tests.storage.files.test_scan import make_tree
from tests.storage.files.test_state import status
from tests.support.archives import directory, listing_of

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path)


def edit(path: Path) -> None:
    times = path.stat()
    path.write_bytes(b"XX")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited-with-times-put-back": lambda root: edit(root / "a"),
    "grown": lambda root: (root / "a").write_bytes(b"longer"),
    "added": lambda root: (root / "c").touch(),
    "removed": lambda root: (root / "b").unlink(),
    "renamed": lambda root: (root / "b").rename(root / "bb"),
    "swapped": lambda root: ((root / "b").rename(root / "x"), (root / "a").rename(root / "b")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_listings_are_equal_only_while_nothing_changes(tmp_path: Path, change: str) -> None:
    (tmp_path / "a").write_bytes(b"aa")
    (tmp_path / "b").write_bytes(b"aa")
    before = listing_of(tmp_path)
    assert listing_of(tmp_path) == before
    assert listing_of(tmp_path).fingerprint() == before.fingerprint()
    CHANGES[change](tmp_path)
    after = listing_of(tmp_path)
    assert after != before
    assert after.fingerprint() != before.fingerprint()
    with directory(tmp_path) as opened:
        assert after.is_current_blocking(opened)
        assert not before.is_current_blocking(opened)


def point_elsewhere(root: Path) -> None:
    (root / "inside").unlink()
    (root / "inside").symlink_to("b.txt")


CHANGES_BELOW: dict[str, Callable[[Path], object]] = {
    "a-file-added": lambda root: (root / "below" / "new").touch(),
    "a-file-removed": lambda root: (root / "below" / "c.txt").unlink(),
    "a-file-edited": lambda root: edit(root / "below" / "deep" / "d.txt"),
    "an-empty-directory-filled": lambda root: (root / "below" / "empty" / "new").touch(),
    "an-empty-directory-gone": lambda root: (root / "below" / "empty").rmdir(),
    "a-directory-renamed": lambda root: (root / "below").rename(root / "elsewhere"),
    "a-link-pointed-elsewhere": point_elsewhere,
    "what-a-link-leads-to-edited": lambda root: edit(root / "a.txt"),
    "other-permissions": lambda root: (root / "a.txt").chmod(0o640),
    "another-group-of-permissions-below": lambda root: (root / "below" / "deep").chmod(0o750),
}


@pytest.fixture
def certain(root: Path) -> Path:
    """The directory without what only a new scan can judge."""
    for name in ("outside", "absolute", "nowhere", "loop", "to-a-directory", "to-a-fifo", "below/far-outside"):
        (root / name).unlink()
    return root


@pytest.mark.parametrize("change", CHANGES_BELOW)
def test_a_listing_is_current_until_something_changes_anywhere(certain: Path, change: str) -> None:
    listing = listing_of(certain, recursive=True)
    with directory(certain) as opened:
        assert listing.is_current_blocking(opened)
        CHANGES_BELOW[change](certain)
        assert not listing.is_current_blocking(opened)


def test_only_a_scan_can_tell_where_a_link_leads_now(root: Path) -> None:
    listing = listing_of(root)
    with directory(root) as opened:
        assert not listing.is_current_blocking(opened)
    (root / "nothing").touch()
    assert "nowhere" in listing_of(root).paths


def test_only_a_scan_can_tell_whether_a_file_may_be_read_now(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    listing = listing_of(tmp_path)
    listing.is_whole = False  # as where a file was left out
    with directory(tmp_path) as opened:
        assert not listing.is_current_blocking(opened)


@pytest.mark.parametrize("what", ["a-file", "the-directory"])
def test_what_changed_a_moment_before_may_change_again_unseen(tmp_path: Path, what: str) -> None:
    (tmp_path / "a").touch()
    if what == "a-file":
        os.utime(tmp_path, (1, 1))
    listing = listing_of(tmp_path, settled=False)
    with directory(tmp_path) as opened:
        assert not listing.is_current_blocking(opened)


def test_a_device_number_may_change_with_a_restart() -> None:
    listings = [Listing(0), Listing(0)]
    for listing, dev in zip(listings, (1, 2), strict=True):
        listing.add("a", status(dev=dev))
    assert listings[0] != listings[1]
    assert listings[0].fingerprint() == listings[1].fingerprint()


def test_a_file_is_known_again_however_odd_its_facts() -> None:
    odd = {"inode": (1 << 64) - 5, "mtime_ns": 221_845_392_000_000_000_000}
    listing = Listing(0)
    listing.add("a", status(**odd))
    listing.add("b", status())
    assert listing.matches(0, status(**odd))
    assert listing.matches(1, status())
    assert not listing.matches(0, status())
    assert not listing.matches(1, status(size=4))
    assert listing.grew(0, status(size=4, **odd))
    assert not listing.grew(0, status(size=4))
    assert not listing.grew(1, status(size=2))


def test_a_date_beyond_all_columns_is_the_newest(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", (10_413_792_000, 10_413_792_000))
    assert listing_of(tmp_path).newest >= 9_223_372_036


def test_newest_is_the_latest_of_files_and_directories(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").touch()
    for path, when in (("d/a", 1_000), ("d", 3_000), (".", 2_000)):
        os.utime(tmp_path / path, (when, when))
    assert listing_of(tmp_path).newest == 2_000
    assert listing_of(tmp_path, recursive=True).newest == 3_000
    os.utime(tmp_path / "d" / "a", (4_000, 4_000))
    assert listing_of(tmp_path, recursive=True).newest == 4_000
