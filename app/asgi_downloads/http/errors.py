"""Answers that are errors. An endpoint raises one, the guard sends it; its text is for clients to read."""

import json
from http import HTTPStatus
from typing import Any

from asgi_downloads.http.message import Header


class HTTPError(Exception):
    """An error answer: `{"detail": detail}` as JSON, with `headers` besides.

    `detail` is any JSON value and defaults to the reason phrase, as in FastAPI.
    """

    def __init__(self, status: int, detail: Any = None, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail: Any = HTTPStatus(status).phrase if detail is None else detail
        self.headers = headers

    def body(self) -> bytes:
        """The content: compact JSON in UTF-8; a 304 or 204 has none (RFC 9110 §6.4.1)."""
        if self.status in (204, 304):
            return b""
        return json.dumps({"detail": self.detail}, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )


class MalformedRange(HTTPError):
    """The Range field breaks its grammar; RFC 9110 §14.2 leaves it to us to ignore or to refuse it."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, f"Malformed Range header: {reason}")


class PreconditionFailed(HTTPError):
    """If-Match or If-Unmodified-Since does not hold (RFC 9110 §15.5.13)."""

    def __init__(self) -> None:
        super().__init__(412)


class RangeNotSatisfiable(HTTPError):
    """No range asked for lies inside the representation of `size` bytes (RFC 9110 §15.5.17)."""

    def __init__(self, size: int) -> None:
        super().__init__(416, "Range Not Satisfiable", ((b"content-range", b"bytes */%d" % size),))
        self.size = size


class InvalidParameters(HTTPError):
    """Query parameters that cannot be used; `detail` lists every problem in the words of FastAPI's 422."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(422, problems)
