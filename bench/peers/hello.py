"""The floor: the least that an ASGI server can be asked to do, 1 KiB of nothing from memory."""

from bench.data import HELLO

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(HELLO))],
}
_BODY = {"type": "http.response.body", "body": HELLO}


async def app(scope, receive, send):  # type: ignore[no-untyped-def]  # as bare as in every tutorial
    await send(_START)
    await send(_BODY)
