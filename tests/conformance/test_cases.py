"""The table itself: large enough, every row in it, nothing in it that is no row."""

from tests.conformance.cases import CASES
from tests.conformance.rows import ROWS
from tests.conformance.scenarios import SCENARIOS


def test_every_row_has_a_case() -> None:
    covered = {row for case in CASES for row in case.rows} | {row for scenario in SCENARIOS for row in scenario.rows}
    assert set(ROWS) - covered == set()


def test_cases_name_rows_that_exist() -> None:
    named = {row for case in CASES for row in case.rows} | {row for scenario in SCENARIOS for row in scenario.rows}
    assert named - set(ROWS) == set()


def test_there_are_three_hundred_cases() -> None:
    assert len(CASES) >= 300


def test_each_kind_is_there() -> None:
    assert {case.kind for case in CASES} == {"fastapi", "rfc", "choice"}
