"""A listing has the regular files of a directory that may be read, and tells one state of them from another."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.storage.errors import Exhausted, NotFound
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.listing import DEPTH_LIMIT, Listing, facts_of, scan
from asgi_downloads.storage.files.tree import Directory
from tests.support.archives import directory, listing_of

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture(params=["openat2", "walk"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of all kinds of entries, also where the kernel cannot resolve beneath it."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "HAS_OPENAT2", False)
    root = tmp_path / "root"
    (root / "below" / "deep").mkdir(parents=True)
    (root / "below" / "empty").mkdir()
    (tmp_path / "secret").write_text("secret")
    (root / "b.txt").write_text("b")
    (root / "a.txt").write_text("aa")
    (root / ".hidden").write_text("h")
    (root / "below" / "c.txt").write_text("c")
    (root / "below" / "deep" / "d.txt").write_text("d")
    os.mkfifo(root / "fifo")
    (root / "inside").symlink_to("a.txt")
    (root / "inside-below").symlink_to("below/deep/d.txt")
    (root / "below" / "up").symlink_to("../a.txt")
    (root / "outside").symlink_to("../secret")
    (root / "below" / "far-outside").symlink_to("../../secret")
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "nowhere").symlink_to("nothing")
    (root / "loop").symlink_to("loop")
    (root / "to-a-directory").symlink_to("below")
    (root / "to-a-fifo").symlink_to("fifo")
    return root


def test_files_of_the_directory_and_links_that_stay_inside(root: Path) -> None:
    listing = listing_of(root)
    assert listing.paths == [".hidden", "a.txt", "b.txt", "inside", "inside-below"]
    assert listing.links == {"inside", "inside-below"}
    assert listing.size(3) == 2
    assert listing[3] == listing[1], "a link has the facts of its file"


def test_recursive_descends_directories_and_lists_empty_ones(root: Path) -> None:
    assert listing_of(root, recursive=True).paths == [
        ".hidden",
        "a.txt",
        "b.txt",
        "below/c.txt",
        "below/deep/d.txt",
        "below/empty/",
        "below/up",
        "inside",
        "inside-below",
    ]


def test_names_that_are_not_utf_8_are_found_and_opened(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/d\xff")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff/f\xfe")).write_text("content")
    os.symlink("d\udcff/f\udcfe", os.fsencode(tmp_path) + b"/l\xfd")
    listing = listing_of(tmp_path, recursive=True)
    assert listing.paths == ["d\udcff/f\udcfe", "l\udcfd"]
    assert [listing.size(index) for index in range(2)] == [7, 7]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_without_permission_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    (tmp_path / "closed").touch(0o000)
    assert listing_of(tmp_path).paths == ["open"]


def test_what_may_not_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").touch(0o644)
    (tmp_path / "group").touch(0o640)
    (tmp_path / "closed").touch(0o600)
    monkeypatch.setattr(os, "access", lambda name, *_, **__: name == "group")
    assert listing_of(tmp_path).paths == ["group", "open"]


def test_very_deep_directories_are_not_descended(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(DEPTH_LIMIT + 3):
        path /= "d"
        path.mkdir()
        (path / "f").touch()
    assert len(listing_of(tmp_path, recursive=True)) == DEPTH_LIMIT


def test_a_directory_that_is_gone_and_one_that_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with directory(gone) as opened:
        gone.rmdir()
        assert len(scan(opened)) == 0

        def full(*_: object, **__: object) -> int:
            raise OSError(24, "too many open files")

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", full)
            with pytest.raises(Exhausted):
                scan(opened)
    with pytest.raises(NotFound):
        scan(Directory(-1))


def test_a_directory_that_vanishes_while_its_parent_is_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "going").mkdir()
    (tmp_path / "stays").touch()
    look = os.stat

    def look_and_remove(name: str, **how: Any) -> os.stat_result:
        found = look(name, **how)
        if name == "going":
            (tmp_path / "going").rmdir()
        return found

    with directory(tmp_path) as opened:
        monkeypatch.setattr(os, "stat", look_and_remove)
        assert scan(opened, recursive=True).paths == ["stays"]


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
        assert after.is_current(opened)
        assert not before.is_current(opened)


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
        assert listing.is_current(opened)
        CHANGES_BELOW[change](certain)
        assert not listing.is_current(opened)


def test_only_a_scan_can_tell_where_a_link_leads_now(root: Path) -> None:
    listing = listing_of(root)
    with directory(root) as opened:
        assert not listing.is_current(opened)
    (root / "nothing").touch()
    assert "nowhere" in listing_of(root).paths


def test_only_a_scan_can_tell_whether_a_file_may_be_read_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").touch(0o600)
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda *_, **__: False)
        listing = listing_of(tmp_path)
    with directory(tmp_path) as opened:
        assert not listing.is_current(opened)
    assert listing_of(tmp_path).paths == ["closed"]


def test_a_directory_that_changed_a_moment_before_may_change_again_unseen(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    listing = listing_of(tmp_path)
    listing.scanned_ns = listing.directories[0][1].ctime_ns
    with directory(tmp_path) as opened:
        assert not listing.is_current(opened)


def test_a_device_number_may_change_with_a_restart(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    facts = listing_of(tmp_path)[0]
    listings = [Listing(), Listing()]
    for listing, dev in zip(listings, (1, 2), strict=True):
        listing.add(["a"], facts._replace(dev=dev))
    assert listings[0] != listings[1]
    assert listings[0].fingerprint() == listings[1].fingerprint()


def test_inodes_of_64_bits_fit() -> None:
    def status(size: int) -> os.stat_result:
        values = (0o100644, (1 << 64) - 5, 7, 1, 0, 0, size, 0, 0, 0)
        return os.stat_result(values, {"st_mtime_ns": 1, "st_ctime_ns": 2})

    listing = Listing()
    listing.add(["a"], facts_of(status(3)))
    assert listing[0].inode == -5
    assert listing.matches(0, status(3))
    assert listing.grew(0, status(4))


def test_newest_is_the_latest_of_files_and_directories(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").touch()
    for path, when in (("d/a", 1_000), ("d", 3_000), (".", 2_000)):
        os.utime(tmp_path / path, (when, when))
    assert listing_of(tmp_path).newest == 2_000
    assert listing_of(tmp_path, recursive=True).newest == 3_000
    os.utime(tmp_path / "d" / "a", (4_000, 4_000))
    assert listing_of(tmp_path, recursive=True).newest == 4_000
