"""What is planned is sent, exactly, or visibly not."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from asgi_downloads.asgi.errors import BrokenTransfer, Disconnected
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.extensions import BROKEN
from asgi_downloads.asgi.respond import break_off, respond, respond_blocks
from asgi_downloads.asgi.sender import COPIED
from asgi_downloads.asgi.types import Message
from asgi_downloads.bodies.base import Body, FileSlice, Piece
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http.message import ByteRange, Plan, Segment
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.openfile import OpenFile
from tests.support.asgi import Recorder, http_scope

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

SIZE = 3 * COPIED + 12_345
CONTENT = os.urandom(SIZE)

IN_FLIGHT = 1 << 18

SERVERS = [
    pytest.param(None, "2.4", id="blocks"),
    pytest.param(None, "2.3", id="blocks-on-a-server-that-keeps-silent"),
    pytest.param(IN_FLIGHT, "2.4", id="slices"),
]


def exchange_of(recorder: Recorder) -> Exchange:
    return Exchange(recorder.scope, recorder.receive, recorder.send)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def send_file(
    path: Path,
    *segments: Segment,
    on_event: Callable[[Message], None] = lambda event: None,
    hang_up_after: int | None = None,
    in_flight: int | None = None,
    spec_version: str = "2.4",
    wrap: Callable[[StoredFile], Body] = lambda body: body,
) -> tuple[Recorder, Exception | None]:
    """Respond with these segments of the file; what was sent, and what was raised."""

    async def run() -> tuple[Recorder, Exception | None]:
        recorder = Recorder(http_scope(in_flight=in_flight, spec_version=spec_version), hang_up_after, on_event)
        plan = Plan(200, [(b"content-length", b"%d" % sum(map(len, segments)))], segments)
        with OpenFile(os.open(path, os.O_RDONLY)) as file:
            try:
                await respond(exchange_of(recorder), plan, wrap(StoredFile(file)))
            except Exception as error:
                return recorder, error
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return recorder, None

    return asyncio.run(run())


class Unhurried:
    """A body whose bytes are never at hand."""

    def __init__(self, body: StoredFile) -> None:
        self.pieces = body.pieces

    def at_hand(self, start: int, stop: int) -> bytes | None:
        return None


@pytest.mark.parametrize(("in_flight", "spec_version"), SERVERS)
@pytest.mark.parametrize(
    "segments",
    [
        pytest.param((ByteRange(0, SIZE),), id="whole"),
        pytest.param((ByteRange(1, SIZE - 1),), id="range"),
        pytest.param((ByteRange(0, COPIED + 1),), id="one-more-than-is-copied"),
        pytest.param((ByteRange(5, 10),), id="small"),
        pytest.param((ByteRange(0, COPIED),), id="all-that-is-copied"),
        pytest.param((b"--B\r\n", ByteRange(0, 10), b"\r\n--B\r\n", ByteRange(20, 30), b"\r\n--B--\r\n"), id="parts"),
        pytest.param((b"--B\r\n", ByteRange(0, SIZE), b"\r\n--B\r\n", ByteRange(20, SIZE), b"--"), id="large-parts"),
        pytest.param((), id="nothing"),
    ],
)
def test_the_planned_segments_are_sent_and_no_more(
    segments: tuple[Segment, ...], in_flight: int | None, spec_version: str, path: Path
) -> None:
    answer, error = send_file(path, *segments, in_flight=in_flight, spec_version=spec_version)
    want = b"".join(s if isinstance(s, bytes) else CONTENT[s.start : s.stop] for s in segments)
    assert error is None
    assert bytes(answer.content) == want
    assert answer.complete


def test_a_small_answer_is_one_event(path: Path) -> None:
    answer, _ = send_file(path, ByteRange(0, 1000), in_flight=IN_FLIGHT)
    assert [event["type"] for event in answer.events] == ["http.response.start", "http.response.body"]


def test_small_content_that_is_not_at_hand_is_read_before_the_status_goes_out(path: Path) -> None:
    answer, error = send_file(path, b"<", ByteRange(0, 1000), b">", wrap=Unhurried)
    assert error is None
    assert len(answer.events) == 2
    assert answer.content == b"<" + CONTENT[:1000] + b">"


def edit(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"edited in place")


def shorten(path: Path) -> None:
    os.truncate(path, SIZE // 2)


@pytest.mark.parametrize(("in_flight", "spec_version"), SERVERS)
@pytest.mark.parametrize("change", [edit, shorten])
def test_a_file_changed_while_it_is_sent_breaks_the_transfer(
    change: Callable[[Path], None], in_flight: int | None, spec_version: str, path: Path
) -> None:
    def on_event(event: Message) -> None:
        if len(answers) == (1 if in_flight is None else 0):  # a server that takes slices reads all of it next
            change(path)
        answers.append(event)

    answers: list[Message] = []
    answer, error = send_file(
        path, ByteRange(0, SIZE), on_event=on_event, in_flight=in_flight, spec_version=spec_version
    )
    assert isinstance(error, BrokenTransfer)
    assert not answer.complete
    assert len(answer.content) < SIZE


@pytest.mark.parametrize(("in_flight", "spec_version"), SERVERS)
def test_a_log_that_grows_is_sent_as_it_was_announced(in_flight: int | None, spec_version: str, path: Path) -> None:
    def append(event: Message) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    answer, error = send_file(path, ByteRange(0, SIZE), on_event=append, in_flight=in_flight, spec_version=spec_version)
    assert error is None
    assert bytes(answer.content) == CONTENT


def test_a_small_file_changed_under_the_read_is_not_sent_at_all(path: Path) -> None:
    class Edited(StoredFile):
        def at_hand(self, start: int, stop: int) -> bytes | None:
            edit(path)
            return super().at_hand(start, stop)

    answer, error = send_file(path, ByteRange(0, 10), wrap=lambda body: Edited(body.file))
    assert isinstance(error, FileChanged)
    assert answer.events == []


@pytest.mark.parametrize(("in_flight", "spec_version"), SERVERS)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_client_that_leaves_ends_the_sending(
    after: int, in_flight: int | None, spec_version: str, path: Path
) -> None:
    answer, error = send_file(
        path, ByteRange(0, SIZE), hang_up_after=after, in_flight=in_flight, spec_version=spec_version
    )
    assert isinstance(error, Disconnected)
    assert len(answer.events) == after


def test_within_work_that_ends_with_the_client_nobody_else_waits_for_it() -> None:
    waiting = most = 0

    async def receive() -> Message:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        try:
            await asyncio.Event().wait()
        finally:
            waiting -= 1
        raise AssertionError

    async def run() -> None:
        exchange = Exchange(http_scope(), receive, Recorder(http_scope()).send)

        async def inner() -> int:
            await asyncio.sleep(0)
            return 3

        async def outer() -> int:
            return await exchange.while_connected(inner) + await exchange.while_connected(inner)

        for _ in range(2):
            assert await exchange.while_connected(outer) == 6
            assert waiting == 0

    asyncio.run(run())
    assert most == 1


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
def test_a_body_that_fails_at_once_is_raised_with_nothing_sent(spec_version: str) -> None:
    class Gone:
        def at_hand(self, start: int, stop: int) -> bytes | None:
            return None

        async def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
            raise FileChanged
            yield b""

    recorder = Recorder(http_scope(spec_version=spec_version))
    with pytest.raises(FileChanged):
        asyncio.run(respond(exchange_of(recorder), Plan(200, [], (ByteRange(0, SIZE),)), Gone()))
    assert recorder.events == []


def test_a_body_that_fails_midway_breaks_the_transfer_and_is_closed(path: Path) -> None:
    closed = []

    class Failing(StoredFile):
        async def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
            try:
                yield FileSlice(self.file, 0, 10)
                raise OSError("disk")
            finally:
                closed.append(True)

    answer, error = send_file(path, ByteRange(0, SIZE), wrap=lambda body: Failing(body.file))
    assert isinstance(error, BrokenTransfer)
    assert closed == [True]
    assert not answer.complete


class Blocks:
    """Blocks that note what becomes of them; `None` waits for ever, an exception is raised."""

    def __init__(self, *blocks: bytes | Exception | None) -> None:
        self.blocks = blocks
        self.made = 0
        self.closed = False

    async def __call__(self) -> AsyncGenerator[bytes]:
        try:
            for block in self.blocks:
                self.made += 1
                if block is None:
                    await asyncio.Event().wait()
                elif isinstance(block, Exception):
                    raise block
                else:
                    yield block
        finally:
            self.closed = True


def send_blocks(
    blocks: Blocks, method: str = "GET", *, hang_up_after: int | None = None, spec_version: str = "2.3"
) -> tuple[Recorder, Exception | None]:
    async def run() -> tuple[Recorder, Exception | None]:
        recorder = Recorder(http_scope(method=method, spec_version=spec_version), hang_up_after)
        if hang_up_after is not None and hang_up_after <= len(recorder.events):
            recorder._gone.set()
        generator = blocks()
        try:
            await respond_blocks(exchange_of(recorder), 200, [], generator)
        except Exception as error:
            return recorder, error
        return recorder, None

    return asyncio.run(run())


def test_blocks_are_sent_in_order_and_ended() -> None:
    blocks = Blocks(b"a", b"b", b"c")
    answer, error = send_blocks(blocks)
    assert (error, bytes(answer.content), answer.complete, blocks.closed) == (None, b"abc", True, True)


def test_no_blocks_are_an_empty_answer() -> None:
    answer, error = send_blocks(Blocks())
    assert (error, answer.status, bytes(answer.content), answer.complete) == (None, 200, b"", True)


def test_head_makes_no_block() -> None:
    blocks = Blocks(b"a")
    answer, error = send_blocks(blocks, "HEAD")
    assert (error, answer.status, bytes(answer.content), blocks.made) == (None, 200, b"", 0)


def test_a_failure_before_the_first_block_is_raised_with_nothing_sent() -> None:
    blocks = Blocks(KeyError("database"))
    answer, error = send_blocks(blocks)
    assert isinstance(error, KeyError)
    assert answer.events == []
    assert blocks.closed


def test_a_failure_after_the_first_block_breaks_the_transfer() -> None:
    blocks = Blocks(b"a", KeyError("database"))
    answer, error = send_blocks(blocks)
    assert isinstance(error, BrokenTransfer)
    assert not answer.complete
    assert blocks.closed


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
@pytest.mark.parametrize("after", [0, 2])
def test_a_client_that_leaves_ends_a_block_that_never_comes(after: int, spec_version: str) -> None:
    blocks = Blocks(b"a", b"b", None)
    _, error = send_blocks(blocks, hang_up_after=after, spec_version=spec_version)
    assert isinstance(error, Disconnected)
    assert blocks.closed


def test_a_transfer_is_broken_by_an_event_that_servers_know_and_one_that_none_takes() -> None:
    seen: list[Message] = []

    async def send(event: Message) -> None:
        seen.append(event)
        raise RuntimeError("unknown")

    asyncio.run(break_off(send))
    assert [event["type"] for event in seen] == [BROKEN, "http.response.pathsend", "http.response.body"]
    with pytest.raises(ValueError, match="null"):
        os.stat(seen[1]["path"])
    assert not isinstance(seen[2]["body"], bytes)
    assert seen[2]["more_body"]
