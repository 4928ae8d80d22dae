"""Every call that may fail is made to fail once, with every error, as curl's torture tests do.

First a request is watched and its calls are counted; then it is made anew for each of them, and
that one fails. The client must get either all of the right bytes, or a clean error, or an answer
that it can see is broken. The next request must be right, and nothing may be left open.
"""

import ctypes
import errno
import gc
import itertools
import logging
import mmap
import os
import re
import shutil
import socket
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from asgi_downloads import demo
from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.files import beneath
from asgi_downloads.storage.rows import sqlite as rows
from tests.server.serving import SETUPS, Client, Response, Served

pytestmark = pytest.mark.slow

SETUP = next(setup for setup in SETUPS if setup.id == "httptools-asyncio")

ERRORS = ("EMFILE", "ENOMEM", "EIO", "ESTALE", "EINTR", "EAGAIN", "ENOSPC", "EPIPE", "ECONNRESET")

BIG = 6 << 20
"""Bytes; over a Unix socket, where little is on its way at a time, some of so many are sent without copying."""


@dataclass(frozen=True)
class Scenario:
    id: str
    target: str
    calls: tuple[str, ...]
    """What it calls that may fail, by name and module; a test says if that is no longer so."""
    range: str = ""
    cold: bool = False
    """Whether the first request to a service that knows nothing yet is meant."""
    kept: bool = False
    """Whether answers to small files are kept, which takes all other calls away."""


OPENING = ("openat2", "fstat openfile")
SENDING = ("writev socket_wire",)
ZERO_COPY = (
    *SENDING,
    "sendfile socket_wire",
    "mmap socket_wire",
    "preadv socket_wire",
    "dup socket_wire",
    "preadv page_cache",
    "preadv openfile",
)
BUNDLE = (
    "openat2",
    "fstat contents",
    "fstat members",
    "fstat openfile",
    "preadv members",
    "preadv openfile",
)
SCANNING = (
    "stat tree",
    "open tree",
    "dup tree",
    "fstat scan",
    "scandir scan",
    "stat scan",
)
SCENARIOS = [
    Scenario("small", "/download/report.pdf", (*OPENING, *SENDING, "preadv openfile")),
    Scenario("kept", "/download/report.pdf", (*SENDING, "stat kept"), kept=True),
    Scenario("large", "/download/large/big.bin", (*OPENING, *ZERO_COPY)),
    Scenario("range", "/download/large/big.bin", (*OPENING, *ZERO_COPY), "bytes=100-6000000"),
    Scenario("ranges", "/download/large/big.bin", (*OPENING, *SENDING), "bytes=0-9,100-109"),
    Scenario("bundle", "/download/bundle/b", (*BUNDLE, "stat listing", *ZERO_COPY)),
    Scenario("new-bundle", "/download/bundle/b", (*BUNDLE, *SCANNING), cold=True),
    Scenario("export-users", "/export/users", (*SENDING, "sqlite connect", "sqlite step")),
    Scenario("export-data", "/export/data", (*SENDING, "open temporary", "tempfile write")),
    Scenario("made-report", "/reports/generate/x", ("open temporary", "tempfile write")),
]

WATCHED = ("open", "fstat", "stat", "pread", "preadv", "sendfile", "writev", "dup", "scandir")


