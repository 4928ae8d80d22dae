from dataclasses import dataclass

import pytest

from asgi_downloads.http.errors import (
    HTTPError,
    InvalidParameters,
    MalformedRange,
    PreconditionFailed,
    RangeNotSatisfiable,
)
from asgi_downloads.http.message import Header


@dataclass(frozen=True)
class Case:
    id: str
    error: HTTPError
    status: int
    body: bytes
    headers: tuple[Header, ...] = ()


CASES = [
    Case("the reason phrase is the default detail", HTTPError(404), 404, b'{"detail":"Not Found"}'),
    Case("a detail of its own", HTTPError(404, "File not found"), 404, b'{"detail":"File not found"}'),
    Case("a falsy detail is still a detail", HTTPError(400, []), 400, b'{"detail":[]}'),
    Case("any JSON value, compact", HTTPError(400, {"a": [1, None]}), 400, b'{"detail":{"a":[1,null]}}'),
    Case("non-ASCII goes unescaped", HTTPError(400, "né"), 400, '{"detail":"né"}'.encode()),
    Case("a lone surrogate does not break it", HTTPError(400, "\ud800"), 400, b'{"detail":"\\ud800"}'),
    Case("204 has no content", HTTPError(204), 204, b""),
    Case("304 has no content", HTTPError(304), 304, b""),
    Case(
        "416 says how long the content is",
        RangeNotSatisfiable(10),
        416,
        b'{"detail":"Range Not Satisfiable"}',
        ((b"content-range", b"bytes */10"),),
    ),
    Case("412", PreconditionFailed(), 412, b'{"detail":"Precondition Failed"}'),
    Case("a malformed range says why", MalformedRange("why"), 400, b'{"detail":"Malformed Range header: why"}'),
    Case("422 lists the problems", InvalidParameters([{"type": "t"}]), 422, b'{"detail":[{"type":"t"}]}'),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_the_client_reads(case: Case) -> None:
    assert (case.error.status, case.error.body(), case.error.headers) == (case.status, case.body, case.headers)


def test_416_keeps_the_size() -> None:
    assert RangeNotSatisfiable(7).size == 7
