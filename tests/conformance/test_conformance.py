"""Every case on every target."""

import pytest

from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.run import Bench, Recorder, verdict
from tests.conformance.targets import TARGETS, Fleet

APPLICABLE = [pytest.param(name, case, id=f"{name}-{case.id}") for name in TARGETS for case in CASES if name in case.on]


@pytest.mark.parametrize(("name", "case"), APPLICABLE)
def test_case(name: str, case: Case, fleet: Fleet, recorder: Recorder, benches: dict[str, Bench]) -> None:
    if name not in benches:
        benches[name] = Bench(fleet[name])
    assert verdict(case, benches[name], recorder) == []
