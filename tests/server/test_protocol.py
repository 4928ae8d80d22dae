"""Our connections under plain uvicorn: what the environment says of them, and what is handed in."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.http1.deadlines import Limits
from asgi_downloads.server.http1.h11_parser import H11Parser
from asgi_downloads.server.http1.httptools_parser import HttpToolsParser
from asgi_downloads.server.protocol import AutoZeroCopy, H11ZeroCopy
from tests.support.serving import ROOT, environment


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """The application that is served below: more than any client wants."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


@contextmanager
def uvicorn(environ: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    command = ["-m", "uvicorn", f"{__name__}:endless", "--port", "0", "--lifespan", "off"]
    process = subprocess.Popen(
        [sys.executable, *command, "--http", "asgi_downloads.server.protocol:AutoZeroCopy"],
        cwd=ROOT,
        env=environment(environ),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


SETTINGS = [
    ("seconds", {"DOWNLOADS_STALL_TIMEOUT": "0.5"}, ""),
    ("with-a-unit", {"DOWNLOADS_STALL_TIMEOUT": "500ms"}, ""),
    ("in-a-file", {"DOWNLOADS_CONFIG": "settings.toml"}, 'stall_timeout = "0.5s"\n'),
    ("beside-what-is-not-ours", {"DOWNLOADS_STALL_TIMEOUT": "0.5s", "DOWNLOADS_PORT": "tcp://10.0.0.1:80"}, ""),
]


@pytest.mark.parametrize(("environ", "file"), [row[1:] for row in SETTINGS], ids=[row[0] for row in SETTINGS])
def test_the_stall_time_is_read_by_the_settings_own_grammar(environ: dict[str, str], file: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(file)
    environ = {name: text.replace("settings.toml", str(path)) for name, text in environ.items()}
    with uvicorn(environ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr)
        port = int(next(found[1] for line in lines if (found := re.search(r"http://127.0.0.1:([0-9]+)", line))))
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            begun = time.monotonic()
            assert "took nothing for 0.5 s" in next(line for line in lines if "nothing" in line)
            assert time.monotonic() - begun < 10


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "30 s s"])
def test_a_stall_time_that_is_none_is_told_at_the_start_in_one_line(text: str) -> None:
    with uvicorn({"DOWNLOADS_STALL_TIMEOUT": text}) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors == f"asgi-downloads: DOWNLOADS_STALL_TIMEOUT: {text!r} is not a time between 0.1s and 3600s\n"


def test_httptools_is_taken_where_it_is_installed() -> None:
    assert AutoZeroCopy.args == (HttpToolsParser,)
    assert H11ZeroCopy.args == (H11Parser,)


def test_limits_can_be_handed_in() -> None:
    limits = Limits(stall_seconds=7)
    assert partial(AutoZeroCopy, limits=limits).keywords["limits"] == limits