@dataclass
class Torturer:
    """Counts the calls of the application, and makes one of them fail."""

    counts: Counter[str] = field(default_factory=Counter)
    watching: bool = False
    victim: str = ""
    number: int = 0
    code: int = 0
    fired: int = 0

    def hit(self, name: str) -> bool:
        """Whether this call of `name` is the one."""
        if not self.watching:
            return False
        self.counts[name] += 1
        if name != self.victim or self.counts[name] != self.number:
            return False
        self.fired += 1
        return True

    def error(self) -> OSError:
        return OSError(self.code, os.strerror(self.code))

    def fail(self, call: str, number: int, code: int) -> None:
        """From now on count anew, and let that one fail."""
        self.counts.clear()
        self.watching = True
        self.victim, self.number, self.code, self.fired = call, number, code, 0

    # -- the ways in

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`os.name` as the application finds it; for others nothing changes."""

        def call(*args: Any, **options: Any) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if caller.startswith("asgi_downloads.") and self.hit(f"{name} {caller.rpartition('.')[2]}"):
                raise self.error()
            return function(*args, **options)

        return call

    def syscall(self, *args: Any) -> int:
        if self.hit("openat2"):
            ctypes.set_errno(self.code)
            return -1
        return int(_syscall(*args))

    def connect(self, uri: str, lock_wait: float) -> sqlite3.Connection:
        if self.hit("sqlite connect"):
            raise self.sqlite_error()
        torturer = self

        class Cursor(sqlite3.Cursor):
            def execute(self, *args: Any) -> "Cursor":
                torturer.step()
                super().execute(*args)
                return self

            def fetchone(self) -> Any:
                torturer.step()
                return super().fetchone()

            def fetchall(self) -> list[Any]:
                torturer.step()
                return super().fetchall()

            def __next__(self) -> Any:
                torturer.step()
                return super().__next__()

        connection = _connect(uri, lock_wait)
        return _Proxy(connection, Cursor)  # type: ignore[return-value]

    def step(self) -> None:
        if self.hit("sqlite step"):
            raise self.sqlite_error()

    def sqlite_error(self) -> sqlite3.Error:
        """What SQLite makes of it: its own words for no memory, no room, no descriptor and all the rest."""
        codes = {
            errno.ENOMEM: (sqlite3.SQLITE_NOMEM, "out of memory"),
            errno.ENOSPC: (sqlite3.SQLITE_FULL, "database or disk is full"),
            errno.EMFILE: (sqlite3.SQLITE_CANTOPEN, "unable to open database file"),
        }
        code, text = codes.get(self.code, (sqlite3.SQLITE_IOERR, "disk I/O error"))
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        return error


class _Proxy:
    """A connection whose statements may fail."""

    def __init__(self, connection: sqlite3.Connection, cursor: type[sqlite3.Cursor]) -> None:
        vars(self).update(_connection=connection, _cursor=cursor)

    def execute(self, *args: Any) -> sqlite3.Cursor:
        cursor: sqlite3.Cursor = self._connection.cursor(self._cursor)
        return cursor.execute(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._connection, name, value)


_numbers = itertools.count()
_syscall = beneath._syscall
_connect = rows._connect


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("torture") / "data"
    demo.write_demo(data, users=2000)
    content = os.urandom(BIG)
    (data / "bundles" / "b").mkdir()
    for path in (data / "large-files" / "big.bin", data / "bundles" / "b" / "one.bin"):
        path.write_bytes(content)
    (data / "bundles" / "b" / "two.txt").write_text("two " * 100)
    for path in data.rglob("*"):
        if path.is_file():
            os.utime(path, (1e9, 1e9))
    return data


class Patient(Served):
    """Lets the application keep what it keeps for all requests: its directories and what it knows of files."""

    def __exit__(self, *exc: object) -> None:
        from tests.server import serving

        gc.collect()  # what an exception's traceback still held
        self._descriptors |= {name for name in serving._descriptors() if _is_kept(name)}
        super().__exit__(*exc)


def _is_kept(descriptor: str) -> bool:
    path = descriptor.partition(" ")[2]
    return "/.state/" in path or os.path.isdir(path)


@contextmanager
def being_served(tree: Path, torturer: Torturer, tmp_path: Path, *, kept: bool = False) -> Iterator[Served]:
    settings = Settings(data_dir=tree, temp_dir=tmp_path, state_dir=tmp_path / "state" / ".state")
    app: Application = create_app(settings)
    with pytest.MonkeyPatch.context() as patch:
        for name in WATCHED:
            patch.setattr(os, name, torturer.around(name, getattr(os, name)))
        patch.setattr(mmap, "mmap", torturer.around("mmap", mmap.mmap))
        patch.setattr(beneath, "_syscall", torturer.syscall)
        # What is kept must not depend on how long ago the files were made.
        patch.setattr("asgi_downloads.storage.files.state.SETTLING_NS", -(1 << 40))
        patch.setattr("asgi_downloads.responses.kept.LARGEST", 1 << 40 if kept else -1)
        patch.setattr(rows, "_connect", torturer.connect)
        _tortured_writes(torturer, patch)
        with TemporaryDirectory() as folder, Patient(SETUP, app, uds=f"{folder}/socket") as served:
            yield served
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and ".state" not in str(path)]
    app._checksums.close()


def _tortured_writes(torturer: Torturer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing to a temporary file, which aiofiles does in C."""
    import aiofiles.threadpool.binary as binary

    original = binary.AsyncBufferedIOBase.write

    async def write(self: Any, data: bytes) -> int:
        if torturer.hit("tempfile write"):
            raise torturer.error()
        return int(await original(self, data))

    monkeypatch.setattr(binary.AsyncBufferedIOBase, "write", write)


def ask(served: Served, scenario: Scenario) -> Response | None:
    """The answer, or None if the connection was closed without one."""
    # A query of its own, so that no answer that was kept is sent again.
    fresh = f"?{next(_numbers)}" if scenario.id == "small" else ""
    with served.connect() as client:
        client.request(scenario.target + fresh, *([f"Range: {scenario.range}"] if scenario.range else []))
        return read(client)


