"""The one upgrade there is: a WebSocket, which is uvicorn's business. Any other is ignored (RFC 9110 §7.8)."""

from uvicorn.config import Config

from asgi_downloads.http.message import Header
from asgi_downloads.server.http1.connection import Connection


def wants_websocket(config: Config, fields: dict[bytes, bytes]) -> bool:
    """Whether the request asks for a WebSocket and uvicorn has a protocol for it. `fields` is `dict(headers)`."""
    if config.ws_protocol_class is None or fields.get(b"upgrade", b"").lower() != b"websocket":
        return False
    return b"upgrade" in [token.strip() for token in fields.get(b"connection", b"").lower().split(b",")]


def hand_over(connection: Connection, method: bytes, target: bytes, headers: list[Header], rest: bytes) -> None:
    """Give the transport to uvicorn's WebSocket protocol, which gets the request once more."""
    connection.detach()
    protocol = connection.config.ws_protocol_class(  # type: ignore[misc, call-arg]
        config=connection.config,
        server_state=connection.server_state,
        app_state=connection.app_state,
    )
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target), *[b"%b: %b\r\n" % header for header in headers], b"\r\n", rest]
    protocol.connection_made(connection.transport)
    protocol.data_received(b"".join(lines))
    connection.transport.set_protocol(protocol)
