"""A client that writes what it is told, byte for byte, and records what came back, byte for byte."""

import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.conformance.case import Request

TIMEOUT = 10.0
"""Seconds without a byte after which an exchange has failed."""


class BrokenAnswer(Exception):
    """What came back is no complete HTTP/1.1 message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response as it was on the wire; `status` 0 means that the connection ended without one."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    framing: str = "none"
    """How the content was delimited: `length`, `chunked`, `close` or `none`; `asgi` in process."""
    interim: tuple[int, ...] = ()
    closed: bool = False
    """The server closed the connection after it."""
    trailing: bytes = b""
    """Bytes after the message that belong to no answer."""
    faults: tuple[str, ...] = field(default=())
    """Ways in which the message is not well-formed (row N1)."""

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        """The value of a field, its lines joined as RFC 9110 §5.3 allows; None if absent."""
        values = self.get_all(name)
        return ", ".join(values) if values else None


def serialize(request: Request, host: str) -> bytes:
    """The request as bytes; Host comes first unless the request brings its own or is HTTP/1.0."""
    if request.raw is not None:
        return request.raw
    lines = [b"%s %s HTTP/%s" % (request.method.encode(), request.target, request.version.encode())]
    names = {name.lower() for name, _ in request.headers}
    if "host" not in names and request.version == "1.1":
        lines.append(b"Host: " + host.encode())
    lines += [name.encode() + b": " + value.encode("latin-1") for name, value in request.headers]
    if request.body and not names & {"content-length", "transfer-encoding"}:
        lines.append(b"Content-Length: %d" % len(request.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


class Connection:
    """One TCP connection."""

    def __init__(
        self, address: tuple[str, int], *, timeout: float = TIMEOUT, receive_buffer: int | None = None
    ) -> None:
        self._socket = socket.socket()
        try:
            if receive_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.settimeout(timeout)
            self._socket.connect(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self._socket.close()
            raise
        self._buffer = bytearray()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def finish_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def _more(self) -> bool:
        """Receive once; False when the server has closed."""
        if self._ended:
            return False
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            self._ended = True
        self._buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes:
        start = 0
        while (at := self._buffer.find(mark, start)) < 0:
            start = max(0, len(self._buffer) - len(mark) + 1)
            if not self._more():
                raise BrokenAnswer("the connection ended within a message")
        return self._take(at + len(mark))

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def take_exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._more():
                raise BrokenAnswer(f"the content ended {count - len(self._buffer)} bytes early")
        return self._take(count)

    def at_end(self) -> bytes:
        """Everything up to the end of the connection; `TimeoutError` if it stays open."""
        while self._more():
            pass
        return self._take(len(self._buffer))

    def has_more(self) -> bool:
        """Whether bytes are waiting that no answer has claimed."""
        if not self._buffer and not self._ended:
            self._socket.setblocking(False)
            try:
                self._more()
            except BlockingIOError:
                pass
            finally:
                self._socket.settimeout(TIMEOUT)
        return bool(self._buffer)

    def read_head(self) -> tuple[int, list[tuple[str, str]], list[str]]:
        """Status, fields and faults of the next head; `BrokenAnswer` if there is none."""
        while not self._buffer:
            if not self._more():
                raise BrokenAnswer("the connection ended without an answer")
        head = self._until(b"\r\n\r\n")[:-4].decode("latin-1")
        start, *lines = head.split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] ([1-5][0-9][0-9])(?: (.*))?", start)
        if match is None:
            raise BrokenAnswer(f"status line {start!r}")
        faults, fields = [], []
        for line in lines:
            named = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", line, re.DOTALL)
            if named is None:
                raise BrokenAnswer(f"field line {line!r}")
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", named[2]):
                faults.append(f"control character in {named[1]}")
            if not named[2].isascii():
                faults.append(f"raw byte outside ASCII in {named[1]}")
            fields.append((named[1].lower(), named[2]))
        return int(match[1]), fields, faults

    def read_answer(self, method: str = "GET") -> Answer:
        """The next final answer, with the interim ones before it; a broken one has status 0."""
        interim: list[int] = []
        try:
            while True:
                status, fields, faults = self.read_head()
                if status >= 200 or status == 101:
                    break
                interim.append(status)
            framing, body = self._read_body(method, status, fields, faults)
        except (BrokenAnswer, TimeoutError) as error:
            return Answer(0, interim=tuple(interim), closed=self._ended, faults=(str(error) or "timed out",))
        tokens = ",".join(value for name, value in fields if name == "connection").lower()
        closed, trailing = False, b""
        if framing == "close" or "close" in tokens:
            try:
                trailing, closed = self.at_end(), True
            except TimeoutError:
                faults.append("said close, but kept the connection open")
        return Answer(status, tuple(fields), body, framing, tuple(interim), closed, trailing, tuple(faults))

    def _read_body(
        self, method: str, status: int, fields: list[tuple[str, str]], faults: list[str]
    ) -> tuple[str, bytes]:
        """RFC 9112 §6.3, in its order."""
        lengths = [value for name, value in fields if name == "content-length"]
        codings = [value for name, value in fields if name == "transfer-encoding"]
        if len(lengths) > 1 or (lengths and not lengths[0].isdecimal()):
            faults.append(f"Content-Length {lengths}")
        if lengths and codings:
            faults.append("both Content-Length and Transfer-Encoding")
        if method == "HEAD" or status in (204, 304):
            return "none", b""
        if codings:
            if codings != ["chunked"]:
                faults.append(f"Transfer-Encoding {codings}")
            return "chunked", self._read_chunks()
        if lengths:
            return "length", self.take_exactly(int(lengths[0]))
        return "close", self.at_end()

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = self._until(b"\r\n")[:-2]
            if not re.fullmatch(rb"[0-9A-Fa-f]+", size):
                raise BrokenAnswer(f"chunk size {size!r}")
            if not (count := int(size, 16)):
                break
            body += self.take_exactly(count)
            if self.take_exactly(2) != b"\r\n":
                raise BrokenAnswer("a chunk does not end where it said")
        if self._until(b"\r\n") != b"\r\n":
            raise BrokenAnswer("trailer fields")
        return bytes(body)


def exchange(address: tuple[str, int], requests: Sequence[Request], *, host: str | None = None) -> list[Answer]:
    """Send `requests` on one connection, each after the last answer, or all at once where they are `pipelined`.

    A request that finds the connection closed is answered by status 0.
    """
    host = host or f"{address[0]}:{address[1]}"
    answers: list[Answer] = []
    with Connection(address) as connection:
        if all(request.pipelined for request in requests):
            connection.send(b"".join(serialize(request, host) for request in requests))
            return [connection.read_answer(request.method) for request in requests]
        for request in requests:
            with suppress(
                ConnectionError
            ):  # the server may have refused the head already; its answer is still to be read
                connection.send(serialize(request, host))
            answers.append(connection.read_answer(request.method))
        if connection.has_more():
            last = answers[-1]
            stray = connection.take_exactly(0) or b"(bytes after the last answer)"
            answers[-1] = Answer(
                last.status, last.headers, last.body, last.framing, last.interim, last.closed, stray, last.faults
            )
    return answers


class Session:
    """Requests one after another on a connection that is kept as long as the server keeps it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def ask(self, request: Request) -> Answer:
        """The answer; a connection that the server had closed meanwhile is opened again once."""
        message = serialize(request, f"{self._address[0]}:{self._address[1]}")
        fresh = self._connection is None
        connection = self._connection or Connection(self._address)
        self._connection = connection
        try:
            connection.send(message)
        except ConnectionError:
            if fresh:
                raise
        answer = connection.read_answer(request.method)
        if answer.closed or not answer.status:
            connection.close()
            self._connection = None
            if not answer.status and not fresh:
                return self.ask(request)
        return answer
