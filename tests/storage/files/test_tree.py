"""A tree opens regular files beneath its root and says what is wrong in words of storage."""

import asyncio
import errno
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import Exhausted, Forbidden, NotFound, OutsideRoot, StorageError, Unavailable
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.tree import Directory, Tree
from tests.conftest import descriptors, until

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
    (root / "ünï.txt").write_text("unicode")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.txt")).write_text("latin")
    os.mkfifo(root / "fifo")
    return root


async def content(opened: Tree | Directory, name: bytes | str) -> bytes:
    async with opened.open(name) as file:
        return await file.read(0, file.size)


@dataclass(frozen=True)
class Case:
    id: str
    name: bytes | str
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
    Case("a-long-name-that-is-not-ascii", "ü" * 128, NotFound),
    Case("not-utf-8", b"caf\xe9.txt", b"latin"),
    Case("not-utf-8-as-text", "caf\udce9.txt", b"latin"),
    Case("utf-8", "ünï.txt", b"unicode"),
    Case("utf-8-as-bytes", "ünï.txt".encode(), b"unicode"),
    Case("a-surrogate-that-stands-for-no-byte", "\ud800", NotFound),
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
    Failure(errno.EACCES, Forbidden),
    Failure(errno.ELOOP, NotFound),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: errno.errorcode[failure.code])
@pytest.mark.parametrize("cached", [True, False], ids=["from-memory", "from-disk"])
def test_a_failing_open_has_a_meaning(
    failure: Failure, cached: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: object, **kwargs: object) -> int:
        raise OSError(failure.code, "")

    monkeypatch.setattr(beneath, "open_cached", failing if cached else lambda *_: None)
    monkeypatch.setattr(beneath, "open_blocking", failing)
    with pytest.raises(failure.want):
        asyncio.run(content(Tree(root), "file.txt"))


def test_a_name_that_is_not_in_memory_is_opened_by_a_thread(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = beneath.open_blocking
    threads: list[threading.Thread] = []

    def noted(*args: int | bytes) -> int:
        threads.append(threading.current_thread())
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(beneath, "open_cached", lambda *_: None)
    monkeypatch.setattr(beneath, "open_blocking", noted)
    assert asyncio.run(content(Tree(root), "file.txt")) == b"content"
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_a_request_cancelled_while_a_thread_opens_leaves_no_descriptor(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beneath, "HAS_CACHED", False)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        began, opened = asyncio.Event(), asyncio.Event()
        real = beneath.open_blocking

        def slow(directory: int, name: bytes, flags: int) -> int:
            loop.call_soon_threadsafe(began.set)
            fd = real(directory, name, flags)
            loop.call_soon_threadsafe(opened.set)
            return fd

        monkeypatch.setattr(beneath, "open_blocking", slow)
        task = asyncio.create_task(content(Tree(root), "file.txt"))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await opened.wait()

    asyncio.run(run())


def test_a_missing_root_has_no_files_until_it_appears(tmp_path: Path) -> None:
    late = Tree(tmp_path / "late")

    async def run() -> bytes:
        with pytest.raises(NotFound):
            await content(late, "file")
        (tmp_path / "late").mkdir()
        (tmp_path / "late" / "file").write_text("here")
        return await content(late, "file")

    assert asyncio.run(run()) == b"here"


def test_a_replaced_root_is_seen_at_the_next_check(tmp_path: Path) -> None:
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "file").write_text(release)
    current = tmp_path / "current"
    current.symlink_to("one")
    served = Tree(current, check=0)

    async def run() -> tuple[bytes, bytes]:
        before = await content(served, "file")
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(current)
        return before, await content(served, "file")

    assert asyncio.run(run()) == (b"one", b"two")


def test_a_request_under_way_keeps_the_root_it_began_with(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_text("old")
    served = Tree(root, check=0)
    opening = served.open("file")
    root.rename(tmp_path / "gone")
    with pytest.raises(NotFound):
        served.directory()

    async def run() -> bytes:
        async with opening as file:
            return await file.read(0, file.size)

    assert asyncio.run(run()) == b"old"


def test_a_root_is_let_go_of_after_a_while_without_requests_and_opened_again_by_the_next(root: Path) -> None:
    served = Tree(root, idle=0.02)

    async def run() -> None:
        for _ in range(2):
            assert await content(served, "file.txt") == b"content"
            await until(lambda: not any(each.endswith(str(root)) for each in descriptors()))

    asyncio.run(run())


def test_a_root_in_use_is_let_go_of_by_the_last_user(root: Path) -> None:
    served = Tree(root, idle=0.01)

    async def run() -> None:
        directory = served.directory()
        await until(lambda: served.directory() is not directory)
        assert await content(directory, "file.txt") == b"content"

    asyncio.run(run())


def test_a_root_serves_loop_after_loop_and_threads_without_one(root: Path) -> None:
    served = Tree(root, idle=0.01)
    served.directory()
    for _ in range(3):
        assert asyncio.run(content(served, "file.txt")) == b"content"


def test_a_duplicate_outlives_the_first(root: Path) -> None:
    first = Directory(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
    twin = first.duplicate()
    first.close()
    assert asyncio.run(content(twin, "file.txt")) == b"content"


def test_a_data_directory_whose_name_is_not_utf_8(root: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(root) + b"-\xff"))
    root.rename(odd)
    assert asyncio.run(content(Tree(odd), "file.txt")) == b"content"
