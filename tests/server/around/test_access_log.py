"""Lines: what they look like, that they come whole, and that nobody waits for them."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from asgi_downloads.server.around import access_log
from asgi_downloads.server.around.access_log import AccessLog, as_json, as_text
from asgi_downloads.server.around.observation import LONGEST, Record, refusal

NASTY = 'a"b\\c\x1b[2J\n\x7fé'


def line(number: int = 1, path: str = "/a") -> Record:
    asked = ("2026-11-25T18:00:00.000Z", f"id-{number}", "192.0.2.1", "GET", path)
    return Record(*asked, 200, 10, 20, None, 0.25, 0.125, "complete", "zerocopy")


def test_json_is_json_whatever_is_in_it() -> None:
    record = line(path=NASTY)
    text = as_json(record)
    assert text.isascii()
    assert text[:-1].isprintable()
    found = json.loads(text)
    assert tuple(found) == Record._fields
    assert found == {
        "time": "2026-11-25T18:00:00.000Z",
        "request_id": "id-1",
        "client": "192.0.2.1",
        "method": "GET",
        "path": NASTY,
        "status": 200,
        "bytes_sent": 10,
        "bytes_whole": 20,
        "range": None,
        "duration": 0.25,
        "first_byte": 0.125,
        "outcome": "complete",
        "sent_by": "zerocopy",
    }


def test_text_says_the_same_on_one_line() -> None:
    text = as_text(line(path=NASTY))
    assert text.isascii()
    assert text.count("\n") == 1
    assert text.endswith(" 200 10 of 20 bytes in 250.0 ms, complete, zerocopy\n")
    assert as_text(refusal(431, ("192.0.2.1", 5))).endswith("192.0.2.1 - - 431 0 bytes in 0.0 ms, complete, blocks\n")


def test_the_longest_line_goes_into_a_pipe_in_one_piece() -> None:
    worst = "\x1b" * LONGEST
    size, span = 1 << 62, 1e9 + 0.000001
    asked = ("2026-11-25T18:00:00.000Z", "x" * 128, "::1" * 13, "M" * 20, worst)
    record = Record(*asked, 206, size, size, worst, span, span, "complete", "zerocopy")
    assert len(as_json(record)) <= access_log.WHOLE


def test_the_time_is_that_of_utc_to_the_millisecond() -> None:
    before, now, after = time.time(), refusal(400, None).time, time.time()
    assert before - 0.001 <= datetime.fromisoformat(now).timestamp() <= after


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_all_lines_come_in_order(pipe: tuple[int, int]) -> None:
    log = AccessLog(as_json, pipe[1])

    async def add() -> None:
        for number in range(100):
            log.add(line(number), asyncio.get_running_loop())
        await asyncio.sleep(access_log.DELAY * 1.5)
        log.add(line(100), asyncio.get_running_loop())

    asyncio.run(add())
    log.close()
    lines = os.read(pipe[0], 1 << 16).decode().splitlines()
    assert [json.loads(each)["request_id"] for each in lines] == [f"id-{number}" for number in range(101)]


def test_what_there_is_no_room_for_is_counted(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "ROOM", 10)
    log = AccessLog(as_json, pipe[1])

    async def add() -> None:
        for number in range(25):
            log.add(line(number), asyncio.get_running_loop())

    asyncio.run(add())
    log.close()
    lines = [json.loads(each) for each in os.read(pipe[0], 1 << 16).decode().splitlines()]
    assert len(lines) == 11
    assert lines[-1] == {"lines_lost": 15}


def test_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = AccessLog(as_json, writer)

    async def add() -> None:
        log.add(line(), asyncio.get_running_loop())

    asyncio.run(add())
    log.close()
    os.close(writer)
