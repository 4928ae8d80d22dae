"""The service mounted in a FastAPI site, under middlewares, on every server: exact, or visibly broken.

Rows are what is asked for and what goes wrong meanwhile, columns are middlewares and servers. A cell that cannot be
right stands in `NO_WAY`, with its reason, and in README.
"""

import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import site
from tests.support.serving import environment

SIZE = 8 << 20
PATTERN = b"".join(b"%07d\n" % number for number in range(SIZE // 8))
LARGE = 16 << 20
USERS = 100_000


# -- columns


SERVERS: dict[str, tuple[str, ...]] = {
    "ours": ("uvicorn", "tests.support.site:site", "--http", "asgi_downloads.server.protocol:AutoZeroCopy", "--port"),
    "uvicorn-httptools": ("uvicorn", "tests.support.site:site", "--http", "httptools", "--port"),
    "uvicorn-h11": ("uvicorn", "tests.support.site:site", "--http", "h11", "--port"),
    "hypercorn": ("hypercorn", "tests.support.site:site", "--bind", "127.0.0.1:{}"),
    "granian": ("granian", "--interface", "asgi", "tests.support.site:site", "--port"),
    "daphne": ("daphne", "tests.support.site:site", "-p"),
    "gunicorn": ("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "tests.support.site:site", "-b", "127.0.0.1:{}"),
}
"""Arguments of `python -m`; the port comes last."""

MIDDLEWARES = {
    "none": "",
    "http": "http",
    "gzip": "gzip",
    "cors": "cors",
    "all": "gzip,cors,http",
    "all-turned-round": "http,cors,gzip",
}


@dataclass(frozen=True)
class Column:
    server: str
    middlewares: str
    optimized: bool = False

    @property
    def id(self) -> str:
        return f"{self.server}-{self.middlewares}" + ("-O" if self.optimized else "")


HANGS = ("daphne",)
"""Servers that never end an answer whose application has given up, whatever it sends: the client waits until it gives
up too. README names them."""

THOROUGHLY = ("ours", "uvicorn-httptools")
"""Servers that are tried with `python -O` and with what hardly touches an answer, too."""

QUICK = [Column("ours", "none"), Column("ours", "all"), Column("uvicorn-httptools", "http")]
COLUMNS = [
    *(pytest.param(column, id=column.id) for column in QUICK),
    *(
        pytest.param(column, id=column.id, marks=pytest.mark.slow)
        for server in SERVERS
        for middlewares in MIDDLEWARES
        for optimized in (False, True)
        if (column := Column(server, middlewares, optimized)) not in QUICK
        and not (optimized and not (server in THOROUGHLY and middlewares.startswith("all")))
        and not (middlewares == "cors" and server not in THOROUGHLY)
    ),
]


@dataclass(frozen=True)
class Running:
    column: Column
    port: int
    process: int
    data: Path


@contextmanager
def running(column: Column, data: Path) -> Iterator[Running]:
    """The site under one server, from its first answer to its end."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    module, *arguments = SERVERS[column.server]
    arguments[-1:] = [arguments[-1].format(port)] if "{}" in arguments[-1] else [arguments[-1], str(port)]
    environ = environment({site.DATA: str(data), site.MIDDLEWARES: MIDDLEWARES[column.middlewares]})
    command = [sys.executable, *(["-O"] if column.optimized else []), "-m", module, *arguments]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, command
            assert time.monotonic() < deadline, command
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                    connection.request("GET", "/files/livez")
                    assert connection.getresponse().status == 200
                break
            except OSError:
                time.sleep(0.05)  # no event: any server's way to say that it listens is its own
        yield Running(column, port, process.pid, data)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all columns serve, to be copied where it is changed."""
    data = tmp_path_factory.mktemp("middleware") / "data"
    for folder in ("downloads", "large-files", "bundles/two"):
        (data / folder).mkdir(parents=True)
    (data / "downloads" / "pattern.txt").write_bytes(PATTERN)
    (data / "bundles" / "two" / "one.txt").write_bytes(PATTERN[: 3 << 20])
    (data / "bundles" / "two" / "other.txt").write_bytes(b"other")
    with closing(sqlite3.connect(data / "app.db")) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, created_at TEXT)")
        rows = ((n, f"name {n} " * 6, f"{n}@example.com", "2025-01-01") for n in range(USERS))
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)
    return data


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("served") / "data"
    shutil.copytree(made, data)
    with running(request.param, data) as server:
        yield server
    shutil.rmtree(data)


# -- rows


@dataclass(frozen=True)
class Got:
    status: int
    content: bytes
    complete: bool
    fields: dict[str, str]


def ask(
    server: Running,
    path: str,
    *,
    meanwhile: Callable[[], None] = lambda: None,
    version: str = "1.1",
    **fields: str,
) -> Got:
    """One request by a client with small buffers; `meanwhile` runs when it has seen the head and little more."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.settimeout(2 if server.column.server in HANGS else 10)
        sock.connect(("127.0.0.1", server.port))
        lines = [f"GET /files{path} HTTP/{version}", "Host: localhost", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        response = http.client.HTTPResponse(sock)
        content, complete, hung = b"", False, False
        try:
            response.begin()
            content = response.read(1000)
            meanwhile()
            content += response.read()
            complete = response.length in (None, 0)
        except http.client.IncompleteRead as error:
            content += error.partial
        except TimeoutError:
            hung = True
        except (OSError, http.client.HTTPException):
            pass
        response.close()
        assert not hung or server.column.server in HANGS, "neither complete nor broken off"
        return Got(response.status, content, complete, {name.lower(): value for name, value in response.getheaders()})


def whole(server: Running) -> None:
    got = ask(server, "/download/pattern.txt")
    assert (got.status, got.complete, got.content == PATTERN) == (200, True, True)


def whole_when_asked_for_gzip(server: Running) -> None:
    """What could be resumed is never compressed on the way: a range would be stitched to another encoding."""
    got = ask(server, "/download/pattern.txt", Accept_Encoding="gzip")
    assert got.fields.get("content-encoding") in (None, "identity")
    assert (got.status, got.complete, got.content == PATTERN) == (200, True, True)


def part(server: Running) -> None:
    got = ask(server, "/download/pattern.txt", Range="bytes=1000-5000999", Accept_Encoding="gzip")
    assert (got.status, got.complete, got.content == PATTERN[1000:5001000]) == (206, True, True)


def bundle(server: Running) -> None:
    got = ask(server, "/download/bundle/two")
    assert (got.status, got.complete) == (200, True)
    assert len(got.content) == int(got.fields["content-length"])
    assert got.content.endswith(bytes(2))  # the end of a ZIP's directory: no comment


def export(server: Running) -> None:
    got = ask(server, "/export/users")
    assert (got.status, got.complete, got.content.count(b"\r\n")) == (200, True, USERS + 1)


def database_breaks(server: Running, version: str = "1.1") -> None:
    database = server.data / "app.db"
    kept = database.with_suffix(".kept")
    shutil.copy(database, kept)

    def spoil() -> None:
        with database.open("r+b") as file:
            file.write(os.urandom(database.stat().st_size))

    try:
        got = ask(server, "/export/users", meanwhile=spoil, version=version)
    finally:
        kept.replace(database)
    assert got.status == 200
    assert not got.complete, "a failed export that looks complete"


def database_breaks_http_1_0(server: Running) -> None:
    database_breaks(server, "1.0")


def truncated(server: Running, accept: str = "identity") -> None:
    path = server.data / "large-files" / "large.bin"
    path.write_bytes(bytes(LARGE))
    got = ask(
        server,
        "/download/large/large.bin",
        meanwhile=lambda: os.truncate(path, LARGE - (1 << 20)),
        Accept_Encoding=accept,
    )
    path.unlink()
    assert got.status == 200
    assert not got.complete
    assert len(got.content) < LARGE


def truncated_gzip(server: Running) -> None:
    truncated(server, "gzip")


def leaves(server: Running) -> None:
    for path in ("/download/pattern.txt", "/download/bundle/two", "/export/users"):
        with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
            sock.sendall(f"GET /files{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert sock.recv(100)
    deadline = time.monotonic() + 10
    while left := [name for name in open_files(server.process) if str(server.data) in name and "state" not in name]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)  # the other process tells nobody when it has let go
    whole(server)


def open_files(process: int) -> list[str]:
    """Regular files below that process, its children's included."""
    processes = [process, *map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())]
    found = []
    for each in processes:
        for number in os.listdir(f"/proc/{each}/fd"):
            try:
                target = os.readlink(f"/proc/{each}/fd/{number}")
            except OSError:
                continue
            if os.path.isfile(target):
                found.append(target)
    return found


