"""What is measured: servers, each started here on a free port and stopped again, and programs that only make bytes.

A server and all its descendants run on one core; the load runs elsewhere (runner.py).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

from bench import measure
from bench.data import COLUMNS
from bench.environment import ROOT
from bench.load import Address, on_core

PEERS = Path(__file__).resolve().parent / "peers"
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
_START_PATIENCE = 30.0
_STOP_PATIENCE = 5.0


class TargetDied(Exception):
    """The server did not start, or is no more; the end of its log says why."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Where a target finds its things: the data directory, a scratch directory that is its own, ports to listen on."""

    data: Path
    scratch: Path
    port: int
    inner_port: int
    service_url: str
    """Of the database, or of the object store."""

    @property
    def inner_socket(self) -> Path:
        """Of a service behind nginx."""
        return self.scratch / "service.sock"


Commands = Callable[[Launch], Sequence[tuple[int | Path, Sequence[str]]]]
"""Each process to start, and the port or the socket on which it listens when it is ready."""

Environment = Callable[[Launch], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Target:
    """A server. `commands` gives the processes to start, in order; `needs` are programs and modules it requires.

    `rewrite` (from, to) turns the start of a case's path, for servers that have the same file at another URL.
    """

    id: str
    what: str
    commands: Commands
    environment: Environment = lambda launch: {
        "BENCH_DATA": str(launch.data),
        "BENCH_DATABASE_URL": launch.service_url,
    }
    needs: tuple[str, ...] = ()
    rewrite: tuple[str, str] = ("", "")

    def path(self, path: str) -> str:
        before, after = self.rewrite
        return after + path[len(before) :] if before and path.startswith(before) else path


@dataclass(frozen=True, slots=True)
class Program:
    """A command line that writes the content to stdout; the measured run writes to /dev/null.

    A last line of JSON on stderr (`cpu`, `wall` in seconds, `bytes`) takes precedence over the kernel's account of the
    process: an interpreter says so what its work cost without its own start.
    """

    id: str
    what: str
    command: Callable[[Path, str], Sequence[str]]
    needs: tuple[str, ...] = ()


def missing(needs: Sequence[str]) -> str | None:
    """Why a target cannot run here, or None: `name` is a program, `py:name` a module."""
    for need in needs:
        if need.startswith("py:"):
            if util.find_spec(need[3:]) is None:
                return f"the Python package {need[3:]} is not installed"
        elif shutil.which(need, path=PATH) is None:
            return f"{need} is not installed"
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int) -> None:
    """Until somebody listens there; raises `TargetDied`."""
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TargetDied(f"nobody listens at port {port}")


def _connected(host: str, place: int | Path) -> socket.socket:
    if isinstance(place, int):
        return socket.create_connection((host, place), timeout=1)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(place))
    except OSError:
        connection.close()
        raise
    return connection


@dataclass(slots=True)
class Server:
    """A running target, in a `with`: started, ready, measured by its process trees, gone afterwards."""

    target: Target
    data: Path
    service_url: str = ""
    core: int | None = None
    address: Address = field(init=False)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="bench-target-")
        scratch = Path(self._scratch.name)
        launch = Launch(self.data, scratch, free_port(), free_port(), self.service_url)
        self.address = Address("127.0.0.1", launch.port)
        environment = {**os.environ, "PATH": PATH, "PYTHONPATH": f"{ROOT}/app:{ROOT}", "TMPDIR": str(scratch)}
        environment |= self.target.environment(launch)
        try:
            with on_core(self.core), open(scratch / "log", "wb") as log:
                for place, command in self.target.commands(launch):
                    process = subprocess.Popen(
                        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        start_new_session=True,
                    )  # fmt: skip
                    self._processes.append(process)
                    self._await_ready(place)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _await_ready(self, place: int | Path) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while time.monotonic() < deadline:
            self.check_alive()
            with suppress(OSError), _connected(self.address.host, place):
                return
            time.sleep(0.02)
        raise TargetDied(f"{self.target.id} did not listen within {_START_PATIENCE:.0f} s{self._log_end()}")

    def check_alive(self) -> None:
        for process in self._processes:
            if process.poll() is not None:
                raise TargetDied(f"{self.target.id} ended with status {process.returncode}{self._log_end()}")

    def _log_end(self) -> str:
        if self._scratch is None:
            return ""
        text = Path(self._scratch.name, "log").read_text(encoding="utf-8", errors="replace").strip()
        return ": " + " | ".join(text.splitlines()[-5:])[-600:] if text else ""

    def cpu_time(self) -> measure.CpuTime:
        """Raises measure.ProcessGone when a process is."""
        times = [measure.cpu_time(process.pid) for process in self._processes]
        return measure.CpuTime(sum(t.total for t in times), sum(t.user for t in times), sum(t.system for t in times))

    def settle(self) -> None:
        for process in self._processes:
            measure.settle(process.pid)

    def resident(self) -> int:
        return sum(measure.resident(process.pid) for process in self._processes)

    def private(self) -> int:
        return sum(measure.private(process.pid) for process in self._processes)

    def reset_peak(self) -> None:
        for process in self._processes:
            measure.reset_peak(process.pid)

    def peak(self) -> int:
        return sum(measure.peak(process.pid) for process in self._processes)

    def stop(self) -> None:
        """SIGTERM to each, then SIGKILL to what is left of the sessions that were started here."""
        for process in reversed(self._processes):
            process.terminate()
        deadline = time.monotonic() + _STOP_PATIENCE
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None


