"""What is copied, what goes by reference, and when files are looked at."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.asgi.extensions import SLICE, Slice
from asgi_downloads.asgi.sender import COPIED, LAST_BLOCK, Sender
from asgi_downloads.bodies.base import FileSlice, Piece
from asgi_downloads.http.message import ByteRange, Plan
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.openfile import OpenFile
from tests.conftest import descriptors

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

MIB = 1 << 20
CHUNK = 1 << 18
RANDOM = os.urandom(9 * MIB)


class Members:
    """A body of several files, one after another, of which the next is open only once the last is done with."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def at_hand(self, start: int, stop: int) -> bytes | None:
        return None

    async def pieces(self, start: int, stop: int) -> AsyncGenerator[Piece]:
        for path in self.paths:
            with OpenFile(os.open(path, os.O_RDONLY)) as file:
                yield b"head"
                yield FileSlice(file, 0, file.size)
        yield b"end"


def members(folder: Path, *sizes: int) -> list[Path]:
    paths = [folder / f"{number}" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(RANDOM[:size])
    return paths


def content(paths: list[Path]) -> bytes:
    return b"".join([b"head" + path.read_bytes() for path in paths]) + b"end"


@dataclass
class Sent:
    content: bytearray
    slices: list[tuple[int, int]]
    """Position and size of each part that went by reference."""
    error: Exception | None = None


def send(
    paths: list[Path],
    in_flight: int | None,
    *,
    taken: bool = True,
    before: Callable[[int], None] = lambda position: None,
    total: int | None = None,
) -> Sent:
    """All events; `before` is called with the bytes accepted so far, before each of them is."""

    async def run() -> Sent:
        sent = Sent(bytearray(), [])
        size = sum(path.stat().st_size + 4 for path in paths) + 3 if total is None else total
        sender = Sender(Plan(200, [], (ByteRange(0, size),)), Members(paths), in_flight, CHUNK)
        try:
            async with aclosing(sender.events()) as events:
                async for event in events:
                    before(len(sent.content))
                    sent.content += event["body"]
                    if SLICE in event and taken:
                        piece: Slice = event[SLICE]
                        piece.taken = True
                        content = os.pread(piece.descriptor, piece.count, piece.offset)
                        if piece.check is None:
                            sent.slices.append((len(sent.content), piece.count))
                        else:
                            before(len(sent.content) + piece.count - 1)
                            piece.check()
                        sent.content += content
        except FileChanged as error:
            sent.error = error
        return sent

    return asyncio.run(run())


@dataclass(frozen=True)
class Case:
    id: str
    sizes: tuple[int, ...]
    in_flight: int | None
    slices: tuple[int, ...]


SPARE = MIB + LAST_BLOCK

CASES = [
    Case("no-slices-are-taken", (9 * MIB,), None, ()),
    Case("all-but-what-is-in-flight", (9 * MIB,), MIB, (9 * MIB + 3 - SPARE,)),
    Case("more-in-flight-than-there-is", (9 * MIB,), 9 * MIB, ()),
    Case("too-little-left-to-be-worth-it", (9 * MIB,), 8 * MIB + 3 - LAST_BLOCK, ()),
    Case("small-ones-are-copied", (COPIED, 3 * MIB, COPIED, 9 * MIB), MIB, (3 * MIB, 9 * MIB + 3 - SPARE)),
    Case("the-last-ones-are-copied", (3 * MIB, 6 * MIB, 2 * MIB), MIB, (3 * MIB, 6 * MIB)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_lies_nearer_to_the_end_than_may_be_in_flight_is_copied(case: Case, tmp_path: Path) -> None:
    paths = members(tmp_path, *case.sizes)
    sent = send(paths, case.in_flight)
    assert bytes(sent.content) == content(paths)
    assert [count for _, count in sent.slices] == list(case.slices)
    assert sent.error is None


def test_what_nobody_took_is_copied_and_no_more_is_offered(tmp_path: Path) -> None:
    paths = members(tmp_path, 3 * MIB, 3 * MIB, 3 * MIB)
    offered = 0

    def count(position: int) -> None:
        nonlocal offered
        offered += 1

    sent = send(paths, MIB, taken=False, before=count)
    assert bytes(sent.content) == content(paths)
    assert offered == 1 + len(paths) * (1 + 3 * MIB // CHUNK) + 1


PLACES = [(number, place * MIB // 2) for number in range(4) for place in range(5, 41, 5)]
"""A member of four, and the bytes accepted when it is edited."""


@pytest.mark.parametrize(("number", "place"), PLACES)
def test_what_may_be_in_flight_when_it_is_edited_never_completes_an_answer(
    number: int, place: int, tmp_path: Path
) -> None:
    """A client that reads as late as it can has what was accepted `in_flight` bytes ago, and nothing later."""
    in_flight, size = 2 * MIB, 5 * MIB
    paths = members(tmp_path, *[size] * 4)
    whole = content(paths)
    edited_at = None

    def edit(position: int) -> None:
        nonlocal edited_at
        if position >= place and edited_at is None:
            edited_at = position
            with paths[number].open("r+b") as file:
                file.write(b"other")

    sent = send(paths, in_flight, before=edit)
    if sent.error is not None:
        assert len(sent.content) < len(whole)
        return
    ends = [start + count for start, count in sent.slices if start // (size + 4) == number]
    if edited_at is not None and edited_at > number * (size + 4):
        assert all(edited_at >= end + in_flight for end in ends)
        assert bytes(sent.content) == whole


def test_files_are_let_go_as_soon_as_they_have_arrived(tmp_path: Path) -> None:
    paths = members(tmp_path, *[2 * MIB] * 20)
    most = 0

    def look(position: int) -> None:
        nonlocal most
        most = max(most, sum(str(tmp_path) in each for each in descriptors()))

    send(paths, 4 * MIB, before=look)
    assert 3 <= most <= 4


def test_an_answer_that_is_given_up_lets_its_files_go(tmp_path: Path) -> None:
    paths = members(tmp_path, 3 * MIB, 3 * MIB, 3 * MIB)

    async def run() -> None:
        sender = Sender(Plan(200, [], (ByteRange(0, 9 * MIB),)), Members(paths), MIB, CHUNK)
        async with aclosing(sender.events()) as events:
            async for event in events:
                if SLICE in event:
                    event[SLICE].taken = True
                    break

    asyncio.run(run())
