"""The real nginx, with the configuration that the service prints, before the real service."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.serving import SERVE, Served, environment, serving, until
from tests.support.tools import require

MAIN = """\
{user}daemon off;
worker_processes 2;
pid {here}/nginx.pid;
error_log {here}/error.log info;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {here}/spool/body;
    proxy_temp_path {here}/spool/proxy;
    fastcgi_temp_path {here}/spool/fastcgi;
    uwsgi_temp_path {here}/spool/uwsgi;
    scgi_temp_path {here}/spool/scgi;
    include {here}/site.conf;
}}
"""


@dataclass(frozen=True)
class Site:
    """nginx on a free port, and the service behind it. What both keep lies in `here`."""

    port: int
    here: Path
    served: Served

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def error_log(self) -> str:
        return (self.here / "error.log").read_text()

    @property
    def access_log(self) -> str:
        return (self.here / "access.log").read_text()

    def logged(self, mark: str) -> str:
        """The line with that in it, which nginx writes after the answer."""
        until(lambda: mark in self.access_log)
        return next(line for line in self.access_log.splitlines() if mark in line)

    def spooled(self) -> list[Path]:
        """What nginx keeps on the disk of requests and answers."""
        return [path for path in (self.here / "spool").rglob("*") if path.is_file()]


def uncommented(printed: str, *words: str) -> str:
    """The configuration with what stands behind a "#" switched on: all of it, or the parts with one of these words.

    Explanations have a space behind the "#", and end in no sign of nginx's.
    """

    def switch_on(part: re.Match[str]) -> str:
        wanted = not words or any(word in part[0] for word in words)
        return re.sub(r"(?m)^( *)#", r"\1", part[0]) if wanted else part[0]

    return re.sub(r"(?m)(^ *#(?! \S).*[;{}]\n)+", switch_on, printed)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def write_configuration(here: Path, *arguments: str, edit: Callable[[str], str] = str) -> Path:
    """A whole nginx.conf around what `nginx-config` prints for these arguments, after `edit`."""
    (here / "spool").mkdir(parents=True, exist_ok=True)
    printed = subprocess.run(
        [sys.executable, "-m", "asgi_downloads", "nginx-config", "--log-file", str(here / "access.log"), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert printed.returncode == 0, printed.stderr
    (here / "site.conf").write_text(edit(printed.stdout))
    whole = here / "nginx.conf"
    whole.write_text(MAIN.format(here=here, user="user root;\n" if os.getuid() == 0 else ""))
    return whole


@contextmanager
def behind_nginx(
    here: Path,
    data: Path,
    *arguments: str,
    tcp: bool = False,
    environ: dict[str, str] | None = None,
    for_nginx: Sequence[str] = (),
    edit: Callable[[str, int], str] = lambda printed, port: printed,
) -> Iterator[Site]:
    """The service over `data`, by a Unix socket or `tcp`, and nginx before it; `arguments` are the settings of both.

    What is printed for nginx, with the flags `for_nginx`, goes through `edit`, which is told where nginx listens.
    """
    require("nginx")
    here.mkdir(parents=True, exist_ok=True)
    where = ["--port", str(free_port())] if tcp else ["--uds", str(here / "s")]
    settings = [str(data), *where, *arguments]
    port = free_port()
    listen = ("--listen", f"127.0.0.1:{port}")
    whole = write_configuration(here, *settings, *(for_nginx or listen), edit=lambda printed: edit(printed, port))
    command = [*SERVE[:3], "--log-level", "warning"]
    with serving(*settings, command=command, environ=environ) as served, running(whole, port):
        yield Site(port, here, served)


@contextmanager
def running(configuration: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """nginx, from its first connection to its end."""
    process = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(configuration)], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        wait_for_port(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                assert process.stderr is not None
                raise AssertionError(process.stderr.read().decode()) from None
            assert time.monotonic() < deadline, "nothing listens"
            time.sleep(0.01)


def raw(port: int, request: bytes, timeout: float = 10, until: bytes | None = None) -> bytes:
    """Send bytes, and read until the other side closes or what was read ends with `until`."""
    with socket.create_connection(("127.0.0.1", port), timeout) as sock:
        sock.sendall(request)
        answer = bytearray()
        while not (until and answer.endswith(until)) and (block := sock.recv(1 << 20)):
            answer += block
        return bytes(answer)


def fields(answer: bytes) -> list[tuple[str, str]]:
    """The field lines of an answer, names in lower case, in order."""
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    pairs: Sequence[str] = head.split("\r\n")[1:]
    return [(name.lower(), value) for name, _, value in (line.partition(": ") for line in pairs)]


def get(target: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request that closes its connection."""
    head = [f"{method} {target} HTTP/{version}", "Host: files.example", "Connection: close", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