# ours


def _app_environment(launch: Launch) -> dict[str, str]:
    (launch.scratch / "state").mkdir(exist_ok=True)
    values = {"DOWNLOADS_DATA_DIR": str(launch.data), "DOWNLOADS_STATE_DIR": str(launch.scratch / "state")}
    return values | ({"DOWNLOADS_DATABASE_URL": launch.service_url} if launch.service_url else {})


def _ours(*words: str) -> list[str]:
    return [sys.executable, "-m", "asgi_downloads", *words]


def _serve(port: int, launch: Launch) -> list[str]:
    return _ours("serve", str(launch.data), "--port", str(port), "--no-access-log")


def _behind_nginx(launch: Launch, *more: str, change: tuple[str, str] = ("", "")) -> list[tuple[int | Path, list[str]]]:
    """Over a Unix socket, as printed by `nginx-config`, or with one change."""
    words = [str(launch.data), "--uds", str(launch.inner_socket), *more]
    return [(launch.inner_socket, _ours("serve", *words, "--no-access-log")), _printed(launch, words, change)]


def _printed(launch: Launch, words: Sequence[str], change: tuple[str, str] = ("", "")) -> tuple[int, list[str]]:
    """nginx with the configuration that `nginx-config` prints for those words."""
    listen = ("--listen", f"127.0.0.1:{launch.port}", "--log-file", "/dev/null")
    printed = subprocess.run(
        _ours("nginx-config", *words, *listen), env={**os.environ, "PYTHONPATH": f"{ROOT}/app"}, capture_output=True,
        text=True, check=True,
    ).stdout  # fmt: skip
    before, after = change
    assert before in printed
    (launch.scratch / "site.conf").write_text(printed.replace(before, after) if before else printed, encoding="utf-8")
    return launch.port, _nginx(launch, "include.conf")


def _own_sql(launch: Launch) -> list[tuple[int | Path, list[str]]]:
    sql = f"SELECT {', '.join(COLUMNS)} FROM users ORDER BY id"
    settings = launch.scratch / "settings.toml"
    settings.write_text(f'guide_urls = false\n[exports.users]\nsql = "{sql}"\n', encoding="utf-8")
    return [(launch.port, [*_serve(launch.port, launch), "--config", str(settings)])]


# peers

_GUIDE = "bench.peers.fastapi_guide:app"
_PROTOCOL = "asgi_downloads.server.protocol:AutoZeroCopy"


_QUIET = ("--no-access-log", "--log-level", "warning")


def _uvicorn(app: str, launch: Launch) -> list[str]:
    return [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(launch.port), *_QUIET]


def _fastapi_behind_nginx(launch: Launch) -> list[tuple[int | Path, list[str]]]:
    service = [sys.executable, "-m", "uvicorn", _GUIDE, "--uds", str(launch.inner_socket), *_QUIET]
    return [(launch.inner_socket, service), (launch.port, _nginx(launch, "proxy.conf"))]


def _gunicorn_behind_nginx(launch: Launch) -> list[tuple[int | Path, list[str]]]:
    service = [
        sys.executable, "-m", "gunicorn", _GUIDE, "--worker-class", "uvicorn_worker.UvicornWorker", "--workers", "1",
        "--bind", f"unix:{launch.inner_socket}", "--log-level", "warning",
    ]  # fmt: skip
    return [(launch.inner_socket, service), (launch.port, _nginx(launch, "proxy.conf"))]


