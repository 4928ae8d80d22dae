"""What the service tells of itself: the access log, the metrics, the limits. All of it on the wire."""

import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.nginx import behind_nginx, fields, get, raw
from tests.support.serving import Served, serving, until
from tests.system.conftest import BIG
from tests.system.test_life_cycle import connect, download


class Lines:
    """What a server writes to standard output after its first line."""

    def __init__(self, served: Served) -> None:
        assert served.process.stdout is not None
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(served.process.stdout,))
        self._thread.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.lines.append(line.rstrip("\n"))

    def find(self, path: str) -> dict[str, Any]:
        """The line of the request for `path`, which must be the only one."""
        until(lambda: any(f'"path":"{path}' in line for line in self.lines), 5)
        found = [json.loads(line) for line in self.lines if f'"path":"{path}' in line]
        assert len(found) == 1
        return dict(found[0])

    def close(self) -> None:
        self._thread.join(10)


@contextmanager
def logging(data: Path, *flags: str) -> Iterator[tuple[Served, int, Lines]]:
    with serving(data, "--access-log", *flags) as served:
        port = int(served.url.rpartition(":")[2])
        lines = Lines(served)
        try:
            yield served, port, lines
        finally:
            served.process.terminate()
            lines.close()


def lent() -> int:
    """Bytes of a file of which some go by reference: more than all queues between us and a client hold, and 16 MiB."""
    queues = [Path(f"/proc/sys/net/ipv4/tcp_{way}mem").read_text().split()[2] for way in "rw"]
    return sum(map(int, queues)) + (16 << 20)


