"""A PostgreSQL server of the tests' own: made, started and removed by them, on a Unix socket and a free port."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import require

_OPTIONS = "-c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=20 -c unix_socket_directories={directory}"


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a running server with an empty database; skips where PostgreSQL is not installed.

    It refuses to run as root, so root runs it as the user that the package made.
    """
    _find_programs()
    require("initdb", "pg_ctl", "psql")
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            require("runuser")
            shutil.chown(directory, "postgres")
            as_user = ("runuser", "-u", "postgres", "--")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        data = str(directory / "data")
        _run(*as_user, "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        options = f"{_OPTIONS.format(directory=directory)} -p {port}"
        _run(*as_user, "pg_ctl", "-D", data, "-l", str(directory / "log"), "-o", options, "-w", "start")
        try:
            yield f"postgresql://tester@/postgres?host={directory}&port={port}"
        finally:
            _run(*as_user, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory)


def psql(url: str, statements: str) -> str:
    """What psql prints for `statements`, without decoration."""
    command = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-")
    return subprocess.run(command, input=statements, capture_output=True, check=True, text=True).stdout


def _find_programs() -> None:
    """Debian keeps the server's programs out of PATH, by version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parts[-2])
    if versions and shutil.which("initdb") is None:
        os.environ["PATH"] += f":{versions[-1]}"


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    assert done.returncode == 0, done.stdout
