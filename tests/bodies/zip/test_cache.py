"""An archive is used again as long as its directory is as it was, and no longer."""

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.bodies.zip.deflate import DEFLATE
from asgi_downloads.bodies.zip.first_deflate import deflate
from asgi_downloads.storage.errors import Busy, Unreadable
from asgi_downloads.storage.files import contents
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.contents import Folder
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.scan import scan_blocking
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.jobs import Stopped
from tests.support.archives import deflated, directory, earlier, later
from tests.support.users import as_nobody

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle"
    path.mkdir()
    for number in range(3):
        (path / f"{number}.txt").write_text(f"member {number}")
    return path


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Gets an item for each scan."""
    counted: list[bool] = []

    def counting(directory: Directory, *, recursive: bool, **more: Any) -> Listing:
        counted.append(recursive)
        return scan_blocking(directory, recursive=recursive, **more)

    monkeypatch.setattr(contents, "scan_blocking", counting)
    return counted


@pytest.fixture
def checksums() -> Generator[Checksums]:
    with Checksums() as opened:
        yield opened


@pytest.fixture
def archives(checksums: Checksums) -> Archives:
    """For which files count as settled, though they were made a moment ago."""
    return Archives(checksums, clock=later)


def find(archives: Archives, path: Path, *, recursive: bool = False, form: str = "") -> Archive | Listing:
    with directory(path) as opened:
        return asyncio.run(archives.find(Folder(opened, recursive), form=form))


def fill(path: Path, count: int) -> None:
    path.mkdir(exist_ok=True)
    for number in range(count):
        (path / f"more-{number}").touch()


@pytest.mark.parametrize("more", [0, 100], ids=["looked-at-on-the-loop", "looked-at-in-a-thread"])
def test_an_unchanged_directory_is_not_scanned_again(
    bundle: Path, archives: Archives, scans: list[bool], more: int
) -> None:
    fill(bundle, more)
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
def test_a_directory_that_changed_has_another_archive(bundle: Path, archives: Archives, change: str) -> None:
    first = find(archives, bundle)
    CHANGES[change](bundle)
    second = find(archives, bundle)
    assert isinstance(first, Archive)
    assert isinstance(second, Archive)
    assert second.listing != first.listing
    assert find(archives, bundle) is second


def test_one_that_only_a_scan_can_judge_is_scanned_and_used_again(
    bundle: Path, archives: Archives, scans: list[bool]
) -> None:
    (bundle / "link").symlink_to("nowhere")
    assert find(archives, bundle) is find(archives, bundle)
    assert len(scans) == 2


def test_the_least_recently_used_goes_first(bundle: Path, checksums: Checksums, tmp_path: Path) -> None:
    for name in ("b", "c"):
        fill(tmp_path / name, 1)
    archives = Archives(checksums, member_limit=4, clock=later)
    first, second = weakref.ref(find(archives, bundle)), weakref.ref(find(archives, tmp_path / "b"))
    assert find(archives, bundle) is first()
    find(archives, tmp_path / "c")
    assert first() is not None
    assert second() is None


def test_one_too_large_to_be_kept_is_shared_while_it_is_used(
    bundle: Path, checksums: Checksums, scans: list[bool]
) -> None:
    archives = Archives(checksums, member_limit=2, clock=later)
    first = find(archives, bundle)
    assert find(archives, bundle) is first
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
    find(archives, bundle)
    assert len(scans) == 2


def test_one_that_may_change_unseen_is_not_used_again(bundle: Path, checksums: Checksums) -> None:
    archives = Archives(checksums, clock=earlier)
    assert find(archives, bundle) is not find(archives, bundle)


def test_a_deflated_one_is_only_listed_until_its_lengths_are_known(
    bundle: Path, archives: Archives, checksums: Checksums
) -> None:
    assert isinstance(find(archives, bundle, form=DEFLATE.form), Listing)
    content = deflated(bundle, DEFLATE, checksums)
    archive = find(archives, bundle, form=DEFLATE.form)
    assert isinstance(archive, Archive)
    assert archive.size == len(content)
    os.utime(bundle / "1.txt", (1, 1))
    assert isinstance(find(archives, bundle, form=DEFLATE.form), Listing)


# Many who ask


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Scans go on until this is set, or they are told to stop."""
    may_end = threading.Event()

    def scan_slowly(directory: Directory, *, stop: threading.Event, **more: Any) -> Listing:
        while not may_end.wait(0.001):
            if stop.is_set():
                raise Stopped
        listing: Listing = scan(directory, stop=stop, **more)
        return listing

    scan = vars(contents)["scan_blocking"]  # counted, if a test does
    monkeypatch.setattr(contents, "scan_blocking", scan_slowly)
    yield may_end
    may_end.set()


