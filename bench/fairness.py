"""What one client can do to all: `python -m bench fairness` prints a row for each thing tried, beside its bar.

Figures and not timed tests: what they are worth depends on the machine, so each is measured beside the same thing
without the attack, in one run.
"""

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.stats import quantile
from bench.targets import TARGETS, Server, Target

LARGE = 2 << 30
DIGESTS, BUNDLES, STALLED = 100, 100, 1000
MEMBERS = 20_000
USERS = 200_000


@dataclass(frozen=True)
class Row:
    """One figure in `unit` and the most it may be; `bar` None where it is told and not judged."""

    title: str
    measured: float
    unit: str
    bar: float | None = None

    def __str__(self) -> str:
        bar = "" if self.bar is None else f"<= {self.bar:g}{'' if self.measured <= self.bar else '  MISSED'}"
        return f"| {self.title} | {self.measured:,.2f} {self.unit} | {bar} |"


def rows() -> Iterator[Row]:
    """Everything that is tried, one served process each."""
    for attempt in (_flood, _digests, _bundles, _stalled, _columns):
        with TemporaryDirectory(prefix="bench-fairness-") as folder:
            yield from attempt(Path(folder))


@contextmanager
def _served(data: Path) -> Iterator[Server]:
    for name in ("downloads", "bundles", "files"):
        (data / name).mkdir(exist_ok=True)
    target = TARGETS["ours"]
    assert isinstance(target, Target)
    with Server(target, data) as server:
        _get(server, "/livez")
        yield server


def _connect(server: Server) -> socket.socket:
    return socket.create_connection((server.address.host, server.address.port), 30)


def _get(server: Server, path: str, method: str = "GET", fields: str = "") -> float:
    """Seconds until the answer is there, on a connection of its own."""
    started = time.perf_counter()
    with _connect(server) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n".encode())
        while sock.recv(1 << 16):
            pass
    return time.perf_counter() - started


