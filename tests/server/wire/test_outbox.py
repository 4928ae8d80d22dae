"""Small answers wait for the end of the turn, no longer, and stay in order with all else."""

import asyncio
import base64
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.wire.outbox import ALONE, Outbox
from asgi_downloads.server.wire.socket_wire import MOST_PUT_ASIDE
from tests.server.serving import Served, Setup, temporarily

MIB = 1 << 20


@dataclass
class Noted:
    """A wire that notes when it is flushed."""

    name: str
    seen: list[str] = field(default_factory=list)

    def flush(self) -> None:
        self.seen.append(self.name)


def test_all_wires_of_a_turn_are_flushed_at_its_end() -> None:
    async def run() -> list[str]:
        seen: list[str] = []
        outbox = Outbox(asyncio.get_running_loop())
        for name in "abc":
            assert outbox.takes(Noted(name, seen), known=False)
        assert seen == []
        await asyncio.sleep(0)
        assert outbox.takes(wire := Noted("d", seen), known=False)
        assert outbox.takes(wire, known=True)
        assert seen == ["a", "b", "c"]
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(run()) == ["a", "b", "c", "d"]


def test_after_an_answer_that_was_alone_others_do_not_wait() -> None:
    async def run() -> list[bool]:
        outbox = Outbox(asyncio.get_running_loop())
        taken = [outbox.takes(Noted("alone"), known=False)]
        await asyncio.sleep(0)
        return taken + [outbox.takes(Noted("later"), known=False) for _ in range(ALONE + 1)]

    assert asyncio.run(run()) == [True, *[False] * ALONE, True]


class Mixed:
    """Answers `/N` with N bytes, `/file` with a file by its path, `/open` with it by its descriptor, at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"][1:]
        size = int(name) if name.isdigit() else self.path.stat().st_size
        headers = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if name == "file":
            await send({"type": "http.response.pathsend", "path": str(self.path)})
        elif name == "open":
            with self.path.open("rb") as file:
                await send({"type": "http.response.zerocopysend", "file": file, "offset": 0, "count": size})
        else:
            await send({"type": "http.response.body", "body": b"%d" % (size % 10) * size})


@pytest.fixture
def app(tmp_path: Path) -> Mixed:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 * MIB))
    return Mixed(path)


@pytest.mark.parametrize("uds", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["1", "22", "333", "4000", "5"], id="small"),
        pytest.param(["1", "file", "2", "9000", "3", "3", "file", "4"], id="small-and-large"),
        pytest.param(["1", "22", "open", "333", "open", "4"], id="small-and-large-at-once"),
    ],
)
def test_answers_to_requests_that_came_together_stay_in_order(
    setup: Setup, app: Mixed, tmp_path: Path, names: list[str], uds: bool
) -> None:
    asked = "".join(f"GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n" for name in names)
    with Served(setup, app, uds=str(tmp_path / "socket") if uds else None) as served, served.connect() as client:
        client.send(asked.encode())
        wanted = [b"%d" % (int(name) % 10) * int(name) if name.isdigit() else app.path.read_bytes() for name in names]
        for content in wanted:
            assert client.response().content == content
    assert served.log == []
    assert [(cycle.outcome, cycle.bytes_sent) for cycle in served.answered] == [
        ("complete", len(content)) for content in wanted
    ]


def test_a_client_that_asks_and_does_not_read_gets_all_in_order_when_it_does(setup: Setup, app: Mixed) -> None:
    count, size = 2000, 4003
    asked = f"GET /{size} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * count
    with Served(setup, app) as served, served.connect(receive_buffer=4096) as client:
        client.sock.setblocking(True)
        sender = asyncio.new_event_loop()
        try:
            sending = sender.run_in_executor(None, client.sock.sendall, asked)
            served.until(served.waiting)
            assert count * size > 10 * MOST_PUT_ASIDE
            for _ in range(count):
                assert client.response().content == b"3" * size
            sender.run_until_complete(sending)
        finally:
            sender.close()
    assert served.log == []


def test_the_last_answer_leaves_though_the_connection_is_closed_in_its_turn(setup: Setup, app: Mixed) -> None:
    with Served(setup, app) as served:
        assert served.get("/5", "Connection: close").content == b"5" * 5
        with served.connect() as client:
            client.send(b"GET /7 HTTP/1.1\r\nHost: a\r\n\r\nno request\r\n\r\n")
            assert client.response().content == b"7" * 7
            assert client.response().status == 400


def test_an_answer_that_did_not_go_yet_outlasts_the_end_of_input(setup: Setup, app: Mixed) -> None:
    def full(*_: object) -> int:
        raise BlockingIOError

    with Served(setup, app) as served, temporarily(os, "writev", full), served.connect() as client:
        client.request("/5")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.response().content == b"5" * 5


def test_an_answer_leaves_before_another_protocol_takes_over(setup: Setup, app: Mixed) -> None:
    pytest.importorskip("wsproto")

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})

    key = base64.b64encode(bytes(16)).decode()
    fields = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    with Served(setup, either, ws="wsproto") as served, served.connect() as client:
        client.send(f"GET /7 HTTP/1.1\r\nHost: a\r\n\r\nGET /ws HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        assert client.response().content == b"7" * 7
        assert client.response().status == 101
