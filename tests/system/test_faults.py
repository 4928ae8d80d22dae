"""Faults under a service that runs: what the client sees, and that nothing is left behind."""

import hashlib
import http.client
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.fetch import fetch
from tests.support.nginx import Site, behind_nginx, get, raw
from tests.support.serving import SERVE, Served, serving, until
from tests.support.tools import require
from tests.system.conftest import BIG, pattern
from tests.system.test_life_cycle import children, connect

LIMITED = """\
import resource, runpy, sys
name, value = sys.argv[1].split("=")
resource.setrlimit(getattr(resource, name), (int(value), int(value)))
sys.argv[1:2] = []
runpy.run_module("asgi_downloads", run_name="__main__", alter_sys=True)
"""


@contextmanager
def limited(limit: str, *arguments: str | Path) -> Iterator[Served]:
    """The service in a process with a limit, such as `RLIMIT_NOFILE=256`."""
    with serving(*arguments, command=["-c", LIMITED, limit, *SERVE[2:]]) as served:
        yield served


def port_of(served: Served) -> int:
    return int(served.url.rpartition(":")[2])


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid: int) -> int:
    """Private bytes of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private"))


# -- files that change while they are sent


@dataclass(frozen=True)
class Change:
    id: str
    make: Callable[[Path], object]
    exact: bool
    """Whether the client gets all of the old bytes; else it must see that it did not."""


def _replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(pattern(path.stat().st_size, b"other"))
    other.replace(path)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(pattern(path.stat().st_size, b"other"))


MEMBER = 1_300_000

CHANGES = [
    Change("replaced", _replace, True),
    Change("removed", Path.unlink, True),
    Change("grown", _grow, True),
    Change("truncated", lambda path: os.truncate(path, path.stat().st_size // 2), False),
    Change("emptied", lambda path: os.truncate(path, 0), False),
    Change("overwritten", _overwrite, False),
]


@pytest.mark.parametrize("way", ["direct", "proxied"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.id)
def test_a_file_that_changes_arrives_exact_or_visibly_short(
    change: Change, way: str, proxied: Site, data: Path
) -> None:
    truth = pattern(BIG, b"changing")
    path = data / "large-files" / f"{change.id}-{way}.bin"
    path.write_bytes(truth)
    port = proxied.port if way == "proxied" else port_of(proxied.served)
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(get(f"/download/large/{path.name}"))
        answer = bytearray(sock.recv(1000))
        change.make(path)
        try:
            while block := sock.recv(1 << 20):
                answer += block
        except ConnectionResetError:
            pass
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    assert b"content-length: %d" % BIG in head.lower()
    if change.exact:
        assert body == truth
    else:
        assert len(body) < BIG, "a complete answer, though the file had changed"
    assert fetch(f"{proxied.served.url}/reports/1").status == 200
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("way", ["direct", "proxied"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.id)
def test_a_bundle_of_which_a_sent_member_changes_arrives_exact_or_visibly_short(
    change: Change, way: str, proxied: Site, data: Path
) -> None:
    """Its members are large enough to leave without copying, and too small for a wait each."""
    folder = data / "bundles" / f"{change.id}-{way}"
    folder.mkdir(parents=True)
    for number in range(20):
        (folder / f"{number:02}.bin").write_bytes(pattern(MEMBER, b"%d" % number))
    port = proxied.port if way == "proxied" else port_of(proxied.served)
    truth = fetch(f"{proxied.served.url}/download/bundle/{folder.name}").content
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(get(f"/download/bundle/{folder.name}"))
        answer = bytearray(sock.recv(1000))
        change.make(folder / "00.bin")
        with suppress(ConnectionResetError):
            while block := sock.recv(1 << 20):
                answer += block
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(truth) in head.lower()
    assert body == truth or (len(body) < len(truth) and not change.exact)
    shutil.rmtree(folder)


# -- places that fail


@pytest.mark.parametrize("target", ["/export/data", "/reports/generate/x"])
def test_a_full_disk_is_told_and_nothing_is_left_on_it(target: str, data: Path, tmp_path: Path) -> None:
    with limited("RLIMIT_FSIZE=4096", data, "--temp-dir", tmp_path, "--state-dir", tmp_path / "state") as served:
        for _ in range(3):
            fetch(f"{served.url}{target}")  # what is kept open for all requests
        before = open_files(served.process.pid)
        for _ in range(20):
            answer = fetch(f"{served.url}{target}")
            assert (answer.status, answer.content) == (503, b'{"detail":"Service Unavailable"}')
        assert fetch(f"{served.url}/reports/1").status == 200
        until(lambda: open_files(served.process.pid) <= before + 3)  # threads come and go; twenty requests left none
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        assert served.stop() == 0


def test_a_database_that_breaks_midway_breaks_the_export_for_all_to_see(data: Path, tmp_path: Path) -> None:
    require("curl")
    database = tmp_path / "users.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, created_at TEXT)")
        rows = ((n, f"name {n}" * 5, f"{n}@example.com", "2025-01-01") for n in range(300_000))
        connection.executemany("INSERT INTO users VALUES (?,?,?,?)", rows)
    with behind_nginx(tmp_path / "n", data, "--database-url", f"sqlite:///{database}") as site:
        command = ["curl", "-sS", "--limit-rate", "8M", "-o", str(tmp_path / "out"), site.url + "/export/users"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").stat().st_size > 100_000)
        with database.open("r+b") as file:
            file.write(os.urandom(database.stat().st_size))
        _, errors = process.communicate(timeout=20)
        assert process.returncode in (18, 56, 92), errors
        assert raw(site.port, get("/export/users")).startswith(b"HTTP/1.1 500 ")
        assert raw(site.port, get("/reports/1")).startswith(b"HTTP/1.1 200 ")


# -- descriptors


def test_when_descriptors_run_out_clients_are_told_and_afterwards_all_is_well(data: Path) -> None:
    with limited("RLIMIT_NOFILE=256", data, "--log-level", "critical") as served, ExitStack() as stack:
        pid = served.process.pid
        assert fetch(f"{served.url}/reports/1").status == 200
        before = open_files(pid)
        truth = (data / "large-files" / "big.bin").read_bytes()
        answers: list[bytes] = []
        lock = threading.Lock()
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port_of(served)), 30)) for _ in range(330)
        ]

        def ask(sock: socket.socket) -> None:
            answer = bytearray()
            try:
                sock.sendall(get("/download/large/big.bin", "Range: bytes=0-299999"))
                while block := sock.recv(1 << 20):
                    answer += block
            except OSError:
                pass
            with lock:
                answers.append(bytes(answer))

        threads = [threading.Thread(target=ask, args=(sock,)) for sock in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        exact = 0
        for answer in answers:
            head, _, body = answer.partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 206 "):
                assert body == truth[:300_000]
                exact += 1
            else:
                assert not head or head.startswith(b"HTTP/1.1 503 "), head
        assert exact > 100
        for sock in clients:
            sock.close()
        for _ in range(20):
            assert fetch(f"{served.url}/reports/1").status == 200
        until(lambda: open_files(pid) <= before + 1)
        assert served.stop() == 0


# -- clients that leave


@pytest.mark.slow
def test_a_thousand_clients_that_leave_at_random_leave_nothing(data: Path) -> None:
    targets = [
        "/download/large/big.bin",
        "/download/report.pdf",
        "/video/sample.mp4",
        "/export/users",
        "/export/data",
        "/download/bundle/reports",
    ]
    chance = random.Random(7)
    with serving(data) as served:
        pid, port = served.process.pid, port_of(served)

        def leave_all(count: int) -> None:
            for _ in range(count // 100):
                socks = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(100)]
                for sock in socks:
                    sock.sendall(get(chance.choice(targets))[: chance.choice((5, 1000, 1000, 1000))])
                for sock in socks:
                    if chance.random() < 0.7:
                        sock.settimeout(0.01)
                        with suppress(TimeoutError):
                            sock.recv(chance.choice((1, 1000, 100_000)))
                    if chance.random() < 0.5:  # a reset, not an end
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    sock.close()

        leave_all(600)  # threads, caches: what is there for good
        time.sleep(0.2)
        files, size = open_files(pid), memory(pid)
        leave_all(1000)
        until(lambda: open_files(pid) <= files, 5)
        assert memory(pid) - size < 8 << 20
        assert fetch(f"{served.url}/download/large/big.bin").content == (data / "large-files" / "big.bin").read_bytes()
        assert served.stop() == 0


# -- processes that are killed


def test_a_crash_leaves_no_temporary_file_and_the_next_start_is_well(data: Path, tmp_path: Path) -> None:
    place, uds = tmp_path / "temp", tmp_path / "s"
    place.mkdir()
    command = [*SERVE[:3], "--log-level", "warning"]
    flags = (data, "--temp-dir", place, "--uds", uds)
    for _ in range(3):
        with serving(*flags, command=command) as served, ExitStack() as stack:
            for target in ("/export/data", "/reports/generate/x", "/export/users", "/download/large/big.bin") * 2:
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.settimeout(10)
                sock.connect(str(uds))
                sock.sendall(get(target))
                assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
            served.process.send_signal(signal.SIGKILL)
            served.process.wait()
            assert not [path for path in place.rglob("*") if path.is_file()]
    assert uds.is_socket()  # what a crash leaves, the next start takes away
    with serving(*flags, command=command) as served:
        assert served.stop() == 0
    assert not uds.exists()


def test_a_killed_worker_takes_only_its_own_downloads_along(data: Path) -> None:
    with serving(data, "--workers", "2") as served:
        until(lambda: len(children(served.process.pid)) == 2)
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(served))) for _ in range(12)]
            answers = []
            for client in clients:
                client.request("GET", "/download/large/big.bin")
                answers.append(client.getresponse())
                answers[-1].read(1000)
            os.kill(children(served.process.pid)[0], signal.SIGKILL)
            digest = hashlib.sha256((data / "large-files" / "big.bin").read_bytes()[1000:]).digest()
            whole = 0
            for answer in answers:
                try:
                    content = answer.read()
                except (OSError, http.client.HTTPException):
                    continue
                assert hashlib.sha256(content).digest() == digest
                whole += 1
        for _ in range(10):
            assert fetch(f"{served.url}/reports/1").status == 200
        until(lambda: len(children(served.process.pid)) == 2)
        assert served.stop() == 0
