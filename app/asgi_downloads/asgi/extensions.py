"""What our server and our application say to each other beyond ASGI, so that it survives whatever stands between.

A middleware may drop an event that it does not know, or fail on it. So a slice of a file rides on an ordinary body
event that is empty, and the sender looks afterwards whether anybody took it.
"""

from collections.abc import Callable
from dataclasses import dataclass

SLICE = "asgi_downloads.slice"
"""In `scope["extensions"]`: the server sends slices of files itself; the value's `in_flight` is the most bytes that
it may have sent and the client not yet read, all queues between them counted. In a body event: the `Slice`."""

BROKEN = "asgi_downloads.broken"
"""The type of an event after which the connection is to be broken off: the content will never be complete."""

EXACT_DATE = "asgi_downloads.exact_date"
"""In `scope["extensions"]`: Date is made when the head is written, so that no second lies between."""

DRAINING = "asgi_downloads.draining"
"""In the application's state (ASGI lifespan): the server is about to end."""

READ_ANEW = "asgi_downloads.read_anew"
"""In the lifespan's state: a function with which the application reads its files of keys again."""


@dataclass(slots=True)
class Slice:
    """`count` bytes of the open file `descriptor` from `offset` on, in the place of a body event's `body`.

    A server takes it only if `body` is still empty and the answer has a Content-Length, and then sends all of it, or
    raises as for any other body event. If `taken` is False when `send` has returned, nothing of it was sent.
    """

    descriptor: int
    offset: int
    count: int
    check: Callable[[], None] | None = None
    """If given, the bytes are to be copied and not lent; it is called when the last of them have been read and are not
    sent yet, and raises if they may not be sent."""
    taken: bool = False
