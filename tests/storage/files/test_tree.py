"""A tree opens regular files beneath its root and says what is wrong in words of storage."""

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import Exhausted, NotFound, OutsideRoot, StorageError, Unavailable
from asgi_downloads.storage.files import beneath, tree
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory, Tree

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@pytest.fixture(params=["openat2", "walk"])
def resolver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test with the kernel's resolution, and with ours for kernels that have none."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "HAS_OPENAT2", False)
        monkeypatch.setattr(beneath, "HAS_CACHED", False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "directory").mkdir(parents=True)
    (root / "file.txt").write_text("content")
    (root / "directory" / "below.txt").write_text("below")
    (root / "inside").symlink_to("file.txt")
    (root / "outside").symlink_to("../secret")
    (tmp_path / "secret").write_text("secret")
    os.mkfifo(root / "fifo")
    return root


async def content(opened: Tree | Directory, name: str) -> bytes:
    async with opened.open(name) as file:
        return await file.read(0, file.size)


@dataclass(frozen=True)
class Case:
    id: str
    name: str
    want: bytes | type[StorageError]


CASES = [
    Case("a-file", "file.txt", b"content"),
    Case("a-link-inside", "inside", b"content"),
    Case("a-link-outside", "outside", OutsideRoot),
    Case("dot-dot", "..", OutsideRoot),
    Case("a-nul", "file.txt\0.png", OutsideRoot),
    Case("missing", "nothing", NotFound),
    Case("dot-is-a-directory", ".", NotFound),
    Case("a-directory", "directory", NotFound),
    Case("a-fifo", "fifo", NotFound),
    Case("four-thousand-letters", "x" * 4000, NotFound),
    Case("a-lone-surrogate", "\udcff", NotFound),
    Case("a-backslash-is-a-letter", "..\\secret", NotFound),
]


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_name_is_a_regular_file_beneath_the_root_or_refused(case: Case, root: Path) -> None:
    opening = content(Tree(root), case.name)
    if isinstance(case.want, bytes):
        assert asyncio.run(opening) == case.want
    else:
        with pytest.raises(case.want):
            asyncio.run(opening)


@pytest.mark.usefixtures("resolver")
def test_a_subtree_is_a_root_of_its_own(root: Path) -> None:
    async def run() -> bytes:
        async with Tree(root).subtree("directory") as below:
            with pytest.raises(OutsideRoot):
                await content(below, "../file.txt")
            return await content(below, "below.txt")

    assert asyncio.run(run()) == b"below"


@pytest.mark.parametrize(
    ("name", "want"), [("file.txt", NotFound), ("..", OutsideRoot), ("nothing", NotFound), ("outside", OutsideRoot)]
)
def test_what_is_no_directory_beneath_is_no_subtree(name: str, want: type[StorageError], root: Path) -> None:
    async def run() -> None:
        async with Tree(root).subtree(name):
            pass

    with pytest.raises(want):
        asyncio.run(run())


@dataclass(frozen=True)
class Failure:
    code: int
    want: type[StorageError]


FAILURES = [
    Failure(errno.EMFILE, Exhausted),
    Failure(errno.ENFILE, Exhausted),
    Failure(errno.ENOMEM, Exhausted),
    Failure(errno.EIO, Unavailable),
    Failure(errno.ESTALE, Unavailable),
    Failure(errno.EACCES, NotFound),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: errno.errorcode[failure.code])
@pytest.mark.parametrize("cached", [True, False], ids=["from-memory", "from-disk"])
def test_a_failing_open_has_a_meaning(
    failure: Failure, cached: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: object, **kwargs: object) -> int:
        raise OSError(failure.code, "")

    monkeypatch.setattr(beneath, "HAS_CACHED", cached)
    monkeypatch.setattr(beneath, "HAS_OPENAT2", True)
    monkeypatch.setattr(beneath, "openat2", failing)
    with pytest.raises(failure.want):
        asyncio.run(content(Tree(root), "file.txt"))


def test_a_name_that_is_not_in_memory_is_opened_by_a_thread(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = beneath.openat2
    asked: list[bool] = []

    def cold(directory: int, name: bytes, flags: int = beneath.READ_FLAGS, *, cached: bool = False) -> int:
        asked.append(cached)
        if cached:
            raise BlockingIOError(errno.EAGAIN, "")
        return real(directory, name, flags)

    monkeypatch.setattr(beneath, "HAS_CACHED", True)
    monkeypatch.setattr(beneath, "HAS_OPENAT2", True)
    monkeypatch.setattr(beneath, "openat2", cold)
    assert asyncio.run(content(Tree(root), "file.txt")) == b"content"
    assert asked == [True, False]


def test_a_request_cancelled_while_a_thread_opens_leaves_no_descriptor(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beneath, "HAS_CACHED", False)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        began, opened = asyncio.Event(), asyncio.Event()
        real: Callable[[Directory, str], OpenFile] = Directory.open_now

        def slow(self: Directory, name: str) -> OpenFile:
            loop.call_soon_threadsafe(began.set)
            file = real(self, name)
            loop.call_soon_threadsafe(opened.set)
            return file

        monkeypatch.setattr(Directory, "open_now", slow)
        task = asyncio.create_task(content(Tree(root), "file.txt"))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await opened.wait()

    asyncio.run(run())


def test_a_missing_root_has_no_files_until_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Tree(tmp_path / "late")

    async def run() -> bytes:
        with pytest.raises(NotFound):
            await content(late, "file")
        (tmp_path / "late").mkdir()
        (tmp_path / "late" / "file").write_text("here")
        return await content(late, "file")

    assert asyncio.run(run()) == b"here"


def test_a_replaced_root_is_seen_at_the_next_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_ROOT_CHECK_INTERVAL", 0)
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "file").write_text(release)
    current = tmp_path / "current"
    current.symlink_to("one")
    served = Tree(current)

    async def run() -> tuple[bytes, bytes]:
        before = await content(served, "file")
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(current)
        return before, await content(served, "file")

    assert asyncio.run(run()) == (b"one", b"two")


def test_a_request_under_way_keeps_the_root_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_ROOT_CHECK_INTERVAL", 0)
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_text("old")
    served = Tree(root)
    opening = served.open("file")
    root.rename(tmp_path / "gone")
    with pytest.raises(NotFound):
        served.directory()

    async def run() -> bytes:
        async with opening as file:
            return await file.read(0, file.size)

    assert asyncio.run(run()) == b"old"
