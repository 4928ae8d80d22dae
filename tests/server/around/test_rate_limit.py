"""A limit of bytes per second: nothing is lost or joined wrongly, and it takes as long as it has to."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from asgi_downloads.asgi.types import Message, Receive, Scope, Send
from asgi_downloads.server.around.rate_limit import TICK, Bucket, Paced
from tests.support.asgi import exchange

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
CONTENT = bytes(range(256)) * 40


def test_a_bucket_gives_a_second_at_once_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("asgi_downloads.server.around.rate_limit.monotonic", lambda: now[0])
    bucket = Bucket(1000)
    assert bucket.take(1000) == 0
    assert bucket.take(500) == 0.5
    now[0] += 0.5
    assert bucket.take(250) == 0.25
    now[0] += 60
    assert bucket.take(1000) == 0, "no more than a second's worth is saved up"
    assert bucket.take(1) == 0.001


@dataclass(frozen=True)
class Case:
    id: str
    messages: tuple[Message, ...]


@pytest.mark.parametrize("kind", ["one-body", "several"])
def test_the_content_is_cut_and_nothing_is_lost(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(CONTENT)
    rate = 8000
    choice: dict[str, list[Message]] = {
        "one-body": [{"type": "http.response.body", "body": CONTENT}],
        "several": [
            {"type": "http.response.body", "body": CONTENT[:7000], "more_body": True},
            {"type": "http.response.body", "body": CONTENT[7000:]},
        ],
    }
    events = choice[kind]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for event in [START, *events]:
            await send(dict(event))

    begun = monotonic()
    recorder = exchange(Paced(app, rate))
    took = monotonic() - begun
    assert recorder.content == CONTENT
    assert recorder.complete
    sizes = [event.get("count", len(event.get("body", b""))) for event in recorder.events[1:]]
    assert max(sizes) <= rate * TICK
    assert took >= len(CONTENT) / rate - 1 - 0.05


def test_nginx_is_told_the_rate_of_what_it_sends() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"x-accel-redirect", b"/_files/a")]})
        await send({"type": "http.response.body"})

    assert exchange(Paced(app, 5000)).headers[b"x-accel-limit-rate"] == b"5000"


def test_an_answer_to_head_is_not_paced() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": CONTENT})

    begun = monotonic()
    asyncio.run(asyncio.sleep(0))
    exchange(Paced(app, 10), method="HEAD")
    assert monotonic() - begun < 1