def _granian(launch: Launch) -> list[str]:
    return [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(launch.port),
        "--workers", "1", "--runtime-threads", "1", "--loop", "uvloop", "--http", "1", "--no-ws", "--no-access-log",
        "--log-level", "warning", "bench.peers.starlette_files:app",
    ]  # fmt: skip


def _aiohttp(launch: Launch) -> list[str]:
    return [sys.executable, "-m", "bench.peers.aiohttp_files", str(launch.port)]


def _nginx(launch: Launch, template: str) -> list[str]:
    """nginx with a configuration in the scratch directory; started by root its worker stays root, to read the data."""
    values = {
        "user": "user root;" if os.geteuid() == 0 else "",
        "scratch": launch.scratch,
        "data": launch.data,
        "port": launch.port,
        "inner_socket": launch.inner_socket,
        "service_url": launch.service_url,
    }
    text = Template((PEERS / template).read_text(encoding="utf-8")).substitute(values)
    path = launch.scratch / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    return ["nginx", "-e", "stderr", "-c", str(path)]


def _store_environment(launch: Launch) -> dict[str, str]:
    account = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    return {"AWS_ENDPOINT_URL": launch.service_url, "AWS_ALLOW_HTTP": "true", **account}


def _serve_store(port: int, *more: str) -> list[str]:
    return _ours("serve", "s3://bench", "--port", str(port), "--no-access-log", *more)


def _store_behind_nginx(launch: Launch) -> list[tuple[int, list[str]]]:
    inner, mode = launch.inner_port, ("--store-mode", "accel")
    return [(inner, _serve_store(inner, *mode)), _printed(launch, ["s3://bench", "--port", str(inner), *mode])]


def _null_zip(maker: str) -> Callable[[Path, str], list[str]]:
    return lambda data, argument: [sys.executable, "-m", "bench.peers.null_zip", maker, str(data / argument)]


def _sqlite3(data: Path, argument: str) -> list[str]:
    query = "SELECT id, name, email, created_at FROM users ORDER BY id"
    return ["sqlite3", "-readonly", "-header", "-csv", str(data / "app.db"), query]


def _psql(data: Path, argument: str) -> list[str]:
    query = "COPY (SELECT id, name, email, created_at FROM users ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)"
    return ["psql", "-X", "-q", argument, "-c", query]


