"""What the cases are run against: in process, under each server, behind nginx. Each starts and ends itself."""

import importlib
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, Self

from tests.conformance.case import Request
from tests.conformance.client import Answer, exchange
from tests.conformance.in_process import InProcess, Unavailable
from tests.support.serving import environment

PROJECT: Final = Path(__file__).resolve().parents[2]
START_TIMEOUT: Final = 30.0
"""Seconds in which a server must have begun to listen."""


class Target(Protocol):
    """Something that answers exchanges."""

    name: str

    def exchange(self, requests: Sequence[Request]) -> list[Answer]: ...


class Server:
    """A server process that listens on `address`."""

    def __init__(self, name: str, address: tuple[str, int], pid: int) -> None:
        self.name = name
        self.address = address
        self.pid = pid

    def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        return exchange(self.address, requests)


def free_port() -> int:
    """A port that was free a moment ago, for servers that cannot choose one and say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def process(
    name: str, command: Sequence[str], log: Path, *, port: int | None = None, env: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run `command` until the block ends. Its port is `port`, or the one that it prints as `http://127.0.0.1:PORT`.

    Raises `Unavailable`, with the end of its log, if it does not come up.
    """
    with log.open("wb") as output:
        running = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environment({"PYTHONUNBUFFERED": "1", **(env or {})}),
            stdout=output,
            stderr=output,
        )
    try:
        found = _wait_until_up(name, running, log, port)
        yield Server(name, ("127.0.0.1", found), running.pid)
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _wait_until_up(name: str, running: "subprocess.Popen[bytes]", log: Path, port: int | None) -> int:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and running.poll() is None:
        if port is None and (said := re.search(r"http://127\.0\.0\.1:([0-9]+)", log.read_text(errors="replace"))):
            port = int(said[1])
        if port:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                pass
            else:
                return port
        time.sleep(0.02)  # no event tells that another process listens
    raise Unavailable(f"{name} did not come up: {log.read_text(errors='replace').strip()[-200:]}")


class Subject(Protocol):
    """An application that the targets can run: ours, or the reference."""

    spec: str
    """Where servers find it, as `module:attribute`."""

    def create(self, data_dir: Path) -> Any: ...

    def serve_command(self, data_dir: Path) -> list[str] | None: ...


class Reference:
    """FastAPI's eleven endpoints."""

    spec = "tests.conformance.reference_app:app"

    def create(self, data_dir: Path) -> Any:
        return importlib.import_module("tests.conformance.reference").create_app(data_dir)

    def serve_command(self, data_dir: Path) -> list[str] | None:
        return None


class Service:
    """The service itself."""

    spec = "asgi_downloads.main:app"

    def create(self, data_dir: Path) -> Any:
        try:
            main = importlib.import_module("asgi_downloads.main")
            settings = importlib.import_module("asgi_downloads.service.settings")
        except ModuleNotFoundError as error:
            raise Unavailable(f"no {error.name} yet") from None
        return main.create_app(settings.Settings(data_dir=data_dir))

    def serve_command(self, data_dir: Path) -> list[str] | None:
        return [sys.executable, "-m", "asgi_downloads", "serve", str(data_dir), "--port", "0"]


def _env(data_dir: Path) -> dict[str, str]:
    return {"DOWNLOADS_DATA_DIR": str(data_dir)}


@contextmanager
def in_process(subject: Subject, data_dir: Path, work: Path) -> Iterator[Target]:
    with InProcess(subject.create(data_dir)) as target:
        yield target


@contextmanager
def in_process_zerocopy(subject: Subject, data_dir: Path, work: Path) -> Iterator[Target]:
    with InProcess(subject.create(data_dir), zerocopy=True) as target:
        yield target


@contextmanager
def serve(subject: Subject, data_dir: Path, work: Path) -> Iterator[Server]:
    """`python -m asgi_downloads serve`: uvicorn with our protocol class."""
    command = subject.serve_command(data_dir)
    if command is None:
        raise Unavailable("only the service has a server of its own")
    with process("serve", command, work / "serve.log") as server:
        yield server


@contextmanager
def uvicorn(subject: Subject, data_dir: Path, work: Path, *options: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "uvicorn", subject.spec, "--port", "0", "--no-access-log", *options]
    with process("uvicorn", command, work / "uvicorn.log", env=_env(data_dir)) as server:
        yield server


