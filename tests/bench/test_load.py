"""The clients: they count whole answers, and only those."""

import mmap
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import client, load
from bench.load import Address, Bulk, LoadFailed
from bench.verify import Request
from tests.bench import stub

CONTENT = bytes(range(256)) * 1000


def raw(address: Address, *, close: bool = False) -> list[bytes]:
    return [Request("/x").raw(str(address), close=close)]


@dataclass(frozen=True)
class Start:
    id: str
    data: bytes
    status: int
    want: client.Head | None


@pytest.mark.parametrize(
    "case",
    [
        Start("incomplete", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", 200, None),
        Start("with-length", b"HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: 5\r\n\r\nabc", 200, client.Head(44, 5)),
        Start("chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, client.Head(47, None)),
        Start("304-has-no-content", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, client.Head(48, 0)),
        Start("no-reason", b"HTTP/1.1 206 \r\nContent-Length: 1\r\n\r\n", 206, client.Head(36, 1)),
    ],
    ids=lambda case: case.id,
)
def test_the_head_says_how_long_the_content_is(case: Start) -> None:
    assert client.parse_head(case.data, case.status) == case.want


def test_another_status_is_an_error() -> None:
    with pytest.raises(client.BadResponse, match="not a 200"):
        client.parse_head(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 200)


@pytest.mark.parametrize("mode", ["right", "chunked"])
def test_bulk_counts_whole_answers(mode: str) -> None:
    with stub.running(mode, CONTENT) as address:
        outcome = load.bulk(address, raw(address, close=True), 200, Bulk(2, 5), (), len(CONTENT))
    assert outcome.requests == 5
    assert outcome.received >= 5 * len(CONTENT)
    assert 0 < outcome.p50 <= outcome.p99 <= outcome.wall


@pytest.mark.parametrize("mode", ["short", "chunked-short", "missing", "hang-up"])
def test_bulk_takes_nothing_less_than_whole(mode: str) -> None:
    with stub.running(mode, CONTENT) as address, pytest.raises(LoadFailed):
        load.bulk(address, raw(address, close=True), 200, Bulk(1, 2), (), len(CONTENT))


def test_bulk_is_not_content_with_another_length_than_was_verified() -> None:
    with stub.running("right", CONTENT) as address, pytest.raises(LoadFailed, match="answers of 9999999 bytes"):
        load.bulk(address, raw(address, close=True), 200, Bulk(), (), 9_999_999)


def test_eviction_is_asked_for_until_it_took_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket may hold pages for a moment after its client has all of them, and a few for longer."""
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    answers = [256, 6, 5]
    monkeypatch.setattr(client, "_cached_pages", lambda path: answers.pop(0))
    client.evict([str(path)])
    assert answers == []
    monkeypatch.setattr(client, "_cached_pages", lambda path: 256)
    monkeypatch.setattr(client, "_EVICTION_PATIENCE", 0)
    with pytest.raises(OSError, match="stays in the page cache"):
        client.evict([str(path)])


def test_pages_in_memory_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert client._cached_pages(str(path)) == 0
    path.write_bytes(bytes(10_000))
    assert client._cached_pages(str(path)) == -(-10_000 // mmap.PAGESIZE)


def test_bulk_evicts_what_it_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "cold"
    path.write_bytes(CONTENT)
    with stub.running("right", CONTENT) as address:
        try:
            outcome = load.bulk(address, raw(address, close=True), 200, Bulk(evict=True), [path], len(CONTENT))
        except LoadFailed as error:  # a file system without a disk below, or a page that is not written yet
            assert "stays in the page cache" in str(error)  # noqa: PT017
        else:
            assert outcome.requests == 1


@pytest.fixture
def without_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.load.shutil.which", lambda name: None)


@pytest.mark.usefixtures("without_wrk")
def test_our_client_asks_over_kept_connections() -> None:
    with stub.running("right", b"x" * 100) as address:
        outcome = load.requests(address, raw(address), 200, 4, 0.2, 100)
    assert outcome.requests > 4
    assert outcome.received >= outcome.requests * 100


@pytest.mark.usefixtures("without_wrk")
@pytest.mark.parametrize("mode", ["missing", "hang-up", "short", "chunked"])
def test_our_client_fails_on_any_error(mode: str) -> None:
    with stub.running(mode, b"x" * 100) as address, pytest.raises(LoadFailed):
        load.requests(address, raw(address), 200, 2, 0.2, 100)


@pytest.mark.usefixtures("without_wrk")
def test_shorter_answers_than_verified_fail_the_load() -> None:
    with stub.running("right", b"x" * 100) as address, pytest.raises(LoadFailed, match="answers of 5000 bytes"):
        load.requests(address, raw(address), 200, 2, 0.2, 5000)


@pytest.mark.usefixtures("without_wrk")
def test_longer_answers_than_verified_fail_the_load() -> None:
    with stub.running("right", b"x" * 20_000) as address, pytest.raises(LoadFailed, match="answers of 100 bytes"):
        load.requests(address, raw(address), 200, 1, 0.2, 100)


def test_first_byte_is_the_time_to_content_and_not_to_the_head() -> None:
    delay = 0.1

    def slow(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
            time.sleep(delay)
            connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=slow, args=(listener,))
        thread.start()
        address = Address(*listener.getsockname())
        assert load.first_byte(address, raw(address), 200, 1) >= delay
        thread.join(5)


def test_held_connections_are_open_within_the_block_only() -> None:
    with stub.running("right", CONTENT) as address:
        with load.holding(address, raw(address)[0], 200, 3, read_first=True):
            pass
        with pytest.raises(LoadFailed), load.holding(address, raw(address)[0], 404, 1, read_first=True):
            pass
