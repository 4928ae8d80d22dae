"""A race: names are exchanged with links to the outside, as fast as the kernel can, while files are asked for.

After the Linux selftest rename_attack_test.c: each answer is a file from within, or a refusal.
"""

import ctypes
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asgi_downloads.server.around.shared_counters import Counters
from asgi_downloads.service.application import create_app
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.files.tree import Directory
from tests.support.asgi import exchange

REQUESTS = 40_000
SWAPS = 200_000
SECONDS = 20
"""The most that either may take."""

SECRET = b"secret outside of the root"
INSIDE = b"inside"

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`name` is a file and `way/file` is one in a directory; beside each lies what it is exchanged with."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(SECRET)
    root = tmp_path / "data" / "downloads"
    (root / "way").mkdir(parents=True)
    (root / "name").write_bytes(INSIDE)
    (root / "way" / "file").write_bytes(INSIDE)
    (root / "link").symlink_to("../../outside/file")
    (root / "detour").symlink_to("../../outside")
    return root


def _swap(root: Path, count: Counters) -> None:
    os.chdir(root)
    while True:
        for _ in range(1000):
            _renameat2(_AT_FDCWD, b"name", _AT_FDCWD, b"link", _RENAME_EXCHANGE)
            _renameat2(_AT_FDCWD, b"way", _AT_FDCWD, b"detour", _RENAME_EXCHANGE)
        count.row[0] += 2000


@contextmanager
def swapper(root: Path) -> Iterator[Callable[[], float]]:
    """A process that exchanges; gives the number of exchanges so far."""
    count = Counters(workers=1, columns=1, present=0)
    process = multiprocessing.get_context("fork").Process(target=_swap, args=(root, count), daemon=True)
    process.start()
    try:
        yield lambda: count.total(0)
    finally:
        process.kill()
        process.join()
        process.close()


@pytest.mark.parametrize("resolver", [beneath.openat2, beneath.walk], ids=["kernel", "by-segments"])
def test_no_name_leads_out_however_it_is_exchanged(
    resolver: Callable[..., int], root: Path, no_descriptor_left: None
) -> None:
    directory = Directory(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
    seen: Counter[bytes] = Counter()
    asked = 0
    end = time.monotonic() + SECONDS
    with swapper(root) as swaps:
        while (asked < REQUESTS or swaps() < SWAPS) and time.monotonic() < end:
            for name in (b"name", b"way/file"):
                try:
                    fd = resolver(directory.fd, name)
                except OSError:
                    seen[b"refused"] += 1
                else:
                    seen[os.read(fd, 100)] += 1
                    os.close(fd)
                asked += 1
        assert swaps() >= SWAPS
    directory.close()
    assert asked >= REQUESTS
    assert set(seen) == {INSIDE, b"refused"}
    assert min(seen.values()) > 100, "nothing was exchanged in time"


def test_no_answer_leads_out_however_names_are_exchanged(root: Path) -> None:
    app = create_app(Settings(data_dir=root.parent))
    seen: Counter[bytes] = Counter()
    end = time.monotonic() + SECONDS
    with swapper(root):
        # How often a request falls between two swaps is the scheduler's to say.
        while (seen.total() < 1500 or seen[INSIDE] <= 50) and time.monotonic() < end:
            answer = exchange(app, "/download/name")
            seen[bytes(answer.content)] += 1
            assert answer.status in (200, 400), "renamed, and not another file for that"
    assert SECRET not in seen
    assert seen[INSIDE] > 50
    assert len(seen) > 1
