"""What FastAPI answers where ours is to differ: kept as data, so that the report can show both."""

import json
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.conformance.case import Case, Request
from tests.conformance.cases import CASES
from tests.conformance.client import Answer
from tests.conformance.judge import faults
from tests.conformance.run import Recorder

RECORDED: Final = Path(__file__).with_name("recorded") / "fastapi.json"

_SHOWN = ("content-type", "content-range", "content-disposition", "last-modified", "location", "allow", "x-report-id")


def versions() -> dict[str, str]:
    """Whose answers these are; Python's own tables of media types and resolving of links are part of them."""
    packages = {name: version(name) for name in ("fastapi", "starlette", "uvicorn", "httptools")}
    return {**packages, "python": ".".join(map(str, sys.version_info[:2]))}


def summary(case: Case, answers: Sequence[Answer]) -> dict[str, Any]:
    """What is kept of the reference's answers: whether they meet the case, and the fields that tell."""
    return {
        "meets": not faults(case, answers),
        "answers": [_shown(request, answer) for request, answer in zip(case.exchange, answers, strict=True)],
    }


def _shown(request: Request, answer: Answer) -> dict[str, Any]:
    if not answer.status:
        return {"status": 0}
    made = b"/generate/" in request.target  # so its Last-Modified is now
    fields = {
        name: _steady(value)
        for name in _SHOWN
        if (value := answer.get(name)) is not None and not (made and name == "last-modified")
    }
    return {"status": answer.status, **fields}


def _steady(value: str) -> str:
    """`value` without what differs at each run: port, boundary, time."""
    value = re.sub(r"^http://127\.0\.0\.1:[0-9]+", "http://HOST", value)
    value = re.sub(r"boundary=[0-9a-f]+", "boundary=B", value)
    return re.sub(r"[0-9]{8}-[0-9]{6}", "TIME", value)


def record(recorder: Recorder) -> int:
    """Write the record anew; returns how many cases it has."""
    answers = {case.id: summary(case, recorder.unchecked(case)) for case in CASES if case.kind != "fastapi"}
    RECORDED.parent.mkdir(exist_ok=True)
    lines = ",\n".join(f"{json.dumps(id_)}: {json.dumps(answers[id_])}" for id_ in sorted(answers))
    RECORDED.write_text(f'{{"versions": {json.dumps(versions())},\n"answers": {{\n{lines}\n}}}}\n')
    return len(answers)
