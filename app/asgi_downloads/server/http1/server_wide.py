"""What is worked out once for a server and not for each connection."""

import asyncio
import logging
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from asgi_downloads.asgi.types import ASGIApp
from asgi_downloads.server.http1 import response_head
from asgi_downloads.server.http1.descriptors import highest_for_connections, quieten_accept
from asgi_downloads.server.http1.limits import Limits


class Shared:
    """What all connections of one server have in common."""

    @classmethod
    def of(cls, config: Config) -> "Shared":
        """The one for this configuration, made when the first connection asks for it."""
        shared = _by_config.get(config)
        if shared is None:
            shared = _by_config[config] = cls(config)
            quieten_accept(asyncio.get_running_loop())
        return shared

    def __init__(self, config: Config) -> None:
        self.app: ASGIApp = config.loaded_app
        inner = self.app.app if isinstance(self.app, ProxyHeadersMiddleware) else self.app
        self.eager = getattr(inner, "eager", False) is True
        headers = [header for header in config.encoded_headers if header[0] != b"date"]
        self.dated = config.date_header or len(headers) != len(config.encoded_headers)
        self.static_lines = response_head.field_lines(headers, dict(headers))
        self.extensions: dict[str, dict[str, Any]] = {"asgi_downloads.exact_date": {}} if self.dated else {}
        self.file_extensions: dict[str, dict[str, Any]] = {
            "http.response.zerocopysend": {},
            "http.response.pathsend": {},
            "asgi_downloads.settle": {},
            **self.extensions,
        }
        self.asgi = {"version": config.asgi_version, "spec_version": "2.4"}
        self.root_path = config.root_path
        self.limit_concurrency = config.limit_concurrency
        self.keep_alive_seconds = config.timeout_keep_alive
        self.access_logger = logging.getLogger("uvicorn.access")
        self.access_log = self.access_logger.hasHandlers()
        self.reset_contextvars = getattr(config, "reset_contextvars", False)
        self.limits = Limits.from_environment()
        self.highest_descriptor = highest_for_connections()


_by_config: WeakKeyDictionary[Config, Shared] = WeakKeyDictionary()
