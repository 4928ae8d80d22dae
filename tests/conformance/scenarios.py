"""What one exchange cannot show: files that change under a download, clients that leave, servers that stop, prefixes.

Each is a function that asserts; its entry says which rows it stands for and on which targets it runs.
"""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance import tree
from tests.conformance.case import UVICORN, Kind, Request, get, send
from tests.conformance.client import TIMEOUT, Answer, BrokenAnswer, Connection, exchange, serialize
from tests.conformance.in_process import TAKEN, InProcess
from tests.conformance.targets import PROJECT, Fleet, Reference, Server, Service, Subject, process

BIG: Final = 24 << 20
"""More than all socket buffers between two processes hold: the sender is still at work when we change the file."""

SMALL_WINDOW: Final = 32 << 10


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays on."""

    name: str
    fleet: Fleet
    data_dir: Path
    work: Path

    @property
    def server(self) -> Server:
        target = self.fleet[self.name]
        assert isinstance(target, Server)
        return target

    @contextmanager
    def file(self, content: bytes, directory: str = "downloads", name: str = "changing.bin") -> Iterator[Path]:
        """A file of its own in the served tree."""
        path = self.data_dir / directory / name
        path.write_bytes(content)
        os.utime(path, ns=(tree.MTIME * 10**9,) * 2)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


Play = Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that must hold over time."""

    id: str
    rows: tuple[str, ...]
    kind: Kind
    why: str
    on: frozenset[str]
    play: Play


SCENARIOS: Final[list[Scenario]] = []


def _scenario(id_: str, rows: str, kind: Kind, why: str, on: frozenset[str] = UVICORN) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        SCENARIOS.append(Scenario(id_, tuple(rows.split()), kind, why, on, play))
        return play

    return add


def _eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not holds():  # the other process tells nobody when it has done this
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@contextmanager
def _begun(server: Server, target: str, taken: int = 65_536) -> Iterator[tuple[Connection, int, bytes]]:
    """A download of which `taken` bytes have arrived: the connection, the announced length, those bytes."""
    with Connection(server.address, receive_buffer=SMALL_WINDOW) as connection:
        connection.send(serialize(get(target), "changing.example"))
        status, fields, faults = connection.read_head()
        assert (status, faults) == (200, [])
        yield connection, int(dict(fields)["content-length"]), connection.take_exactly(taken)


