"""A process that has nearly run out of descriptors."""

import asyncio
import resource
from typing import Any

import pytest

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.wire import descriptors
from tests.server.serving import Served, Setup, temporarily


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize(("limit", "highest"), [(1024, 991), (64, 55), (resource.RLIM_INFINITY, (1 << 30) - 33)])
def test_some_descriptors_are_left_to_files(limit: int, highest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert descriptors.highest_for_connections() == highest


def test_connections_are_turned_away_before_the_last_descriptor_and_later_served_again(setup: Setup) -> None:
    with Served(setup, hello) as served:
        assert served.get().content == b"hello"
        with temporarily(served.shared(), "highest_descriptor", 0), served.connect() as client:
            assert client.response().status == 503
            assert client.rest() == b""
        assert served.get().content == b"hello"


def test_asyncio_complains_of_an_exhausted_accept_once_a_second() -> None:
    loop = asyncio.new_event_loop()
    seen: list[dict[str, Any]] = []
    try:
        descriptors.quieten_accept(loop)
        with temporarily(loop, "default_exception_handler", seen.append):
            for _ in range(100):
                loop.call_exception_handler({"message": "socket.accept() out of system resource"})
            loop.call_exception_handler({"message": "Exception in callback BaseSelectorEventLoop._start_serving()"})
            loop.call_exception_handler({"message": "another"})
        assert [context["message"] for context in seen] == ["socket.accept() out of system resource", "another"]
        before = loop.get_exception_handler()
        descriptors.quieten_accept(loop)
        assert loop.get_exception_handler() is before
    finally:
        loop.close()
