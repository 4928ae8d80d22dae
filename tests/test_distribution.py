"""What is installed: the wheel and the sdist are whole, and live beside a project whose own package is called `app`."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import distribution, files, requires
from importlib.util import find_spec
from pathlib import Path

import pytest

from asgi_downloads.demo.tree import SAMPLES, write_demo
from tests.support.serving import ROOT

pytestmark = pytest.mark.slow

SITE = """
from fastapi import FastAPI
from asgi_downloads import Settings, create_app
app = FastAPI()
app.mount("/files", create_app(Settings(data_dir="sample")))
"""
ASK = """
from fastapi.testclient import TestClient
from app.main import app
answer = TestClient(app).get("/files/download/report.pdf")
print(answer.status_code, answer.headers["content-length"])
"""


ALONE = """
import asyncio, importlib.util
from asgi_downloads import CSVResponse, FileResponse, Files, JSONLinesResponse, SpooledResponse, ZipResponse

async def ask(app):
    async def receive():
        await asyncio.Event().wait()
    async def send(event):
        sent.append(event)
    sent = []
    scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(event.get("body", b"") for event in sent)

assert importlib.util.find_spec("starlette") is None
open("a", "w").write("hello")
for app in (
    FileResponse("a"), Files("."), SpooledResponse("made"), CSVResponse([[1, 2]]), JSONLinesResponse([{"a": 1}]),
):
    print(*asyncio.run(ask(app)))
status, content = asyncio.run(ask(ZipResponse({"a": "a"})))
print(status, content[:2])
"""


def run(*command: str | Path, cwd: Path) -> str:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("DOWNLOADS_", "PYTHON"))}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", directory, cwd=ROOT)
    return directory


@pytest.fixture
def python(built: Path, tmp_path: Path) -> Path:
    """A new environment with the wheel, which finds what it needs where the tests do."""
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    (wheel,) = built.glob("*.whl")
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    return python


def test_it_lives_beside_a_project_whose_package_is_app(python: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "app").mkdir(parents=True)
    (site / "app" / "__init__.py").touch()
    (site / "app" / "main.py").write_text(SITE)
    run(python.with_name("asgi-downloads"), "demo", "sample", cwd=site)
    write_demo(tmp_path / "here")
    assert run("diff", "-r", "sample", tmp_path / "here", cwd=site) == ""
    size = (site / "sample" / "downloads" / "report.pdf").stat().st_size
    assert run(python, "-c", ASK, cwd=site) == f"200 {size}\n"
    assert "venv" in run(python, "-c", "import asgi_downloads; print(asgi_downloads.__file__)", cwd=site)
    run(python, "-m", "pip", "uninstall", "-q", "--yes", "asgi-downloads", cwd=site)
    assert not list(python.parent.parent.glob("lib/*/site-packages/asgi_downloads*"))
    assert (site / "app" / "main.py").read_text() == SITE


def needed(name: str) -> set[str]:
    """The distributions that one needs without its extras, and those that they need."""
    found: set[str] = set()
    pending = [name]
    while pending:
        for text in requires(pending.pop()) or ():
            dependency = re.split(r"[^\w.-]", text)[0].lower().replace("-", "_")
            if "extra ==" not in text and dependency not in found and find_spec(dependency):
                found.add(dependency)
                pending.append(dependency)
    return found


def test_response_classes_need_no_framework(built: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    for name in needed("asgi-downloads"):
        for top in {path.parts[0] for path in files(name) or () if path.parts[0] != ".."}:
            (packages / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    assert run(python, "-c", ALONE, cwd=tmp_path).splitlines() == [
        "200 b'hello'",
        "200 b'hello'",
        "200 b'made'",
        "200 b'1,2\\r\\n'",
        """200 b'{"a":1}\\n'""",
        "200 b'PK'",
    ]


def test_the_sdist_has_what_the_wheel_has_and_the_tests(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if name.startswith("asgi_downloads/")}
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"asgi_downloads/demo/files/{path.name}" for path in SAMPLES.iterdir()} <= installed
    assert {f"app/{name}" for name in installed} <= names
    assert {"README.md", "LICENSE", "pyproject.toml", "tests/conftest.py", "bench/README.md"} <= names
