"""Resources live from start-up to shutdown, and a failure is told to the server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from asgi_downloads.asgi.lifespan import run_lifespan
from asgi_downloads.asgi.types import Message


@pytest.mark.parametrize(
    ("fails", "want"),
    [
        ("", ["enter", "lifespan.startup.complete", "leave", "lifespan.shutdown.complete"]),
        ("enter", ["enter", "lifespan.startup.failed: no enter"]),
        ("leave", ["enter", "lifespan.startup.complete", "leave", "lifespan.shutdown.failed: no leave"]),
    ],
)
def test_the_server_hears_of_each_step(fails: str, want: list[str]) -> None:
    steps: list[str] = []

    def step(name: str) -> None:
        steps.append(name)
        if fails == name:
            raise RuntimeError(f"no {name}")

    @asynccontextmanager
    async def resources() -> AsyncGenerator[None]:
        step("enter")
        yield
        step("leave")

    messages: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        steps.append(": ".join(message[key] for key in ("type", "message") if key in message))

    asyncio.run(run_lifespan(resources, {"type": "lifespan"}, receive, send))
    assert steps == want
