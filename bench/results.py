"""Results as JSON: raw samples and their circumstances; rates and ratios are derived when they are read."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

FORMAT = 1
FOLDER = Path(__file__).resolve().parent / "results"

Sample = dict[str, float]
"""One round of one target: counted and measured values by name, in SI units (metrics.py says which)."""


@dataclass(slots=True)
class CaseResult:
    """A case: for each target its samples round by round, or why there are none."""

    id: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """One invocation of the harness."""

    command: str
    started: str
    environment: dict[str, Any]
    cases: list[CaseResult] = field(default_factory=list)

    def case(self, id: str) -> CaseResult | None:  # noqa: A002  # it is called so everywhere else
        return next((case for case in self.cases if case.id == id), None)

    def as_json(self) -> str:
        cases = [
            {"id": c.id, "samples": c.samples, "errors": c.errors, "skipped": c.skipped}
            for c in self.cases
        ]  # fmt: skip
        run = {"format": FORMAT, "command": self.command, "started": self.started, "environment": self.environment}
        return json.dumps({**run, "cases": cases}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The run that `as_json` wrote. ValueError for anything else."""
        values = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f"not a result of format {FORMAT}")
        cases = [CaseResult(c["id"], c["samples"], c["errors"], c["skipped"]) for c in values["cases"]]
        return cls(values["command"], values["started"], values["environment"], cases)


def save(run: Run, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(run.as_json(), encoding="utf-8")


def load(path: Path) -> Run:
    return Run.from_json(path.read_text(encoding="utf-8"))
