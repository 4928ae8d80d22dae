"""A made file is there while it is sent, and nowhere after."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from asgi_downloads.bodies.spooled_file import content_tag, made_file
from asgi_downloads.storage.errors import Exhausted
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.temporary import TemporaryFiles

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_descriptor_left")]


@pytest.fixture
def files(tmp_path: Path) -> TemporaryFiles:
    return TemporaryFiles(tmp_path)


@pytest.mark.parametrize("blocks", [(), (b"",), (b"a", b"", b"bc"), (b"x" * 3_000_000,)], ids=len)
async def test_it_has_the_blocks_and_their_length(
    blocks: tuple[bytes, ...], files: TemporaryFiles, tmp_path: Path
) -> None:
    content = b"".join(blocks)
    async with made_file(files, blocks) as file:
        assert file.size == len(content)
        assert file.read_blocking(0, file.size) == content
        file.check()
        assert os.fstat(file.fd).st_nlink == 0
        assert os.listdir(tmp_path) == []
    assert file.fd == -1


async def test_it_goes_when_its_user_fails(files: TemporaryFiles) -> None:
    with pytest.raises(LookupError):
        async with made_file(files, (b"x",)):
            raise LookupError


async def test_it_goes_when_its_maker_fails(files: TemporaryFiles) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x"
        raise LookupError

    with pytest.raises(LookupError):
        async with made_file(files, blocks()):
            pytest.fail("there is no such content")


async def test_no_room_is_said_as_such(files: TemporaryFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.anonymous_blocking

    def full() -> OpenFile:
        """A file on a device that takes nothing, as a disk that is full."""
        file = real()
        device = os.open("/dev/full", os.O_RDWR | os.O_CLOEXEC)
        os.dup2(device, file.fd)
        os.close(device)
        return file

    monkeypatch.setattr(files, "anonymous_blocking", full)
    with pytest.raises(Exhausted, match=os.strerror(errno.ENOSPC)):
        async with made_file(files, (b"x" * 100_000,)):
            pytest.fail("there is no such content")


async def test_one_opened_for_a_request_that_left_is_closed(
    files: TemporaryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun, go_on = files.anonymous_blocking, threading.Event(), threading.Event()

    def slow() -> OpenFile:
        begun.set()
        assert go_on.wait(5)
        return real()

    async def use() -> None:
        async with made_file(files, (b"x",)):
            pytest.fail("the request has left")

    monkeypatch.setattr(files, "anonymous_blocking", slow)
    task = asyncio.create_task(use())
    assert await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("steps", range(12))
async def test_cancelled_anywhere_it_leaves_nothing(steps: int, files: TemporaryFiles, tmp_path: Path) -> None:
    async def use() -> None:
        async with made_file(files, (b"x", b"y", b"z")):
            await asyncio.sleep(0)

    task = asyncio.create_task(use())
    for _ in range(steps):
        await asyncio.sleep(0.0002)
    task.cancel()
    await asyncio.wait((task,))
    assert os.listdir(tmp_path) == []


async def test_what_is_written_late_for_a_request_that_left_goes_into_no_other_file(
    files: TemporaryFiles, tmp_path: Path
) -> None:
    """The kernel gives the number of a closed descriptor to whoever opens next."""
    loop = asyncio.get_running_loop()
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        loop.set_default_executor(executor)

        def blocks() -> Iterator[bytes]:
            yield b"x"
            executor.submit(go_on.wait, 5)
            waiting.set()
            yield b"y" * 100_000

        leaving = anyio.CancelScope()

        async def use() -> None:
            with leaving:
                async with made_file(files, blocks()):
                    pytest.fail("the request has left")

        waiting = asyncio.Event()
        task = asyncio.create_task(use())
        await waiting.wait()
        leaving.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        with (tmp_path / "another").open("wb") as another:
            go_on.set()
            await asyncio.wait((task,))
            await asyncio.to_thread(int)  # behind whatever still waits
            assert os.fstat(another.fileno()).st_size == 0


def test_tags_are_equal_for_equal_content_alone() -> None:
    assert content_tag(b"a") == content_tag(b"a") != content_tag(b"b")
    tag = content_tag(b"")
    assert tag[:1] == tag[-1:] == b'"'
    assert len(tag) == 34
