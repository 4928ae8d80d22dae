"""What the other end of a socket has not yet taken out of our hands."""

import asyncio
from fcntl import ioctl
from struct import unpack
from termios import TIOCOUTQ


class Peer:
    """The other end of the connected socket `fd`."""

    def __init__(self, fd: int, transport: asyncio.Transport) -> None:
        self.fd = fd

    def unread(self) -> bool:
        """Whether the kernel still holds bytes for the peer that refer to a file's pages."""
        count: int = unpack("i", ioctl(self.fd, TIOCOUTQ, b"\0\0\0\0"))[0]
        return count > 0
