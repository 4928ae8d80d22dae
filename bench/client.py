"""The clients that load a server, each run as a process of its own: `python -m bench.client KIND`.

A JSON order comes on stdin, a JSON account goes to stdout. Kinds: `requests`, `bulk`, `first_byte`, `hold`.

Nothing here judges content (verify.py did, before); status and length are checked on every response all the same.
"""

import asyncio
import ctypes
import json
import mmap
import os
import re
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypedDict

_HEAD_END = b"\r\n\r\n"
_SINK = 1 << 20
_WAKE_AT = 1 << 20
_EVICTION_PATIENCE = 2.0
_LEFT_CACHED = 1 / 50
_libc = ctypes.CDLL(None, use_errno=True)
_LAST_CHUNK = b"0\r\n\r\n"


class Order(TypedDict, total=False):
    """`requests` are raw and ASCII, used in turn; every response must have `status`."""

    host: str
    port: int
    requests: list[str]
    status: int
    connections: int
    seconds: float
    transfers: int
    evict: list[str]
    read_first: bool


class BadResponse(Exception):
    """A response that is no success, or not whole."""


@dataclass(frozen=True, slots=True)
class Head:
    """The start of a response: where its content begins, and how long it is (None: chunked, to the closing)."""

    size: int
    length: int | None


