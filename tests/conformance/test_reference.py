"""The table is proven before ours is judged by it: FastAPI does what `fastapi` cases say, and is recorded elsewhere."""

import json

import pytest

from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.judge import faults
from tests.conformance.record import RECORDED, summary, versions
from tests.conformance.run import Recorder

MATCHING = [case for case in CASES if case.kind == "fastapi"]
DIFFERING = [case for case in CASES if case.kind != "fastapi"]


@pytest.mark.parametrize("case", MATCHING, ids=lambda case: case.id)
def test_fastapi_answers_as_the_case_says(case: Case, recorder: Recorder) -> None:
    assert faults(case, recorder.answers(case)) == []


@pytest.fixture(scope="module")
def recorded() -> dict[str, object]:
    found = json.loads(RECORDED.read_text())
    if found["versions"] != versions():
        pytest.skip(f"recorded with {found['versions']}, here are {versions()}")
    answers: dict[str, object] = found["answers"]
    return answers


@pytest.mark.parametrize("case", DIFFERING, ids=lambda case: case.id)
def test_fastapi_still_differs_as_recorded(case: Case, recorder: Recorder, recorded: dict[str, object]) -> None:
    assert summary(case, recorder.unchecked(case)) == recorded[case.id]


def test_nothing_is_recorded_that_is_no_case(recorded: dict[str, object]) -> None:
    assert set(recorded) == {case.id for case in DIFFERING}
