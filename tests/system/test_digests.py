"""Downloads that stock tools verify: aria2 by itself, coreutils by a list of digests."""

import base64
import hashlib
import http.client
import os
import re
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.serving import Served, serving
from tests.support.tools import require
from tests.system.conftest import pattern

SIZE = 8 << 20


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("media") / "media"
    for name in ("film.mp4", "sub/two words.txt", "sub/deep/caf\udce9", "sub/deep/empty"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(b"" if "empty" in name else pattern(SIZE, os.fsencode(name)))
    (here / ".hidden").write_bytes(b"hidden")
    (here.parent / "large").mkdir()
    for name, size in (("sparse.bin", 5 << 30), ("less.bin", 1 << 30)):
        with (here.parent / "large" / name).open("wb") as file:
            file.truncate(size)
    return here


@pytest.fixture(scope="module")
def served(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    here = tmp_path_factory.mktemp("served")
    (here / "settings.toml").write_text(
        f"[[directories]]\nurl = '/media'\npath = '{media}'\nbundle = true\n"
        f"[[directories]]\nurl = '/large'\npath = '{media.parent / 'large'}'\n"
    )
    with serving("--config", here / "settings.toml", "--data-dir", here) as found:
        yield found


class Flipping:
    """A proxy of one answer at a time, which turns one bit of each in its last byte."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._to = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, closing(socket.create_connection(self._to)) as server, closing(client.makefile("rb")) as asked:
                head = b"".join(iter(asked.readline, b"\r\n"))
                server.sendall(re.sub(rb"(?im)^connection:.*\r\n", b"", head) + b"Connection: close\r\n\r\n")
                answer = bytearray().join(iter(lambda: server.recv(1 << 20), b""))
                answer[-1] ^= 1
                client.sendall(answer)

    def close(self) -> None:
        self._listener.close()


def aria2(url: str, directory: Path, *options: str) -> int:
    require("aria2c")
    command = ["aria2c", "-q", "--no-conf", "-d", str(directory), "-o", "got", *options, url]
    return subprocess.run(command, check=False, timeout=30).returncode


@pytest.mark.parametrize("options", [(), ("-x4", "-s4", "-k1M")], ids=["one connection", "four"])
def test_aria2_verifies_what_it_gets(options: tuple[str, ...], served: Served, media: Path, tmp_path: Path) -> None:
    assert aria2(f"{served.url}/media/film.mp4", tmp_path, *options) == 0
    assert (tmp_path / "got").read_bytes() == (media / "film.mp4").read_bytes()


def test_aria2_sees_that_a_bit_was_turned_on_the_way(served: Served, tmp_path: Path) -> None:
    with closing(Flipping(served.url)) as proxy:
        assert aria2(f"{proxy.url}/media/film.mp4", tmp_path) == 32


def test_a_folder_that_was_downloaded_is_verified(served: Served, media: Path, tmp_path: Path) -> None:
    require("wget", "curl", "sha256sum")
    names = ("film.mp4", "sub/two%20words.txt", "sub/deep/caf%E9", "sub/deep/empty")
    fetch = ["wget", "-q", "-x", "-nH", "--cut-dirs=1", "--restrict-file-names=nocontrol"]
    subprocess.run([*fetch, *(f"{served.url}/media/{name}" for name in names)], cwd=tmp_path, check=True, timeout=30)

    def verified(folder: str, count: int) -> bool:
        sums = subprocess.run(["curl", "-sSf", f"{served.url}/media/{folder}?sha256"], capture_output=True, check=True)
        assert sums.stdout.count(b"\n") == count
        check = ["sha256sum", "-c", "--strict", "--status"]
        return subprocess.run(check, cwd=tmp_path / folder, input=sums.stdout, check=False).returncode == 0

    assert verified("", 4)
    assert verified("sub/", 3)
    (tmp_path / "sub/two words.txt").write_bytes(b"something else")
    assert not verified("sub/", 3)


def first_byte(served: Served, target: str, **fields: str) -> float:
    """Seconds."""
    with closing(http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)) as client:
        client.connect()
        begun = time.perf_counter()
        client.request("GET", target, headers={name.replace("_", "-"): value for name, value in fields.items()})
        assert client.getresponse().read(1)
        return time.perf_counter() - begun


def test_the_first_byte_of_a_large_file_comes_as_quick_as_without(served: Served) -> None:
    ways: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(15):
        ways["without"].append(first_byte(served, "/large/sparse.bin"))
        ways["with"].append(first_byte(served, "/large/sparse.bin", Want_Digest="SHA-256"))
    assert statistics.median(ways["with"]) < statistics.median(ways["without"]) + 0.03


@pytest.mark.slow
def test_a_resume_has_the_digest_that_the_beginning_had_not(served: Served, media: Path) -> None:
    status = (media.parent / "large" / "less.bin").stat()
    time.sleep(max(0.0, status.st_ctime + 2.1 - time.time()))  # what has not settled is not kept
    client = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)
    with closing(client):
        client.request("GET", "/large/less.bin", headers={"Want-Digest": "SHA-256"})
        answer = client.getresponse()
        assert answer.getheader("digest") is None
        tag = answer.getheader("etag")
        assert tag is not None
        deadline = time.monotonic() + 60
        while True:  # while the first is still connected
            with closing(http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)) as other:
                fields = {"Want-Digest": "SHA-256", "Range": "bytes=1000000000-1000000009", "If-Range": tag}
                other.request("GET", "/large/less.bin", headers=fields)
                again = other.getresponse()
                assert again.status == 206
                if found := again.getheader("digest"):
                    break
            assert time.monotonic() < deadline
            time.sleep(0.1)
    zeros, whole = bytes(1 << 20), hashlib.sha256()
    for _ in range(1 << 10):
        whole.update(zeros)
    listed = subprocess.run(["curl", "-sSf", f"{served.url}/large/less.bin?sha256"], capture_output=True, check=True)
    assert listed.stdout == f"{whole.hexdigest()}  less.bin\n".encode()
    assert found == f"SHA-256={base64.b64encode(whole.digest()).decode()}"