def test_a_line_for_each_request_says_what_happened(data: Path) -> None:
    with logging(data) as (_, port, lines):
        answer = raw(port, get("/reports/1?a=%22&b", "X-Request-ID: mine/1", "Range: bytes=0-9"))
        assert dict(fields(answer))["x-request-id"] == "mine/1"
        line = lines.find("/reports/1?a=%22&b")
        assert line.pop("time").endswith("Z")
        assert 0 <= line.pop("first_byte") <= line.pop("duration") < 5
        size = (data / "reports" / "1.pdf").stat().st_size
        assert line == {
            "request_id": "mine/1",
            "client": "127.0.0.1",
            "method": "GET",
            "path": "/reports/1?a=%22&b",
            "status": 206,
            "bytes_sent": 10,
            "bytes_whole": size,
            "range": "bytes=0-9",
            "outcome": "complete",
            "sent_by": "blocks",
        }
        huge = lent()
        with (data / "large-files" / "huge.bin").open("wb") as file:
            file.truncate(huge)
        raw(port, get("/download/large/huge.bin"))
        line = lines.find("/download/large/huge.bin")
        assert (line["bytes_sent"], line["bytes_whole"], line["sent_by"]) == (huge, huge, "zerocopy")
        raw(port, get("/reports/2024-q4", method="HEAD"))
        assert lines.find("/reports/2024-q4")["bytes_sent"] == 0
        raw(port, get("/export/users"))
        line = lines.find("/export/users")
        assert (line["outcome"], line["bytes_whole"]) == ("complete", None)
        assert line["bytes_sent"] > 1000
        assert raw(port, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        until(lambda: any('"status":400' in line for line in lines.lines))


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>"])
def test_an_id_that_is_not_sane_is_replaced(sent: str, data: Path, shared: tuple[Served, int, Lines]) -> None:
    answer = dict(fields(raw(shared[1], get("/livez", f"X-Request-ID: {sent}"))))
    assert re.fullmatch("[0-9a-f]{32}", answer["x-request-id"])


@pytest.fixture(scope="module")
def shared(data: Path) -> Iterator[tuple[Served, int, Lines]]:
    with logging(data, "--stall-timeout", "1s") as everything:
        yield everything


def test_a_client_that_leaves_halfway_is_told_of_with_half_the_bytes(shared: tuple[Served, int, Lines]) -> None:
    _, port, lines = shared
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.sendall(get("/download/large/big.bin?left"))
        taken = 0
        while taken < BIG // 2:
            taken += len(sock.recv(1 << 16))
    line = lines.find("/download/large/big.bin?left")
    assert line["outcome"] == "aborted"
    assert BIG // 2 - 1000 <= line["bytes_sent"] < BIG
    assert line["bytes_whole"] == BIG


def test_a_client_that_stalls_is_told_of(shared: tuple[Served, int, Lines]) -> None:
    _, port, lines = shared
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(get("/download/large/big.bin?stalled"))
        line = lines.find("/download/large/big.bin?stalled")
    assert line["outcome"] == "stalled"
    assert 0 < line["bytes_sent"] < BIG


def test_a_file_that_changes_is_told_of_as_failed(shared: tuple[Served, int, Lines], data: Path) -> None:
    _, port, lines = shared
    changing = data / "large-files" / "changing.bin"
    changing.write_bytes(bytes(BIG))
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(get("/download/large/changing.bin"))
        assert sock.recv(1000)
        os.truncate(changing, 1000)
        rest = 0
        try:
            while block := sock.recv(1 << 20):
                rest += len(block)
        except ConnectionResetError:
            pass
    assert rest < BIG
    line = lines.find("/download/large/changing.bin")
    assert line["outcome"] == "failed"
    assert line["bytes_sent"] < line["bytes_whole"] == BIG


def test_the_log_does_not_wait_for_its_reader(data: Path) -> None:
    """Nobody reads the pipe; every answer comes all the same, and the end does too."""
    with serving(data, "--access-log") as served, closing(connect(served)) as client:
        long = "/none?" + "x" * 250
        for _ in range(400):
            client.request("GET", long)
            assert client.getresponse().read() == b'{"detail":"Not Found"}'
        begun = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - begun < 4


def test_a_proxy_by_unix_socket_is_believed_and_offloading_is_told_of(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "out"
    with behind_nginx(tmp_path / "n", data, "--accel-prefix", "/_files/", "--access-log") as site:
        lines = Lines(site.served)
        lie = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: gopher")
        answer = raw(site.port, get("/reports/1", *lie, "X-Request-ID: through-both"))
        assert dict(fields(answer))["x-request-id"] == "through-both"
        line = lines.find("/reports/1")
        assert (line["client"], line["sent_by"], line["request_id"]) == ("127.0.0.1", "offload", "through-both")
        site.served.process.terminate()
        lines.close()
    assert not log.exists()


def samples(served: Served) -> dict[str, float]:
    with closing(connect(served)) as client:
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
    pairs = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_metrics_are_those_of_all_workers(workers: str, data: Path) -> None:
    pytest.importorskip("prometheus_client")
    with serving(data, "--metrics", "--workers", workers) as served:
        for _ in range(20):
            raw(int(served.url.rpartition(":")[2]), get("/reports/1"))
        with download(served):
            found = samples(served)
            assert found["downloads_active"] == 2  # the download, and the question
        assert found['downloads_requests_total{method="GET",status="200"}'] == 20
        assert found['downloads_outcomes_total{outcome="complete"}'] == 20
        assert found["downloads_first_byte_seconds_count"] == 20
        until(lambda: samples(served)['downloads_outcomes_total{outcome="aborted"}'] == 1)
        until(lambda: samples(served)["downloads_active"] == 1)  # the last one to ask may be counted a moment later


def test_there_are_no_metrics_unless_wanted(data: Path) -> None:
    with serving(data) as served, closing(connect(served)) as client:
        client.request("GET", "/metrics")
        assert client.getresponse().status == 404


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("limit", ["--max-downloads", "--max-downloads-per-client"])
def test_too_many_downloads_are_sent_away(limit: str, workers: str, data: Path) -> None:
    with serving(data, limit, "2", "--workers", workers) as served:
        with download(served), download(served), closing(connect(served)) as third:
            third.request("GET", "/reports/1")
            answer = third.getresponse()
            assert (answer.status, answer.getheader("retry-after")) == (503, "5")
            answer.read()
            third.request("GET", "/readyz")
            assert third.getresponse().status == 200

        def free() -> bool:
            with closing(connect(served)) as again:
                again.request("GET", "/reports/1")
                return again.getresponse().status == 200

        until(free)


@pytest.mark.parametrize("flags", [(), ("--accel-prefix", "/_files/")], ids=["proxied", "offloaded"])
@pytest.mark.slow
def test_limits_hold_through_nginx(flags: Sequence[str], data: Path, tmp_path: Path) -> None:
    limits = ("--max-downloads-per-client", "1", "--rate-limit", "8M")
    with behind_nginx(tmp_path / "n", data, *flags, *limits) as site, ExitStack() as stack:
        begun = time.monotonic()
        client = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)))
        client.request("GET", "/download/large/big.bin")
        running = client.getresponse()
        refused = raw(site.port, get("/reports/1"))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert "retry-after" in dict(fields(refused))
        assert len(running.read()) == BIG
        assert 1.5 < time.monotonic() - begun < 6  # 24M at 8M in a second, of which one second's at once


def test_text_for_people(data: Path) -> None:
    with serving(data, "--access-log", "--access-log-format", "text") as served:
        lines = Lines(served)
        raw(int(served.url.rpartition(":")[2]), get("/reports/1", "Range: bytes=0-9"))
        until(lambda: bool(lines.lines))
        assert re.fullmatch(
            r"[0-9:]{8} 127\.0\.0\.1 GET /reports/1 206 10 of \d+ bytes in \d+\.\d ms, complete, blocks", lines.lines[0]
        )
        served.process.terminate()
        lines.close()


def test_nothing_that_a_terminal_obeys_gets_into_the_log(shared: tuple[Served, int, Lines]) -> None:
    _, port, lines = shared
    raw(port, b"GET /escape HTTP/1.1\r\nHost: a\r\nRange: \x1b[2J\xff\r\nConnection: close\r\n\r\n")
    raw(port, get("/escaped", "Range: \xff\xfe"))
    lines.find("/escaped")
    assert all(line.isascii() and line.isprintable() for line in lines.lines)
