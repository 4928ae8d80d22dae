"""The cases of stored files, on routes of a FastAPI site that returns `FileResponse`: what the service answers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.case import Case, Request
from tests.conformance.cases import CASES
from tests.conformance.client import Answer
from tests.conformance.run import Bench, Recorder, verdict
from tests.conformance.targets import Target, uvicorn

pytestmark = pytest.mark.slow

FILES = re.compile(rb"/(download/(?!bundle)|file/|preview/|video/|reports/(?!generate))")

OF_FILES = [case for case in CASES if "uvicorn" in case.on and all(FILES.match(r.target) for r in case.exchange)]

OF_THE_SITE = {
    "latin-1-escape-names-a-file": "the path is decoded by uvicorn before a route has it",
    "slash-after-escaped-percent": "Starlette redirects",
    "slash-after-lone-percent": "Starlette redirects",
    "location-is-relative": "Starlette redirects",
}
"""Cases about what the site's router answers, with what it does."""


class Routes:
    """The site."""

    spec = "tests.conformance.route_app:app"

    def create(self, data_dir: Path) -> Any:
        raise NotImplementedError

    def serve_command(self, data_dir: Path) -> list[str] | None:
        return None


class Plain:
    """A target without the word that keeps a compressing middleware away (README, "In your own routes")."""

    def __init__(self, target: Target) -> None:
        self.name = "routes"
        self._target = target

    def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        answers = self._target.exchange(requests)
        word = ("content-encoding", "identity")
        return [replace(each, headers=tuple(line for line in each.headers if line != word)) for each in answers]


@pytest.fixture(scope="module")
def bench(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with uvicorn(Routes(), data_dir, tmp_path_factory.mktemp("routes")) as server:
        yield Bench(Plain(server))


@pytest.mark.parametrize("case", [case for case in OF_FILES if case.id not in OF_THE_SITE], ids=lambda case: case.id)
def test_case(case: Case, bench: Bench, recorder: Recorder) -> None:
    assert verdict(case, bench, recorder) == []


def test_each_exception_is_one(bench: Bench, recorder: Recorder) -> None:
    failing = {case.id for case in OF_FILES if case.id in OF_THE_SITE and verdict(case, bench, recorder)}
    assert failing == set(OF_THE_SITE)
