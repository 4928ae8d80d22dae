"""Turns, times and ends of a connection: what one client may take from all others, and when it is let go."""

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.http1 import connection
from asgi_downloads.server.http1.connection import EVENTS_IN_A_TURN, REQUEST_COST
from asgi_downloads.server.http1.deadlines import Limits
from asgi_downloads.server.http1.request_parser import SLICE
from tests.server.serving import App, Served, Setup, temporarily
from tests.support.serving import serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


class Turns:
    """Counts what happens in each turn of the loop, which does not rest meanwhile."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.turn = 0

    def begin(self) -> None:
        self.turn += 1
        asyncio.get_running_loop().call_soon(self.begin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.turn:
            self.begin()
        self.counts[self.turn] += 1
        await hello(scope, receive, send)


# -- everyone gets a turn


def test_of_one_connection_only_so_many_requests_are_answered_in_a_turn(setup: Setup) -> None:
    app, count = Turns(), 3000
    with Served(setup, app) as served, served.connect() as client:
        client.send(GET * count)
        for _ in range(count):
            assert client.response().content == b"hello"
    assert sum(app.counts.values()) == count
    assert max(app.counts.values()) <= EVENTS_IN_A_TURN / REQUEST_COST <= 32


@pytest.mark.parametrize("read", [True, False], ids=["read", "not-read"])
def test_content_in_tiny_pieces_does_not_take_more_than_its_turn(setup: Setup, read: bool) -> None:
    turns: list[int] = []
    app = Turns()

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        turns.append(app.turn)
        while read and (await receive())["more_body"]:
            pass
        await app(scope, receive, send)

    count = 50_000
    with Served(setup, counted) as served, served.connect() as client:
        client.send(GET + CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n" + GET)
        for _ in range(3):
            assert client.response().content == b"hello"
    assert turns[2] - turns[1] >= count / EVENTS_IN_A_TURN - 3  # the first and the last turn are shared


@contextlib.contextmanager
def flood(port: int) -> Iterator[None]:
    """Clients that ask as fast as they can, and throw the answers away."""
    ended = threading.Event()
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]

    def ask(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                sock.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 3000)

    def read(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while sock.recv(1 << 20):
                pass

    threads = [threading.Thread(target=target, args=(sock,)) for sock in socks for target in (ask, read)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)
        for sock in socks:
            sock.close()


def test_others_are_served_beside_a_flood_and_a_signal_is_heard() -> None:
    with serving("--demo") as served:
        port = int(served.url.rpartition(":")[2])
        with flood(port):
            for _ in range(5):
                with urlopen(f"{served.url}/livez", timeout=5) as answer:
                    assert answer.status == 200
            assert served.stop() == 0


# -- a client that has ended its side


def half_closed(served: Served) -> bytes:
    return served.exchange(GET, half_close=True)


def test_a_client_that_has_ended_its_side_is_answered_if_the_answer_is_soon_ready(setup: Setup) -> None:
    async def soon(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        await hello(scope, receive, send)

    with Served(setup, soon) as served:
        assert served.exchange(3 * GET, half_close=True).count(b"hello") == 3


def test_a_client_that_has_ended_its_side_before_a_long_job_was_done_has_left(setup: Setup) -> None:
    seen: list[str] = []

    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            seen.append(message["type"])
        seen.append(message["type"])
        with pytest.raises(OSError):
            await hello(scope, receive, send)

    with temporarily(connection, "PATIENCE", 0.1), Served(setup, long) as served:
        begun = time.monotonic()
        assert half_closed(served) == b""
        assert 0.1 <= time.monotonic() - begun < 5
        served.until(lambda: not served.state.tasks and not served.state.connections)
    assert seen == ["http.request", "http.disconnect"]
    assert [cycle.outcome for cycle in served.answered] == ["aborted"]
    assert served.log == []


def test_what_has_begun_is_finished_for_a_client_that_has_ended_its_side(setup: Setup) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"b"})

    with temporarily(connection, "PATIENCE", 0.1), Served(setup, slow) as served:
        assert half_closed(served).endswith(b"\r\n\r\nab")


def test_a_request_whose_content_will_never_come_is_no_longer_waited_for(setup: Setup) -> None:
    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        if message["type"] == "http.request":
            await hello(scope, receive, send)

    half = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"
    with Served(setup, reads) as served:
        assert served.exchange(GET + half, half_close=True).count(b"hello") == 1
        served.until(lambda: not served.state.connections)
    assert [cycle.outcome for cycle in served.answered] == ["complete", "aborted"]
    assert served.log == []


# -- heads and content that never end, behind what is answered


def delayed(seconds: float) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(seconds)
        await hello(scope, receive, send)

    return app


UNENDING = [
    ("head", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20_000, [200, 431]),
    ("target", b"GET /" + b"x" * 90_000, [200, 414]),
    ("no-request", b"\x16\x03\x01\r\n\r\n", [200, 400]),
]


@pytest.mark.parametrize(("data", "want"), [row[1:] for row in UNENDING], ids=[row[0] for row in UNENDING])
@pytest.mark.parametrize("wait", [0, 0.05], ids=["at-once", "later"])
def test_what_follows_an_answer_is_refused_in_its_turn(setup: Setup, data: bytes, want: list[int], wait: float) -> None:
    with Served(setup, delayed(wait)) as served, served.connect() as client:
        client.send(GET + data)
        assert [client.response().status for _ in want] == want
        assert client.rest() == b""
    assert served.log == ["Invalid HTTP request received."]


@pytest.mark.parametrize("content", [b"1;" + b"x" * 90_000, b"x\r\n"], ids=["never-ends", "broken"])
def test_content_that_goes_wrong_after_its_request_was_answered_ends_the_connection(
    setup: Setup, content: bytes
) -> None:
    with Served(setup, hello) as served, served.connect() as client:
        client.send(CHUNKED)
        assert client.response().content == b"hello"
        client.send(content)
        assert client.rest() == b""
    assert served.log == []


def test_content_that_stops_in_the_middle_of_a_line_after_its_request_was_answered(setup: Setup) -> None:
    limits = Limits(head_seconds=0.2)
    with Served(setup, hello, limits=limits) as served, served.connect() as client:
        client.send(CHUNKED)
        assert client.response().content == b"hello"
        client.send(b"1;x")
        assert client.rest() == b""
        served.until(lambda: not served.state.connections)
    assert served.log == []


# -- the server's end


def test_a_draining_connection_answers_once_more_and_says_so(setup: Setup) -> None:
    with Served(setup, hello) as served, served.connect() as client:
        client.send(GET)
        assert "connection" not in client.response().names
        served.call(served.drain)
        client.send(GET * 2)
        assert client.response()["connection"] == "close"
        assert client.rest() == b""
    assert len(served.answered) == 2


@pytest.mark.parametrize(("waits", "count"), [(0, EVENTS_IN_A_TURN), (1, 2 * EVENTS_IN_A_TURN - REQUEST_COST - 1)])
def test_content_of_which_a_turn_brought_nothing_is_still_waited_for(setup: Setup, waits: int, count: int) -> None:
    """The turn finds a part of a line only, after the application was told to wait for more."""

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(waits):
            await asyncio.sleep(0)
        while (await receive())["more_body"]:
            pass
        await hello(scope, receive, send)

    chunks = b"1\r\nx\r\n" * count
    head = CHUNKED[:-2] + b"X: "
    head += b"x" * (SLICE - len(head) - 4 - len(chunks)) + b"\r\n\r\n"
    with Served(setup, reads) as served, served.connect() as client:
        client.send(head + chunks + b"1")
        served.until(lambda: bool(served.state.tasks))
        time.sleep(0.05)
        client.send(b"\r\nx\r\n0\r\n\r\n")
        assert client.response().content == b"hello"
