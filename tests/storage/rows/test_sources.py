"""What holds for every kind of database alike."""

import asyncio
import csv
import io
import json
import random
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest

from asgi_downloads.storage.rows.notation import FORMULA_STARTS, Csv, JsonLines, Notation
from asgi_downloads.storage.rows.source import COLUMNS, RowSource, Selection
from tests.storage.conftest import ROWS, Row

pytestmark = pytest.mark.anyio


async def collect(source: RowSource, selection: Selection, notation: Notation) -> list[bytes]:
    async with aclosing(source.lines(selection, notation)) as lines:
        return [block async for block in lines]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(time: datetime) -> datetime:
    """As exports take it: without a zone it is UTC, and off the calendar it is the calendar's end."""
    try:
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return datetime(1, 1, 1, tzinfo=UTC) if time.year == 1 else datetime.max.replace(tzinfo=UTC)


def guarded(cell: str) -> str:
    return ("'" if cell and cell[0] in FORMULA_STARTS else "") + re.sub(r'(?<=[,;\t\r\n])(?="*[=+\-@])', "'", cell)


def same_moment(cell: str | None, want: str | None) -> bool:
    return cell == want if not cell or not want else day(cell) == day(want)


@dataclass(frozen=True)
class Case:
    id: str
    selection: Selection = Selection()
    notation: Notation = Csv()

    @property
    def rows(self) -> list[Row]:
        since, until = self.selection.since, self.selection.until
        rows = [
            row
            for row in ROWS
            if (since is None or (row[3] and day(row[3]) >= utc(since)))
            and (until is None or (row[3] and day(row[3]) < utc(until)))
        ]
        return rows[: self.selection.limit]


MARCH = datetime(2024, 3, 1, 12, tzinfo=UTC)
CASES = [
    Case("all"),
    Case("semicolon", notation=Csv(";")),
    Case("tab", notation=Csv("\t")),
    Case("for-excel", notation=Csv(for_excel=True)),
    Case("one-column", Selection(columns=("name",))),
    Case("one-column-for-excel", Selection(columns=("email",)), Csv(";", for_excel=True)),
    Case("columns-in-another-order", Selection(columns=("email", "id"))),
    Case("limit-one", Selection(limit=1)),
    Case("limit-within-the-first-block", Selection(limit=37)),
    Case("limit-in-a-later-block", Selection(limit=1234)),
    Case("limit-beyond-the-table", Selection(limit=10**18)),
    Case("since-is-inclusive", Selection(since=MARCH)),
    Case("until-is-exclusive", Selection(until=MARCH)),
    Case("since-and-until", Selection(since=datetime(2024, 1, 5, tzinfo=UTC), until=datetime(2024, 1, 7, tzinfo=UTC))),
    Case("without-a-zone-is-utc", Selection(since=datetime(2024, 3, 1, 12))),  # noqa: DTZ001
    Case("another-zone", Selection(since=datetime(2024, 3, 1, 13, tzinfo=timezone(timedelta(hours=1))))),
    Case("before-all-time", Selection(since=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))),
    Case("after-all-time", Selection(until=datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))))),
    Case("nothing", Selection(since=datetime(2030, 1, 1, tzinfo=UTC))),
    Case("json", notation=JsonLines()),
    Case("json-of-two-columns", Selection(columns=("name", "id"), limit=40), JsonLines()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_rows_come_as_they_are_in_the_table(case: Case, source: RowSource) -> None:
    text = b"".join(await collect(source, case.selection, case.notation)).decode()
    columns = case.selection.columns
    want: list[list[str | None]]
    if isinstance(case.notation, Csv):
        got: list[list[str | None]] = [
            *csv.reader(io.StringIO(text, ""), delimiter=case.notation.delimiter, strict=True)
        ]
        want = [["" if cell is None else str(cell) for cell in _pick(row, columns)] for row in case.rows]
        if case.notation.for_excel:
            want = [[guarded(cell or "") for cell in row] for row in want]
        names = got.pop(0)
        assert tuple(names) == (("\ufeff" if case.notation.for_excel else "") + columns[0], *columns[1:])
    else:
        objects = [json.loads(line) for line in text.split("\n")[:-1]]
        assert all(tuple(each) == columns for each in objects)
        got = [[*each.values()] for each in objects]
        want = [[*_pick(row, columns)] for row in case.rows]  # type: ignore[list-item]
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        assert len(one) == len(columns)
        for column, cell, expected in zip(columns, one, other, strict=True):
            assert same_moment(cell, expected) if column == "created_at" else cell == expected


def _pick(row: Row, columns: tuple[str, ...]) -> list[int | str | None]:
    return [row[COLUMNS.index(column)] for column in columns]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_lines_end_in_crlf_and_few_cells_are_quoted(delimiter: str, source: RowSource) -> None:
    """Byte for byte what the csv module writes of the same cells, but for empty cells, which may be quoted."""
    text = b"".join(await collect(source, Selection(), Csv(delimiter))).decode()
    rows = [*csv.reader(io.StringIO(text, ""), delimiter=delimiter)]
    again = io.StringIO()
    csv.writer(again, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    assert without_empty_quotes(text, delimiter) == again.getvalue().replace('"\\."', "\\.")


def without_empty_quotes(text: str, delimiter: str) -> str:
    """PostgreSQL tells an empty text from NULL by its quotes, and quotes `\\.`, which once ended its input."""
    cells, at = [], 0
    for cell, end in _cells(text, delimiter):
        cells += ["" if cell == '""' else cell.replace('"\\."', "\\."), end]
        at += len(cell) + len(end)
    assert at == len(text)
    return "".join(cells)


def _cells(text: str, delimiter: str) -> list[tuple[str, str]]:
    cells, start, quoted, at = [], 0, False, 0
    while at < len(text):
        if text[at] == '"':
            quoted = not quoted
        end = next((end for end in (delimiter, "\r\n") if not quoted and text.startswith(end, at)), None)
        if end:
            cells.append((text[start:at], end))
            at = start = at + len(end)
        else:
            at += 1
    return cells


async def test_blocks_are_whole_lines_and_not_small(source: RowSource) -> None:
    blocks = await collect(source, Selection(), Csv())
    assert len(blocks) > 2
    assert all(len(block) >= 64 << 10 for block in blocks[2:-1])  # the second is guessed from the few rows of the first
    assert all(block.endswith(b"\r\n") for block in blocks)


async def test_an_iterator_that_is_never_started_holds_nothing(source: RowSource, no_descriptor_left: None) -> None:
    await source.lines(Selection(), Csv()).aclose()


@pytest.mark.parametrize("seed", range(4))
async def test_readers_that_leave_anywhere_leave_nothing_open(
    seed: int, source: RowSource, no_descriptor_left: None
) -> None:
    chance = random.Random(seed)

    async def read_and_leave(blocks: int, by_cancelling: bool) -> None:
        lines = source.lines(Selection(), Csv())
        reading = asyncio.ensure_future(_read(lines, blocks))
        if by_cancelling:
            for _ in range(chance.randrange(200)):
                await asyncio.sleep(0)
            reading.cancel()
        await asyncio.wait((reading,))
        await lines.aclose()

    for _ in range(5):
        await asyncio.gather(*(read_and_leave(chance.randrange(4), chance.random() < 0.5) for _ in range(4)))
    await source.aclose()


async def _read(lines: AsyncGenerator[bytes], blocks: int) -> None:
    for _ in range(blocks):
        await anext(lines, b"")


async def test_a_database_that_answers_passes_the_check(source: RowSource, no_descriptor_left: None) -> None:
    await source.check()
    await source.aclose()
