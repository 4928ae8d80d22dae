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
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.state import SETTLING_NS
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


def later() -> int:
    """A time at which what is written now has settled."""
    return time.time_ns() + 2 * SETTLING_NS


def test_askers_at_one_time_share_one_computation(path: Path, jobs: Counted) -> None:
    os.truncate(path, 64 << 20)

    async def run() -> list[bytes]:
        known = Digests(jobs=jobs, clock=later)
        first = await asyncio.gather(*(ask(known, path) for _ in range(10)))
        return [*first, await ask(known, path)]

    assert len(set(asyncio.run(run()))) == 1
    assert jobs.begun == 1


def test_what_may_still_change_unseen_is_computed_each_time(path: Path, jobs: Counted) -> None:
    """Two edits within a tick of the clock leave the same size and times."""

    async def run() -> None:
        known = Digests(jobs=jobs)
        await ask(known, path)
        await ask(known, path)

    asyncio.run(run())
    assert jobs.begun == 2


def test_it_is_known_after_a_restart(path: Path, tmp_path: Path, jobs: Counted) -> None:
    for _ in range(2):
        with Checksums(tmp_path / "state") as checksums:
            known = Digests(checksums, jobs, clock=later)
            assert asyncio.run(ask(known, path)) == hashlib.sha256(CONTENT).digest()
    assert jobs.begun == 1


def test_without_a_table_any_more_it_is_computed(path: Path, tmp_path: Path) -> None:
    """A site goes on serving while it ends."""
    with Checksums(tmp_path / "state") as checksums:
        known = Digests(checksums, clock=later)
    for _ in range(2):
        assert asyncio.run(ask(known, path)) == hashlib.sha256(CONTENT).digest()


async def ask_soon(known: Digests, path: Path) -> bytes | None:
    with opened(path) as file:
        return await known.soon(file)


def test_a_small_file_is_waited_for(path: Path) -> None:
    assert asyncio.run(ask_soon(Digests(patience=20), path)) == hashlib.sha256(CONTENT).digest()


def test_a_large_file_is_not_waited_for(path: Path, jobs: Counted) -> None:
    assert asyncio.run(ask_soon(Digests(jobs=jobs, at_once=len(CONTENT) - 1), path)) is None
    assert jobs.begun == 0


@pytest.mark.parametrize("case", ["slow", "busy"])
def test_what_takes_too_long_is_left_out(case: str, tmp_path: Path, path: Path) -> None:
    jobs = Jobs("digests", 1, most=1 if case == "busy" else None)
    slow = tmp_path / "slow"
    slow.touch()
    os.truncate(slow, 2 << 30)

    async def run() -> bytes | None:
        known = Digests(jobs=jobs, patience=0.05 if case == "slow" else 20)
        blocker = asyncio.create_task(ask(known, slow))
        await asyncio.sleep(0.02)
        try:
            return await ask_soon(known, path)
        finally:
            blocker.cancel()

    assert asyncio.run(run()) is None


def test_what_is_known_is_told_however_large(path: Path, jobs: Counted) -> None:
    async def run() -> bytes | None:
        known = Digests(jobs=jobs, patience=20, at_once=0, clock=later)
        await ask(known, path)
        return await ask_soon(known, path)

    assert asyncio.run(run()) == hashlib.sha256(CONTENT).digest()


def test_while_an_answer_is_sent_it_is_computed_for_the_next(path: Path) -> None:
    async def run() -> None:
        known = Digests(at_once=0, clock=later)
        with opened(path) as file:
            async with known.meanwhile(file):
                while not await known.soon(file):
                    await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_what_was_given_up_goes_on_from_there(tmp_path: Path) -> None:
    """So that a large file, asked for again and again by clients with little time, is computed at last."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 256 << 20)

    async def run() -> bytes:
        known = Digests(at_once=0, clock=later)
        for attempt in range(1000):
            with opened(path) as file:
                if found := await known.soon(file):
                    assert attempt > 1
                    return found
                async with known.meanwhile(file):
                    await asyncio.sleep(0.02)
        raise AssertionError

    assert asyncio.run(run()) == hashlib.sha256(bytes(256 << 20)).digest()


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
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 128 << 20)

    async def run() -> list[bytes | BaseException]:
        known = Digests(jobs=Jobs("digests", 1, most=2))
        return await asyncio.gather(*(ask(known, tmp_path / name) for name in "abc"), return_exceptions=True)

    assert [type(each) for each in asyncio.run(run())] == [bytes, bytes, Busy]
