"""What a client may cost: the size and the time of a request head, and how long it may take nothing.

Under plain `uvicorn --http asgi_downloads.server.protocol:...` nobody hands settings to a protocol class, so
`DOWNLOADS_STALL_TIMEOUT` is read from the environment; a subclass may set `limits` instead.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `head_bytes` and `head_seconds` bound a request head (431, 408); `stall_seconds` is how long a
    client may take no byte of an answer before it is dropped.
    """

    head_bytes: int = 65536
    head_seconds: float = 20.0
    stall_seconds: float = 30.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The defaults, with `DOWNLOADS_STALL_TIMEOUT` in seconds; `ValueError` if that is no positive number."""
        text = environment.get("DOWNLOADS_STALL_TIMEOUT")
        if not text:
            return cls()
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise ValueError(f"DOWNLOADS_STALL_TIMEOUT must be a positive number of seconds, not {text!r}")
        return cls(stall_seconds=seconds)
