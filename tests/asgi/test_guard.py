"""An error is an answer as long as nothing was sent, and a broken transfer afterwards."""

import errno
import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from asgi_downloads.asgi.errors import BrokenTransfer, Disconnected
from asgi_downloads.asgi.guard import Guard
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.http.errors import HTTPError, RangeNotSatisfiable
from asgi_downloads.storage.errors import Exhausted, FileChanged, NotFound, OutsideRoot, Unavailable
from tests.support.asgi import Recorder, exchange, http_scope


def raising(error: Exception, *, after: int = 0) -> ASGIApp:
    """An application that raises when it has sent `after` events."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        events: list[Message] = [
            {"type": "http.response.start", "status": 200, "headers": []},
            {"type": "http.response.body"},
        ]
        for event in events[:after]:
            await send(event)
        raise error

    return app


@dataclass(frozen=True)
class Case:
    id: str
    error: Exception
    status: int
    detail: Any
    headers: tuple[tuple[bytes, bytes], ...] = ()


RETRY = ((b"retry-after", b"1"),)

CASES = [
    Case("http-error", HTTPError(418, "teapot", ((b"x-a", b"b"),)), 418, "teapot", ((b"x-a", b"b"),)),
    Case("detail-defaults-to-the-phrase", HTTPError(404), 404, "Not Found"),
    Case("detail-is-any-json", HTTPError(422, [{"loc": ["query"]}]), 422, [{"loc": ["query"]}]),
    Case("detail-of-any-script", HTTPError(400, "né"), 400, "né"),
    Case("range", RangeNotSatisfiable(7), 416, "Range Not Satisfiable", ((b"content-range", b"bytes */7"),)),
    Case("not-found", NotFound(), 404, "Not Found"),
    Case("outside-root", OutsideRoot(), 400, "Invalid file path"),
    Case("exhausted", Exhausted(), 503, "Service Unavailable", RETRY),
    Case("unavailable", Unavailable(), 503, "Service Unavailable", RETRY),
    Case("changed-before-it-was-sent", FileChanged(), 503, "The file is being changed", RETRY),
    Case("out-of-descriptors", OSError(errno.EMFILE, ""), 503, "Service Unavailable", RETRY),
    Case("disk-full", OSError(errno.ENOSPC, ""), 503, "Service Unavailable", RETRY),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_error_before_the_first_byte_is_a_json_answer(case: Case, method: str) -> None:
    answer = exchange(Guard(raising(case.error)), method=method)
    content = json.dumps({"detail": case.detail}, ensure_ascii=False, separators=(",", ":")).encode()
    assert answer.status == case.status
    assert answer.headers == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(content),
        b"x-content-type-options": b"nosniff",
        **dict(case.headers),
    }
    assert answer.content == (b"" if method == "HEAD" else content)


def test_what_nobody_expected_is_500_without_its_cause_and_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = exchange(Guard(raising(RuntimeError("secret"))))
    assert answer.status == 500
    assert answer.content == b"Internal Server Error"
    assert answer.headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert answer.headers[b"connection"] == b"close"
    assert "secret" in caplog.text  # for the operator


@pytest.mark.parametrize("error", [HTTPError(404), RuntimeError("late"), OSError(errno.EMFILE, "")])
def test_an_error_after_the_first_byte_leaves_the_answer_unfinished(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    answer = exchange(Guard(raising(error, after=1)))
    assert len(answer.events) == 1
    assert answer.broken
    assert caplog.records


def test_a_broken_transfer_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = exchange(Guard(raising(BrokenTransfer("file changed"), after=1)), "/a\nb")
    assert answer.broken
    assert [(r.levelno, r.exc_info) for r in caplog.records] == [(logging.WARNING, None)]
    assert "'/a\\nb'" in caplog.text  # quoted, so that a path cannot forge a line


def test_a_client_that_left_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    exchange(Guard(raising(Disconnected(), after=1)))
    assert not caplog.records


def test_a_client_that_left_before_its_error_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    async def run() -> None:
        recorder = Recorder(http_scope(), hang_up_after=0)
        await Guard(raising(NotFound()))(recorder.scope, recorder.receive, recorder.send)

    asyncio.run(run())
    assert not caplog.records