def read(client: Client) -> Response | None:
    try:
        return client.response()
    except (ValueError, ConnectionResetError):  # no head, or half of one
        return None


def comparable(response: Response) -> bytes:
    """The content without what differs each time: boundaries, dates in a report."""
    content = response.content
    kind = dict(response.fields).get("content-type", "")
    if "boundary=" in kind:
        content = content.replace(kind.partition("boundary=")[2].encode(), b"")
    if kind == "application/pdf":
        content = re.sub(rb"/ID \[.*?\]|\(D:\d+[^)]*\)|Generated[^)]*", b"", content, flags=re.DOTALL)[:200]
    return content


CASES = [(scenario, call) for scenario in SCENARIOS for call in scenario.calls]

VARYING = {
    "sendfile socket_wire",
    "mmap socket_wire",
    "preadv socket_wire",
    "writev socket_wire",
    "preadv page_cache",
    "stat kept",
    "fstat openfile",
}
"""Calls whose number depends on how fast the client reads, or that are made when it has its answer already; the later
one that fails is then their second."""


@pytest.mark.parametrize("which", ["first", "last"])
@pytest.mark.parametrize(("scenario", "call"), CASES, ids=[f"{scenario.id}-{call}" for scenario, call in CASES])
def test_whatever_fails_the_client_is_not_deceived(
    scenario: Scenario,
    call: str,
    which: str,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What pytest keeps of a log keeps exceptions, and they keep what their frames had open.
    monkeypatch.setattr(logging.getLogger("asgi_downloads"), "propagate", False)
    torturer = Torturer()
    if not scenario.cold:
        with being_served(tree, torturer, tmp_path, kept=scenario.kept) as served:
            ask(served, scenario)
            truth = watch(served, scenario, torturer)
            torture(served, scenario, torturer, truth, call, number_of(call, which, torturer), ERRORS)
        return
    with being_served(tree, torturer, tmp_path, kept=scenario.kept) as served:
        truth = watch(served, scenario, torturer)
        number = number_of(call, which, torturer)
    for error in ERRORS[:3]:
        shutil.rmtree(tmp_path / "state", ignore_errors=True)  # what is kept between runs
        with being_served(tree, torturer, tmp_path, kept=scenario.kept) as served:
            torture(served, scenario, torturer, truth, call, number, (error,))


def number_of(call: str, which: str, torturer: Torturer) -> int:
    """Which of the calls that were counted is to fail."""
    assert torturer.counts[call], f"{call} is no longer called: {dict(torturer.counts)}"
    if which == "first":
        return 1
    return 2 if call in VARYING else torturer.counts[call]


def torture(
    served: Served,
    scenario: Scenario,
    torturer: Torturer,
    truth: Response,
    call: str,
    number: int,
    errors: tuple[str, ...],
) -> None:
    """Make the call fail with each error, and after each ask once more while nothing fails."""
    for error in errors:
        torturer.fail(call, number, getattr(errno, error))
        answer = ask(served, scenario)
        assert torturer.fired or (call in VARYING and number == 2), f"{call} was not called again"
        judge(answer, truth, served)
        after = watch(served, scenario, torturer)
        assert after.status == truth.status
        assert comparable(after) == comparable(truth)


def watch(served: Served, scenario: Scenario, torturer: Torturer) -> Response:
    """An answer while nothing fails, which must be right; its calls are counted."""
    torturer.fail("", 0, 0)
    answer = ask(served, scenario)
    assert answer is not None
    assert answer.status in (200, 206)
    assert answer.complete
    return answer


def judge(answer: Response | None, truth: Response, served: Served) -> None:
    assert not [line for line in served.log if "Traceback" in line], served.log
    if answer is None or not answer.complete:
        return  # the client sees that it has not got all
    if answer.status == truth.status:
        assert comparable(answer) == comparable(truth)
        return
    assert answer.status in (404, 503), answer
    assert answer["content-type"] == "application/json"
    assert b"/tmp" not in answer.content
    assert b"Errno" not in answer.content


@pytest.mark.parametrize("code", ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ECONNABORTED", "EPROTO", "EPERM"])
def test_a_failing_accept_is_tried_again(
    code: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torturer = Torturer(code=getattr(errno, code))
    accept = socket.socket.accept
    failures = [1]

    def failing(self: socket.socket) -> Any:
        if failures[0]:
            failures[0] -= 1
            raise torturer.error()
        return accept(self)

    with being_served(tree, torturer, tmp_path) as served:
        monkeypatch.setattr(socket.socket, "accept", failing)
        answer = ask(served, SCENARIOS[0])
        assert answer is not None
        assert (answer.status, answer.complete) == (200, True)
        assert not failures[0]
