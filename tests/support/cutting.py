"""A proxy that cuts one transfer in the middle, as networks do."""

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Cut:
    """Where the proxy listens, and whether it has cut."""

    port: int
    done: threading.Event = field(default_factory=threading.Event)


@contextmanager
def cutting(port: int, after: int, wait: Callable[[], None] = lambda: None) -> Iterator[Cut]:
    """A proxy to `port` on loopback that cuts the first connection over which more than `after` bytes have come.

    Before it does, it lets the client wait for `wait`.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    cut = Cut(listener.getsockname()[1])

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server, selectors.DefaultSelector() as waiting:
            came = 0
            waiting.register(client, selectors.EVENT_READ, server)
            waiting.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in waiting.select():
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        return
                    key.data.sendall(data)
                    came += len(data) if key.fileobj is server else 0
                    if came > after and not cut.done.is_set():
                        wait()
                        cut.done.set()
                        return

    def one(client: socket.socket) -> None:
        with suppress(OSError):
            serve(client)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield cut
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
