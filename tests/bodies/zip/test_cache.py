"""An archive is used again as long as its directory is as it was, and no longer."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asgi_downloads.bodies.zip import cache
from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.bodies.zip.deflate import DEFLATE
from asgi_downloads.storage.files import listing as listings
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.listing import Listing, scan
from asgi_downloads.storage.files.tree import Directory
from tests.support.archives import deflated, directory

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that counts as settled, though it was made a moment ago."""
    monkeypatch.setattr(listings, "_UNSETTLED", -(1 << 60))
    path = tmp_path / "bundle"
    path.mkdir()
    for number in range(3):
        (path / f"{number}.txt").write_text(f"member {number}")
    return path


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Gets an item for each scan."""
    counted: list[bool] = []

    def counting(directory: Directory, *, recursive: bool) -> Listing:
        counted.append(recursive)
        return scan(directory, recursive=recursive)

    monkeypatch.setattr(cache, "scan", counting)
    return counted


def find(archives: Archives, path: Path, *, recursive: bool = False, form: str = "") -> Archive | Listing:
    with directory(path) as opened:
        return asyncio.run(archives.find(opened, recursive=recursive, form=form))


@pytest.mark.parametrize("at_once", [0, 64], ids=["in-a-thread", "on-the-loop"])
def test_an_unchanged_directory_is_not_scanned_again(
    bundle: Path, scans: list[bool], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(cache, "_AT_ONCE", at_once)
    with Checksums() as checksums:
        archives = Archives(checksums)
        first = find(archives, bundle)
        assert find(archives, bundle) is first
        assert find(archives, bundle, recursive=True) is not first
        assert find(archives, bundle) is first
    assert scans == [False, True]


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited": lambda path: (path / "1.txt").write_text("another"),
    "added": lambda path: (path / "new").touch(),
    "removed": lambda path: (path / "1.txt").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_directory_that_changed_has_another_archive(bundle: Path, change: str) -> None:
    with Checksums() as checksums:
        archives = Archives(checksums)
        first = find(archives, bundle)
        CHANGES[change](bundle)
        second = find(archives, bundle)
        assert isinstance(first, Archive)
        assert isinstance(second, Archive)
        assert second.listing != first.listing
        assert find(archives, bundle) is second


def test_one_that_only_a_scan_can_judge_is_scanned_and_used_again(bundle: Path, scans: list[bool]) -> None:
    (bundle / "link").symlink_to("nowhere")
    with Checksums() as checksums:
        archives = Archives(checksums)
        assert find(archives, bundle) is find(archives, bundle)
    assert len(scans) == 2


def test_the_least_recently_used_goes_first(bundle: Path, tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("b", "c")]
    for other in others:
        other.mkdir()
        (other / "member").touch()
    with Checksums() as checksums:
        archives = Archives(checksums, member_limit=4)
        first = find(archives, bundle)
        second = find(archives, others[0])
        assert find(archives, bundle) is first
        find(archives, others[1])
        assert find(archives, bundle) is first
        assert find(archives, others[0]) is not second


def test_one_that_is_let_go_of_while_it_is_looked_at_serves_once_more(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Checksums() as checksums:
        archives = Archives(checksums)
        first = find(archives, bundle)

        async def letting_go(listing: Listing, directory: Directory) -> bool:
            archives._make_room(archives._member_limit)
            return True

        monkeypatch.setattr(cache, "_is_current", letting_go)
        assert find(archives, bundle) is first


def test_one_that_may_change_unseen_is_not_kept(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "_UNSETTLED", 1 << 60)
    with Checksums() as checksums:
        archives = Archives(checksums)
        assert find(archives, bundle) is not find(archives, bundle)


def test_a_deflated_one_is_only_listed_until_its_lengths_are_known(bundle: Path) -> None:
    with Checksums() as checksums:
        archives = Archives(checksums)
        assert isinstance(find(archives, bundle, form=DEFLATE.form), Listing)
        content = deflated(bundle, DEFLATE, checksums)
        archive = find(archives, bundle, form=DEFLATE.form)
        assert isinstance(archive, Archive)
        assert archive.size == len(content)
        os.utime(bundle / "1.txt", (1, 1))
        assert isinstance(find(archives, bundle, form=DEFLATE.form), Listing)
