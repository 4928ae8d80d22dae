"""The listening socket, opened before anything else so that a port in use is one line at once.

A service manager may have opened it already (sd_listen_fds(3)); that socket then stands instead of host, port and path.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asgi_downloads.server.errors import StartError
from asgi_downloads.service.settings import Settings

BACKLOG = 2048

FIRST_PASSED = 3
"""The descriptor of the first socket that a service manager passes."""


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket that listens as the settings say, or the one that was passed; closed at the end.

    The file of a Unix socket that was made here is removed.

    Raises `StartError`. It listens at once: two servers may bind one port, but not listen on it.
    """
    passed = _passed()
    if passed is not None:
        with passed:
            yield passed
    elif settings.uds is not None:
        with _unix(settings.uds) as sock:
            yield sock
    else:
        with _tcp(settings.host, settings.port) as sock:
            yield sock


def url(sock: socket.socket) -> str:
    """Where clients reach a listening socket: `http://127.0.0.1:8000`, or `unix:/run/app.sock`."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _passed() -> socket.socket | None:
    """The socket that systemd listens on for us, taken once; None if there is none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = os.environ.get("LISTEN_FDS")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # so that no process of ours takes it for its own
    if count != "1":
        raise StartError(f"one socket can be served, and {count} were passed")
    try:
        # Asks the kernel for family, type and protocol: asyncio sets TCP_NODELAY where it sees IPPROTO_TCP.
        sock = socket.socket(fileno=FIRST_PASSED)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartError(f"the socket that was passed cannot be used: {os.strerror(error.errno or 0)}") from None
    if not listens:
        sock.close()
        raise StartError("the socket that was passed does not listen")
    sock.set_inheritable(False)
    return sock


def _tcp(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise StartError(f"host {host!r} is not an address of this machine") from None
    sock = socket.socket(family, kind, protocol)
    try:
        # A port whose last connections linger in TIME_WAIT is free; one with a listener is not.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        reasons = {
            errno.EADDRINUSE: f"port {port} of {host} is in use: choose another, or --port 0 for any that is free",
            errno.EADDRNOTAVAIL: f"host {host!r} is not an address of this machine",
        }
        other = f"cannot listen on port {port} of {host}: {error.strerror}"
        raise StartError(reasons.get(error.errno or 0, other)) from None
    return sock


@contextmanager
def _unix(path: Path) -> Iterator[socket.socket]:
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.bind(os.fspath(path))
            # As uvicorn does: who may connect is decided by the directory around it.
            path.chmod(0o666)
            sock.listen(BACKLOG)
            mine = path.lstat().st_ino
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error  # a path too long has no number
            raise StartError(f"cannot listen on the Unix socket {str(path)!r}: {reason}") from None
        try:
            yield sock
        finally:
            if os.path.lexists(path) and path.lstat().st_ino == mine:
                path.unlink()


def _remove_stale(path: Path) -> None:
    """Take away the socket of a server that is gone; leave a living one and anything else alone."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise StartError(f"cannot listen on the Unix socket {str(path)!r}: there is something else")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(os.fspath(path))
        raise StartError(f"the Unix socket {str(path)!r} is in use")
    except ConnectionRefusedError:
        path.unlink()
    except OSError:
        return  # nothing there, or bind() will say what is wrong