TARGETS: dict[str, Target | Program] = {
    target.id: target
    for target in (
        Target(
            "ours", "this service: `asgi-downloads serve`", lambda launch: [(launch.port, _serve(launch.port, launch))],
            _app_environment,
        ),
        Target(
            "ours-fallback", "this service on plain uvicorn, no zero-copy",
            lambda launch: [(launch.port, _uvicorn("asgi_downloads.main:app", launch))], _app_environment,
        ),
        Target(
            "ours-proxied", "this service behind nginx, as printed by `nginx-config --uds`", _behind_nginx,
            _app_environment, needs=("nginx",),
        ),
        Target(
            "ours-unbuffered", "the same with `proxy_buffering off`",
            lambda launch: _behind_nginx(launch, change=("proxy_buffering on", "proxy_buffering off")),
            _app_environment, needs=("nginx",),
        ),
        Target(
            "ours-nginx", "the same, and nginx sends the files (X-Accel-Redirect)",
            lambda launch: _behind_nginx(launch, "--accel-prefix", "/_protected/"), _app_environment, needs=("nginx",),
        ),
        Target("ours-sql", "this service, `[exports.users]` with its own SQL", _own_sql, _app_environment),
        Target(
            "hello", "uvicorn, 1 KiB from memory: the floor",
            lambda launch: [(launch.port, _uvicorn("bench.peers.hello:app", launch))]
        ),
        Target(
            "fastapi", "FastAPI on uvicorn, FileResponse; CSV row by row",
            lambda launch: [(launch.port, _uvicorn(_GUIDE, launch))], needs=("py:fastapi",),
        ),
        Target(
            "route", "asgi_downloads.starlette.FileResponse in a FastAPI route, on uvicorn",
            lambda launch: [(launch.port, _uvicorn("bench.peers.fastapi_routes:app", launch))], needs=("py:fastapi",),
        ),
        Target(
            "route-zerocopy", "asgi_downloads.starlette.FileResponse in a FastAPI route, on uvicorn with our protocol",
            lambda launch: [(launch.port, [*_uvicorn("bench.peers.fastapi_routes:app", launch), "--http", _PROTOCOL])],
            needs=("py:fastapi",),
        ),
        Target(
            "fastapi-nginx", "the same FastAPI behind nginx, over a Unix socket", _fastapi_behind_nginx,
            needs=("py:fastapi", "nginx"),
        ),
        Target(
            "gunicorn-nginx", "the same FastAPI, uvicorn's worker in gunicorn, behind nginx", _gunicorn_behind_nginx,
            needs=("py:fastapi", "py:gunicorn", "py:uvicorn_worker", "nginx"),
        ),
        Target(
            "fastapi-stream", "FastAPI on uvicorn, StreamingResponse with a generator",
            lambda launch: [(launch.port, _uvicorn(_GUIDE, launch))], needs=("py:fastapi",),
            rewrite=("/download/", "/download/large/"),
        ),
        Target(
            "fastapi-aiofiles", "FastAPI on uvicorn, StreamingResponse with aiofiles",
            lambda launch: [(launch.port, _uvicorn(_GUIDE, launch))], needs=("py:fastapi",),
            rewrite=("/download/", "/download/async/"),
        ),
        Target(
            "fastapi-video", "FastAPI on uvicorn, the hand-written range generator",
            lambda launch: [(launch.port, _uvicorn(_GUIDE, launch))], needs=("py:fastapi",),
            rewrite=("/download/", "/video/"),
        ),
        Target(
            "starlette", "Starlette on uvicorn, FileResponse; ZIP by zipstream-ng",
            lambda launch: [(launch.port, _uvicorn("bench.peers.starlette_files:app", launch))],
            needs=("py:starlette", "py:zipstream"),
        ),
        Target(
            "granian", "Starlette on Granian, FileResponse", lambda launch: [(launch.port, _granian(launch))],
            needs=("py:granian", "py:zipstream"),
        ),
        Target(
            "aiohttp", "aiohttp, FileResponse",
            lambda launch: [(launch.port, _aiohttp(launch))],
            needs=("py:aiohttp",),
        ),
        Target(
            "ours-store", "this service, the files in an object store",
            lambda launch: [(launch.port, _serve_store(launch.port))], _store_environment, needs=("py:obstore",),
        ),
        Target(
            "ours-store-nginx", "this service behind nginx, which fetches from the store (`store_mode = accel`)",
            _store_behind_nginx, _store_environment, needs=("py:obstore", "nginx"),
        ),
        Target(
            "starlette-aiobotocore", "Starlette on uvicorn, StreamingResponse with aiobotocore",
            lambda launch: [(launch.port, _uvicorn("bench.peers.starlette_store:app", launch))], _store_environment,
            needs=("py:starlette", "py:aiobotocore"),
        ),
        Target(
            "nginx-store", "nginx alone, proxying the store: control and limit",
            lambda launch: [(launch.port, _nginx(launch, "store_proxy.conf"))], needs=("nginx",),
        ),
        Target(
            "nginx", "nginx alone, sendfile: control and limit",
            lambda launch: [(launch.port, _nginx(launch, "nginx.conf"))], needs=("nginx",),
        ),
    )
} | {
    program.id: program
    for program in (
        Program("sqlite3", "the `sqlite3 -csv` command, to /dev/null", _sqlite3, needs=("sqlite3",)),
        Program("psql", "psql with COPY TO STDOUT, to /dev/null", _psql, needs=("psql",)),
        Program("zip-ours", "our archive, CRCs known, to nothing, all of it read", _null_zip("ours")),
        Program(
            "zip-ours-zero-copy", "the same, large members by sendfile, as the server sends them",
            _null_zip("ours-zero-copy"),
        ),
        Program("zip-ours-cold", "our archive, CRCs unknown, to nothing, all of it read", _null_zip("ours-cold")),
        Program(
            "zip-ours-cold-zero-copy", "the same, read for the CRCs alone, where the server sends without copying",
            _null_zip("ours-cold-zero-copy"),
        ),
        Program("zip-zipstream", "zipstream-ng, to nothing", _null_zip("zipstream"), needs=("py:zipstream",)),
        Program("zip-ours-deflate", "our archive, deflated, to nothing", _null_zip("ours-deflate")),
        Program(
            "zip-zipstream-6", "zipstream-ng, deflate level 6, to nothing", _null_zip("zipstream-6"),
            needs=("py:zipstream",),
        ),
    )
}  # fmt: skip
