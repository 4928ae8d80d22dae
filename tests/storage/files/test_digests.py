"""A digest is computed once for a file as it stands."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files import digests
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.openfile import OpenFile

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[OpenFile]:
    """The files whose digest was computed rather than known."""
    calls: list[OpenFile] = []
    real = digests._sha256

    def counting(file: OpenFile) -> bytes:
        calls.append(file)
        return real(file)

    monkeypatch.setattr(digests, "_sha256", counting)
    return calls


def opened(path: Path) -> OpenFile:
    return OpenFile(os.open(path, os.O_RDONLY))


async def ask(known: Digests, path: Path) -> bytes:
    with opened(path) as file:
        return await known.sha256(file)


def test_it_is_the_sha256_of_the_bytes(path: Path) -> None:
    assert asyncio.run(ask(Digests(), path)) == hashlib.sha256(CONTENT).digest()


def test_askers_at_one_time_share_one_computation(path: Path, computed: list[OpenFile]) -> None:
    async def run() -> list[bytes]:
        known = Digests()
        first = await asyncio.gather(*(ask(known, path) for _ in range(10)))
        return [*first, await ask(known, path)]

    assert set(asyncio.run(run())) == {hashlib.sha256(CONTENT).digest()}
    assert len(computed) == 1


def test_an_edited_file_has_a_new_digest(path: Path, computed: list[OpenFile]) -> None:
    async def run() -> bytes:
        known = Digests()
        await ask(known, path)
        path.write_bytes(b"new")
        return await ask(known, path)

    assert asyncio.run(run()) == hashlib.sha256(b"new").digest()
    assert len(computed) == 2


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


def test_a_file_changed_meanwhile_has_none_and_is_asked_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> bytes:
        known = Digests()
        with opened(path) as file:
            os.truncate(path, 10)
            with pytest.raises(FileChanged):
                await known.sha256(file)
        return await ask(known, path)

    assert asyncio.run(run()) == hashlib.sha256(CONTENT[:10]).digest()


def test_the_digests_kept_are_bounded(tmp_path: Path, computed: list[OpenFile]) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)

    async def run() -> None:
        known = Digests(limit=2)
        for path in (*paths, paths[2], paths[1], paths[0]):
            await ask(known, path)

    asyncio.run(run())
    assert len(computed) == 4  # three, and the first one again
