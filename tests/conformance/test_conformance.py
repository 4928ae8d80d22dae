"""Every case on every target; and no answer has what the OpenAPI document does not know."""

import pytest

from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.described import Document
from tests.conformance.run import Bench, Recorder, verdict
from tests.conformance.targets import TARGETS, Fleet

APPLICABLE = [pytest.param(name, case, id=f"{name}-{case.id}") for name in TARGETS for case in CASES if name in case.on]


@pytest.mark.parametrize(("name", "case"), APPLICABLE)
def test_case(
    name: str, case: Case, fleet: Fleet, recorder: Recorder, benches: dict[str, Bench], document: Document
) -> None:
    if name not in benches:
        benches[name] = Bench(fleet[name])
    assert verdict(case, benches[name], recorder) == []
    assert [line for request, answer in benches[name].last for line in document.unknown(request, answer)] == []
