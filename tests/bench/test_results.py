"""Results survive the way through JSON, and other files are refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import results
from bench.results import CaseResult, Run

samples = st.dictionaries(st.text(max_size=8), st.floats(allow_nan=False, allow_infinity=False), max_size=3)
texts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2)
case_results = st.builds(
    CaseResult, st.text(max_size=8), st.dictionaries(st.text(max_size=8), st.lists(samples, max_size=3)), texts, texts
)
runs = st.builds(Run, st.text(), st.text(), texts, st.lists(case_results, max_size=3))


@settings(max_examples=50)
@given(runs)
def test_a_run_survives_json(run: Run) -> None:
    assert Run.from_json(run.as_json()) == run


def test_a_run_survives_a_file(tmp_path: Path) -> None:
    run = Run("c", "s", {"cpu": "x"}, [CaseResult("k", {"ours": [{"cpu": 0.25}]}, {"a": "died"}, {"b": "not here"})])
    path = tmp_path / "deep" / "run.json"
    results.save(run, path)
    assert results.load(path) == run


@pytest.mark.parametrize("text", ["[]", "{}", json.dumps({"format": 99}), "no json"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"format|Expecting"):
        Run.from_json(text)


def test_a_case_is_found_by_its_id() -> None:
    run = Run("c", "s", {}, [CaseResult("a"), CaseResult("b")])
    assert run.case("b") is run.cases[1]
    assert run.case("c") is None
