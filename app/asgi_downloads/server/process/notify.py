"""A word to the service manager, as sd_notify(3) has it. Says nothing where nobody listens."""

import os
import socket
from contextlib import suppress


def notify(state: str) -> None:
    """Send `READY=1`, `STOPPING=1` or the like to systemd; a manager that has gone is no error."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.send(state.encode())
