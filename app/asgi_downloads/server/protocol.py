"""The protocol classes to name on uvicorn's command line: `--http asgi_downloads.server.protocol:AutoZeroCopy`.

How long a client may stall is read where an application's settings are: in DOWNLOADS_STALL_TIMEOUT, or in the file
that DOWNLOADS_CONFIG names. What is given by hand counts for more: `partial(AutoZeroCopy, limits=...)`.
The application finds in its scope, besides the standard extensions, those of `asgi_downloads.asgi.extensions`.
"""

import os
from functools import partial

from asgi_downloads.server.http1.connection import Connection
from asgi_downloads.server.http1.deadlines import Limits
from asgi_downloads.server.http1.h11_parser import H11Parser
from asgi_downloads.server.http1.server_wide import automatic_parser
from asgi_downloads.service.setting import PREFIX, SettingsError
from asgi_downloads.service.settings import CONFIG, Settings


def _limits() -> Limits:
    """Limits as this process's environment has them; one that cannot be used ends the process with one line."""
    known = (CONFIG, PREFIX + "STALL_TIMEOUT")
    try:
        settings = Settings.from_environment({name: os.environ[name] for name in known if name in os.environ})
    except SettingsError as error:
        raise SystemExit(f"asgi-downloads: {error}") from None
    return Limits(stall_seconds=settings.stall_timeout)


_LIMITS = _limits()

H11ZeroCopy = partial(Connection, H11Parser, limits=_LIMITS)
"""uvicorn's `http=` with zero-copy sending, on h11."""

AutoZeroCopy = partial(Connection, automatic_parser(), limits=_LIMITS)
"""uvicorn's `http=` with zero-copy sending, on httptools where that is installed."""
