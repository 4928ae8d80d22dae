"""A bundle that was cut anywhere is completed by the programs people use, to the same bytes."""

import hashlib
import os
import random
import subprocess
import zipfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.fetch import fetch
from tests.support.serving import serving
from tests.support.tools import require

OFFSETS = [1, *(random.Random(5).randrange(9 << 20) for _ in range(3))]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    data = tmp_path_factory.mktemp("data")
    bundle = data / "bundles" / "b"
    bundle.mkdir(parents=True)
    for number in range(300):
        (bundle / f"small-{number}.txt").write_bytes(b"line %d\n" % number * 500)
    for number in range(3):
        (bundle / f"large-{number}.bin").write_bytes(os.urandom(3 << 20))
    with serving(data) as served:
        yield f"{served.url}/download/bundle/b"


CONTINUE = {
    "curl": ("curl", "-sS", "--fail", "-C", "-", "-o", "{name}", "{url}"),
    "aria2c": ("aria2c", "-q", "-c", "-d", "/", "-o", "{name}", "{url}"),
    "aria2c-4-connections": ("aria2c", "-q", "-c", "-x4", "-s4", "-k1M", "-d", "/", "-o", "{name}", "{url}"),
    "wget": ("wget", "-q", "-c", "-O", "{name}", "{url}"),
}


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("client", CONTINUE)
def test_a_cut_download_is_completed(url: str, tmp_path: Path, client: str, offset: int) -> None:
    require(CONTINUE[client][0])
    whole = fetch(url).content
    part = tmp_path / "part.zip"
    part.write_bytes(whole[:offset])
    command = [word.format(name=part, url=url) for word in CONTINUE[client]]
    subprocess.run(command, check=True, timeout=30)
    assert hashlib.sha256(part.read_bytes()).digest() == hashlib.sha256(whole).digest()


def test_a_download_in_pieces_is_an_archive(url: str, tmp_path: Path) -> None:
    require("aria2c")
    subprocess.run(["aria2c", "-q", "-x8", "-s8", "-k1M", "-d", tmp_path, "-o", "b.zip", url], check=True, timeout=30)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 303
