"""What README shows works when it is pasted, chapter by chapter, in a directory where the samples have been made."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asgi_downloads import demo
from tests.support.nginx import free_port
from tests.support.serving import ROOT, environment

README = (ROOT / "README.md").read_text()
CHAPTERS = {
    chapter.partition("\n")[0]: re.findall(r"^```(\w+)\n(.*?)^```$", chapter, re.DOTALL | re.MULTILINE)
    for chapter in re.split(r"^## ", README, flags=re.MULTILINE)[1:]
}
ORDER = [
    "Try it",
    "In your own routes",
    "A folder",
    "Behind nginx",
    "Exports and reports",
    "Links that expire",
    "From one machine to many",
    "What it costs",
    "What is promised, and what not",
    "License",
]
STORE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}  # one that is down
STORE |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
SERVERS = ("asgi-downloads serve", "uvicorn ")


def test_the_chapters_stand_in_the_order_of_what_a_reader_wants() -> None:
    assert list(CHAPTERS) == ORDER


@pytest.mark.parametrize("chapter", [name for name in ORDER if name not in ("Try it", "License")])
def test_a_chapter_begins_with_a_command(chapter: str) -> None:
    assert CHAPTERS[chapter], chapter
    assert CHAPTERS[chapter][0][0] == "sh"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where somebody has tried the samples."""
    demo.write_demo(tmp_path / "demo", users=100)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if any(kind == "sh" for kind, _ in CHAPTERS[name])])
def test_every_block_works(chapter: str, here: Path) -> None:
    port = str(free_port())
    environ = {
        **environment({"DOWNLOADS_PORT": port, "UVICORN_PORT": port, "HOME": str(here), **STORE}),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    served: list[subprocess.Popen[bytes]] = []
    try:
        for kind, block in CHAPTERS[chapter]:
            if kind == "sh":
                script = block.replace("localhost:8000", f"localhost:{port}")
                before, serve = _split(script)
                if before.strip():
                    _run(before, ROOT if "pytest" in before else here, environ)
                if serve:
                    served.append(_start(serve, here, environ, port))
            elif kind == "python":
                compile(block, chapter, "exec")
    finally:
        for process in served:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def _split(script: str) -> tuple[str, str]:
    """What ends by itself, and the server at the end."""
    lines = script.rstrip("\n").split("\n")
    if lines[-1].startswith(SERVERS):
        return "\n".join(lines[:-1]), lines[-1]
    return script, ""


def _run(script: str, cwd: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=cwd, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


def _start(command: str, cwd: Path, environ: dict[str, str], port: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=cwd, env=environ, stdout=subprocess.DEVNULL, start_new_session=True
    )
    end = time.monotonic() + 20
    while subprocess.run(["curl", "-s", "-o", "/dev/null", f"localhost:{port}/livez"]).returncode:
        assert process.poll() is None, command
        assert time.monotonic() < end, command
        time.sleep(0.05)
    return process
