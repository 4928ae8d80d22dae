"""A server that answers as it is told, rightly or wrongly, in a thread or as a process of its own."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.load import Address


def answer(mode: str, content: bytes) -> bytes:
    """The raw response to any request; the connection is closed behind those that are not whole."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    middle = len(content) // 2
    match mode:
        case "right":
            return head + content
        case "wrong-byte":
            return head + content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        case "short":
            return head + content[:-1]
        case "long":
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(content) + 1) + content + b"!"
        case "missing":
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"
        case "chunked":
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
                len(content),
                content,
            )
        case "chunked-short":
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(content), content)
        case "hang-up":
            return b""
    raise ValueError(mode)


CLOSED = ("short", "chunked-short", "hang-up")


def serve(listener: socket.socket, mode: str, content: bytes) -> None:
    """Answer until the listener closes; one thread for each connection."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_converse, args=(connection, mode, content), daemon=True).start()


def _converse(connection: socket.socket, mode: str, content: bytes) -> None:
    raw = answer(mode, content)
    with connection, suppress(OSError):
        data = b""
        while block := connection.recv(65536):
            data += block
            while b"\r\n\r\n" in data:
                request, _, data = data.partition(b"\r\n\r\n")
                connection.sendall(raw)
                if mode in CLOSED or b"Connection: close" in request:
                    return


@contextmanager
def running(mode: str, content: bytes) -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, mode, content), daemon=True)
        thread.start()
        try:
            yield Address(*listener.getsockname())
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def main() -> None:
    port, mode, path = sys.argv[1:]
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        serve(listener, mode, Path(path).read_bytes())


if __name__ == "__main__":
    main()