def parse_head(data: bytes, status: int) -> Head | None:
    """The head that `data` begins with, None while it is incomplete. BadResponse for another status."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    head = data[: end + 2]
    if not re.match(rb"HTTP/1\.[01] %d[ \r]" % status, head):
        raise BadResponse(f"not a {status}: {head[:80]!r}")
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)\r\n", head)
    length = int(found[1]) if found else None
    if status == 304:
        length = 0
    return Head(end + 4, length)


def quantiles(durations: Sequence[float]) -> dict[str, float]:
    ordered = sorted(durations)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]}


# requests: many small answers over kept connections, where wrk is not installed


@dataclass
class _Asker(asyncio.Protocol):
    """One connection that asks, reads the answer, asks again."""

    requests: list[bytes]
    status: int
    turn: int
    durations: list[float] = field(default_factory=list)
    received: int = 0
    error: str = ""
    stopping: bool = False
    _transport: asyncio.Transport | None = None
    _head: bytes = b""
    _left: int = 0
    _asked: float = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked = time.perf_counter()
        self._transport.write(self.requests[self.turn % len(self.requests)])
        self.turn += 1

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if not self._left:
            self._head += data
            try:
                head = parse_head(self._head, self.status)
                if head is not None and head.length is None:
                    raise BadResponse("an answer without Content-Length")
            except BadResponse as error:
                self._fail(str(error))
                return
            if head is None or head.length is None:
                return
            self._left = head.size + head.length
            data, self._head = self._head, b""
        self._left -= len(data)
        if self._left < 0:
            self._fail("more bytes than announced")
        elif not self._left:
            self.durations.append(time.perf_counter() - self._asked)
            if not self.stopping:
                self._ask()

    def _fail(self, why: str) -> None:
        self.error = why
        self.stopping = True
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.stopping:
            self.error = f"the connection ended: {error!r}"


async def _ask_for(order: Order) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    requests = [text.encode("ascii") for text in order["requests"]]
    begun = time.perf_counter()
    askers = []
    for number in range(order["connections"]):
        asker = _Asker(requests, order["status"], number)
        await loop.create_connection(lambda asker=asker: asker, order["host"], order["port"])  # type: ignore[misc]
        askers.append(asker)
    await asyncio.sleep(max(0.0, begun + order["seconds"] - time.perf_counter()))
    wall = time.perf_counter() - begun
    for asker in askers:
        asker.stopping = True
    errors = [asker.error for asker in askers if asker.error]
    if errors:
        raise BadResponse(errors[0])
    durations = [duration for asker in askers for duration in asker.durations]
    if not durations:
        raise BadResponse("no answer in time")
    received = sum(asker.received for asker in askers)
    return {"requests": len(durations), "received": received, "wall": wall, **quantiles(durations)}


# bulk: long answers into a sink


_IMPATIENCE = 0.002
"""Seconds after which a client takes what has come, be it less than its mark."""


class _Transfer:
    """One long answer.

    Content of known length is dropped in the kernel (MSG_TRUNC) a MiB at a time (SO_RCVLOWAT): a client that is woken
    for every packet would be the limit, and its acknowledgements a good part of what the server pays. A chunked
    answer is read, because its last chunk says whether it is whole.
    """

    def __init__(self, order: Order, request: bytes, buffer: mmap.mmap) -> None:
        self.status = order["status"]
        self.begun = time.perf_counter()
        self.received = 0
        self.socket = socket.create_connection((order["host"], order["port"]))
        self.socket.sendall(request)
        self.socket.setblocking(False)
        self._buffer = buffer
        self._start = b""
        self._total: int | None = None
        self._chunked = False
        self._tail = b""
        self._mark = 1

    def ready(self) -> bool:
        """Take what has come, if anything; True when the answer is complete. BadResponse when it ends before."""
        try:
            if self._total is None and not self._chunked:
                return self._read_head()
            if self._chunked:
                count = self.socket.recv_into(self._buffer)
                self._tail = (self._tail + self._buffer[max(0, count - 5) : count])[-5:]
            else:
                count = self.socket.recv_into(self._buffer, 0, socket.MSG_TRUNC)
        except BlockingIOError:
            return False
        self.received += count
        self._wake_at_most()
        return self._whole(ended=not count)

    def _wake_at_most(self) -> None:
        """Sleep until a MiB is there; near the end take what comes, as a server may hold back its last bytes."""
        left = (self._total or 0) - self.received
        mark = _WAKE_AT if left >= 2 * _WAKE_AT else 1
        if mark != self._mark:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, mark)
            self._mark = mark

    def _read_head(self) -> bool:
        data = self.socket.recv(65536)
        self.received += len(data)
        self._start += data
        head = parse_head(self._start, self.status)
        if head is None:
            if not data:
                raise BadResponse("the connection ended within the head")
            return False
        self._chunked = head.length is None
        self._total = None if head.length is None else head.size + head.length
        self._tail = self._start[-5:]
        self._wake_at_most()
        return self._whole(ended=False)

    def _whole(self, *, ended: bool) -> bool:
        if self._total is not None and self.received > self._total:
            raise BadResponse("more bytes than announced")
        if self._total == self.received or (self._chunked and self._tail == _LAST_CHUNK and ended):
            return True
        if ended:
            raise BadResponse(
                f"the connection ended after {self.received} bytes of {self._total or 'a chunked answer'}"
            )
        return False


def evict(paths: Sequence[str]) -> None:
    """Have the kernel forget the files' pages. OSError where it does not (memory file systems have no other place).

    Asked from every core, as the pages that a core has touched last are still its own and stay otherwise; and again
    for a while, as a socket may not have let go of what it sent. A few pages that are held all the same are let pass.
    """
    pages = sum(-(-os.stat(path).st_size // mmap.PAGESIZE) for path in paths)
    deadline = time.monotonic() + _EVICTION_PATIENCE
    while True:
        _forget(paths)
        left = {path: count for path in paths if (count := _cached_pages(path))}
        if sum(left.values()) <= pages * _LEFT_CACHED:
            return
        if time.monotonic() > deadline:
            raise OSError(f"{os.path.basename(next(iter(left)))} stays in the page cache")
        time.sleep(0.01)


def _forget(paths: Sequence[str]) -> None:
    home = os.sched_getaffinity(0)
    try:
        for core in range(os.cpu_count() or 1):
            with suppress(OSError):  # not a core of ours
                os.sched_setaffinity(0, {core})
            for path in paths:
                with _opened(path) as descriptor:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.sched_setaffinity(0, home)


def _cached_pages(path: str) -> int:
    """How many are in memory. mincore(2) only looks; a read that may not wait has pages fetched all the same."""
    with _opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if not size:
            return 0
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        with mmap.mmap(descriptor, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
            first = ctypes.c_char.from_buffer(mapped)
            failed = _libc.mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), pages)
            del first  # or the mapping could not be closed
        if failed:
            raise OSError(ctypes.get_errno(), f"mincore: {path}")
        return sum(page & 1 for page in pages)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def bulk(order: Order) -> dict[str, float]:
    """`connections` at a time, `transfers` in all."""
    requests = [text.encode("ascii") for text in order["requests"]]
    evict(order.get("evict", ()))
    buffer = mmap.mmap(-1, _SINK)
    selector = selectors.DefaultSelector()
    begun = time.perf_counter()
    started, received = 0, 0
    durations: list[float] = []
    while started < min(order["connections"], order["transfers"]):
        transfer = _Transfer(order, requests[started % len(requests)], buffer)
        selector.register(transfer.socket, selectors.EVENT_READ, transfer)
        started += 1
    while selector.get_map():
        # A server may wait for its client to read before it sends more: then what there is must do.
        ready = [key for key, _ in selector.select(_IMPATIENCE)] or list(selector.get_map().values())
        for key in ready:
            transfer = key.data
            if not transfer.ready():
                continue
            selector.unregister(transfer.socket)
            transfer.socket.close()
            durations.append(time.perf_counter() - transfer.begun)
            received += transfer.received
            if started < order["transfers"]:
                transfer = _Transfer(order, requests[started % len(requests)], buffer)
                selector.register(transfer.socket, selectors.EVENT_READ, transfer)
                started += 1
    wall = time.perf_counter() - begun
    return {"requests": len(durations), "received": received, "wall": wall, **quantiles(durations)}


# first_byte: one after another, each on a connection of its own that is already open


def first_byte(order: Order) -> dict[str, float]:
    """Time from the request to the first byte of content; the rest is not waited for."""
    durations = []
    for number in range(order["transfers"]):
        request = order["requests"][number % len(order["requests"])].encode("ascii")
        with socket.create_connection((order["host"], order["port"]), timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begun = time.perf_counter()
            connection.sendall(request)
            data = b""
            while True:
                block = connection.recv(65536)
                data += block
                head = parse_head(data, order["status"])
                if head is not None and (len(data) > head.size or head.length == 0):
                    break
                if not block:
                    raise BadResponse("the connection ended before the content")
            durations.append(time.perf_counter() - begun)
    return {"requests": len(durations), **quantiles(durations)}


# hold: connections that are open and do nothing, until stdin ends


def hold(order: Order) -> None:
    """With `read_first` each asks once and reads the answer, then idles; else it asks and never reads."""
    request = order["requests"][0].encode("ascii")
    held = []
    for _ in range(order["connections"]):
        connection = socket.socket()
        if not order["read_first"]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # a slow client's window
        connection.settimeout(60)
        connection.connect((order["host"], order["port"]))
        connection.sendall(request)
        if order["read_first"]:
            data = connection.recv(65536)
            while (head := parse_head(data, order["status"])) is None or len(data) < head.size + (head.length or 0):
                block = connection.recv(65536)
                if not block:
                    raise BadResponse("the connection ended within an answer")
                data += block
        held.append(connection)
    print(json.dumps({"holding": len(held)}), flush=True)
    sys.stdin.read()
    for connection in held:
        connection.close()


def main() -> int:
    kind = sys.argv[1]
    order: Order = json.loads(sys.stdin.readline())
    account: dict[str, Any] = {}
    try:
        match kind:
            case "requests":
                account = dict(asyncio.run(_ask_for(order)))
            case "bulk":
                account = dict(bulk(order))
            case "first_byte":
                account = dict(first_byte(order))
            case "hold":
                hold(order)
                return 0
            case _:
                raise SystemExit(f"no such kind: {kind}")
    except (OSError, BadResponse) as error:
        account = {"error": str(error) or repr(error)}
    print(json.dumps(account), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
