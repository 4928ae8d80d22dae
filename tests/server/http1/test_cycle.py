"""What an application may send, what it is told, and what becomes of its errors."""

import asyncio
import base64
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from asgi_downloads.asgi.types import Message, Receive, Scope, Send
from asgi_downloads.server.http1.cycle import Cycle
from tests.server.serving import TIMEOUT, App, Client, Served, Setup, temporarily

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"content"}


def sends(*messages: Message) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def later(app: App) -> App:
    """The application, which is no longer run at once but waits first."""

    async def waits(scope: Scope, receive: Receive, send: Send) -> Any:
        await asyncio.sleep(0)
        return await app(scope, receive, send)

    return waits


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


# -- errors of the application


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("of the application")


async def raises_later(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({**END, "more_body": True})
    raise ValueError("of the application")


async def returns_something(scope: Scope, receive: Receive, send: Send) -> Any:
    await send(START)
    return 1


@dataclass(frozen=True)
class Case:
    id: str
    app: App
    status: int  # 0: the connection is closed without an answer
    complaint: str


CASES = [
    Case("raises", raises, 500, "of the application"),
    Case("raises-after-part-of-the-content", raises_later, 200, "of the application"),
    Case("sends-nothing", sends(), 500, "without starting response"),
    Case("sends-a-head-only", sends(START), 0, "without completing response"),
    Case("returns-something", returns_something, 0, "should return None"),
    Case("body-before-start", sends(END), 500, "Expected ASGI message 'http.response.start'"),
    Case("start-twice", sends(START, START), 500, "Expected ASGI message 'http.response.body'"),
    Case("unknown-message", sends(START, {"type": "x"}), 500, "Expected ASGI message 'http.response.body'"),
    Case("message-after-the-end", sends(START, END, END), 200, "after response already completed"),
    Case("value-with-crlf", sends(start((b"a", b"b\r\nc: d")), END), 500, "Invalid HTTP header value"),
    Case("name-with-crlf", sends(start((b"a\r\nb", b"c")), END), 500, "Invalid HTTP header name"),
    Case("name-empty", sends(start((b"", b"c")), END), 500, "Invalid HTTP header name"),
    Case("status-unknown", sends(start(status=999), END), 500, "Invalid HTTP status code"),
    Case("status-informational", sends(start(status=101), END), 500, "Invalid HTTP status code"),
    Case("length-no-number", sends(start((b"content-length", b"+7")), END), 500, "Invalid Content-Length"),
    Case("length-twice", sends(start(*[(b"content-length", b"7")] * 2), END), 500, "Invalid Content-Length"),
    Case("coding-of-its-own", sends(start((b"transfer-encoding", b"gzip")), END), 500, "transfer coding"),
    Case("content-no-bytes", sends(START, {**END, "body": "text"}), 500, "bytes-like"),
    Case("content-none", sends(START, {**END, "body": None}), 500, "NoneType"),
    Case("content-too-short", sends(start((b"content-length", b"8")), END), 500, "shorter than Content-Length"),
    Case("content-too-long", sends(start((b"content-length", b"6")), END), 500, "longer than Content-Length"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "later"])
def test_an_error_of_the_application_is_logged_and_never_looks_like_success(
    setup: Setup, case: Case, waits: bool
) -> None:
    with Served(setup, later(case.app) if waits else case.app) as served, served.connect() as client:
        client.request()
        if case.status:
            response = client.response()
            assert response.status == case.status
            if case.status == 500:
                assert response.content == b"Internal Server Error"
            assert response.complete == (case.complaint != "of the application" or case.status == 500)
        if case.id != "message-after-the-end":
            client.rest()
        served.until(lambda: len(served.answered) == 1)
    assert case.complaint in served.log[0]
    assert len(served.log) == 1
    assert served.answered[0].outcome == ("complete" if case.id == "message-after-the-end" else "failed")


def test_the_connection_goes_on_after_what_came_too_late(setup: Setup) -> None:
    with Served(setup, sends(START, END, END)) as served, served.connect() as client:
        for _ in range(2):
            client.request()
            assert client.response().content == b"content"


# -- heads


def test_there_is_one_date_and_it_is_that_of_now(setup: Setup) -> None:
    with Served(setup, sends(START, END)) as served:
        before = int(time.time())
        date = parsedate_to_datetime(served.get()["date"]).timestamp()
    assert before <= date <= time.time()


def test_a_date_of_the_application_stands_alone(setup: Setup) -> None:
    with Served(setup, sends(start((b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")), END)) as served:
        assert served.get()["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_default_headers_of_uvicorn_are_sent(setup: Setup) -> None:
    with Served(setup, sends(START, END), headers=[("X-Served-By", "me")]) as served:
        response = served.get()
    assert (response["server"], response["x-served-by"]) == ("uvicorn", "me")


def test_names_are_sent_in_lower_case(setup: Setup) -> None:
    with Served(setup, sends(start((b"Content-Length", b"7"), (b"X-Y", b"Z")), END)) as served:
        response = served.get()
    assert (response["content-length"], response["x-y"], response.content) == ("7", "Z", b"content")


def test_headers_may_be_any_iterable_of_pairs(setup: Setup) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": iter([[b"content-length", b"7"]])})
        await send(END)

    with Served(setup, app) as served:
        assert served.get()["content-length"] == "7"


def test_chunked_by_the_application_is_our_own_framing(setup: Setup) -> None:
    headers = [(b"transfer-encoding", b"chunked"), (b"content-length", b"3")]
    with Served(setup, sends(start(*headers), END)) as served:
        assert served.get().content == b"content"
        assert served.exchange(b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\ncontent")


def test_close_by_the_application_closes(setup: Setup) -> None:
    app = sends(start((b"connection", b"Keep-Alive, Close"), (b"content-length", b"7")), END)
    with Served(setup, app) as served, served.connect() as client:
        client.request()
        assert client.response()["connection"] == "Keep-Alive, Close"
        assert client.rest() == b""


# -- writes and tasks


@pytest.mark.parametrize("size", [7, 300_000])
def test_head_and_content_leave_in_one_call(setup: Setup, size: int) -> None:
    writes: list[list[bytes]] = []
    writev = os.writev

    def observed(fd: int, parts: Sequence[bytes]) -> int:
        writes.append([bytes(part) for part in parts])
        return writev(fd, parts)

    app = sends(start((b"content-length", b"%d" % size)), {**END, "body": b"x" * size})
    with temporarily(os, "writev", observed), Served(setup, app) as served, served.connect() as client:
        for _ in range(3):
            writes.clear()
            client.request()
            assert client.response().content == b"x" * size
            assert b"".join(writes[0]).endswith(b"\r\n\r\n" + b"x" * size)


@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "later"])
def test_a_head_does_not_wait_for_a_body_that_comes_late(setup: Setup, waits: bool) -> None:
    release = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await asyncio.to_thread(release.wait, TIMEOUT)
        await send(END)

    with Served(setup, later(app) if waits else app) as served, served.connect() as client:
        client.request()
        assert client.file.readline() == b"HTTP/1.1 200 OK\r\n"
        served.until(lambda: len(served.state.tasks) == 1)
        release.set()
        assert b"content" in client.file.read1(1000) + client.file.read1(1000)


def test_an_application_that_waits_is_in_the_servers_tasks(setup: Setup) -> None:
    release: list[asyncio.Event] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        release.append(asyncio.Event())
        await release[0].wait()
        await send(start((b"content-length", b"7")))
        await send(END)

    with Served(setup, app, proxy_headers=True) as served, served.connect() as client:
        client.request()
        served.until(lambda: len(served.state.tasks) == 1)
        served.call(release[0].set)
        assert client.response().content == b"content"
        served.until(lambda: not served.state.tasks)
        assert served.state.total_requests == 1


# -- receive


def test_receive_gives_the_content_then_the_disconnect_at_the_end(setup: Setup) -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        watcher = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send(START)
        await send(END)
        seen.append(await watcher)
        seen.append(await receive())

    with Served(setup, app) as served:
        assert served.get().content == b"content"
    assert seen == [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]


def test_a_client_that_sends_much_waits_for_the_application(setup: Setup) -> None:
    release = threading.Event()
    got: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(release.wait, TIMEOUT)
        more = True
        while more:
            message = await receive()
            got.append(len(message["body"]))
            more = message["more_body"]
        await send(START)
        await send(END)

    total = 30 << 20
    with Served(setup, app) as served, served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % total)
        client.sock.settimeout(0.3)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < total:
                sent += client.sock.send(b"x" * 65536)
        assert sent < total
        client.sock.settimeout(TIMEOUT)
        release.set()
        client.sock.sendall(b"x" * (total - sent))
        assert client.response().content == b"content"
    assert sum(got) == total
    assert max(got) < 1 << 20


# -- frameworks


def test_a_streaming_response_of_starlette_ends_quietly_when_the_client_hangs_up(setup: Setup) -> None:
    applications = pytest.importorskip("starlette.applications")
    responses = pytest.importorskip("starlette.responses")
    routing = pytest.importorskip("starlette.routing")
    closed = []

    async def blocks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.append(True)

    async def endpoint(request: object) -> object:
        return responses.StreamingResponse(blocks())

    app = applications.Starlette(routes=[routing.Route("/", endpoint)])
    with Served(setup, app) as served:
        with served.connect() as client:
            client.request()
            assert len(client.file.read(200000)) == 200000
        served.until(lambda: not served.state.tasks and not served.state.connections, 3)
    assert served.log == []


def test_a_disconnect_inside_a_group_of_tasks_is_quiet(setup: Setup) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)

        async def produce() -> None:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())

    with Served(setup, app) as served:
        with served.connect() as client:
            client.request()
            assert len(client.file.read(200000)) == 200000
        served.until(lambda: not served.state.tasks and not served.state.connections, 3)
    assert served.log == []


def test_an_error_of_its_own_after_the_client_has_gone_is_still_logged(setup: Setup) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ValueError("clean-up failed")

    with Served(setup, app) as served:
        with served.connect() as client:
            client.request()
            served.until(lambda: len(served.state.tasks) == 1)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        served.until(lambda: not served.state.tasks, 3)
    assert "clean-up failed" in served.log[0]


def test_a_root_path_goes_before_the_path(setup: Setup) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send(START)
        await send(END)

    with Served(setup, app, root_path="/under") as served:
        served.get("/a%2Fb%20c?d=e%20f")
    scope = seen[0]
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/under", "/under/a/b c", b"/under/a%2Fb%20c")
    assert (scope["query_string"], scope["scheme"], scope["http_version"]) == (b"d=e%20f", "http", "1.1")
    assert scope["server"][0] == scope["client"][0] == "127.0.0.1"
    assert scope["headers"] == [(b"host", b"test")]


def test_requests_of_one_connection_share_nothing_that_can_be_changed(setup: Setup) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append({**scope, "state": dict(scope["state"]), "extensions": dict(scope["extensions"])})
        scope["state"]["x"] = scope["extensions"]["x"] = scope["x"] = 1
        await send(START)
        await send(END)

    with Served(setup, app) as served, served.connect() as client:
        for _ in range(2):
            client.request()
            client.response()
    assert seen[0] == seen[1]


# -- counters


def test_an_access_log_is_told_what_happened(setup: Setup) -> None:
    with Served(setup, sends(start(status=201), {**END, "more_body": True}, END)) as served:
        began = time.monotonic()
        served.get("/path")
        ended = time.monotonic()
    (cycle,) = served.answered
    assert isinstance(cycle, Cycle)
    assert (cycle.status, cycle.bytes_sent, cycle.zero_copy, cycle.outcome) == (201, 14, False, "complete")
    assert cycle.first_byte_at is not None
    assert began <= cycle.arrived_at <= cycle.first_byte_at <= ended


def test_uvicorns_access_log_is_written(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("uvicorn.access")
    caplog.set_level(logging.INFO, "uvicorn.access")
    with temporarily(logger, "handlers", [caplog.handler]), temporarily(logger, "propagate", False):  # noqa: SIM117
        with Served(setup, sends(START, END), access_log=True) as served:
            served.get("/a%20b?c")
    assert [message.split(" - ")[1] for message in caplog.messages] == ['"GET /a%20b?c HTTP/1.1" 200']


# -- uvicorn around it


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_uvicorn_shuts_down_when_the_running_download_is_finished(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(9 << 20))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with path.open("rb") as file:
            await send(START)
            await send({"type": "http.response.zerocopysend", "file": file})

    with _uvicorn(app, loop) as (server, port), socket.create_connection(("127.0.0.1", port), TIMEOUT) as sock:
        idle = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        client = Client(sock)
        client.request()
        assert client.file.readline() == b"HTTP/1.1 200 OK\r\n"
        server.should_exit = True
        assert idle.recv(1) == b""
        idle.close()
        content = client.rest()
        client.close()
    assert path.read_bytes()[-1000:] in content


def test_uvicorn_gives_up_on_an_application_after_the_graceful_time() -> None:
    ended = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(START)
            await asyncio.sleep(100)
        finally:
            ended.append(True)

    with (
        _uvicorn(app, "asyncio", timeout_graceful_shutdown=1) as (server, port),
        socket.create_connection(("127.0.0.1", port), TIMEOUT) as sock,
    ):
        client = Client(sock)
        client.request()
        assert client.file.readline() == b"HTTP/1.1 200 OK\r\n"
        server.should_exit = True
        client.rest()
        client.close()
    assert ended == [True]


class _uvicorn:  # noqa: N801
    """A whole uvicorn in a thread, which has ended at the end of the block."""

    def __init__(self, app: App, loop: str, **options: Any) -> None:
        config = uvicorn.Config(
            app,
            http="asgi_downloads.server.protocol:AutoZeroCopy",
            loop=loop,
            port=0,
            log_config=None,
            lifespan="off",
            **options,
        )
        self.server = uvicorn.Server(config)

    def __enter__(self) -> tuple[uvicorn.Server, int]:
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        deadline = time.monotonic() + TIMEOUT
        while not self.server.started:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return self.server, self.server.servers[0].sockets[0].getsockname()[1]

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(TIMEOUT)
        assert not self.thread.is_alive()


def test_a_websocket_is_handed_to_uvicorns_protocol(setup: Setup) -> None:
    pytest.importorskip("wsproto")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"].upper()})
        await send({"type": "websocket.close"})

    key = base64.b64encode(bytes(16)).decode()
    fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    with Served(setup, app, ws="wsproto") as served, served.connect() as client:
        client.request("/ws", *fields)
        assert client.response().status == 101
        client.send(b"\x81\x82\0\0\0\0hi")
        assert client.file.read(4) == b"\x81\x02HI"
