"""`http.response.pathsend`: the application names a file, we open it and send it whole."""

import os
from contextlib import aclosing

from asgi_downloads.asgi.errors import BrokenTransfer
from asgi_downloads.asgi.exchange import DEFAULT_CHUNK_SIZE
from asgi_downloads.asgi.sender import Sender
from asgi_downloads.asgi.types import Send
from asgi_downloads.bodies.stored_file import StoredFile
from asgi_downloads.http.message import ByteRange, Plan
from asgi_downloads.storage.errors import FileChanged, NotFound
from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.threads import in_thread


async def send_path(path: str, length: int | None, in_flight: int, send: Send) -> None:
    """Send the file at `path` as body events, and with the last of them end the response.

    `length` is what the head has promised, in bytes, for a file that was looked at before: one that has become
    shorter breaks the transfer, of one that has grown the promised bytes are sent. None: no promise.
    Raises `BrokenTransfer`, and `RuntimeError` when there is no regular file that can be opened.
    """
    try:
        file = await in_thread(_open, path)
    except (OSError, NotFound) as exc:
        raise RuntimeError(f"No regular file to send at {path!r}: {exc}") from exc
    with file:
        size = file.size if length is None else length
        if file.size < size:
            raise BrokenTransfer("the file is shorter than the Content-Length sent for it")
        plan = Plan(200, [], (ByteRange(0, size),))
        async with aclosing(Sender(plan, StoredFile(file), in_flight, DEFAULT_CHUNK_SIZE).events()) as events:
            try:
                async for event in events:
                    await send(event)
            except FileChanged as exc:
                raise BrokenTransfer("the file changed while it was sent") from exc
    await send({"type": "http.response.body"})


def _open(path: str) -> OpenFile:
    return OpenFile(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
