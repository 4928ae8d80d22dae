"""`http.response.pathsend`: the application names a file, we open it and send it whole."""

import os
from typing import TYPE_CHECKING

from asgi_downloads.server.wire.wire import BrokenTransfer
from asgi_downloads.storage.errors import FileChanged, NotFound
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.threads import in_thread

if TYPE_CHECKING:
    from asgi_downloads.server.http1.cycle import Cycle

TAIL = 65536
"""The end of a file is copied after a last look at the file, so that a change never ends in a complete answer."""


async def send_path(cycle: "Cycle", path: str) -> None:
    """Send the file, and with it end the response.

    The head has promised a length for a file that was looked at before; a file that has become
    shorter breaks the transfer, of one that has grown the promised bytes are sent.
    Raises `BrokenTransfer`, and `RuntimeError` when the path is no regular file that can be opened.
    """
    try:
        file = await in_thread(_open, path)
    except (OSError, NotFound) as exc:
        raise RuntimeError(f"No regular file to send at {path!r}: {exc}") from exc
    with file:
        left = cycle.length_left
        if left is not None and file.size < left:
            raise BrokenTransfer("the file is shorter than the Content-Length sent for it")
        size = file.size if left is None else left
        start = max(0, size - TAIL)
        if start:
            await cycle.send_slice(file.fd, 0, start, more_body=True, settle=True)
        try:
            tail = await file.read(start, size - start)
            file.check()
        except FileChanged as exc:
            raise BrokenTransfer("the file changed while it was sent") from exc
        await cycle.send({"type": "http.response.body", "body": tail})


def _open(path: str) -> OpenFile:
    return OpenFile(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
