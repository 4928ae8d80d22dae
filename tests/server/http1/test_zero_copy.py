"""Files sent without copying: the bytes, their order, their framing, and what happens when something goes wrong."""

import asyncio
import contextlib
import errno
import hashlib
import mmap
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from asgi_downloads.asgi.errors import BrokenTransfer
from asgi_downloads.asgi.types import Message, Receive, Scope, Send
from asgi_downloads.server.http1.deadlines import Limits
from asgi_downloads.server.wire import page_cache, wire
from tests.server.serving import TIMEOUT, Served, Setup, temporarily

MIB = 1 << 20


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 12 MiB and some bytes, no two blocks of it alike."""
    path = tmp_path_factory.mktemp("files") / "big.bin"
    with path.open("wb") as file:
        for number in range(12):
            file.write(hashlib.sha256(b"%d" % number).digest() * (MIB // 32))
        file.write(b"the end")
    return path


@dataclass
class Script:
    """An application that sends what it is told; `"fd"` in place of a file stands for the file's descriptor."""

    path: Path
    messages: list[Message]
    headers: list[tuple[bytes, bytes]]
    status: int = 200
    result: list[BaseException | None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.path.open("rb") as file:
            try:
                await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
                for message in self.messages:
                    filled = {**message, "file": file.fileno()} if message.get("file") == "fd" else message
                    await send({**filled, "file": file} if filled.get("file") == "file" else filled)
            except BaseException as exc:
                if self.result is not None:
                    self.result.append(exc)
                raise
        if self.result is not None:
            self.result.append(None)


def body(content: bytes, more_body: bool = True) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more_body}


def slice_of(offset: int | None, count: int | None, more_body: bool = True, file: Any = "fd", **more: Any) -> Message:
    message = {"type": "http.response.zerocopysend", "file": file, "more_body": more_body, **more}
    if offset is not None:
        message["offset"] = offset
    if count is not None:
        message["count"] = count
    return message


def sized(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"%d" % count)]


@dataclass(frozen=True)
class Case:
    id: str
    messages: Callable[[int], list[Message]]
    want: Callable[[bytes], bytes]