def test_all_who_ask_at_a_time_share_one_scan(
    bundle: Path, archives: Archives, scans: list[bool], slow: threading.Event
) -> None:
    async def ask() -> Archive | Listing:
        with directory(bundle) as opened:
            return await archives.find(Folder(opened, False))

    async def run() -> list[Archive | Listing]:
        first = asyncio.create_task(ask())
        await asyncio.sleep(0.01)  # its scan has begun, so that it may have missed what is there now
        askers = [asyncio.create_task(ask()) for _ in range(20)]
        await asyncio.sleep(0.01)
        (bundle / "new").touch()
        askers[0].cancel()  # its directory is closed with it
        await asyncio.wait((first, askers.pop(0)), timeout=0.01)
        slow.set()
        await first
        return await asyncio.gather(*askers)

    found = asyncio.run(run())
    assert len({id(each) for each in found}) == 1
    assert len(cast(Archive, found[0]).listing) == 4
    assert len(scans) <= 3


def test_a_scan_ends_when_all_who_asked_have_left(bundle: Path, archives: Archives, slow: threading.Event) -> None:
    async def ask() -> None:
        with directory(bundle) as opened:
            await archives.find(Folder(opened, False))

    async def run() -> None:
        askers = [asyncio.create_task(ask()) for _ in range(20)]
        await asyncio.sleep(0.01)
        for asker in askers:
            asker.cancel()
        await asyncio.wait(askers)
        assert all(asker.cancelled() for asker in askers)

    asyncio.run(run())  # the fixture looks for the descriptor of the scan


def test_members_in_use_are_bounded(bundle: Path, checksums: Checksums, tmp_path: Path) -> None:
    fill(tmp_path / "b", 2)
    archives = Archives(checksums, in_use_limit=4, member_limit=0, clock=later)
    first = find(archives, bundle)
    with pytest.raises(Busy):
        find(archives, tmp_path / "b")
    assert find(archives, bundle) is first
    del first
    assert len(cast(Archive, find(archives, tmp_path / "b")).listing) == 2


def test_members_of_first_deflated_downloads_count_as_in_use(
    bundle: Path, checksums: Checksums, tmp_path: Path
) -> None:
    fill(tmp_path / "b", 2)
    archives = Archives(checksums, in_use_limit=4, member_limit=0, clock=later)

    async def run() -> None:
        with directory(bundle) as opened, directory(tmp_path / "b") as other:
            listing = await archives.find(Folder(opened, False), form=DEFLATE.form)
            assert isinstance(listing, Listing)
            async with aclosing(deflate(listing, opened, DEFLATE, archives.resources)) as stream:
                await anext(stream)
                with pytest.raises(Busy):
                    await archives.find(Folder(other, False))
            del stream
            assert await archives.find(Folder(other, False))

    asyncio.run(run())


# What cannot be read


@pytest.fixture
def lacking(bundle: Path) -> Path:
    """A bundle with two files that may not be read, and a link to nowhere."""
    for name in ("secret", "another secret"):
        (bundle / name).touch()
        (bundle / name).chmod(0)
    (bundle / "astray").symlink_to("nowhere")
    return bundle


def test_a_bundle_of_which_something_cannot_be_read_is_refused(lacking: Path, archives: Archives) -> None:
    with as_nobody(lacking), pytest.raises(Unreadable, match=r"2 of its files or .* the first is 'another secret'"):
        find(archives, lacking)


def test_or_made_without_it_and_that_is_told(
    lacking: Path, checksums: Checksums, caplog: pytest.LogCaptureFixture
) -> None:
    archives = Archives(checksums, may_omit=True, clock=later)
    with as_nobody(lacking):
        archive = find(archives, lacking)
        assert find(archives, lacking) is archive
    assert isinstance(archive, Archive)
    assert archive.listing.paths == ["0.txt", "1.txt", "2.txt"]
    assert archive.listing.omitted == 3
    [record] = caplog.records
    text = record.getMessage()
    assert str(lacking) in text
    assert "lacks 2 files" in text
    assert "and 1 links" in text
    assert "'another secret'" in text


def test_links_that_lead_nowhere_are_told_and_no_reason_to_refuse(
    bundle: Path, archives: Archives, caplog: pytest.LogCaptureFixture
) -> None:
    (bundle / "astray").symlink_to("nowhere")
    archive = find(archives, bundle)
    assert isinstance(archive, Archive)
    assert archive.listing.omitted == 1
    assert "'astray'" in caplog.text
