"""Our response classes in somebody's own site, as its users have it: curl, wget, aria2 and a browser."""

import csv
import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.targets import process
from tests.support.browser import browser
from tests.support.own_site import FILES, PEOPLE, chart
from tests.support.serving import serving
from tests.support.tools import require

pytestmark = pytest.mark.slow

WHO = "Authorization: Bearer ada"


@dataclass(frozen=True)
class Site:
    url: str
    root: Path

    def curl(self, path: str, *options: str | Path) -> "subprocess.CompletedProcess[bytes]":
        require("curl")
        command = ["curl", "-sS", "-H", WHO, *options, self.url + path]
        return subprocess.run(command, capture_output=True, timeout=60, check=False)

    def get(self, path: str, *options: str) -> bytes:
        answer = self.curl(path, "-f", *options)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "files").mkdir()
    for name, size in zip(FILES, (300_000, 9_000_000, 17), strict=True):
        (root / "files" / name).write_bytes(os.urandom(size))
        os.utime(root / "files" / name, (1_700_000_000, 1_700_000_000))
    with sqlite3.connect(root / "people.db") as database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
        database.executemany("INSERT INTO people VALUES (?, ?)", ((n, f"Name, {n}") for n in range(PEOPLE)))
    database.close()
    return root


@pytest.fixture(scope="module", params=["uvicorn-h11", "uvicorn-httptools", "our-launcher"])
def site(root: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "our-launcher":
        with serving(command=["-m", "tests.support.own_site"], environ={"SITE_ROOT": str(root)}) as served:
            yield Site(served.url, root)
        return
    http = request.param.partition("-")[2]
    command = [sys.executable, "-m", "uvicorn", "tests.support.own_site:site", "--port", "0", "--http", http]
    log = tmp_path_factory.mktemp("log") / "uvicorn.log"
    with process("uvicorn", command, log, env={"SITE_ROOT": str(root)}) as server:
        yield Site(f"http://127.0.0.1:{server.address[1]}", root)


def wanted(root: Path) -> dict[str, bytes]:
    """What has a length, by its path."""
    return {
        "/invoices/invoice.pdf": (root / "files" / "invoice.pdf").read_bytes(),
        "/invoices/film.mp4": (root / "files" / "film.mp4").read_bytes(),
        "/public/film.mp4": (root / "files" / "film.mp4").read_bytes(),
        "/chart.txt": b"".join(chart("ada")),
    }


PATHS = ("/invoices/invoice.pdf", "/invoices/film.mp4", "/public/film.mp4", "/chart.txt", "/all.zip", "/public/?zip")

TOOLS = {
    "curl": ("curl", "-sS", "-f", "-C", "-", "-H", WHO, "-o", "{file}", "{url}"),
    "curl-compressed": ("curl", "-sS", "-f", "--compressed", "-H", WHO, "-o", "{file}", "{url}"),
    "wget": ("wget", "-q", "-c", "--header", WHO, "-O", "{file}", "{url}"),
    "aria2c": ("aria2c", "-q", "-c", "-x4", "-s4", "-k1M", "--header", WHO, "-d", "/", "-o", "{file}", "{url}"),
}


@pytest.mark.parametrize(("tool", "cut"), [*((tool, 0) for tool in TOOLS), ("curl", 100_000), ("wget", 100_000)])
@pytest.mark.parametrize("path", PATHS)
def test_what_has_a_length_arrives_whole_and_resumes(
    path: str, tool: str, cut: int, site: Site, tmp_path: Path
) -> None:
    require(TOOLS[tool][0])
    want = wanted(site.root).get(path) or site.get(path)
    file = tmp_path / "file"
    file.write_bytes(want[:cut])
    if not cut:
        file.unlink()
    command = [part.format(file=file, url=site.url + path) for part in TOOLS[tool]]
    subprocess.run(command, check=True, timeout=60)
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(want).digest()


def test_archives_are_sound(site: Site) -> None:
    with zipfile.ZipFile(io.BytesIO(site.get("/all.zip"))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            *(f"for ada/{name}" for name in FILES),
            *(f"folder/{name}" for name in sorted(FILES)),
        ]


@pytest.mark.parametrize("options", [(), ("--compressed",)])
def test_rows_are_all_there(options: tuple[str, ...], site: Site) -> None:
    rows = list(csv.reader(io.StringIO(site.get("/people.csv", *options).decode())))
    assert rows == [["id", "name"], *([str(n), f"Name, {n}"] for n in range(PEOPLE))]
    lines = [json.loads(line) for line in site.get("/people.jsonl", *options).splitlines()]
    assert lines == [{"name": f"Name, {n}", "id": n} for n in range(PEOPLE)]


@pytest.mark.parametrize("options", [(), ("--compressed",)])
def test_rows_that_break_midway_are_seen_to(options: tuple[str, ...], site: Site) -> None:
    assert site.curl("/broken.csv", *options).returncode in (18, 56)  # partial, or the connection was lost


def test_the_sites_own_checks_and_answers_stand(site: Site) -> None:
    assert (
        b" 401 "
        in subprocess.run(
            ["curl", "-sSI", f"{site.url}/invoices/film.mp4"], capture_output=True, timeout=20, check=True
        ).stdout
    )
    head = site.curl("/invoices/film.mp4", "-I").stdout.decode()
    assert "content-length: 9000000\r\n" in head.lower()
    assert "x-site: own\r\n" in head.lower()
    assert 'filename="ada-film.mp4"' in head
    for name in ("none", "..%2Fpeople.db", "%2e%2e/people.db"):
        assert json.loads(site.curl(f"/invoices/{name}").stdout)["detail"]
    assert b" 404 " in site.curl("/public/../people.db", "--path-as-is", "-I").stdout


def test_a_browser_saves_it(site: Site, tmp_path: Path) -> None:
    with browser(tmp_path / "profile", accept_downloads=True, extra_http_headers={"Authorization": "Bearer ada"}) as it:
        page = it.new_page()
        page.set_content(f"<a href='{site.url}/invoices/film.mp4'>film</a> <a href='{site.url}/all.zip'>all</a>")
        for text, name, path in (("film", "ada-film.mp4", "/invoices/film.mp4"), ("all", "all.zip", "/all.zip")):
            with page.expect_download() as started:
                page.get_by_text(text, exact=True).click()
            assert started.value.suggested_filename == name
            assert Path(started.value.path()).read_bytes() == site.get(path)
        page.goto(f"{site.url}/public/notes.txt")
        assert page.url.endswith("/public/notes.txt")
