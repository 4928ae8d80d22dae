"""What the page of a large folder costs: `python -m bench folders` prints a row for each server and size.

Each page is looked at before it is timed: it has as many entries as it should, and each of them once.
"""

import os
import re
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.environment import ROOT
from bench.targets import Launch, Server, Target, missing

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 5
PAGE = 1_000

_NGINX = """daemon off; worker_processes 1; pid {scratch}/nginx.pid; error_log stderr warn; {user}
events {{ }}
http {{ access_log off; client_body_temp_path {scratch}/b; proxy_temp_path {scratch}/p; fastcgi_temp_path {scratch}/f;
uwsgi_temp_path {scratch}/u; scgi_temp_path {scratch}/s;
server {{ listen 127.0.0.1:{port}; root {data}; autoindex on; }} }}
"""


def _nginx(launch: Launch) -> list[tuple[int, list[str]]]:
    path = launch.scratch / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    path.write_text(_NGINX.format(scratch=launch.scratch, data=launch.data, port=launch.port, user=user))
    return [(launch.port, ["nginx", "-e", "stderr", "-c", str(path)])]


def _ours(launch: Launch) -> list[tuple[int, list[str]]]:
    words = [sys.executable, "-m", "asgi_downloads", "serve", str(launch.data), "--port", str(launch.port)]
    return [(launch.port, [*words, "--state-dir", str(launch.scratch / "state")])]


def _copyparty(launch: Launch) -> list[tuple[int, list[str]]]:
    words = [sys.executable, "-m", "copyparty", "-q", "-i", "127.0.0.1", "-p", str(launch.port), "--no-thumb"]
    return [(launch.port, [*words, "-v", f"{launch.data}::r"])]


_OURS, _NGINX_TARGET = Target("ours", "this service", _ours), Target("nginx", "autoindex", _nginx, needs=("nginx",))
_COPYPARTY = Target(
    "copyparty",
    "copyparty",
    _copyparty,
    # Wherever it was installed, also by `pip install --target`.
    lambda launch: {"PYTHONPATH": f"{ROOT}/app:{ROOT}:{os.environ.get('PYTHONPATH', '')}", "HOME": str(launch.scratch)},
    needs=("py:copyparty",),
)


@dataclass(frozen=True)
class Listing:
    """What one server says of a folder: where, and how many entries of so many its answer is to name."""

    title: str
    target: Target
    path: str
    entries: Callable[[int], int]


LISTINGS = (
    Listing("this service, first page", _OURS, "/browse/", lambda size: min(size, PAGE)),
    Listing("this service, JSON of all", _OURS, "/browse/?format=json", int),
    Listing("nginx autoindex, all", _NGINX_TARGET, "/", int),
    Listing("copyparty, all as data of its script", _COPYPARTY, "/", int),
    Listing("copyparty, JSON of all", _COPYPARTY, "/?ls", int),
)


class Cost(NamedTuple):
    """Seconds to the first byte and the last, bytes, and seconds of the server's CPU, of one answer."""

    first: float
    last: float
    size: int
    cpu: float


def rows() -> Iterator[str]:
    """A line of a Markdown table for each size and listing."""
    for size in SIZES:
        with TemporaryDirectory(prefix="bench-folders-") as folder:
            data = Path(folder) / "data"
            data.mkdir()
            for number in range(size):
                (data / f"entry-{number}.txt").touch()
            for listing in LISTINGS:
                reason = missing(listing.target.needs)
                yield f"| {size:,} | {listing.title} | {reason or _told(measure(listing, data, size))} |"


def measure(listing: Listing, data: Path, size: int, rounds: int = ROUNDS) -> list[Cost]:
    """The costs of so many answers, after one that was looked at; raises `AssertionError` for a wrong one."""
    with Server(listing.target, data) as server:
        check(_ask(server, listing.path)[1], listing.entries(size))
        costs = []
        for _ in range(rounds):
            server.settle()
            before = server.cpu_time()
            (first, last), content = _ask(server, listing.path)
            server.settle()
            costs.append(Cost(first, last, len(content), (server.cpu_time() - before).total))
        return costs


def check(answer: bytes, entries: int) -> None:
    """Raise `AssertionError` unless the answer is a 200 that names so many entries."""
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
    found = len(set(re.findall(rb"entry-[0-9]+\.txt", answer)))
    assert found == entries, f"{found} entries, not {entries}"


def _ask(server: Server, path: str) -> tuple[tuple[float, float], bytes]:
    started = time.perf_counter()
    with socket.create_connection((server.address.host, server.address.port), 60) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n".encode())
        content = bytearray(sock.recv(1 << 16))
        first = time.perf_counter() - started
        while block := sock.recv(1 << 18):
            content += block
    return (first, time.perf_counter() - started), bytes(content)


def _told(costs: list[Cost]) -> str:
    first, last, size, cpu = (statistics.median(values) for values in zip(*costs, strict=True))
    return f"{first * 1000:,.0f} ms | {last * 1000:,.0f} ms | {size / 1000:,.0f} kB | {cpu * 1000:,.0f} ms"
