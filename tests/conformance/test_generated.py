"""Requests that nobody thought of, compared with FastAPI: `--cases N` for more, `--seed S` for others."""

import os
import time

import pytest

from tests.conformance.client import Session
from tests.conformance.generator import generate, one
from tests.conformance.judge import faults
from tests.conformance.targets import Fleet, Server

DEFAULT = 2000
SHOWN = 5
"""How many differences one run tells of; more say nothing more."""


def _chosen(config: pytest.Config, option: str, variable: str, default: int) -> int:
    found = config.getoption(option, None)  # absent when the options of this directory were read too late
    return int(found if found is not None else os.environ.get(variable, default))


@pytest.mark.slow
def test_generated_requests_are_answered_as_by_fastapi(
    fleet: Fleet, references: Fleet, pytestconfig: pytest.Config
) -> None:
    count = _chosen(pytestconfig, "--cases", "CONFORMANCE_CASES", DEFAULT)
    seed = _chosen(pytestconfig, "--seed", "CONFORMANCE_SEED", int(time.time() // 86400))
    ours, theirs = fleet["serve"], references["uvicorn"]
    assert isinstance(ours, Server)
    assert isinstance(theirs, Server)
    found: list[str] = []
    with Session(ours.address) as here, Session(theirs.address) as there:
        for generated in generate(seed, count):
            (request,) = generated.case.exchange
            differences = faults(generated.case, [here.ask(request)], [there.ask(request)])
            if differences:
                text = "\n  ".join([f"{generated.seed}:{generated.index}", *differences, generated.curl(ours.address)])
                found.append(text)
                if len(found) == SHOWN:
                    break
    assert not found, "\n".join(["differs from FastAPI (the tree: python -m tests.conformance tree DIR)", *found])


def test_a_seed_and_an_index_name_one_request() -> None:
    assert [g.case.exchange for g in generate(7, 50)] == [one(7, index).case.exchange for index in range(50)]


def test_requests_differ() -> None:
    targets = {g.case.exchange for g in generate(7, 500)}
    assert len(targets) > 450
