"""What is worked out once for a server and not for each connection."""

import asyncio
import logging
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.config import Config

from asgi_downloads.asgi.extensions import EXACT_DATE, SLICE
from asgi_downloads.asgi.types import ASGIApp
from asgi_downloads.server.http1 import response_head
from asgi_downloads.server.http1.eager import Starter
from asgi_downloads.server.http1.request_parser import RequestParser
from asgi_downloads.server.wire.descriptors import highest_for_connections, quieten_accept
from asgi_downloads.server.wire.outbox import Outbox


class Shared:
    """What all connections of one server have in common."""

    @classmethod
    def of(cls, config: Config) -> "Shared":
        """The one for this configuration, made when the first connection asks for it."""
        shared, loop = _by_config.get(config), asyncio.get_running_loop()
        if shared is None or shared.loop is not loop:
            shared = _by_config[config] = cls(config, loop)
        return shared

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        quieten_accept(loop)
        self.loop = loop
        self.starter = Starter(loop)
        self.outbox = Outbox(loop)
        self.app: ASGIApp = config.loaded_app
        headers = [header for header in config.encoded_headers if header[0] != b"date"]
        self.dated = config.date_header or len(headers) != len(config.encoded_headers)
        self.static_lines = response_head.field_lines(headers, dict(headers))
        self.asgi = {"version": config.asgi_version, "spec_version": "2.4"}
        self.root_path = config.root_path
        self.limit_concurrency = config.limit_concurrency
        self.keep_alive_seconds = config.timeout_keep_alive
        self.logger = logging.getLogger("uvicorn.error")
        self.access_logger = logging.getLogger("uvicorn.access")
        self.access_log = self.access_logger.hasHandlers()
        self.reset_contextvars = getattr(config, "reset_contextvars", False)
        self.websockets = config.ws_protocol_class is not None
        self.highest_descriptor = highest_for_connections()

    def extensions(self, in_flight: int | None) -> dict[str, dict[str, Any]]:
        """What is announced to the application; `in_flight` is None where files cannot be sent."""
        announced: dict[str, dict[str, Any]] = {EXACT_DATE: {}} if self.dated else {}
        if in_flight is not None:
            announced |= {
                "http.response.zerocopysend": {},
                "http.response.pathsend": {},
                SLICE: {"in_flight": in_flight},
            }
        return announced


def automatic_parser() -> type[RequestParser]:
    """The faster parser of those that are installed."""
    try:
        from asgi_downloads.server.http1.httptools_parser import HttpToolsParser
    except ImportError:
        from asgi_downloads.server.http1.h11_parser import H11Parser

        return H11Parser
    return HttpToolsParser


_by_config: WeakKeyDictionary[Config, Shared] = WeakKeyDictionary()
