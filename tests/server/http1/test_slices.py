"""Slices that ride on body events, files that are edited under way, and answers that the application breaks off."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.asgi.errors import BrokenTransfer
from asgi_downloads.asgi.extensions import BROKEN, SLICE, Slice
from asgi_downloads.asgi.types import Message, Receive, Scope, Send
from asgi_downloads.server.wire.socket_wire import TURN
from asgi_downloads.server.wire.wire import STEP
from tests.server.serving import Client, Served, Setup, temporarily

KIB, MIB = 1 << 10, 1 << 20
SIZE = 3 * MIB + 5


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slices") / "file"
    path.write_bytes(os.urandom(SIZE))
    return path


def sized(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"%d" % count)]


@dataclass
class Slices:
    """Sends a file in two slices with bytes before, between and after; what is not taken it copies."""

    path: Path
    headers: list[tuple[bytes, bytes]]
    status: int = 200
    taken: list[bool] = field(default_factory=list)
    announced: list[Any] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.announced.append(scope["extensions"].get(SLICE))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        with self.path.open("rb") as file:
            await send(body(b"<"))
            await self.slice(file.fileno(), 0, 2 * MIB, send)
            await send(body(b"|"))
            await self.slice(file.fileno(), 2 * MIB, SIZE - 2 * MIB, send)
        await send(body(b">", more=False))

    async def slice(self, descriptor: int, offset: int, count: int, send: Send) -> None:
        part = Slice(descriptor, offset, count)
        await send({**body(b""), SLICE: part})
        self.taken.append(part.taken)
        if not part.taken:
            await send(body(os.pread(descriptor, count, offset)))

    def content(self) -> bytes:
        data = self.path.read_bytes()
        return b"<" + data[: 2 * MIB] + b"|" + data[2 * MIB :] + b">"


def body(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


@dataclass(frozen=True)
class Case:
    id: str
    method: str = "GET"
    version: str = "1.1"
    status: int = 200
    sized: bool = True
    taken: bool = True


CASES = [
    Case("sized"),
    Case("sized-http-1.0", version="1.0"),
    Case("head", method="HEAD"),
    Case("not-modified", status=304),
    Case("chunked", sized=False, taken=False),  # Who took the length away may have changed the content.
    Case("until-close", sized=False, version="1.0", taken=False),
    Case("head-without-length", method="HEAD", sized=False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_slices_are_taken_where_the_content_cannot_have_been_changed(setup: Setup, path: Path, case: Case) -> None:
    app = Slices(path, sized(SIZE + 3) if case.sized else [], case.status)
    with Served(setup, app) as served, served.connect() as client:
        client.send(f"{case.method} / HTTP/{case.version}\r\nHost: a\r\n\r\n".encode())
        response = client.response(case.method)
    assert response.status == case.status
    assert response.content == (b"" if case.method == "HEAD" or case.status == 304 else app.content())
    assert app.taken == [case.taken] * 2
    assert [cycle.zero_copy for cycle in served.answered] == [case.taken and response.content != b""]
    assert [cycle.bytes_sent for cycle in served.answered] == [len(response.content)]
    assert served.log == []


def test_a_slice_is_not_taken_when_somebody_has_filled_the_body(setup: Setup, path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": sized(7)})
        part = Slice(0, 0, 100)
        await send({**body(b"content"), SLICE: part})
        assert not part.taken
        await send(body(b"", more=False))

    with Served(setup, app) as served:
        assert served.get().content == b"content"
    assert served.log == []


def test_what_may_be_on_its_way_is_announced(setup: Setup, path: Path, tmp_path: Path) -> None:
    limits = [Path(f"/proc/sys/net/ipv4/tcp_{name}mem").read_text().split() for name in "wr"]
    app = Slices(path, sized(SIZE + 3))
    with Served(setup, app) as served:
        served.get()
    with Served(setup, app, uds=str(tmp_path / "socket")) as served:
        served.get()
    assert app.announced[0] == {"in_flight": sum(int(limit[-1]) for limit in limits)}
    assert 256 * KIB <= app.announced[1]["in_flight"] <= 512 * KIB
    assert app.taken == [True] * 4


def test_slices_are_not_announced_over_tls(setup: Setup, path: Path, certificate: tuple[str, str]) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    app = Slices(path, sized(SIZE + 3))
    options: dict[str, Any] = {"ssl_keyfile": certificate[0], "ssl_certfile": certificate[1]}
    with Served(setup, app, **options) as served, served.connect(tls=trusting) as client:
        client.request()
        assert client.response().content == app.content()
    assert (app.announced, app.taken) == ([None], [False, False])


@pytest.mark.parametrize("swallow", [False, True], ids=["raises", "swallows"])
def test_a_file_that_is_shorter_than_its_slice_breaks_the_transfer(setup: Setup, path: Path, swallow: bool) -> None:
    seen: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": sized(SIZE + 1)})
        with path.open("rb") as file:
            try:
                await send({**body(b""), SLICE: Slice(file.fileno(), 0, SIZE + 1)})
            except BrokenTransfer as broken:
                seen.append(broken)
                if not swallow:
                    raise
        for event in ({"type": BROKEN, "more_body": True}, {**body(b""), "body": None}):
            with contextlib.suppress(Exception):
                await send(event)

    with Served(setup, app) as served:
        response = served.get()
    assert (response.complete, response.content) == (False, path.read_bytes())
    assert len(seen) == 1
    assert [cycle.outcome for cycle in served.answered] == ["failed"]
    assert served.log == ([] if swallow else ["GET '/' broken off: the file became shorter while it was sent"])


def test_a_slice_longer_than_content_length_is_an_error_and_nothing_of_it_is_sent(setup: Setup, path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": sized(10)})
        with path.open("rb") as file:
            await send({**body(b""), SLICE: Slice(file.fileno(), 0, 11)})

    with Served(setup, app) as served:
        assert served.get().status == 500
    assert "longer than Content-Length" in served.log[0]


# -- broken off by the application


@pytest.mark.parametrize("headers", [sized(100), []], ids=["sized", "chunked"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_that_is_broken_off_is_never_complete(
    setup: Setup, version: str, headers: list[tuple[bytes, bytes]]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(body(b"half"))
        for event in ({"type": BROKEN, "more_body": True}, {**body(b""), "body": None}):
            with contextlib.suppress(Exception):
                await send(event)

    with Served(setup, app) as served, served.connect() as client:
        client.send(f"GET / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        received = []
        reset = False
        try:
            while part := client.sock.recv(65536):
                received.append(part)
        except ConnectionResetError:
            reset = True
        served.until(lambda: bool(served.answered))
    assert b"".join(received).endswith(b"half" if headers or version == "1.0" else b"4\r\nhalf\r\n")
    assert reset == (not headers and version == "1.0")  # Where a plain end would look like the content's own.
    assert [cycle.outcome for cycle in served.answered] == ["failed"]
    assert served.log == []


def test_an_answer_that_is_broken_off_before_its_head_has_left_is_none(setup: Setup) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": sized(5)})
        await send({"type": BROKEN, "more_body": True})

    with Served(setup, app) as served:
        assert served.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert [cycle.outcome for cycle in served.answered] == ["failed"]


# -- edited in place


class Paths:
    """Has the server send a file by its path: slices as far as they may go, then copies and a look at the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": sized(self.path.stat().st_size)})
        await send({"type": "http.response.pathsend", "path": str(self.path)})


