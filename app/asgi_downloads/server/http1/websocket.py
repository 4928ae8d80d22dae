"""The one upgrade there is: a WebSocket, which is uvicorn's business. Any other is passed over (RFC 9110 §7.8)."""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from asgi_downloads.server.http1.request_head import Head, connection_options


def wants_websocket(head: Head) -> bool:
    """Whether a request asks for a WebSocket."""
    return head.fields.get(b"upgrade", b"").lower() == b"websocket" and b"upgrade" in connection_options(head.headers)


def hand_over(
    transport: asyncio.Transport, config: Config, server_state: ServerState, app_state: dict[str, Any], head: Head
) -> None:
    """Give the transport to uvicorn's WebSocket protocol, which gets the request once more."""
    protocol = config.ws_protocol_class(  # type: ignore[misc, call-arg]
        config=config, server_state=server_state, app_state=app_state
    )
    target = head.path + b"?" + head.query if head.query else head.path
    line = b"%b %b HTTP/1.1\r\n" % (head.method.encode("ascii"), target)
    protocol.connection_made(transport)
    protocol.data_received(b"".join([line, *[b"%b: %b\r\n" % header for header in head.headers], b"\r\n"]))
    transport.set_protocol(protocol)
