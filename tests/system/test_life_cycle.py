"""The end of the service, and of its workers: nobody who was being served notices."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.fetch import fetch
from tests.support.serving import SERVE, Served, environment, serving, until
from tests.system.conftest import BIG

TARGET = "/download/large/big.bin"

WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


def connect(served: Served) -> http.client.HTTPConnection:
    address = urlsplit(served.url)
    assert address.hostname is not None
    return http.client.HTTPConnection(address.hostname, address.port, timeout=15)


@contextmanager
def download(served: Served) -> Iterator[http.client.HTTPResponse]:
    """A download that has begun, and that the client does not go on reading by itself."""
    with closing(connect(served)) as client:
        client.request("GET", TARGET)
        answer = client.getresponse()
        assert answer.read(1000)
        yield answer


def children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@WORKERS
def test_what_is_under_way_is_finished_and_nothing_new_begun(workers: str, data: Path) -> None:
    with serving(data, "--workers", workers) as served, ExitStack() as stack:
        answers = [stack.enter_context(download(served)) for _ in range(10)]
        idle = stack.enter_context(closing(connect(served)))
        idle.request("GET", "/readyz")
        assert idle.getresponse().read() == b'{"status":"ok"}'

        told = time.monotonic()
        served.process.terminate()
        while True:
            try:
                with closing(connect(served)) as probe:
                    probe.connect()
            except (ConnectionRefusedError, ConnectionResetError):  # the latter in the moment of closing
                break
            assert time.monotonic() - told < 1, "still accepting"
        idle.request("GET", "/readyz")
        answer = idle.getresponse()
        assert answer.status == 503
        assert answer.getheader("connection") == "close"
        assert answer.read() == b'{"status":"unavailable","checks":{"server":"draining"}}'
        for each in answers:
            assert len(each.read()) == BIG - 1000
        last = time.monotonic()
        assert served.process.wait(10) == 0
        assert time.monotonic() - last < 1


@WORKERS
def test_time_is_limited_for_a_client_that_takes_nothing(workers: str, data: Path) -> None:
    flags = ("--workers", workers, "--graceful-timeout", "500ms")
    with serving(data, *flags) as served, download(served) as answer:
        told = time.monotonic()
        assert served.stop() == 0
        assert 0.4 < time.monotonic() - told < 3
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()


@WORKERS
def test_told_twice_it_ends_at_once(workers: str, data: Path) -> None:
    with serving(data, "--workers", workers) as served, download(served) as answer:
        served.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            served.process.wait(0.5)  # the download is waited for
        told = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - told < 1
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()


def test_it_accepts_for_a_while_if_that_is_wanted(data: Path) -> None:
    with serving(data, "--drain-delay", "600ms") as served:
        served.process.terminate()
        until(lambda: fetch(f"{served.url}/readyz").status == 503, 0.5)
        assert fetch(f"{served.url}/reports/1").status == 200
        assert served.process.wait(5) == 0


def test_workers_are_replaced_without_a_failed_request(data: Path) -> None:
    with serving(data, "--workers", "2", "--graceful-timeout", "10s") as served:
        before = set(children(served.process.pid))
        assert len(before) == 2
        failed: list[str] = []
        count = [0]
        stop = threading.Event()

        def ask(keep: bool) -> None:
            client = connect(served)
            while not stop.is_set():
                try:
                    client.request("GET", "/reports/1")
                    answer = client.getresponse()
                    if answer.status != 200 or not answer.read().startswith(b"%PDF"):
                        failed.append(str(answer.status))
                    count[0] += 1
                except (OSError, http.client.HTTPException) as error:
                    failed.append(repr(error))
                    client.close()
                if not keep or answer.getheader("connection") == "close":
                    client.close()
            client.close()

        with download(served) as answer:
            askers = [threading.Thread(target=ask, args=(keep,)) for keep in (True, True, False, False)]
            for thread in askers:
                thread.start()
            for _ in range(2):
                begun = set(children(served.process.pid))
                served.process.send_signal(signal.SIGHUP)
                until(lambda: len(set(children(served.process.pid)) - begun) == 2)  # noqa: B023 - called at once
                until(lambda: len(set(children(served.process.pid)) & begun) <= 1)  # noqa: B023
            assert len(answer.read()) == BIG - 1000
        stop.set()
        for thread in askers:
            thread.join()
        assert not failed
        assert count[0] > 100
        until(lambda: len(children(served.process.pid)) == 2)
        assert not before & set(children(served.process.pid))
        assert served.stop() == 0


def test_one_process_says_that_it_has_no_workers_to_replace(data: Path) -> None:
    with serving(data) as served:
        served.process.send_signal(signal.SIGHUP)
        assert fetch(f"{served.url}/livez").status == 200
        assert served.stop() == 0


def test_a_killed_worker_is_replaced(data: Path) -> None:
    with serving(data, "--workers", "2") as served:
        for _ in range(3):
            until(lambda: len(children(served.process.pid)) == 2)
            victim = children(served.process.pid)[0]
            os.kill(victim, signal.SIGKILL)
            assert fetch(f"{served.url}/reports/1").status == 200
            until(lambda: not running(victim))  # noqa: B023
        assert served.stop() == 0


def test_workers_do_not_outlive_their_supervisor(data: Path) -> None:
    with serving(data, "--workers", "2") as served:
        workers = children(served.process.pid)
        served.process.kill()
        served.process.wait()
        until(lambda: not any(map(running, workers)))


@WORKERS
def test_a_socket_that_is_passed_is_served_and_left_to_its_owner(workers: str, data: Path) -> None:
    """As systemd does it: descriptor 3, and a word in the environment for this very process."""
    pass_on = (
        "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid());"
        "os.dup2(int(sys.argv[1]), 3); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    )
    with socket.create_server(("127.0.0.1", 0)) as owned:
        port = owned.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", pass_on, str(owned.fileno()), *SERVE[:3], str(data), "--workers", workers],
            env=environment({"LISTEN_FDS": "1"}),
            pass_fds=(owned.fileno(), 3) if owned.fileno() != 3 else (3,),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        served = Served(process, line.rstrip("\n"))
        try:
            assert re.search(rf" on http://127\.0\.0\.1:{port}$", line)
            assert fetch(f"{served.url}/livez").status == 200
            assert served.stop() == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        with closing(connect(served)) as next_one:
            next_one.connect()  # the socket still listens: what comes now waits for the next