def _content(seed: int) -> bytes:
    """Content in which every block of 4 KiB is another."""
    return b"".join(b"%08d%08d" % (seed, i) * 256 for i in range(BIG // 4096))


# J: files that change, clients that leave


@_scenario("shortened-breaks-off", "J2", "fastapi", "a short body is never complete")
def _(stage: Stage) -> None:
    with stage.file(_content(1)) as path, _begun(stage.server, f"/download/{path.name}") as (connection, length, _):
        os.truncate(path, BIG // 4)
        try:
            rest = connection.take_exactly(length - 65_536)
        except (BrokenAnswer, TimeoutError):
            return
        raise AssertionError(f"a complete answer of {len(rest)} bytes from a file that had fewer")


@_scenario("replaced-is-delivered-whole", "J2 D11", "fastapi", "the opened version is delivered")
def _(stage: Stage) -> None:
    before, after = _content(2), _content(3)
    with (
        stage.file(before) as path,
        stage.file(after, name="next.bin") as following,
        _begun(stage.server, f"/download/{path.name}") as (connection, length, first),
    ):
        following.replace(path)
        assert length == BIG
        assert first + connection.take_exactly(length - len(first)) == before
        connection.send(serialize(get(f"/download/{path.name}", Range="bytes=0-15"), "changing.example"))
        assert connection.read_answer().body == after[:16]


@_scenario("unlinked-is-delivered-whole", "J2", "fastapi", "the opened version is delivered")
def _(stage: Stage) -> None:
    before = _content(4)
    with stage.file(before) as path, _begun(stage.server, f"/download/{path.name}") as (connection, length, first):
        path.unlink()
        assert first + connection.take_exactly(length - len(first)) == before
        connection.send(serialize(get(f"/download/{path.name}"), "changing.example"))
        assert connection.read_answer().status == 404


def _grown(stage: Stage, prefix: str, directory: str) -> None:
    before = _content(5)
    with stage.file(before, directory) as path, _begun(stage.server, prefix + path.name) as (connection, length, first):
        with path.open("ab") as file:
            file.write(b"more" * 50_000)
        assert length == BIG
        assert first + connection.take_exactly(length - len(first)) == before
        connection.send(serialize(get("/download/ten.txt"), "changing.example"))
        assert connection.read_answer().body == tree.TEN


@_scenario("grown-is-delivered-as-announced", "J3", "rfc", "8.6: FastAPI loses the last piece")
def _(stage: Stage) -> None:
    _grown(stage, "/download/", "downloads")


@_scenario("grown-large-is-delivered-as-announced", "J3 K2", "rfc", "8.6: FastAPI loses the last piece")
def _(stage: Stage) -> None:
    _grown(stage, "/download/large/", "large-files")


@_scenario("edited-in-place-is-never-mixed", "J2", "choice", "half of one version and half of another is neither")
def _(stage: Stage) -> None:
    before = _content(6)
    with stage.file(before) as path, _begun(stage.server, f"/download/{path.name}") as (connection, length, first):
        with path.open("r+b") as file:
            file.seek(BIG // 2)
            file.write(b"edited" * 100_000)
        try:
            rest = connection.take_exactly(length - len(first))
        except (BrokenAnswer, TimeoutError):
            return
        assert first + rest == before


def _holds(pid: int, name: str) -> bool:
    """Whether the process has a file of this name open."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.path.basename(os.readlink(f"/proc/{pid}/fd/{number}")).split(" ")[0] == name:
                return True
        except FileNotFoundError:
            continue
    return False


@_scenario("client-gone-closes-the-file", "J4", "fastapi", "reading stops and the file is closed")
def _(stage: Stage) -> None:
    with stage.file(_content(7)) as path:
        with _begun(stage.server, f"/download/{path.name}"):
            assert _holds(stage.server.pid, path.name)
        _eventually(lambda: not _holds(stage.server.pid, path.name), "the file is still open")


@_scenario("stalled-client-delays-no-other", "J4", "fastapi", "other requests are unaffected")
def _(stage: Stage) -> None:
    with stage.file(_content(8)) as path, _begun(stage.server, f"/download/{path.name}") as (connection, length, first):
        for _ in range(20):
            (answer,) = stage.server.exchange([get("/download/data.bin")])
            assert answer.body == tree.content("downloads/data.bin")
        assert len(first + connection.take_exactly(length - len(first))) == BIG


@_scenario(
    "clients-gone-from-exports-leave-nothing",
    "J4 J8",
    "choice",
    "at once; FastAPI's generators wait for a garbage collection",
)
def _(stage: Stage) -> None:
    server = stage.server
    server.exchange([get("/export/users"), get("/export/data"), get("/download/bundle/docs")])
    before = _open_files(server.pid)  # what is kept open between requests is open now
    for target in ("/export/users", "/export/data", "/download/bundle/docs", "/reports/generate/1") * 5:
        with Connection(server.address, receive_buffer=4096) as connection:
            connection.send(serialize(get(target), "leaving.example"))
            assert connection.read_head()[0] == 200
    _eventually(lambda: _open_files(server.pid) <= before, "descriptors are left")


def _open_files(pid: int) -> set[str]:
    """The regular files that a process has open, by what the kernel calls them."""
    found = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            name = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue
        if name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
            found.add(f"{number} {name}" if "(deleted)" in name else name)
    return found


@_scenario(
    "no-temporary-file-outlives-its-request",
    "J8 K5 K7",
    "choice",
    "FastAPI leaves them behind on a malformed Range",
    frozenset({"serve"}),
)
def _(stage: Stage) -> None:
    temporary = stage.work / "temporary"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary), "DOWNLOADS_TEMP_DIR": str(temporary)}
    with _own_server(stage, "temporary", env) as server:
        before = set(temporary.rglob("*"))
        for target in ("/reports/generate/1", "/export/data", "/reports/generate/%00"):
            for value in ("bytes=x", "bytes=99999999-", "bytes=0-1", "bytes=0-1,5-6"):
                server.exchange([get(target, Range=value)])
            server.exchange([get(target), Request(target.encode(), "HEAD"), send("POST", target)])
            with Connection(server.address, receive_buffer=4096) as connection:
                connection.send(serialize(get(target), "leaving.example"))
        _eventually(lambda: set(temporary.rglob("*")) <= before, "temporary files are left")


@contextmanager
def _own_server(
    stage: Stage, name: str, env: dict[str, str] | None = None, data_dir: Path | None = None
) -> Iterator[Server]:
    command = [sys.executable, "-m", "asgi_downloads", "serve", str(data_dir or stage.data_dir), "--port", "0"]
    with process(name, command, stage.work / f"{name}.log", env=env) as server:
        yield server


@_scenario(
    "nothing-runs-after-a-hang-up-but-clean-up",
    "J7 J8",
    "choice",
    "clean-up is the end of a block, so it needs no task",
    frozenset({"in-process"}),
)
def _(stage: Stage) -> None:
    with InProcess(Service().create(stage.data_dir)) as app:
        targets = ("/export/data", "/export/users", "/download/bundle/docs", "/download/big.bin")
        app.exchange([get(target) for target in targets])  # what is kept open for all requests
        before = _open_files(os.getpid())
        for target in targets:
            app.hang_up(get(target))
        _eventually(lambda: _open_files(os.getpid()) <= before, "descriptors are left")


@_scenario(
    "failure-before-the-first-byte-is-told", "J9 B7", "choice", "FastAPI has sent its 200 by then", frozenset({"serve"})
)
def _(stage: Stage) -> None:
    data_dir = tree.build(stage.work / "broken-data")
    with _own_server(stage, "broken", data_dir=data_dir) as server:
        (data_dir / "app.db").write_bytes(b"no database" * 1000)
        users, file = server.exchange([get("/export/users"), get("/download/ten.txt")])
        assert users.status >= 500
        assert users.get("content-type") == "application/json"
        assert b"detail" in users.body
        assert b"sqlite" not in users.body.lower()
        assert b"Traceback" not in users.body
        assert file.body == tree.TEN or users.get("connection") == "close"
    shutil.rmtree(data_dir)


@_scenario(
    "failure-midway-breaks-the-transfer",
    "J9 J1",
    "fastapi",
    "no last chunk, so that the client can tell",
    frozenset({"serve"}),
)
def _(stage: Stage) -> None:
    data_dir = stage.work / "midway-data"
    for name in ("downloads", "large-files", "files", "reports", "videos", "bundles"):
        (data_dir / name).mkdir(parents=True)
    path = data_dir / "app.db"
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, created_at TEXT)")
        rows = ((i, "n" * 200, "e@example.org", "2024-01-01") for i in range(1, 100_001))
        database.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)
    database.close()
    with (
        _own_server(stage, "midway", data_dir=data_dir) as server,
        Connection(server.address, receive_buffer=4096) as connection,
    ):
        connection.send(serialize(get("/export/users"), "midway.example"))
        status, _, _ = connection.read_head()
        assert status == 200
        with path.open("r+b") as file:  # every page from the second on is no page of a database any more
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        rest = connection.at_end()
        assert not rest.endswith(b"0\r\n\r\n"), "a failed export looks complete"


@_scenario(
    "zero-copy-where-it-is-offered",
    "J10",
    "choice",
    "a large file's bytes need not pass through us",
    frozenset({"in-process-zerocopy"}),
)
def _(stage: Stage) -> None:
    content = _content(9)
    with stage.file(content) as path:
        for offered in (True, False):
            with InProcess(Service().create(stage.data_dir), zerocopy=offered) as app:
                messages = app.messages(get(f"/download/{path.name}"))
            assert any(TAKEN in message for message in messages) == offered
            assert max(len(message.get("body", b"")) for message in messages if TAKEN not in message) <= 1 << 20


# D11, E5: the file that is checked is the file that is sent


@_scenario(
    "swapped-links-never-leak",
    "D11 D3",
    "choice",
    "what is checked is what is sent; FastAPI looks at the path three times",
    frozenset({"serve"}),
)
def _(stage: Stage) -> None:
    path = stage.data_dir / "downloads" / "swapped.txt"
    stop = threading.Event()

    def swap() -> None:
        good, bad = path.with_name("swap-good"), path.with_name("swap-bad")
        while not stop.is_set():
            good.write_bytes(tree.TEN)
            good.replace(path)
            bad.symlink_to("../secret.txt")
            bad.replace(path)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen = set()
        for _ in range(30):
            answers = exchange(stage.server.address, [get("/download/swapped.txt")] * 20)
            assert all(tree.SECRET not in answer.body for answer in answers)
            seen |= {answer.status for answer in answers}
        assert seen <= {200, 400, 404}
    finally:
        stop.set()
        swapper.join()
        for name in ("swapped.txt", "swap-good", "swap-bad"):
            path.with_name(name).unlink(missing_ok=True)


def _tag(stage: Stage, path: Path) -> str:
    (answer,) = stage.server.exchange([get(f"/download/{path.name}")])
    assert answer.body == path.read_bytes()
    tag = answer.get("etag")
    assert tag is not None
    return tag


@_scenario(
    "etag-changes-with-the-file", "E5", "fastapi", "differs after any rewrite that moves mtime by 1 us or changes size"
)
def _(stage: Stage) -> None:
    with stage.file(b"first") as path:
        tags = [_tag(stage, path)]
        os.utime(path, ns=(0, tree.MTIME * 10**9 + 1000))
        tags.append(_tag(stage, path))
        path.write_bytes(b"longer")
        os.utime(path, ns=(tree.MTIME * 10**9,) * 2)
        tags.append(_tag(stage, path))
        assert len(set(tags)) == 3


@_scenario(
    "etag-changes-with-a-look-alike",
    "E5",
    "rfc",
    "8.8.1: FastAPI's tag of a replacement with equal size and mtime is the old one",
    frozenset({"serve"}),
)
def _(stage: Stage) -> None:
    with stage.file(b"first") as path:
        old = _tag(stage, path)
        with stage.file(b"other", name="look-alike.bin") as other:
            assert other.stat().st_mtime_ns == path.stat().st_mtime_ns
            other.replace(path)
        assert _tag(stage, path) != old
        (again,) = stage.server.exchange([get(f"/download/{path.name}", Range="bytes=1-", If_Range=old)])
        assert (again.status, again.body) == (200, b"other")


@_scenario(
    "date-of-this-second-is-no-strong-validator", "I3", "rfc", "8.8.2.2: FastAPI resumes by it", frozenset({"serve"})
)
def _(stage: Stage) -> None:
    with stage.file(b"0123456789") as path:
        target = f"/download/{path.name}"
        for _ in range(20):
            os.utime(path)
            (whole,) = stage.server.exchange([get(target)])
            modified = whole.get("last-modified")
            assert modified is not None
            (part,) = stage.server.exchange([get(target, Range="bytes=5-", If_Range=modified)])
            if part.get("date") == modified:
                assert (part.status, part.body) == (200, b"0123456789")
                return
        raise AssertionError("never twice within one second")


# M: start, stop, prefixes


@_scenario("start-fails-in-one-line", "M1", "choice", "exit status 2 and one line, no traceback", frozenset({"serve"}))
def _(stage: Stage) -> None:
    command = [sys.executable, "-m", "asgi_downloads", "serve", str(stage.work / "missing"), "--port", "0"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=TIMEOUT * 2, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


@_scenario("start-up-comes-before-the-socket", "M1", "fastapi", "who can connect is answered")
def _(stage: Stage) -> None:
    with _own_server(stage, "starting") as server:
        (answer,) = server.exchange([get("/download/ten.txt")])
        assert answer.body == tree.TEN


@_scenario(
    "sigterm-lets-downloads-end",
    "M2",
    "fastapi",
    "the listener closes at once, running downloads complete",
    frozenset({"serve"}),
)
def _(stage: Stage) -> None:
    content = _content(10)
    with stage.file(content, name="long.bin") as path, _own_server(stage, "stopping") as server:
        with (
            Connection(server.address) as idle,
            _begun(server, f"/download/{path.name}") as (connection, length, first),
        ):
            idle.send(serialize(get("/download/ten.txt"), "idle.example"))
            assert idle.read_answer().status == 200
            os.kill(server.pid, signal.SIGTERM)
            assert idle.at_end() == b""
            _eventually(lambda: not _accepts(server.address), "the listener is still open")
            assert first + connection.take_exactly(length - len(first)) == content
            assert connection.at_end() == b""
        _eventually(lambda: not _runs(server.pid), "the server has not ended")


def _accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except ConnectionRefusedError:
        return False
    return True


def _runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@contextmanager
def _rooted(stage: Stage, subject: Subject, *options: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "uvicorn", subject.spec, "--port", "0", "--no-access-log", *options]
    name = f"rooted-{type(subject).__name__}"
    with process(name, command, stage.work / f"{name}.log", env={"DOWNLOADS_DATA_DIR": str(stage.data_dir)}) as server:
        yield server


@_scenario(
    "root-path-of-uvicorn", "M4", "fastapi", "the server prepends it; redirects contain it", frozenset({"uvicorn"})
)
def _(stage: Stage) -> None:
    asked = [
        get("/download/ten.txt"),
        get("/p/download/ten.txt"),
        get("/download/ten.txt/"),
        get("/download/large/"),
        get("/p"),
        get("/p/"),
        get("/"),
        get("/file/ten.txt?download=x"),
        get("/download/ten.txt", Range="bytes=0-1"),
    ]
    with (
        _rooted(stage, Reference(), "--root-path", "/p") as theirs,
        _rooted(stage, Service(), "--root-path", "/p") as ours,
    ):
        assert [_gist(a) for a in ours.exchange(asked)] == [_gist(a) for a in theirs.exchange(asked)]


def _gist(answer: Answer) -> tuple[int, str | None, bytes]:
    location = answer.get("location")
    path = None if location is None else "/" + location.removeprefix("http://").partition("/")[2]
    return answer.status, path, answer.body


def _with_root(subject: Subject, data_dir: Path, path: str, root_path: str) -> tuple[int, str | None, bytes]:
    with InProcess(subject.create(data_dir), root_path=root_path) as app:
        (answer,) = app.exchange([get(path)])
    return _gist(answer)


@_scenario(
    "root-path-is-whole-segments", "M5 M3", "fastapi", "a string prefix is not stripped", frozenset({"in-process"})
)
def _(stage: Stage) -> None:
    for root, path in (
        ("/api", "/api/download/ten.txt"),
        ("/api", "/apix/download/ten.txt"),
        ("/api", "/download/ten.txt"),
        ("/api", "/api/download/ten.txt/"),
        ("/api", "/api"),
        ("/api", "/api/"),
        ("/api", "/api//download/ten.txt"),
        ("/a/b", "/a/b/file/ten.txt"),
        ("/a/b", "/a/file/ten.txt"),
        ("", "/file/ten.txt"),
        ("/file", "/file/ten.txt"),
        ("/download", "/download/download/ten.txt"),
        ("/api", "/API/download/ten.txt"),
        ("/api", "/api/api/download/ten.txt"),
    ):
        assert _with_root(Service(), stage.data_dir, path, root) == _with_root(
            Reference(), stage.data_dir, path, root
        ), path


@_scenario("proxy-fields-do-not-reach-the-answer", "M6 A6", "choice", "a relative Location needs no scheme and no host")
def _(stage: Stage) -> None:
    fields = {
        "X_Forwarded_Proto": "https",
        "X_Forwarded_For": "192.0.2.1",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Prefix": "/evil",
        "Forwarded": "host=evil.example;proto=https",
        "X_Accel_Redirect": "/secret.txt",
        "X_Sendfile_Type": "X-Accel-Redirect",
        "X_Accel_Mapping": "/=/x/",
    }
    plain, dressed = stage.server.exchange([get("/download/ten.txt/"), get("/download/ten.txt/", **fields)])
    assert dressed.get("location") == plain.get("location") == "/download/ten.txt"
    plain, dressed = stage.server.exchange([get("/download/ten.txt"), get("/download/ten.txt", **fields)])
    assert (dressed.status, dressed.body, dressed.get("x-accel-redirect")) == (200, tree.TEN, None)