def _latencies(server: Server, path: str, seconds: float) -> list[float]:
    """Of one plain request after another, by a client that shares its connection with nobody."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    times = []
    with _connect(server) as sock:
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
            sock.sendall(request)
            sock.recv(1 << 16)
            times.append(time.perf_counter() - started)
    return times


def _flood(data: Path) -> Iterator[Row]:
    (data / "downloads").mkdir()
    (data / "downloads" / "small.txt").write_bytes(b"x" * 1000)
    with _served(data) as server:
        alone = _latencies(server, "/download/small.txt", 2)
        stop = threading.Event()

        def flood() -> None:
            burst = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 3000
            with suppress(OSError), _connect(server) as sock:
                reader = threading.Thread(target=_read_away, args=(sock,))
                reader.start()
                while not stop.is_set():
                    sock.sendall(burst)
                sock.shutdown(socket.SHUT_RDWR)
                reader.join()

        attacker = threading.Thread(target=flood)
        attacker.start()
        time.sleep(0.5)
        beside = _latencies(server, "/download/small.txt", 5)
        stop.set()
        attacker.join()
    yield Row("plain download alone, p50", quantile(alone, 0.5) * 1e3, "ms")
    yield Row("beside one connection that pipelines, p50", quantile(beside, 0.5) * 1e3, "ms", 1)
    yield Row("beside one connection that pipelines, p99", quantile(beside, 0.99) * 1e3, "ms", 15)


def _read_away(sock: socket.socket) -> None:
    with suppress(OSError):
        while sock.recv(1 << 20):
            pass


def _left(server: Server, requests: list[str]) -> tuple[float, float]:
    """CPU seconds after all the clients that asked have left, and the slowest answer of /readyz from then on.

    What asking /readyz costs by itself is measured before, and taken off.
    """
    asking, _ = _watched(server)
    for request in requests:
        with _connect(server) as sock:
            sock.sendall(request.encode())
            time.sleep(0.002)
    cpu, slowest = _watched(server)
    return max(0.0, cpu - asking), slowest


def _watched(server: Server) -> tuple[float, float]:
    """CPU seconds of the next five seconds, and the slowest answer of /readyz in them."""
    before = server.cpu_time().total
    slowest = 0.0
    end = time.perf_counter() + 5
    while time.perf_counter() < end:
        slowest = max(slowest, _get(server, "/readyz"))
        time.sleep(0.02)
    return server.cpu_time().total - before, slowest


def _digests(data: Path) -> Iterator[Row]:
    (data / "downloads").mkdir()
    for number in range(DIGESTS):
        with (data / "downloads" / f"{number}.bin").open("wb") as file:
            file.truncate(LARGE)
    head = "HEAD /download/{}.bin HTTP/1.1\r\nHost: x\r\nWant-Repr-Digest: sha-256=1\r\n\r\n"
    with _served(data) as server:
        cpu, slowest = _left(server, [head.format(number) for number in range(DIGESTS)])
    yield Row(f"{DIGESTS} digests of 2 GiB, all clients gone, CPU after that", cpu, "s", 1)
    yield Row("slowest /readyz meanwhile", slowest * 1e3, "ms", 100)


def _bundles(data: Path) -> Iterator[Row]:
    folder = data / "bundles" / "large"
    folder.mkdir(parents=True)
    for number in range(MEMBERS):
        (folder / f"{number}.txt").write_bytes(b"x")
    head = "HEAD /download/bundle/large HTTP/1.1\r\nHost: x\r\n\r\n"
    with _served(data) as server:
        cpu, slowest = _left(server, [head] * BUNDLES)
    yield Row(f"{BUNDLES} HEADs of a bundle of {MEMBERS:,} members, all clients gone, CPU after that", cpu, "s", 1)
    yield Row("slowest /readyz meanwhile", slowest * 1e3, "ms", 100)


def _stalled(data: Path) -> Iterator[Row]:
    with closing(sqlite3.connect(data / "app.db")) as database, database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, created_at TEXT)")
        values = ((n, f"name {n} " * 8, f"{n}@example.com", "2025-01-01") for n in range(USERS))
        database.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", values)
    (data / "downloads").mkdir()
    (data / "downloads" / "large.bin").write_bytes(bytes(64 << 20))
    (data / "bundles" / "large").mkdir(parents=True)
    for number in range(16):
        (data / "bundles" / "large" / f"{number}.txt").write_bytes(b"some text, again and again\n" * 160_000)
    kinds = {
        "exports": ("/export/users", 256.0),
        "downloads of 64 MiB": ("/download/large.bin", None),
        "stored bundles": ("/download/bundle/large", None),
        "deflated bundles": ("/download/bundle/large?compression=deflate", None),
    }
    for title, (path, bar) in kinds.items():
        with _served(data) as server, ExitStack() as stack:
            _get(server, path, "HEAD")
            server.settle()
            before = server.private()
            for _ in range(STALLED):
                sock = stack.enter_context(socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
                sock.connect((server.address.host, server.address.port))
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(8)
            grown = (server.private() - before) / 2**20
        yield Row(f"memory of {STALLED:,} stalled clients, {title}", grown, "MiB", bar)


def _columns(data: Path) -> Iterator[Row]:
    with closing(sqlite3.connect(data / "app.db")) as database, database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, created_at TEXT)")
    with _served(data) as server:
        queries: dict[str, Callable[[], str]] = {
            "columns": lambda: "columns=" + "a," * 30_000,
            "since": lambda: "since=" + "9" * 60_000,
            "limit": lambda: "&".join(["limit=x"] * 8_000),
        }
        for name, make in queries.items():
            path = "/export/users?" + make()
            before = server.cpu_time().total
            for _ in range(20):
                _get(server, path)
            each = (server.cpu_time().total - before) / 20
            yield Row(f"CPU of one query of 60 KB in `{name}`", each * 1e3, "ms", 5)
