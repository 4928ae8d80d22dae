"""A PostgreSQL server of the harness' own: made below the scratch directory, on a free port, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import data
from bench.targets import free_port

_TABLE = """
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, created_at timestamp NOT NULL);
"""


class NotAvailable(Exception):
    """No server can be started here; the text says why."""


def binaries() -> Path:
    """The directory of the newest installed server. Raises NotAvailable."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    raise NotAvailable("no PostgreSQL server is installed")


class Postgres:
    """`with Postgres(rows) as server: server.url`: a cluster with the users table, listening on loopback only."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._bin = binaries()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._user: str | None = None
        if os.geteuid() == 0:  # the server refuses to run as root
            try:
                pwd.getpwnam("postgres")
            except KeyError as error:
                raise NotAvailable("run by root, and there is no user postgres") from error
            self._user = "postgres"
        self._port = free_port()
        self.url = f"postgresql://bench@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotAvailable(f"{program}: {done.stderr.strip()[-300:]}")

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-postgres-")
        folder = Path(self._folder.name)
        if self._user:
            shutil.chown(folder, self._user)
        try:
            self._start(folder)
            self._fill(folder)
        except BaseException:
            self._stop()
            raise
        return self

    def _start(self, folder: Path) -> None:
        cluster = str(folder / "cluster")
        self._run("initdb", "-D", cluster, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "off",
            "jit": "off",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [str(self._bin / "postgres"), "-D", cluster, *words],
            user=self._user, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._await_ready()

    def _await_ready(self) -> None:
        for _ in range(100):
            done = subprocess.run(
                [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)], check=False
            )
            if not done.returncode:
                return
            time.sleep(0.1)
        raise NotAvailable("the PostgreSQL server did not become ready")

    def _fill(self, folder: Path) -> None:
        table = folder / "users.csv"
        data.write_csv(table, self._rows)
        self._sql(_TABLE)
        self._sql(f"\\copy users FROM '{table}' WITH (FORMAT csv)")
        self._sql("VACUUM (ANALYZE, FREEZE) users")

    def _sql(self, command: str) -> None:
        done = subprocess.run(
            [str(self._bin / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", self.url, "-c", command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NotAvailable(f"psql: {done.stderr.strip()[-300:]}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
