"""One data directory, and the service behind nginx in the ways people run it."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_downloads import demo
from tests.support.nginx import Site, behind_nginx

BIG = 24 << 20
"""Bytes of the large file: more than the sockets of both sides take."""


def pattern(size: int, seed: bytes = b"big") -> bytes:
    """Bytes that differ from place to place, so that a piece in the wrong place shows."""
    return hashlib.shake_256(seed).digest(1 << 20) * (size >> 20) + hashlib.shake_256(seed).digest(size & 0xFFFFF)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    here = tmp_path_factory.mktemp("system") / "the data"
    demo.write_demo(here, users=500)
    big = bytearray(pattern(BIG))
    for place in range(0, BIG, 1 << 20):
        big[place : place + 8] = place.to_bytes(8, "big")
    (here / "large-files" / "big.bin").write_bytes(big)
    (here / "downloads" / "100% & more?.txt").write_text("percent")
    (here / "downloads" / "link.txt").symlink_to("meeting notes.txt")
    yield here
    shutil.rmtree(here, ignore_errors=True)


@pytest.fixture(scope="session")
def proxied(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with behind_nginx(tmp_path_factory.mktemp("proxied"), data, tcp=True) as site:
        yield site


@pytest.fixture(scope="session")
def offloaded(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with behind_nginx(tmp_path_factory.mktemp("offloaded"), data, "--accel-prefix", "/_files/") as site:
        yield site


@pytest.fixture(scope="session")
def prefixed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Below a path, with workers, offloaded."""
    flags = ("--accel-prefix", "/_files/", "--root-path", "/dl", "--workers", "2")
    with behind_nginx(tmp_path_factory.mktemp("prefixed"), data, *flags) as site:
        yield site


@pytest.fixture(params=["proxied", "offloaded"])
def site(request: pytest.FixtureRequest) -> Site:
    """Each of the two ways in which content gets to the client."""
    found: Site = request.getfixturevalue(request.param)
    return found
