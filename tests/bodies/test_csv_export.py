"""An export is a first line and the rows behind it, whatever comes of the rows."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from asgi_downloads.bodies.csv_export import export_blocks
from asgi_downloads.storage.errors import Unavailable
from asgi_downloads.storage.rows.source import COLUMNS, Csv, JsonLines, Notation, Selection

pytestmark = pytest.mark.anyio


class Rows:
    """A source that gives `blocks`, then fails if it is told to; records what it was asked for."""

    def __init__(self, *blocks: bytes, failing: bool = False) -> None:
        self.blocks = blocks
        self.failing = failing
        self.asked: tuple[Selection, Notation] | None = None
        self.closed = False

    async def lines(self, selection: Selection, notation: Notation) -> AsyncGenerator[bytes]:
        self.asked = selection, notation
        try:
            for block in self.blocks:
                yield block
            if self.failing:
                raise Unavailable
        finally:
            self.closed = True

    async def check(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Case:
    id: str
    want: list[bytes]
    notation: Notation = Csv()
    columns: tuple[str, ...] = COLUMNS
    rows: tuple[bytes, ...] = (b"1\r\n", b"2\r\n")


HEAD = b"id,name,email,created_at\r\n"
CASES = [
    Case("the-head-goes-with-the-first-rows", [HEAD + b"1\r\n", b"2\r\n"]),
    Case("no-rows", [HEAD], rows=()),
    Case("no-rows-for-excel", [b"\xef\xbb\xbf" + HEAD], Csv(for_excel=True), rows=()),
    Case("for-excel", [b"\xef\xbb\xbf" + HEAD + b"1\r\n", b"2\r\n"], Csv(for_excel=True)),
    Case("semicolon", [b"id;name;email;created_at\r\n1\r\n", b"2\r\n"], Csv(";")),
    Case("columns", [b"email,id\r\n1\r\n", b"2\r\n"], columns=("email", "id")),
    Case("one-column", [b"name\r\n1\r\n", b"2\r\n"], columns=("name",)),
    Case("json-has-no-head", [b"1\r\n", b"2\r\n"], JsonLines()),
    Case("no-json", [], JsonLines(), rows=()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_blocks(case: Case) -> None:
    rows, selection = Rows(*case.rows), Selection(case.columns, limit=7)
    assert [block async for block in export_blocks(rows, selection, case.notation)] == case.want
    assert rows.asked == (selection, case.notation)
    assert rows.closed


async def test_an_error_before_the_first_row_comes_before_any_text() -> None:
    with pytest.raises(Unavailable):
        await anext(export_blocks(Rows(failing=True), Selection(), Csv()))


async def test_an_error_after_some_rows_comes_after_them() -> None:
    blocks = export_blocks(Rows(b"1\r\n", failing=True), Selection(), Csv())
    assert await anext(blocks) == HEAD + b"1\r\n"
    with pytest.raises(Unavailable):
        await anext(blocks)


async def test_leaving_closes_the_source_at_once() -> None:
    rows = Rows(b"1\r\n", b"2\r\n")
    blocks = export_blocks(rows, Selection(), Csv())
    await anext(blocks)
    assert not rows.closed
    await blocks.aclose()
    assert rows.closed
