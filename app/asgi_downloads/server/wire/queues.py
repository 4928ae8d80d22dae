"""How much the kernel may hold between a server that has sent and a client that has not read.

sendfile(2) hands out references to pages of a file, so until they are read an edit of the file in place changes
them: in our queue until they are acknowledged and, when the client is on this machine, in its queue as well, for
there the same pages are passed on. But no queue outgrows its limit: what was accepted more bytes ago than both hold
has been read.
"""

import os
import socket
from functools import cache

_OVERSHOOT = 128 << 10
"""Bytes; a Unix socket whose queue is not yet full takes one more step of sendfile(2), of up to 64 KiB."""


def in_flight(sock: socket.socket) -> int | None:
    """The most bytes that a stream socket has taken and its client has not read; None where that is unknown."""
    if not (hasattr(os, "sendfile") and hasattr(os, "RWF_NOWAIT")):
        return None
    if sock.family == socket.AF_UNIX:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) + _OVERSHOOT
    return _tcp() if sock.family in (socket.AF_INET, socket.AF_INET6) else None


@cache
def _tcp() -> int | None:
    try:
        return sum(_limit(f"/proc/sys/net/ipv4/{name}") for name in ("tcp_wmem", "tcp_rmem"))
    except OSError:
        return None


def _limit(path: str) -> int:
    with open(path, "rb") as file:
        return int(file.read().split()[-1])
