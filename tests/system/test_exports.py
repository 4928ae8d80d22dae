"""Exports and reports over real sockets: failures that clients notice, and readers of every kind."""

import os
import random
import resource
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from tests.support.postgres import postgres_server, psql
from tests.support.serving import Served, serving
from tests.support.tools import require

PARTIAL_FILE, RECEIVE_FAILED = 18, 56
"""What curl calls a transfer that ended too soon."""

LAST_CHUNK = b"\r\n0\r\n\r\n"

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, name, email, created_at)"
MANY = (
    "INSERT INTO users SELECT n, 'User ' || n, 'user' || n || '@example.com', TIMESTAMPTZ '2024-01-01T00:00:00Z'"
    " FROM generate_series(1, {rows}) AS n"
)
MEMORY_GROWTH = 24 << 20


def write_users(data: Path, rows: int) -> Path:
    data.mkdir(exist_ok=True)
    path = data / "app.db"
    series = (
        "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT {rows})"
        " INSERT INTO users SELECT value, 'User ' || value, 'user' || value || '@example.com', '2024-01-01T00:00:00Z'"
        " FROM n"
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(USERS)
        connection.execute(series.format(rows=rows))
    return path


def failing_late(path: Path) -> None:
    """Row 45,000 has an e-mail address that cannot be had."""
    address = "CASE id WHEN 45000 THEN abs(-9223372036854775808) ELSE name END"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE users DROP COLUMN email")
        connection.execute(f"ALTER TABLE users ADD COLUMN email AS ({address})")


def curl(url: str, *options: str) -> tuple[int, bytes]:
    """Exit code and content."""
    require("curl")
    program = shutil.which("curl") or ""
    done = subprocess.run((program, "-sS", "-m", "60", *options, url), capture_output=True, check=False)
    return done.returncode, done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    return data


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a million users."""
    data = tmp_path_factory.mktemp("million") / "data"
    write_users(data, 1_000_000)
    return data


@pytest.fixture(scope="module")
def postgres_url() -> Generator[str]:
    pytest.importorskip("asyncpg")
    with postgres_server() as url:
        columns = "id bigint PRIMARY KEY, name text, email text, created_at timestamptz"
        psql(url, f"CREATE TABLE users ({columns}); {MANY.format(rows=300_000)}; ANALYZE users")
        yield url


class TestFailure:
    """An export whose database fails midway never looks like a complete one."""

    @pytest.mark.parametrize("options", [(), ("--compressed",), ("--http1.0",)], ids=["plain", "gzip", "http-1.0"])
    def test_a_row_that_cannot_be_read(self, options: tuple[str, ...], data: Path) -> None:
        failing_late(write_users(data, 50_000))
        with serving(data) as served:
            code, content = curl(f"{served.url}/export/users", *options)
            assert code in (PARTIAL_FILE, RECEIVE_FAILED)  # without chunks a reset says it
            assert content.startswith(b"id,name")
            assert b"\n45001," not in content
            assert curl(f"{served.url}/livez")[0] == 0

    def test_behind_nginx(self, data: Path, tmp_path: Path) -> None:
        failing_late(write_users(data, 50_000))
        with serving(data) as served, nginx(served, tmp_path) as url:
            code, content = curl(f"{url}/export/users")
            assert code in (PARTIAL_FILE, RECEIVE_FAILED)
            assert content.startswith(b"id,name")
            code, content = curl(f"{url}/export/users?limit=44999")
            assert code == 0
            assert content.count(b"\r\n") == 45_000

    def test_a_page_that_is_damaged(self, data: Path) -> None:
        path = write_users(data, 50_000)
        with path.open("r+b") as file:
            file.seek(path.stat().st_size * 3 // 4 // 4096 * 4096)
            file.write(b"\xff" * (64 << 10))
        with serving(data) as served:
            code, content = curl(f"{served.url}/export/users")
            assert code in (PARTIAL_FILE, RECEIVE_FAILED)
            assert content.startswith(b"id,name")

    def test_postgresql_that_ends_the_query(self, data: Path, postgres_url: str) -> None:
        with serving(data, environ={"DOWNLOADS_DATABASE_URL": postgres_url}) as served, connected(served) as client:
            ask(client, "/export/users")
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
            assert psql(postgres_url, end).split() == ["t"]
            assert not read_to_the_end(client).endswith(LAST_CHUNK)
            assert curl(f"{served.url}/export/users?limit=5")[0] == 0


NGINX = """
daemon off;
master_process off;
pid {work}/pid;
error_log {work}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


@contextmanager
def nginx(served: Served, work: Path) -> Generator[str]:
    """The URL of an nginx before the server."""
    require("nginx")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (work / "nginx.conf").write_text(NGINX.format(work=work, port=port, upstream=served.url))
    program = shutil.which("nginx") or ""
    with subprocess.Popen((program, "-p", work, "-c", work / "nginx.conf", "-e", work / "early.log")) as process:
        try:
            wait_until(lambda: _listens(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def connected(served: Served) -> socket.socket:
    """A client with a small window, so that the server soon has to wait for it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    url = urlsplit(served.url)
    client.connect((url.hostname, url.port))
    return client


def ask(client: socket.socket, target: str, fields: str = "") -> None:
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n".encode())


def read_to_the_end(client: socket.socket) -> bytes:
    parts = []
    try:
        while part := client.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def connections(url: str) -> int:
    others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    return int(psql(url, others))


def held(served: Served, made: Path) -> dict[str, int]:
    """What the server process has of each thing that could be left behind."""
    process = Path("/proc", str(served.process.pid))
    targets = []
    for name in os.listdir(process / "fd"):
        try:
            targets.append(os.readlink(process / "fd" / name))
        except FileNotFoundError:
            continue
    return {
        "descriptors": len(targets),
        "made files": sum("asgi-downloads" in target and "(deleted)" in target for target in targets),
        "names": sum(1 for path in made.rglob("*") if path.is_file()),
        "threads": len(os.listdir(process / "task")),
    }


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


class TestLeaving:
    def leave(self, served: Served, targets: list[str], seed: int, most: int) -> None:
        """Eight clients at a time ask, read somewhat, and are gone, mostly without a word."""
        chance = random.Random(seed)
        jobs = [(target, int(10 ** chance.uniform(0, most)), chance.random()) for target in targets]
        chance.shuffle(jobs)

        def work() -> None:
            while jobs:
                try:
                    target, wanted, how = jobs.pop()
                except IndexError:
                    return
                with connected(served) as client:
                    ask(client, target)
                    while wanted > 0 and (part := client.recv(min(wanted, 1 << 16))):
                        wanted -= len(part)
                    if how < 0.3:  # a reset rather than an end
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @pytest.mark.slow
    def test_500_clients_leave_nothing(self, million: Path, tmp_path: Path) -> None:
        made = tmp_path / "made"
        made.mkdir()
        targets = ["/export/users", "/export/users?excel=1", "/export/data", "/reports/generate/q1"]
        with serving(million, environ={"DOWNLOADS_TEMP_DIR": str(made)}) as served:
            # All pools have their threads, and the worker processes are there.
            self.leave(served, targets * 10, seed=0, most=4)
            time.sleep(1)
            before = held(served, made)
            self.leave(served, targets * 125, seed=1, most=6)
            # A pool may have got one more thread for each client at a time.
            most = before | {"made files": 0, "names": 0, "threads": before["threads"] + 8}
            wait_until(lambda: all(now <= most[name] for name, now in held(served, made).items()))
            after = held(served, made)
            assert all(now <= most[name] for name, now in after.items()), (before, after)
            assert curl(f"{served.url}/export/users?limit=1&columns=id")[1] == b"id\r\n1\r\n"

    def test_readers_of_postgresql_leave_no_connection(self, data: Path, postgres_url: str) -> None:
        with serving(data, environ={"DOWNLOADS_DATABASE_URL": postgres_url}) as served:
            self.leave(served, ["/export/users"] * 60, seed=2, most=6)
            wait_until(lambda: connections(postgres_url) == 0)
            assert connections(postgres_url) == 0

    def test_a_query_ends_soon_after_its_reader_left(self, data: Path, postgres_url: str) -> None:
        with serving(data, environ={"DOWNLOADS_DATABASE_URL": postgres_url}) as served:
            with connected(served) as client:
                ask(client, "/export/users")
                client.recv(1)
                assert connections(postgres_url) == 1
            wait_until(lambda: connections(postgres_url) == 0, 5)
            assert connections(postgres_url) == 0


def resident(served: Served) -> int:
    """Bytes of memory that are the server's own."""
    lines = Path("/proc", str(served.process.pid), "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


class Memory:
    """The most that the server has while a block runs, beyond what it had before."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.growth = 0

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.growth = max(self.growth, resident(self._served) - self._before)

    def __enter__(self) -> Self:
        self._before = resident(self._served)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()


class TestMemory:
    @pytest.mark.parametrize("options", [(), ("--compressed",)], ids=["plain", "gzip"])
    def test_a_fast_reader(self, options: tuple[str, ...], million: Path) -> None:
        with serving(million) as served:
            curl(f"{served.url}/export/users?limit=1000", *options)
            with Memory(served) as memory:
                code, content = curl(f"{served.url}/export/users", *options)
            assert code == 0
            assert content.count(b"\n") == 1_000_001
            assert memory.growth < MEMORY_GROWTH

    @pytest.mark.slow
    def test_a_reader_that_stalls_and_goes_on(self, million: Path) -> None:
        with serving(million) as served, connected(served) as client:
            curl(f"{served.url}/export/users?limit=1000")
            with Memory(served) as memory:
                ask(client, "/export/users")
                client.recv(1000)
                time.sleep(1.5)  # the table would have been through by now
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                rest = read_to_the_end(client)
            assert rest.endswith(LAST_CHUNK)
            assert rest.count(b"@example.com") > 999_000
            assert memory.growth < MEMORY_GROWTH


class TestCrowd:
    """Many who ask and do not read take no more than their share, and hear when to come again."""

    def statuses(self, clients: list[socket.socket]) -> dict[bytes, int]:
        """How many were answered how; all who were refused were told when to ask again."""
        found: dict[bytes, int] = {}
        for client in clients:
            head = client.recv(200)
            found[head[9:12]] = found.get(head[9:12], 0) + 1
            assert b"200" in head or b"\r\nretry-after: " in head + client.recv(500)
        return found

    def test_the_database_keeps_connections_for_its_owner(self, data: Path, postgres_url: str) -> None:
        with serving(data, environ={"DOWNLOADS_DATABASE_URL": postgres_url}) as served, ExitStack() as stack:
            clients = [stack.enter_context(connected(served)) for _ in range(60)]
            for client in clients:
                ask(client, "/export/users")
            assert self.statuses(clients) == {b"200": 8, b"503": 52}
            assert connections(postgres_url) == 8
            assert curl(f"{served.url}/readyz")[1] == b'{"status":"ok"}'

    def test_an_export_ends_at_its_time_limit_however_slowly_it_is_read(self, data: Path, postgres_url: str) -> None:
        environ = {"DOWNLOADS_DATABASE_URL": postgres_url, "DOWNLOADS_QUERY_TIMEOUT": "500ms"}
        with serving(data, environ=environ) as served, connected(served) as client:
            ask(client, "/export/users")
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
            wait_until(lambda: connections(postgres_url) == 0, 10)
            assert connections(postgres_url) == 0
            assert not read_to_the_end(client).endswith(LAST_CHUNK)

    @pytest.mark.slow
    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    def test_a_thousand_stalled_exports_take_at_most_256_mib(self, encoding: str, million: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4096:
            pytest.skip("not enough descriptors for 1,000 clients")
        with ExitStack() as stack:
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
            served = stack.enter_context(serving(million))
            curl(f"{served.url}/export/users?limit=1000")
            with Memory(served) as memory:
                clients = [stack.enter_context(connected(served)) for _ in range(1000)]
                for client in clients:
                    ask(client, "/export/users", f"Accept-Encoding: {encoding}\r\n")
                assert self.statuses(clients) == {b"200": 200, b"503": 800}
                assert curl(f"{served.url}/readyz")[1] == b'{"status":"ok"}'
            assert memory.growth < 256 << 20
