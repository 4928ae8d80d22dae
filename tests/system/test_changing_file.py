"""What was opened is one version, however fast its name is given to another or it grows: never 503, never a mixture."""

import ctypes
import http.client
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.serving import serving

pytestmark = pytest.mark.slow

REQUESTS = 20_000
LINE = b"one line of a log\n"

_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def replace() -> None:
    """Another version is written beside it and renamed over it."""
    version = 0
    while True:
        version += 1
        Path("next").write_bytes(b"%c" % (97 + version % 26) * (1000 + version % 5000))
        os.rename("next", "name")


def exchange() -> None:
    """It changes places with a link to a third file."""
    while True:
        _renameat2(_AT_FDCWD, b"name", _AT_FDCWD, b"link", _RENAME_EXCHANGE)


def append() -> None:
    """A log, cut off when it gets long by renaming it away."""
    while True:
        log = os.open("next", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.rename("next", "name")
        for _ in range(5000):
            os.write(log, LINE)
        os.close(log)


def is_one_version(content: bytes) -> bool:
    return len(set(content)) <= 1


def is_a_log(content: bytes) -> bool:
    """write(2) grows a file page by page, so that the last line may be a part of one."""
    return content == (LINE * (len(content) // len(LINE) + 1))[: len(content)]


@dataclass(frozen=True)
class Way:
    id: str
    first: bytes
    change: Callable[[], None]
    is_right: Callable[[bytes], bool]


WAYS = [
    Way("replaced", b"a" * 2000, replace, is_one_version),
    Way("exchanged", b"a" * 2000, exchange, is_one_version),
    Way("appended-to", LINE * 100, append, is_a_log),
]


@contextmanager
def changing(folder: Path, change: Callable[[], None]) -> Iterator[None]:
    def run() -> None:
        os.chdir(folder)
        change()

    process = multiprocessing.get_context("fork").Process(target=run, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
        process.close()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.id)
def test_every_answer_is_one_version(way: Way, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "downloads"
    folder.mkdir(parents=True)
    (folder / "name").write_bytes(way.first)
    (folder / "third").write_bytes(b"b" * 3000)
    (folder / "link").symlink_to("third")
    seen: Counter[int] = Counter()
    with serving(tmp_path / "data") as served, changing(folder, way.change):
        host = served.url.rpartition("/")[2]
        with closing(http.client.HTTPConnection(host, timeout=20)) as client:
            for number in range(REQUESTS):
                client.request("GET", "/download/name", headers={"Range": "bytes=0-"} if number % 2 else {})
                answer = client.getresponse()
                content = answer.read()
                seen[answer.status] += 1
                if answer.status in (200, 206):
                    assert len(content) == int(answer.headers["content-length"])
                    assert way.is_right(content), (len(content), content[-100:])
    assert seen.keys() <= {200, 206, 416}, seen  # 416: a log that has just begun is empty
    assert seen[200] + seen[206] > REQUESTS * 0.9
