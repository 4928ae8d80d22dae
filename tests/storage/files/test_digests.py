"""A digest is computed once for a file as it stands, by threads of its own, and not for nobody."""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar

import pytest

from asgi_downloads.storage.errors import Busy, FileChanged
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.jobs import Jobs, Work

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

T = TypeVar("T")

CONTENT = bytes(range(256)) * 5000


class Counted(Jobs):
    """Counts the jobs that are begun."""

    begun = 0

    async def run(
        self, key: Hashable, begin: Callable[[], Work[T]], timeout: float | None = None, *, fresh: bool = False
    ) -> T:
        def counted() -> Work[T]:
            self.begun += 1
            return begin()

        return await super().run(key, counted, timeout, fresh=fresh)


@pytest.fixture
def jobs() -> Counted:
    return Counted("digests", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def opened(path: Path) -> OpenFile:
    return OpenFile(os.open(path, os.O_RDONLY))


async def ask(known: Digests, path: Path) -> bytes:
    with opened(path) as file:
        return await known.sha256(file)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, len(CONTENT)])
def test_it_is_the_sha256_of_the_bytes(path: Path, size: int) -> None:
    os.truncate(path, size)
    assert asyncio.run(ask(Digests(), path)) == hashlib.sha256(CONTENT[:size]).digest()


def test_askers_at_one_time_share_one_computation(path: Path, jobs: Counted) -> None:
    async def run() -> list[bytes]:
        known = Digests(jobs=jobs)
        first = await asyncio.gather(*(ask(known, path) for _ in range(10)))
        return [*first, await ask(known, path)]

    assert set(asyncio.run(run())) == {hashlib.sha256(CONTENT).digest()}
    assert jobs.begun == 1


def test_an_edited_file_has_a_new_digest(path: Path, jobs: Counted) -> None:
    async def run() -> bytes:
        known = Digests(jobs=jobs)
        await ask(known, path)
        path.write_bytes(b"new")
        return await ask(known, path)

    assert asyncio.run(run()) == hashlib.sha256(b"new").digest()
    assert jobs.begun == 2


def test_one_asker_who_leaves_does_not_fail_the_others(path: Path) -> None:
    async def run() -> bytes:
        known = Digests()
        leaver = asyncio.create_task(ask(known, path))
        stayer = asyncio.create_task(ask(known, path))
        await asyncio.sleep(0)
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        return await stayer

    assert asyncio.run(run()) == hashlib.sha256(CONTENT).digest()


def test_when_all_askers_have_left_the_work_ends(tmp_path: Path) -> None:
    """2 GiB would take seconds."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 2 << 30)

    async def run() -> None:
        known = Digests()
        askers = [asyncio.create_task(ask(known, path)) for _ in range(3)]
        await asyncio.sleep(0.05)
        for asker in askers:
            asker.cancel()
        await asyncio.wait(askers)

    before = time.process_time()
    asyncio.run(run())
    time.sleep(0.1)
    assert time.process_time() - before < 0.5


def test_a_file_changed_meanwhile_has_none_and_is_asked_again(path: Path) -> None:
    async def run() -> bytes:
        known = Digests()
        with opened(path) as file:
            os.truncate(path, 10)
            with pytest.raises(FileChanged):
                await known.sha256(file)
        return await ask(known, path)

    assert asyncio.run(run()) == hashlib.sha256(CONTENT[:10]).digest()


def test_too_many_at_a_time_are_busy(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)

    async def run() -> list[bytes | BaseException]:
        known = Digests(jobs=Jobs("digests", 1, most=2))
        return await asyncio.gather(*(ask(known, tmp_path / name) for name in "abc"), return_exceptions=True)

    assert [type(each) for each in asyncio.run(run())] == [bytes, bytes, Busy]


def test_the_digests_kept_are_bounded(tmp_path: Path, jobs: Counted) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)

    async def run() -> None:
        known = Digests(limit=2, jobs=jobs)
        for path in (*paths, paths[2], paths[1], paths[0]):
            await ask(known, path)

    asyncio.run(run())
    assert jobs.begun == 4  # three, and the first one again
