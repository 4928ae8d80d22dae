"""One request to a served service, and what came of it, also where it broke off."""

import http.client
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fetched:
    status: int
    fields: Mapping[str, str]
    content: bytes
    complete: bool


def fetch(url: str, fields: Mapping[str, str] | None = None, *, method: str = "GET", timeout: float = 30) -> Fetched:
    """What comes of one request with these `fields`; content that ended early is not `complete`."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)) as client:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        client.request(method, target, headers=dict(fields or {}))
        answer = client.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        content, complete = b"", True
        try:
            while block := answer.read1(1 << 20):
                content += block
            complete = method == "HEAD" or answer.length in (None, 0)
        except (http.client.IncompleteRead, ConnectionError):
            complete = False
        return Fetched(answer.status, found, content, complete)
