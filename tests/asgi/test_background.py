"""Work after the answer is done in order, and a failure ends the rest."""

import asyncio
import threading

import pytest

from asgi_downloads.asgi.background import BackgroundTasks


def test_calls_are_made_in_order_and_off_the_loop_where_they_may_block() -> None:
    done: list[tuple[str, bool]] = []

    def note(what: str) -> None:
        done.append((what, threading.current_thread() is threading.main_thread()))

    async def note_later(what: str) -> None:
        note(what)

    tasks = BackgroundTasks()
    tasks.add(note, "plain")
    tasks.add(note_later, what="async")
    tasks.add(note, what="again")
    asyncio.run(tasks.run())
    assert done == [("plain", False), ("async", True), ("again", False)]


def test_a_call_that_raises_ends_the_rest() -> None:
    done: list[str] = []
    tasks = BackgroundTasks()
    tasks.add(done.append, "first")
    tasks.add(int, "no number")
    tasks.add(done.append, "never")
    with pytest.raises(ValueError, match="no number"):
        asyncio.run(tasks.run())
    assert done == ["first"]