CASES = [
    Case("whole", lambda n: [slice_of(0, n, False)], lambda d: d),
    Case("more-body-defaults-to-false", lambda n: [{"type": "http.response.zerocopysend", "file": "fd"}], lambda d: d),
    Case("from-an-offset-to-the-end", lambda n: [slice_of(n - 10, None, False)], lambda d: d[-10:]),
    Case("one-byte", lambda n: [slice_of(5, 1, False)], lambda d: d[5:6]),
    Case("nothing", lambda n: [slice_of(5, 0, False)], lambda d: b""),
    Case("across-a-page", lambda n: [slice_of(4000, 5000, False)], lambda d: d[4000:9000]),
    Case(
        "mixed-with-bodies",
        lambda n: [body(b"a" * 100), slice_of(0, 3 * MIB), body(b"b" * 300000), slice_of(7, 9), body(b"c", False)],
        lambda d: b"a" * 100 + d[: 3 * MIB] + b"b" * 300000 + d[7:16] + b"c",
    ),
    Case(
        "many-small-slices",
        lambda n: [*[slice_of(at, 3) for at in range(0, 3000, 3)], body(b"", False)],
        lambda d: d[:3000],
    ),
    Case(
        "large-slices-backwards",
        lambda n: [slice_of(4 * MIB, 2 * MIB), slice_of(2 * MIB, 2 * MIB), slice_of(0, 2 * MIB), body(b"", False)],
        lambda d: d[4 * MIB : 6 * MIB] + d[2 * MIB : 4 * MIB] + d[: 2 * MIB],
    ),
    Case(
        "empty-between", lambda n: [slice_of(0, 5), slice_of(9, 0), body(b""), slice_of(5, 5, False)], lambda d: d[:10]
    ),
    Case(
        "position-of-a-file-object",
        lambda n: [slice_of(None, 10, file="file"), slice_of(None, 10, False, file="file")],
        lambda d: d[:20],
    ),
    Case("position-of-a-descriptor", lambda n: [slice_of(None, 10), slice_of(None, 10, False)], lambda d: d[:20]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("framing", ["sized", "chunked", "http-1.0"])
def test_the_bytes_of_slices_and_bodies_come_in_order(setup: Setup, big: Path, case: Case, framing: str) -> None:
    data = big.read_bytes()
    want = case.want(data)
    app = Script(big, case.messages(len(data)), sized(len(want)) if framing == "sized" else [])
    with Served(setup, app) as served, served.connect() as client:
        if framing == "http-1.0":
            client.send(b"GET / HTTP/1.0\r\n\r\n")
        else:
            client.request()
        response = client.response()
        assert response.complete
        assert response.content == want
        if framing != "http-1.0":
            client.request()
            assert client.response().content == want
    assert [cycle.bytes_sent for cycle in served.answered] == [len(want)] * len(served.answered)
    assert {cycle.outcome for cycle in served.answered} == {"complete"}
    assert served.log == []


def test_a_reader_with_tiny_buffers_gets_every_byte(setup: Setup, big: Path) -> None:
    data = big.read_bytes()[: 4 * MIB]
    app = Script(big, [body(b"x" * 100), slice_of(0, 4 * MIB), body(b"y" * 300000, False)], [])
    with Served(setup, app) as served, served.connect(receive_buffer=2048) as client:
        served.until(lambda: bool(served.state.connections))
        served.call(lambda: shrink_send_buffer(served))
        client.request()
        assert client.response().content == b"x" * 100 + data + b"y" * 300000


def shrink_send_buffer(served: Served) -> None:
    for connection in served.state.connections:
        sock: Any = connection.transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(sock.fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)


# -- no content


@pytest.mark.parametrize("status", [200, 206, 404])
def test_head_sends_no_content(setup: Setup, big: Path, status: int) -> None:
    size = big.stat().st_size
    app = Script(big, [slice_of(0, size - 1), body(b"x", False)], sized(size), status)
    with Served(setup, app) as served, served.connect() as client:
        for _ in range(2):
            client.request(method="HEAD")
            response = client.response("HEAD")
            assert response.status == status
            assert response["content-length"] == str(size)
    assert [cycle.bytes_sent for cycle in served.answered] == [0, 0]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_content_sends_none(setup: Setup, big: Path, status: int) -> None:
    with Served(setup, Script(big, [slice_of(0, 10, False)], [], status)) as served, served.connect() as client:
        for _ in range(2):
            client.request()
            response = client.response()
            assert response.status == status
            assert "transfer-encoding" not in response.names


def test_a_204_has_no_length(setup: Setup, big: Path) -> None:
    with Served(setup, Script(big, [body(b"", False)], sized(0), 204)) as served:
        assert "content-length" not in served.get().names


# -- Content-Length is a promise

BROKEN = [
    Case("slice-too-long", lambda n: [slice_of(0, 11, False)], lambda d: b""),
    Case("slice-too-short", lambda n: [slice_of(0, 9, False)], lambda d: b""),
    Case("second-slice-too-long", lambda n: [slice_of(0, 9), slice_of(9, 2, False)], lambda d: d[:9]),
    Case("body-after-slice-too-long", lambda n: [slice_of(0, 9), body(b"xx", False)], lambda d: d[:9]),
    Case("body-too-short", lambda n: [body(b"x", False)], lambda d: b""),
    Case("never-ended", lambda n: [slice_of(0, 9)], lambda d: d[:9]),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_content_that_is_not_as_long_as_promised_never_looks_complete(setup: Setup, big: Path, case: Case) -> None:
    app = Script(big, case.messages(0), sized(10))
    with Served(setup, app) as served:
        response = served.get()
    if response.status == 200:
        assert not response.complete
        assert case.want(big.read_bytes()) == response.content
    else:
        assert response.status == 500
    assert [cycle.outcome for cycle in served.answered] == ["failed"]


# -- announcements


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    text = repr((sorted(scope["extensions"]), scope["asgi"]["spec_version"])).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})


def test_the_extensions_are_announced(setup: Setup) -> None:
    with Served(setup, tell) as served:
        want = [
            "asgi_downloads.exact_date",
            "asgi_downloads.slice",
            "http.response.pathsend",
            "http.response.zerocopysend",
        ]
        assert served.get().content == repr((want, "2.4")).encode()


def test_an_exact_date_is_not_announced_when_uvicorn_shall_send_none(setup: Setup) -> None:
    with Served(setup, tell, date_header=False) as served:
        response = served.get()
        assert b"exact_date" not in response.content
        assert "date" not in response.names


def test_files_are_not_offered_over_tls_and_bodies_arrive(
    setup: Setup, certificate: tuple[str, str], big: Path
) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    options: dict[str, Any] = {"ssl_keyfile": certificate[0], "ssl_certfile": certificate[1]}
    with Served(setup, tell, **options) as served, served.connect(tls=trusting) as client:
        client.request()
        assert b"zerocopysend" not in client.response().content
    data = big.read_bytes()
    app = Script(big, [body(data[at : at + MIB]) for at in range(0, len(data), MIB)] + [body(b"", False)], [])
    with Served(setup, app, **options) as served, served.connect(tls=trusting) as client:
        client.request()
        assert client.response().content == data
    with Served(setup, Script(big, [slice_of(0, 9, False)], []), **options) as served:
        with served.connect(tls=trusting) as client:
            client.request()
            assert client.response().status == 500
        assert "zerocopysend" in served.log[0]


def test_a_tls_transport_that_was_closed_twice_holds_nothing() -> None:
    class ClosedTwice(asyncio.Transport):
        def get_write_buffer_size(self) -> int:
            raise AttributeError("'NoneType' object has no attribute '_get_write_buffer_size'")  # asyncio's own words

    loop = asyncio.new_event_loop()
    try:
        assert not wire.TransportWire(ClosedTwice(), loop, lambda: None).pending()
    finally:
        loop.close()


def test_a_client_that_stops_reading_is_dropped_over_tls_too(
    setup: Setup, certificate: tuple[str, str], big: Path
) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    data = b"x" * MIB
    app = Script(big, [*[body(data)] * 40, body(b"", False)], [])
    limits = Limits(stall_seconds=0.3)
    options: dict[str, Any] = {"ssl_keyfile": certificate[0], "ssl_certfile": certificate[1]}
    with Served(setup, app, limits=limits, **options) as served, served.connect(tls=trusting) as client:
        client.request()
        served.until(lambda: [cycle.outcome for cycle in served.answered] == ["stalled"], 4)
        assert len(served.log) == 1


# -- pathsend


async def path_send(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    headers = sized(os.path.getsize(path)) if scope["query_string"] == b"sized" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.pathsend", "path": path})


@pytest.mark.parametrize("query", ["?sized", ""])
@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3 * MIB])
def test_a_path_is_sent(setup: Setup, tmp_path: Path, query: str, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    with Served(setup, path_send) as served, served.connect() as client:
        for _ in range(2):
            client.request(f"{path}{query}")
            assert client.response().content == path.read_bytes()
        client.request(f"{path}{query}", method="HEAD")
        assert client.response("HEAD").status == 200
    assert served.log == []


def test_a_path_that_cannot_be_sent_is_an_error_of_the_application(setup: Setup, tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": scope["path"]})

    os.mkfifo(tmp_path / "fifo")
    with Served(setup, app) as served:
        for name in ("missing", "fifo", ""):
            assert served.get(f"{tmp_path}/{name}").content in (b"", b"Internal Server Error")
    assert all("No regular file" in line for line in served.log)
    assert [cycle.outcome for cycle in served.answered] == ["failed"] * 3


@pytest.mark.parametrize("change", ["shorter than promised", "edited meanwhile"])
def test_a_path_whose_file_changed_breaks_the_transfer(setup: Setup, tmp_path: Path, change: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 4 * MIB)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": sized(4 * MIB)})
        if change == "shorter than promised":
            os.truncate(path, MIB)
        await send({"type": "http.response.pathsend", "path": str(path)})

    with Served(setup, app) as served, served.connect(receive_buffer=4096) as client:
        client.request()
        if change == "edited meanwhile":
            served.until(served.waiting)
            with path.open("r+b") as file:
                file.write(b"b")
        assert not client.response().complete
    assert len(served.log) == 1
    assert "Traceback" not in served.log[0]


def test_starlette_sends_its_files_by_path(setup: Setup, big: Path) -> None:
    responses = pytest.importorskip("starlette.responses")
    app = responses.FileResponse(big)
    with Served(setup, app) as served:
        assert served.get().content == big.read_bytes()
        part = served.get("/", "Range: bytes=5-9")
        assert (part.status, part.content) == (206, big.read_bytes()[5:10])
    assert [cycle.zero_copy for cycle in served.answered] == [True, False]


# -- things that go wrong


def test_a_file_that_shrinks_breaks_the_transfer(setup: Setup, tmp_path: Path, big: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(big.read_bytes())
    size = path.stat().st_size
    for headers in (sized(size), []):
        result: list[BaseException | None] = []
        os.truncate(path, size)
        app = Script(path, [slice_of(0, size, False)], headers, result=result)
        with Served(setup, app) as served, served.connect(receive_buffer=4096) as client:
            client.request()
            served.until(served.waiting)
            os.truncate(path, size // 2)
            response = client.response()
            assert not response.complete
            assert len(response.content) <= size // 2
        assert [cycle.outcome for cycle in served.answered] == ["failed"]
        assert isinstance(result[0], BrokenTransfer)
        assert len(served.log) == 1
        assert served.log[0].endswith("broken off: the file became shorter while it was sent")


def test_a_file_that_shrinks_while_it_is_mapped_breaks_the_transfer(setup: Setup, tmp_path: Path, big: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(big.read_bytes())
    size = path.stat().st_size
    real = mmap.mmap

    def shrinking(*arguments: Any, **options: Any) -> mmap.mmap:
        mapping = real(*arguments, **options)
        os.truncate(path, 0)
        return mapping

    app = Script(path, [slice_of(0, size, False)], sized(size))
    with temporarily(mmap, "mmap", shrinking), Served(setup, app) as served:
        assert not served.get().complete
    assert [cycle.outcome for cycle in served.answered] == ["failed"]
    assert [line.endswith("broken off: the file became shorter while it was sent") for line in served.log] == [True]


def test_a_client_that_hangs_up_ends_the_sending_at_once(setup: Setup, big: Path) -> None:
    size = big.stat().st_size
    result: list[BaseException | None] = []
    app = Script(big, [slice_of(0, size, False)], sized(size), result=result)
    with Served(setup, app) as served:
        with served.connect() as client:
            client.request()
            assert len(client.file.read(100)) == 100
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        served.until(lambda: not served.state.tasks and not served.state.connections, 2)
        assert isinstance(result[0], OSError)
        assert [cycle.outcome for cycle in served.answered] == ["aborted"]
        assert served.log == []


def test_a_client_that_has_closed_its_sending_side_gets_the_whole_file(setup: Setup, big: Path) -> None:
    size = big.stat().st_size
    app = Script(big, [slice_of(0, size - 3 * MIB), body(big.read_bytes()[-3 * MIB :], False)], sized(size))
    with Served(setup, app) as served, served.connect(receive_buffer=65536) as client:
        client.request()
        client.sock.shutdown(socket.SHUT_WR)
        served.until(served.waiting)
        assert client.response().content == big.read_bytes()
        assert client.rest() == b""


def test_a_client_that_has_closed_its_sending_side_and_then_hangs_up(setup: Setup, big: Path) -> None:
    size = big.stat().st_size
    with Served(setup, Script(big, [slice_of(0, size, False)], sized(size))) as served:
        with served.connect() as client:
            client.request()
            client.sock.shutdown(socket.SHUT_WR)
            assert len(client.file.read(100)) == 100
        served.until(lambda: not served.state.tasks and not served.state.connections, 3)
    assert [cycle.outcome for cycle in served.answered] == ["aborted"]
    assert served.log == []


def test_pipelined_requests_for_files_are_answered_in_order(setup: Setup, big: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        at = int(scope["path"][1:])
        await Script(big, [slice_of(at, MIB + at, False)], sized(MIB + at))(scope, receive, send)

    data = big.read_bytes()
    with Served(setup, app) as served, served.connect() as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % at for at in range(10)))
        for at in range(10):
            assert client.response().content == data[at : at + MIB + at]


def test_a_client_that_hangs_up_while_the_application_sends_bodies(setup: Setup) -> None:
    result: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send(body(b"x" * 65536))
        except OSError as exc:
            result.append(exc)
            raise RuntimeError("wrapped by a framework") from exc

    with Served(setup, app) as served:
        with served.connect() as client:
            client.request()
            assert len(client.file.read(100000)) == 100000
        served.until(lambda: not served.state.tasks and not served.state.connections, 2)
        assert len(result) == 1
        assert served.log == []


def test_receive_tells_of_a_client_that_hung_up(setup: Setup) -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])

    with Served(setup, app) as served:
        with served.connect() as client:
            client.request()
            served.until(lambda: len(served.state.tasks) == 1)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        served.until(lambda: not served.state.tasks, 2)
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]
    assert served.log == []


@pytest.mark.parametrize("kind", ["slice", "bodies", "last body"])
def test_a_client_that_stops_reading_is_dropped(setup: Setup, big: Path, kind: str) -> None:
    data = big.read_bytes()
    messages = {
        "slice": [slice_of(0, len(data), False)],
        "bodies": [*[body(data[:MIB])] * 12, body(b"", False)],
        "last body": [body(data, False)],
    }[kind]
    app = Script(big, messages, [])
    with Served(setup, app, limits=Limits(stall_seconds=0.3)) as served, served.connect() as client:
        began = time.monotonic()
        client.request()
        served.until(lambda: [cycle.outcome for cycle in served.answered] == ["stalled"], 4)
        assert 0.25 < time.monotonic() - began < 3
        served.until(lambda: not served.state.tasks and not served.state.connections, 2)
        assert len(served.log) == 1
        assert "Traceback" not in served.log[0]


def test_a_client_that_reads_slowly_but_steadily_is_not_dropped(setup: Setup, big: Path) -> None:
    size = 2 * MIB
    app = Script(big, [slice_of(0, size, False)], sized(size))
    with Served(setup, app, limits=Limits(stall_seconds=0.3)) as served, served.connect(receive_buffer=65536) as client:
        client.request()
        rest = size
        while rest > 0:
            time.sleep(0.02)
            rest -= len(client.sock.recv(65536))
        served.until(lambda: [cycle.outcome for cycle in served.answered] == ["complete"])


@pytest.mark.parametrize("headers", [sized(12 * MIB + 7), []], ids=["sized", "chunked"])
def test_a_part_that_the_application_gives_up_midway_breaks_the_transfer(
    setup: Setup, big: Path, headers: list[tuple[bytes, bytes]]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        size = big.stat().st_size
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with big.open("rb") as file:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(send(slice_of(0, size, file=file)), 0.1)
            with contextlib.suppress(OSError):
                await send(body(b"", False))

    with Served(setup, app) as served, served.connect(receive_buffer=4096) as client:
        client.request()
        served.until(lambda: len(served.answered) == 1)
        assert not client.response().complete
    assert [cycle.outcome for cycle in served.answered] == ["failed"]


# -- everyone gets a turn


def test_a_small_answer_does_not_wait_for_large_ones(setup: Setup, big: Path) -> None:
    size = big.stat().st_size
    whole = [slice_of(0, size), *[slice_of(0, MIB)] * 800, body(b"", False)]
    small = Script(big, [body(b"small", False)], [])
    large = Script(big, whole, [])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (large if scope["path"] == "/large" else small)(scope, receive, send)

    def drain(client_socket: socket.socket) -> None:
        buffer = bytearray(MIB)
        with contextlib.suppress(OSError):
            while client_socket.recv_into(buffer):
                pass

    with Served(setup, app) as served:
        clients = [served.connect() for _ in range(3)]
        for client in clients:
            client.request("/large")
        threads = [threading.Thread(target=drain, args=(client.sock,)) for client in clients]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                assert served.get().content == b"small"
            done = [cycle.scope["path"] for cycle in served.answered]
            assert done.count("/large") == 0
        finally:
            for client in clients:
                client.sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(TIMEOUT)
            for client in clients:
                client.close()


def test_an_application_that_never_waits_still_leaves_turns_to_others(setup: Setup, big: Path) -> None:
    turns = 0
    taken: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def count() -> None:
            nonlocal turns
            turns += 1
            if not taken:
                loop.call_soon(count)

        loop = asyncio.get_running_loop()
        loop.call_soon(count)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2000):
            await send(body(b"x" * 10))
        taken.append(turns)
        await send(body(b"", False))

    with Served(setup, app) as served, served.connect() as client:
        client.request()
        assert client.response().content == b"x" * 20000
    assert taken[0] >= 2000 * wire.MESSAGE_COST // wire.STEP


# -- cold files


def test_bytes_that_are_not_in_the_page_cache_are_read_by_a_thread(setup: Setup, big: Path) -> None:
    loop_threads: set[int] = set()
    readers: set[int] = set()
    real = page_cache.bring_in

    def observed(file: int, offset: int, count: int, ahead: int) -> None:
        readers.add(threading.get_ident())
        real(file, offset, count, ahead)

    state = {"cold": True}

    def sometimes(file: int, offset: int, count: int) -> bool:
        loop_threads.add(threading.get_ident())
        state["cold"] = not state["cold"]
        return state["cold"]

    size = big.stat().st_size
    app = Script(big, [slice_of(0, size, False)], sized(size))
    replaced = [temporarily(page_cache, "bring_in", observed), temporarily(page_cache, "resident", sometimes)]
    with replaced[0], replaced[1], Served(setup, app) as served:
        assert served.get().content == big.read_bytes()
    assert readers
    assert loop_threads.isdisjoint(readers)


def test_a_disk_that_fails_breaks_the_transfer_in_one_line(setup: Setup, big: Path) -> None:
    def failing(file: int, offset: int, count: int, ahead: int) -> None:
        raise OSError(5, "Input/output error")

    size = big.stat().st_size
    app = Script(big, [slice_of(0, size, False)], sized(size))
    replaced = [temporarily(page_cache, "bring_in", failing), temporarily(page_cache, "resident", lambda *_: False)]
    with replaced[0], replaced[1], Served(setup, app) as served:
        assert not served.get().complete
    assert len(served.log) == 1
    assert "Input/output error" in served.log[0]
    assert "Traceback" not in served.log[0]


@pytest.mark.parametrize("refused", [[(os, "sendfile")], [(mmap, "mmap")], [(os, "sendfile"), (mmap, "mmap")]])
@pytest.mark.parametrize("uds", [True, False], ids=["unix", "tcp"])
def test_a_file_that_the_kernel_does_not_send_or_map_is_copied(
    setup: Setup, big: Path, tmp_path: Path, uds: bool, refused: list[tuple[ModuleType, str]]
) -> None:
    def refusing(*_: object, **__: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    size = big.stat().st_size
    app = Script(big, [slice_of(0, size, False)], sized(size))
    with contextlib.ExitStack() as stack:
        for module, name in refused:
            stack.enter_context(temporarily(module, name, refusing))
        place: dict[str, Any] = {"uds": str(tmp_path / "socket")} if uds else {}
        served = stack.enter_context(Served(setup, app, **place))
        assert served.get().content == big.read_bytes()


def test_running_out_of_descriptors_while_waiting_does_not_break_the_transfer(setup: Setup, big: Path) -> None:
    def exhausted(_: int) -> int:
        raise OSError(24, "Too many open files")

    size = big.stat().st_size
    app = Script(big, [slice_of(0, size), body(b"x" * 3 * MIB, False)], [])
    with temporarily(os, "dup", exhausted), Served(setup, app) as served:
        assert served.get().content == big.read_bytes() + b"x" * 3 * MIB
