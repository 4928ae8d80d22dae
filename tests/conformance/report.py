"""The table of what holds: every case on every target, as data and as Markdown."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.conformance import rows
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.client import Answer, BrokenAnswer
from tests.conformance.in_process import Unavailable
from tests.conformance.judge import faults
from tests.conformance.record import versions
from tests.conformance.run import Bench, Recorder, SetupFailed
from tests.conformance.scenarios import SCENARIOS, Scenario, Stage
from tests.conformance.targets import Fleet, Reference, Service

Verdict = Literal["pass", "fail", "not set up", "other server"]

_MARKS: Final[dict[Verdict, str]] = {"pass": "ok", "fail": "**fails**", "not set up": "?", "other server": ""}


@dataclass(frozen=True, slots=True)
class Line:
    """One case or scenario: what FastAPI answers, whether that meets the case, and how each target does.

    Scenarios are not played with FastAPI; of those `fastapi` is empty and `fastapi_meets` None.
    """

    id: str
    rows: tuple[str, ...]
    kind: str
    why: str
    request: str
    fastapi: str
    fastapi_meets: bool | None
    ours: str
    targets: dict[str, Verdict]
    faults: dict[str, list[str]]


def lines(data_dir: Path, work: Path, names: Sequence[str], cases: Iterable[Case] = CASES) -> list[Line]:
    """Run `cases` on the targets called `names`, over the data directory `data_dir`; `work` is an empty directory."""
    with Fleet(Reference(), data_dir, work / "reference") as references, Fleet(Service(), data_dir, work) as fleet:
        recorder = Recorder(Bench(references["uvicorn"], without_validators=True))
        benches = {name: _bench(fleet, name) for name in names}
        asked = [_line(case, recorder, benches) for case in cases]
        return asked + [_played(scenario, fleet, data_dir, work / "scenarios", names) for scenario in SCENARIOS]


def _bench(fleet: Fleet, name: str) -> Bench | str:
    try:
        return Bench(fleet[name])
    except Unavailable as error:
        return str(error)


def _line(case: Case, recorder: Recorder, benches: dict[str, Bench | str]) -> Line:
    theirs = recorder.unchecked(case)
    verdicts: dict[str, Verdict] = {}
    found: dict[str, list[str]] = {}
    ours = ""
    for name, bench in benches.items():
        if name not in case.on:
            verdicts[name] = "other server"
            continue
        if isinstance(bench, str):
            verdicts[name], found[name] = "not set up", [bench]
            continue
        try:
            answers = bench.perform(case)
        except SetupFailed as error:
            verdicts[name], found[name] = "not set up", [str(error)]
            continue
        ours = ours or brief(answers)
        wrong = faults(case, answers, theirs if case.kind == "fastapi" else None)
        verdicts[name] = "fail" if wrong else "pass"
        if wrong:
            found[name] = wrong
    return Line(
        case.id,
        case.rows,
        case.kind,
        case.section or case.reason,
        _asked(case),
        brief(theirs),
        not faults(case, theirs),
        ours,
        verdicts,
        found,
    )


def _played(scenario: Scenario, fleet: Fleet, data_dir: Path, work: Path, names: Sequence[str]) -> Line:
    verdicts: dict[str, Verdict] = {}
    found: dict[str, list[str]] = {}
    for name in names:
        if name not in scenario.on:
            verdicts[name] = "other server"
            continue
        here = work / scenario.id / name
        here.mkdir(parents=True)
        try:
            scenario.play(Stage(name, fleet, data_dir, here))
            verdicts[name] = "pass"
        except Unavailable as error:
            verdicts[name], found[name] = "not set up", [str(error)]
        except (AssertionError, BrokenAnswer, OSError, LookupError) as error:
            verdicts[name], found[name] = "fail", [f"{type(error).__name__} {error}"]
    return Line(scenario.id, scenario.rows, scenario.kind, scenario.why, "(over time)", "", None, "", verdicts, found)


def _asked(case: Case) -> str:
    return "; ".join(
        " ".join([request.method, request.target.decode("latin-1"), *(f"[{n}: {v}]" for n, v in request.headers)])
        if request.raw is None
        else repr(request.raw[:60])
        for request in case.exchange
    )


def brief(answers: Sequence[Answer]) -> str:
    """What came back, in a few words."""
    return ", ".join(
        " ".join(filter(None, [str(answer.status), answer.get("content-range") or answer.get("location")]))
        if answer.status
        else "no answer"
        for answer in answers
    )


def as_data(found: Sequence[Line]) -> dict[str, Any]:
    """All there is to know, for JSON."""
    return {"versions": versions(), "counts": counts(found), "cases": [asdict(line) for line in found]}


def counts(found: Sequence[Line]) -> dict[str, dict[str, int]]:
    """How many cases passed, failed, were not set up or do not concern it, by target."""
    names = found[0].targets if found else ()
    return {name: dict(Counter(line.targets[name] for line in found)) for name in names}


def as_markdown(found: Sequence[Line]) -> str:
    """A summary, what fails, and the table."""
    kinds = Counter(line.kind for line in found)
    meets = Counter(line.kind for line in found if line.fastapi_meets)
    out = [
        "# Conformance",
        "",
        f"{len(found)} cases over {len({row for line in found for row in line.rows})} rows of {len(rows.ROWS)}.",
        "FastAPI is " + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".",
        "",
        "| kind | cases | met by FastAPI |",
        "|---|---|---|",
        *(f"| {kind} | {kinds[kind]} | {meets[kind]} |" for kind in ("fastapi", "rfc", "choice")),
        "",
        "| target | pass | fail | not set up | not for it |",
        "|---|---|---|---|---|",
    ]
    for name, by in counts(found).items():
        out.append(
            f"| {name} | "
            + " | ".join(str(by.get(v, 0)) for v in ("pass", "fail", "not set up", "other server"))
            + " |"
        )
    failing = [line for line in found if "fail" in line.targets.values()]
    if failing:
        out += ["", "## What fails", ""]
    for line in failing:
        at = [name for name, verdict in line.targets.items() if verdict == "fail"]
        out.append(f"- `{line.id}` on {', '.join(at)}: {_cell('; '.join(line.faults[at[0]]), 300)}")
    names = list(found[0].targets) if found else []
    out += ["", "## Cases", "", "| case | rows | kind | why | request | FastAPI | ours | " + " | ".join(names) + " |"]
    out.append("|---" * (7 + len(names)) + "|")
    for line in found:
        cells = [line.id, " ".join(line.rows), line.kind, line.why, line.request, line.fastapi, line.ours]
        marks = [_MARKS[line.targets[name]] for name in names]
        out.append("| " + " | ".join([_cell(cell, 90) for cell in cells] + marks) + " |")
    return "\n".join(out) + "\n"


def _cell(text: str, width: int) -> str:
    text = "".join(c if c.isprintable() else "." for c in text).replace("|", "\\|")
    return text if len(text) <= width else text[: width - 3] + "..."


def write(found: Sequence[Line], markdown: Path | None, data: Path | None) -> None:
    """Write the table to the files that are asked for."""
    if markdown is not None:
        markdown.write_text(as_markdown(found))
    if data is not None:
        data.write_text(json.dumps(as_data(found), indent=1, ensure_ascii=False) + "\n")
