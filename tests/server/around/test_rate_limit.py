"""A limit of bytes per second: nothing is lost or joined wrongly, and it takes as long as it has to."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from asgi_downloads.asgi.extensions import SLICE, Slice
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.server.around.rate_limit import TICK, RateLimited, TokenBucket
from tests.support.asgi import Recorder, exchange, http_scope

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
CONTENT = bytes(range(256)) * 40


def test_a_bucket_gives_a_second_at_once_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("asgi_downloads.server.around.rate_limit.monotonic", lambda: now[0])
    bucket = TokenBucket(1000)
    assert bucket.take(1000) == 0
    assert bucket.take(500) == 0.5
    now[0] += 0.5
    assert bucket.take(250) == 0.25
    now[0] += 60
    assert bucket.take(1000) == 0, "no more than a second's worth is saved up"
    assert bucket.take(1) == 0.001


RATE = 8000
HALF = len(CONTENT) // 2


def body(content: bytes, more_body: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more_body}


EVENTS = {
    "one-body": (body(CONTENT),),
    "several": (body(CONTENT[:7000], True), body(CONTENT[7000:])),
    "slice": (Slice(0, 0, len(CONTENT)), body(b"")),
    "slice-and-tail": (Slice(0, 0, HALF), body(CONTENT[HALF:])),
    "head-and-slice": (body(CONTENT[:HALF], True), Slice(0, HALF, len(CONTENT) - HALF), body(b"")),
    "many-slices": (*(Slice(0, start, 512) for start in range(0, len(CONTENT), 512)), body(b"")),
    "empty-slice": (Slice(0, 0, 0), body(CONTENT)),
}


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not-taken"])
@pytest.mark.parametrize("events", EVENTS.values(), ids=EVENTS)
def test_the_content_is_cut_and_nothing_is_lost(
    events: tuple[Message | Slice, ...], taken: bool, tmp_path: Path
) -> None:
    """A slice that is not taken is for the application to copy, in blocks, and has cost no time yet."""
    (tmp_path / "f").write_bytes(CONTENT)
    recorder = Recorder(http_scope(in_flight=0), takes_slices=taken)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        with (tmp_path / "f").open("rb") as file:
            for event in events:
                if not isinstance(event, Slice):
                    await send(dict(event))
                    continue
                whole = Slice(file.fileno(), event.offset, event.count)
                await send({"type": "http.response.body", "body": b"", "more_body": True, SLICE: whole})
                assert whole.taken is taken
                if not taken:
                    await send(body(CONTENT[event.offset : event.offset + event.count], more_body=True))

    begun = monotonic()
    asyncio.run(limited(app, recorder))
    took = monotonic() - begun
    assert recorder.content == CONTENT
    assert recorder.complete
    assert all(event["more_body"] for event in recorder.events[1:-1])
    counts = [event[SLICE].count if SLICE in event else len(event["body"]) for event in recorder.events[1:]]
    assert max(counts) <= RATE * TICK
    assert len(CONTENT) / RATE - 1 - 0.05 <= took < len(CONTENT) / RATE - 1 + 0.5


async def limited(app: ASGIApp, recorder: Recorder) -> None:
    await RateLimited(app, RATE)(recorder.scope, recorder.receive, recorder.send)


def test_a_server_that_changes_its_mind_about_slices_breaks_the_answer(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    recorder = Recorder(http_scope(in_flight=0))

    def refuse_the_next(event: Message) -> None:
        recorder.takes_slices = SLICE not in event

    recorder.on_event = refuse_the_next

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        with (tmp_path / "f").open("rb") as file:
            whole = Slice(file.fileno(), 0, len(CONTENT))
            await send({"type": "http.response.body", "body": b"", "more_body": True, SLICE: whole})

    with pytest.raises(RuntimeError, match="all slices of an answer, or none"):
        asyncio.run(limited(app, recorder))


def test_what_breaks_an_answer_off_is_passed_on() -> None:
    recorder = Recorder(http_scope())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await send({"type": "http.response.body", "body": None, "more_body": True})

    recorder.content = bytearray()
    with pytest.raises(TypeError):
        asyncio.run(limited(app, recorder))
    assert recorder.events[-1]["body"] is None


def test_nobody_is_offered_a_way_around_the_limit() -> None:
    """Our server sends a whole file in one event for any application that finds these."""
    ways = ["http.response.zerocopysend", "http.response.pathsend", "http.response.trailers"]
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["extensions"])
        await send(dict(START))
        await send(body(b""))

    exchange(RateLimited(app, RATE), extensions=ways)
    assert seen == ["http.response.trailers"]


def test_nginx_is_told_the_rate_of_what_it_sends() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"x-accel-redirect", b"/_files/a")]})
        await send({"type": "http.response.body"})

    assert exchange(RateLimited(app, 5000)).headers[b"x-accel-limit-rate"] == b"5000"


def test_an_answer_to_head_is_not_paced() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": CONTENT})

    begun = monotonic()
    exchange(RateLimited(app, 10), method="HEAD")
    assert monotonic() - begun < 1