class Unguarded(Paths):
    """Sends all of it as one slice, and looks at the file too early."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.path.open("rb") as file:
            size = self.path.stat().st_size
            await send({"type": "http.response.start", "status": 200, "headers": sized(size)})
            await send({**body(b""), SLICE: Slice(file.fileno(), 0, size)})
            await send(body(b"", more=False))


@contextlib.contextmanager
def reading(served: Served, read: int) -> Iterator[Client]:
    """A client that has read so much of the content, and stops until the server waits or has finished."""
    with served.connect() as client:
        client.request()
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.sock.recv(1)
        left = read
        while left:
            left -= len(client.sock.recv(min(left, MIB)))
        served.until(lambda: served.waiting() or bool(served.answered))
        yield client


def edited_in_place(served: Served, path: Path, read: int) -> bytes:
    """What a client gets in all that stops after `read` bytes while the file is overwritten; b"" if it was broken."""
    size = path.stat().st_size
    with reading(served, read) as client:
        with path.open("r+b") as file:
            file.write(b"b" * size)
        rest = client.rest()
    return b"a" * read + rest if read + len(rest) == size else b""


WHOLE = 8 * MIB


@pytest.mark.parametrize("read", [0, MIB, 4 * MIB, WHOLE - 3 * MIB, WHOLE - 2 * MIB, WHOLE - MIB, WHOLE - 400 * KIB])
def test_a_file_edited_at_any_moment_never_ends_in_a_complete_answer_with_foreign_bytes(
    setup: Setup, tmp_path: Path, read: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * WHOLE)
    with Served(setup, Paths(path), uds=str(tmp_path / "socket")) as served:
        content = edited_in_place(served, path, read)
    assert content in (b"", b"a" * WHOLE)
    assert served.answered[0].zero_copy


@pytest.mark.slow
def test_a_file_edited_while_it_is_in_the_queues_of_tcp(setup: Setup, tmp_path: Path) -> None:
    with Served(setup, Paths(tmp_path / "file")) as served:
        for read in (0, 30 * MIB, 40 * MIB, 43 * MIB, 46 * MIB):
            (tmp_path / "file").write_bytes(b"a" * 48 * MIB)
            assert edited_in_place(served, tmp_path / "file", read) in (b"", b"a" * 48 * MIB)
    assert all(cycle.zero_copy for cycle in served.answered)


@pytest.mark.slow
def test_without_a_look_at_the_file_foreign_bytes_arrive(setup: Setup, tmp_path: Path) -> None:
    """What this is all about; if this fails, the tests above prove nothing."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * 200 * KIB)
    with Served(setup, Unguarded(path), uds=str(tmp_path / "socket")) as served:
        assert b"b" in edited_in_place(served, path, 0)


# -- turns


def test_a_slice_leaves_turns_to_others_however_fast_its_client_reads(setup: Setup, path: Path) -> None:
    turns: list[int] = []

    def never_full(fd: int, file: int, offset: int, count: int) -> int:
        time.sleep(0.001)
        return count

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        turn, sending = 0, True

        def count() -> None:
            nonlocal turn
            turn += 1
            if sending:
                loop.call_soon(count)

        loop = asyncio.get_running_loop()
        loop.call_soon(count)
        await send({"type": "http.response.start", "status": 200, "headers": sized(100 * STEP)})
        with path.open("rb") as file:
            await send({**body(b""), SLICE: Slice(file.fileno(), 0, 100 * STEP)})
        sending = False
        turns.append(turn)

    with temporarily(os, "sendfile", never_full), Served(setup, app) as served, served.connect() as client:
        client.request()
        client.rest()
    assert turns[0] >= 100 * 0.001 / (TURN + 0.002)
