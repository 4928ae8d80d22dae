"""Every scenario on every target that it is about."""

import itertools
from pathlib import Path

import pytest

from tests.conformance.scenarios import SCENARIOS, Scenario, Stage
from tests.conformance.targets import TARGETS, Fleet

APPLICABLE = [
    pytest.param(name, scenario, id=f"{name}-{scenario.id}")
    for name, scenario in itertools.product(TARGETS, SCENARIOS)
    if name in scenario.on
]


@pytest.mark.parametrize(("name", "scenario"), APPLICABLE)
def test_scenario(name: str, scenario: Scenario, fleet: Fleet, data_dir: Path, tmp_path: Path) -> None:
    scenario.play(Stage(name, fleet, data_dir, tmp_path))
