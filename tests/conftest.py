"""What every test may rely on: asyncio as the only backend, and nothing left behind."""

import asyncio
import gc
import os
import shutil
import time
from collections.abc import Callable, Generator

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)  # how long an example takes says nothing on a shared machine
settings.load_profile("no-deadline")


def pytest_collection_finish() -> None:
    """What the tests have imported is no garbage: to look through it each time costs more than most tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_file_left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """A run writes some 7 GB: they go with its last test, if none failed.

    pytest would have them go with each test, and give their names to the next, which what keeps a directory open by its
    path would not notice at once.
    """
    yield
    if not request.session.testsfailed:
        shutil.rmtree(tmp_path_factory.getbasetemp(), ignore_errors=True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def descriptors() -> set[str]:
    """What this process has open now, by number and target."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} -> {os.readlink(f'/proc/self/fd/{number}')}")
        except FileNotFoundError:  # the one that listed the directory
            continue
    return found


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for what comes soon and tells nobody; fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.002)


def assert_none_left(before: set[str]) -> None:
    """Fails unless what is open now was open before; gives a worker thread that is just ending time to let go."""
    deadline = time.monotonic() + 2
    while left := descriptors() - before:
        assert time.monotonic() < deadline, f"left open: {sorted(left)}"
        gc.collect()


@pytest.fixture
def no_descriptor_left() -> Generator[None]:
    """Fails the test if it leaves a file open."""
    before = descriptors()
    yield
    assert_none_left(before)
