"""A report tells of the users there are."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from asgi_downloads.bodies.report.report import ROWS, SAMPLE, Table, users_table
from asgi_downloads.storage.errors import Exhausted, NotFound, StorageError, Unavailable
from asgi_downloads.storage.rows.notation import JsonLines, Notation
from asgi_downloads.storage.rows.source import COLUMNS, Put, RowSource, Selection, Wanted
from asgi_downloads.storage.rows.statement import Statement

pytestmark = pytest.mark.anyio


class Rows(RowSource):
    """A source with these users, or one that fails."""

    def __init__(self, *users: dict[str, Any], error: StorageError | None = None) -> None:
        super().__init__(connections=1)
        self.users = users
        self.error = error

    async def describe(self, statement: Statement) -> tuple[str, ...]:
        return COLUMNS

    async def read(
        self, wanted: Wanted, notation: Notation, put: Put, seconds: float, *, probing: bool = False
    ) -> None:
        assert wanted == Selection(limit=ROWS)
        assert notation == JsonLines()
        for user in self.users:
            await put(json.dumps(user).encode() + b"\n")
        if self.error:
            raise self.error


ADA = {"id": 1, "name": "Ada\u2028Lovelace", "email": None, "created_at": "2024-01-01"}


@dataclass(frozen=True)
class Case:
    id: str
    source: Rows | None
    want: Table


CASES = [
    Case(
        "users",
        Rows(ADA),
        Table("The first users of the database", COLUMNS, (("1", "Ada\u2028Lovelace", "", "2024-01-01"),)),
    ),
    Case("no-source", None, SAMPLE),
    Case("no-users", Rows(), SAMPLE),
    Case("away", Rows(error=Unavailable()), SAMPLE),
    Case("no-table", Rows(error=NotFound()), SAMPLE),
    Case("gone-midway", Rows(ADA, error=Unavailable()), SAMPLE),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_table_has_the_first_users_or_sample_figures(case: Case) -> None:
    assert await users_table(case.source) == case.want


async def test_a_database_that_is_busy_is_not_passed_over() -> None:
    with pytest.raises(Exhausted):
        await users_table(Rows(error=Exhausted()))
