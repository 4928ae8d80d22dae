"""Rows of every kind as lines, all of them, and errors that say what is wrong."""

import csv
import datetime
import decimal
import io
import json
import sqlite3
import time
import uuid
from collections import namedtuple
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from asgi_downloads.bodies.producer import Producer
from asgi_downloads.bodies.row_lines import row_lines
from asgi_downloads.storage.rows.notation import Csv, JsonLines, Notation

pytestmark = pytest.mark.anyio


@dataclass
class Person:
    id: int
    name: str


Named = namedtuple("Named", "id name")  # noqa: PYI024 - as a database driver makes them


def from_sqlite(factory: Any) -> list[Any]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = factory
    rows = connection.execute("SELECT 1 AS id, 'Ada' AS name UNION ALL SELECT 2, 'Grace'").fetchall()
    connection.close()
    return rows


async def lines(rows: Iterable[Any], columns: Sequence[str] | None = None, notation: Notation | None = None) -> str:
    async with Producer[Any](rows) as producer:
        return b"".join([block async for block in row_lines(producer, columns, notation or Csv())]).decode()


NAMED = [
    [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}],
    [{"id": 1, "name": "Ada"}, {"name": "Grace", "id": 2}],
    [Person(1, "Ada"), Person(2, "Grace")],
    [Named(1, "Ada"), Named(2, "Grace")],
    from_sqlite(sqlite3.Row),
    [{"id": 1, "name": "Ada"}, Person(2, "Grace")],
]


@pytest.mark.parametrize("rows", NAMED, ids=lambda rows: type(rows[0]).__name__)
class TestNamed:
    async def test_names_make_the_head(self, rows: list[Any]) -> None:
        assert await lines(rows) == "id,name\r\n1,Ada\r\n2,Grace\r\n"

    async def test_columns_select_and_order(self, rows: list[Any]) -> None:
        assert await lines(rows, ["name"]) == "name\r\nAda\r\nGrace\r\n"
        assert await lines(rows, ["name", "id"]) == "name,id\r\nAda,1\r\nGrace,2\r\n"

    async def test_they_are_members_of_json(self, rows: list[Any]) -> None:
        assert await lines(rows, None, JsonLines()) == '{"id":1,"name":"Ada"}\n{"id":2,"name":"Grace"}\n'


@pytest.mark.parametrize("rows", [[[1, "Ada"], [2, "Grace"]], [(1, "Ada"), (2, "Grace")], from_sqlite(None)], ids=repr)
class TestUnnamed:
    async def test_they_have_no_head_of_their_own(self, rows: list[Any]) -> None:
        assert await lines(rows) == "1,Ada\r\n2,Grace\r\n"

    async def test_columns_name_their_cells(self, rows: list[Any]) -> None:
        assert await lines(rows, ["id", "name"]) == "id,name\r\n1,Ada\r\n2,Grace\r\n"
        assert (await lines(rows, ["id", "name"], JsonLines())).startswith('{"id":1,"name":"Ada"}\n')

    async def test_json_needs_their_names(self, rows: list[Any]) -> None:
        with pytest.raises(TypeError, match=r"columns= has to name the cells of a (list|tuple)"):
            await lines(rows, None, JsonLines())


WRONG = [
    ([{"id": 1}, {"id": 2, "more": 3}], None, ValueError, "a row with the columns"),
    ([{"id": 1, "name": ""}, {"id": 2}], None, ValueError, "a row with the columns"),
    ([{"id": 1}, {"other": 2}], None, KeyError, "id"),
    ([[1, 2], [1]], None, ValueError, "a row of 1 cells among rows of 2"),
    ([[1, 2]], ["one"], ValueError, "a row of 2 cells among rows of 1"),
    ([Person(1, "")], ["age"], AttributeError, "age"),
    ([Named(1, "")], ["age"], ValueError, "not in tuple"),
    (["text"], None, TypeError, "a row is a list, a tuple, a mapping or a dataclass, not str"),
    ([1], ["one"], TypeError, "not int"),
]


@pytest.mark.parametrize(("rows", "columns", "kind", "message"), WRONG, ids=repr)
async def test_a_row_that_has_not_just_the_columns_is_an_error(
    rows: list[Any], columns: list[str] | None, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        await lines(rows, columns)


@pytest.mark.parametrize("count", [1, 99, 100, 101, pytest.param(1_000_001, marks=pytest.mark.slow)])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_all_rows_are_there_at_every_border(count: int, asynchronous: bool) -> None:
    async def slowly() -> AsyncIterator[tuple[int, str]]:
        for number in range(count):
            yield number, "x"

    rows: Any = slowly() if asynchronous else ((number, "x") for number in range(count))
    found = list(csv.reader(io.StringIO(await lines(rows))))
    assert found == [[str(number), "x"] for number in range(count)]


@pytest.mark.parametrize(("notation", "empty"), [(Csv(), "a,b\r\n"), (JsonLines(), "")])
async def test_no_rows_leave_the_head_alone(notation: Notation, empty: str) -> None:
    assert await lines([], ["a", "b"], notation) == empty
    assert await lines([], None, notation) == ""


async def test_the_first_row_waits_for_no_other() -> None:
    async def rows() -> AsyncIterator[list[int]]:
        yield [1]
        pytest.fail("asked for more before the first had left")

    async with Producer[Any](rows()) as producer:
        blocks = row_lines(producer, None, Csv())
        assert await anext(blocks) == b"1\r\n"
        await blocks.aclose()


async def test_rows_that_come_slowly_do_not_wait_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    async with Producer[Any]([number] for number in range(9)) as producer:
        assert [block async for block in row_lines(producer, None, Csv())] == [b"%d\r\n" % n for n in range(9)]


async def test_blocks_grow_to_their_size_and_no_further() -> None:
    async with Producer[Any](["x" * 1000] for _ in range(3000)) as producer:
        sizes = [len(block) async for block in row_lines(producer, None, Csv())]
    assert sizes[0] == 1002
    assert max(sizes) < 3 << 16
    assert sorted(sizes)[len(sizes) // 2] > 1 << 16


async def test_values_are_as_they_are() -> None:
    row = {
        "none": None,
        "true": True,
        "real": 0.1,
        "decimal": decimal.Decimal("1.10"),
        "date": datetime.date(2026, 5, 1),
        "moment": datetime.datetime(2026, 5, 1, 12, 30, tzinfo=datetime.UTC),
        "id": uuid.UUID(int=1),
        "text": 'a "b", c',
        "bytes": b"x",
    }
    assert (await lines([row])).splitlines()[1] == (
        ',True,0.1,1.10,2026-05-01,2026-05-01 12:30:00+00:00,00000000-0000-0000-0000-000000000001,"a ""b"", c",x'
    )
    assert json.loads(await lines([row], None, JsonLines())) == {
        "none": None,
        "true": True,
        "real": 0.1,
        "decimal": "1.10",
        "date": "2026-05-01",
        "moment": "2026-05-01T12:30:00+00:00",
        "id": "00000000-0000-0000-0000-000000000001",
        "text": 'a "b", c',
        "bytes": "x",
    }


async def test_a_formula_is_no_formula_for_excel() -> None:
    assert await lines([["=1+1"]], None, Csv(for_excel=True)) == "'=1+1\r\n"
    assert await lines([["=1+1"]], ["a"], Csv(for_excel=True)) == "\ufeffa\r\n'=1+1\r\n"
