"""What the other end of a connection has not yet taken out of the kernel's hands.

sendfile(2) gives a socket references to the page cache, so an edit of the file in place still
changes bytes that were "sent" while they wait: in our queue until they are acknowledged and, when
the peer is on this machine, in its queue until it reads them, for there the same pages are passed on.
"""

import ipaddress
import os
import socket
from contextlib import suppress
from fcntl import ioctl
from struct import Struct, pack, unpack, unpack_from
from termios import TIOCOUTQ

BLIND_TAIL = 8 << 20
"""More than a peer's receive buffer holds (Linux lets it grow to 6 MiB)."""

_FAR = 1000
"""Microseconds; no connection within one machine has such a round trip as its shortest."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = Struct("=IHHII BBBxI")  # struct nlmsghdr, and struct inet_diag_req_v2 up to its socket id
_MIN_RTT = 148  # offset of tcpi_min_rtt in struct tcp_info
_RECEIVE_QUEUE = 16 + 4 + 48 + 4  # offset of idiag_rqueue in an answer: headers, socket id, idiag_expires


def unacknowledged(fd: int) -> int:
    """Bytes in the send queue of a socket; on a Unix socket, bytes that the peer has not read."""
    try:
        count: int = unpack("i", ioctl(fd, TIOCOUTQ, b"\0\0\0\0"))[0]
    except OSError:
        return 0
    return count


class Peer:
    """The other end of the connected stream socket `fd`.

    `blind` is True for a TCP peer that may be on this machine, but in a network namespace that we
    cannot look into (a container). What it has read is unknown, so the last `BLIND_TAIL` bytes
    of a file are copied for it: when all is acknowledged, no more than those can be unread.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.blind = False
        self._question: bytes | None = None
        with suppress(OSError), socket.socket(fileno=os.dup(fd)) as sock:
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                self._question = _question_for_peer(sock)
                if self._receive_queue() is None:
                    self._question = None
                    self.blind = _nearness(sock) < _FAR

    def unread(self) -> int:
        """Bytes for the peer that may still refer to pages of a file; 0 when it has all, as far as can be known."""
        count = unacknowledged(self.fd)
        if not count and self._question is not None:
            try:
                return self._receive_queue() or 0
            except OSError:
                return 1  # No descriptor left to ask with: that is no answer.
        return count

    def _receive_queue(self) -> int | None:
        """Bytes in the peer's receive queue; None when this kernel shows us no such socket. Raises `OSError`."""
        if self._question is None:
            return None
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
            netlink.send(self._question)
            answer = netlink.recv(4096, socket.MSG_DONTWAIT)
        if unpack_from("=H", answer, 4)[0] != _SOCK_DIAG_BY_FAMILY:
            return None
        count: int = unpack_from("=I", answer, _RECEIVE_QUEUE)[0]
        return count


def _nearness(sock: socket.socket) -> int:
    """The shortest round trip seen, in microseconds."""
    facts = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(unpack_from("=I", facts, _MIN_RTT)[0]) if len(facts) >= _MIN_RTT + 4 else 0


def _question_for_peer(sock: socket.socket) -> bytes:
    """A netlink question for the socket whose own address is our peer's (linux/inet_diag.h)."""
    own, peer = sock.getsockname(), sock.getpeername()
    family = sock.family
    own_ip, peer_ip = (ipaddress.ip_address(address[0].partition("%")[0]) for address in (own, peer))
    scope = peer[3] if len(peer) > 3 else 0
    if isinstance(own_ip, ipaddress.IPv6Address) and own_ip.ipv4_mapped and isinstance(peer_ip, ipaddress.IPv6Address):
        family, own_ip, peer_ip = socket.AF_INET, own_ip.ipv4_mapped, peer_ip.ipv4_mapped or peer_ip
    identity = (
        pack("!HH", peer[1], own[1])
        + peer_ip.packed.ljust(16, b"\0")
        + own_ip.packed.ljust(16, b"\0")
        + pack("=III", scope, 0xFFFFFFFF, 0xFFFFFFFF)
    )
    length = _REQUEST.size + len(identity)
    every_state = 0xFFFFFFFF
    head = _REQUEST.pack(length, _SOCK_DIAG_BY_FAMILY, 1, 0, 0, family, socket.IPPROTO_TCP, 0, every_state)
    return head + identity
