"""Places and surroundings: what is missing at the start, or goes later, takes away no more than itself."""

import http.client
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

import pytest

from asgi_downloads import demo
from tests.service.test_settings import KUBERNETES
from tests.support.fetch import fetch
from tests.support.nginx import free_port
from tests.support.serving import SERVE, environment, serving, until
from tests.system.test_life_cycle import children, running


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A data directory of the test's own."""
    demo.write_demo(tmp_path / "data", users=3)
    return tmp_path / "data"


def get(port: int, target: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        client.request("GET", target)
        answer = client.getresponse()
        return answer.status, answer.read()


def answers(port: int) -> bool:
    with suppress(ConnectionError):
        return get(port, "/livez")[0] == 200
    return False


STREAMS = {
    "stdout-closed": ">&-",
    "stdout-on-a-full-disk": ">/dev/full",
    "stderr-closed": "2>&-",
    "all-closed": "<&- >&- 2>&-",
    "all-full": ">/dev/full 2>&1",
}


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("how", STREAMS.values(), ids=STREAMS)
def test_it_serves_without_standard_streams(how: str, workers: str, data: Path) -> None:
    """And its log, which is written to descriptor 1, does not end up in whatever got that number."""
    port = free_port()
    command = [sys.executable, "-m", "asgi_downloads", "serve", str(data), "--port", str(port), "--workers", workers]
    shell = ["sh", "-c", f'exec "$@" {how}', "sh", *command, "--access-log", "--access-log-format", "json"]
    with subprocess.Popen(shell, env=environment(), stderr=subprocess.PIPE) as process:
        try:
            until(lambda: answers(port))
            for _ in range(3):
                assert get(port, "/reports/1") == (200, (data / "reports" / "1.pdf").read_bytes())
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_a_directory_whose_name_is_not_utf_8_is_served(own: Path) -> None:
    strange = own.parent / os.fsdecode(b"caf\xe9")
    own.rename(strange)
    with serving(strange, "--accel-prefix", "/_files/") as served:
        assert served.line.startswith(f"Serving {strange} on http://")
        for target in (
            "/download/bundle/holiday",
            "/export/users",
            "/readyz",
            "/file/notes.txt",
            "/reports/generate/7",
        ):
            assert fetch(f"{served.url}{target}").status == 200, target
        assert "Traceback" not in served.errors


def test_what_kubernetes_puts_into_the_environment_is_no_setting(data: Path) -> None:
    with serving(data, environ=KUBERNETES) as served:
        assert fetch(f"{served.url}/livez").status == 200


def test_a_database_that_cannot_be_opened_leaves_the_files(own: Path) -> None:
    """As after a power failure, on a disk that nobody may write to: there is something to roll back first."""
    database = own / "app.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as writing:
        writing.execute("PRAGMA cache_size = 1")
        writing.execute("BEGIN")
        writing.execute("CREATE TABLE more AS SELECT randomblob(9999) FROM users, users AS b, users AS c")
        shutil.copy(f"{database}-journal", own / "saved")
        content = database.read_bytes()
        writing.execute("ROLLBACK")
    database.write_bytes(content)
    (own / "saved").rename(f"{database}-journal")
    with serving(own) as served:
        assert re.search(r"warning: database '.*app\.db' cannot be read, so /export/users answers 503: ", served.errors)
        assert fetch(f"{served.url}/file/notes.txt").status == 200
        assert fetch(f"{served.url}/export/users").status == 503


READ_ONLY = """\
for place in / /tmp /var/tmp /dev/shm "$1"; do
    mount --bind $place $place && mount -o remount,ro,bind $place || exit 77
done
shift
exec "$@"
"""


def test_nowhere_to_write_leaves_the_files(own: Path) -> None:
    """A read-only root file system, and no place for temporary files in it."""
    try:
        subprocess.run(["unshare", "-m", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no mounts of one's own here")
    port = free_port()
    serve = [sys.executable, "-m", "asgi_downloads", "serve", str(own), "--port", str(port)]
    command = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", str(own), *serve]
    with subprocess.Popen(
        command, cwd=own, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until(lambda: process.poll() is not None or answers(port))
            if process.returncode == 77:
                pytest.skip("no mounts of one's own here")
            assert process.returncode is None, process.stderr.read() if process.stderr else ""
            assert get(port, "/file/notes.txt")[0] == 200
            assert get(port, "/download/bundle/holiday")[0] == 200
            assert get(port, "/export/users")[0] == 200
            assert get(port, "/export/data")[0] == 503
            assert get(port, "/reports/generate/7")[0] == 503
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        told = process.stderr.read()
        assert "warning: there is no directory for temporary files" in told
        assert "Traceback" not in told


class OnTerminal:
    """The service as somebody starts it in a window."""

    def __init__(self, *arguments: str | Path) -> None:
        self.port = free_port()
        self.pid, self._window = pty.fork()
        if self.pid == 0:
            command = [*SERVE[:3], "--port", str(self.port), *map(str, arguments)]
            os.execve(sys.executable, [sys.executable, *command], environment())
        until(lambda: answers(self.port))

    def close_window(self) -> None:
        os.close(self._window)
        self._window = -1

    def ended(self) -> bool:
        found, status = os.waitpid(self.pid, os.WNOHANG)
        assert status == 0
        return found == self.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._window >= 0:
            self.close_window()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_with_its_terminal(workers: str, data: Path) -> None:
    with OnTerminal(data, "--workers", workers) as service:
        processes = children(service.pid)
        service.close_window()

        def ended_whatever_it_hears() -> bool:
            with suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGHUP)  # a shell tells all of a job
            return service.ended()

        until(ended_whatever_it_hears)
        until(lambda: not any(map(running, processes)))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_is_not_the_end_of_a_terminal(workers: str, data: Path) -> None:
    with OnTerminal(data, "--workers", workers) as service:
        before = set(children(service.pid))
        os.kill(service.pid, signal.SIGHUP)
        until(lambda: workers == "1" or len(set(children(service.pid)) - before) == 2)
        assert answers(service.port)
        assert not service.ended()