ROWS: list[Callable[[Running], None]] = [
    whole, whole_when_asked_for_gzip, part, bundle, export, database_breaks, database_breaks_http_1_0, truncated,
    truncated_gzip, leaves,
]  # fmt: skip


@dataclass(frozen=True)
class NoWay:
    server: str
    row: Callable[[Running], None]
    reason: str


NO_WAY: list[NoWay] = [
    NoWay(server, database_breaks_http_1_0, "ends an HTTP/1.0 answer by closing, and gives no way to reset instead")
    for server in ("uvicorn-h11", "hypercorn", "granian")
]
"""Cells that cannot be right, with the reason. README names them."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
@pytest.mark.parametrize("place", COLUMNS, indirect=True)
def test_an_answer_is_exact_or_visibly_broken(row: Callable[[Running], None], place: Running) -> None:
    for cell in NO_WAY:
        if (cell.server, cell.row) == (place.column.server, row):
            with pytest.raises(AssertionError):
                row(place)
            return
    row(place)


@pytest.mark.parametrize("middlewares", MIDDLEWARES)
def test_the_client_of_tests_gets_files_too(
    middlewares: str, made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Starlette's TestClient says neither `asgi` nor `extensions` in its scope."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of which client it is made
        from fastapi.testclient import TestClient
    monkeypatch.setenv(site.DATA, str(made))
    monkeypatch.setenv(site.MIDDLEWARES, MIDDLEWARES[middlewares])
    with TestClient(site.build()) as client:
        answer = client.get("/files/download/pattern.txt")
        assert (answer.status_code, answer.content == PATTERN) == (200, True)
        assert client.get("/files/download/pattern.txt", headers={"Range": "bytes=0-9"}).content == PATTERN[:10]