@contextmanager
def hypercorn(subject: Subject, data_dir: Path, work: Path) -> Iterator[Server]:
    command = [sys.executable, "-m", "hypercorn", subject.spec, "--bind", "127.0.0.1:0"]
    with process("hypercorn", command, work / "hypercorn.log", env=_env(data_dir)) as server:
        yield server


@contextmanager
def granian(subject: Subject, data_dir: Path, work: Path) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), subject.spec]
    with process("granian", command, work / "granian.log", port=port, env=_env(data_dir)) as server:
        yield server


NGINX_CONFIG: Final = """\
daemon off;
master_process off;
pid {work}/nginx.pid;
error_log {work}/nginx-error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {work}/nginx-body;
    proxy_temp_path {work}/nginx-proxy;
    fastcgi_temp_path {work}/nginx-fastcgi;
    uwsgi_temp_path {work}/nginx-uwsgi;
    scgi_temp_path {work}/nginx-scgi;
    merge_slashes off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
        {more}
    }}
}}
"""

ACCEL_PREFIX: Final = "/-files-/"

# nginx makes a head of its own for what it sends itself; what of ours it drops is brought back.
OFFLOAD: Final = """
        location {prefix} {{
            internal;
            alias {data_dir}/;
            etag off;
            max_ranges 0;
            add_header Last-Modified $upstream_http_last_modified;
            add_header ETag $upstream_http_etag;
            add_header X-Report-ID $upstream_http_x_report_id;
            add_header X-Content-Type-Options $upstream_http_x_content_type_options;
            add_header Content-Security-Policy $upstream_http_content_security_policy;
        }}
"""


@contextmanager
def _behind_nginx(work: Path, upstream: AbstractContextManager[Server], more: str = "") -> Iterator[Server]:
    if (binary := shutil.which("nginx")) is None:
        raise Unavailable("nginx is not installed")
    with upstream as app:
        port = free_port()
        config = work / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(work=work, port=port, upstream=app.address[1], more=more))
        with process("nginx", [binary, "-c", str(config)], work / "nginx.log", port=port) as server:
            yield server


@contextmanager
def nginx(subject: Subject, data_dir: Path, work: Path) -> Iterator[Server]:
    """nginx as a plain proxy, with no advice from us; before our server, or before uvicorn for the reference."""
    upstream = serve if subject.serve_command(data_dir) else uvicorn
    with _behind_nginx(work, upstream(subject, data_dir, work)) as server:
        yield server


@contextmanager
def nginx_offload(subject: Subject, data_dir: Path, work: Path) -> Iterator[Server]:
    """nginx that sends whole files itself, as `DOWNLOADS_ACCEL_PREFIX` lets it."""
    command = subject.serve_command(data_dir)
    if command is None:
        raise Unavailable("only the service lets nginx send its files")
    upstream = process("serve", command, work / "serve.log", env={"DOWNLOADS_ACCEL_PREFIX": ACCEL_PREFIX})
    with _behind_nginx(work, upstream, OFFLOAD.format(prefix=ACCEL_PREFIX, data_dir=data_dir)) as server:
        yield server


Factory = Callable[[Subject, Path, Path], AbstractContextManager[Target]]

TARGETS: Final[dict[str, Factory]] = {
    "in-process": in_process,
    "in-process-zerocopy": in_process_zerocopy,
    "serve": serve,
    "uvicorn": uvicorn,
    "hypercorn": hypercorn,
    "granian": granian,
    "nginx": nginx,
    "nginx-offload": nginx_offload,
}
"""By name. Each takes what to run, the data directory, and an empty directory for its own files."""


class Fleet:
    """The targets of one subject over one data directory, each started when first asked for."""

    def __init__(self, subject: Subject, data_dir: Path, work: Path) -> None:
        self._subject, self._data_dir, self._work = subject, data_dir, work
        self._stack = ExitStack()
        self._started: dict[str, Target | str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def __getitem__(self, name: str) -> Target:
        """The target `name`, running; raises `Unavailable`, again and again, if it cannot be."""
        if name not in self._started:
            work = self._work / name
            work.mkdir(parents=True)
            try:
                factory = TARGETS[name]
                self._started[name] = self._stack.enter_context(factory(self._subject, self._data_dir, work))
            except Unavailable as error:
                self._started[name] = str(error)
        target = self._started[name]
        if isinstance(target, str):
            raise Unavailable(target)
        return target
