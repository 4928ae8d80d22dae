"""The cases with the files in an object store: the answers are those for a directory, but for the entity tags' form."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import tree
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.run import Bench, Recorder, verdict
from tests.conformance.targets import process
from tests.support.swift import swift_server

pytest.importorskip("obstore")
pytestmark = pytest.mark.slow

BUCKET = "conformance"

_NO_LINKS = "a store has no links"
_NO_CONTROLS = "obstore refuses such keys"
_ROUNDED = "Swift rounds Last-Modified up to the second"

NOT_THERE = {
    r"k8-bundle-of-traps|bundle-download-is-unknown|.*-link-to-outside": _NO_LINKS,
    r"latin-1-escape-names-a-file": "keys are UTF-8",
    r"(disposition-control|parameter-with-newline|report-id-newline).*": _NO_CONTROLS,
    r"fraction-of-a-second-is-cut|nanosecond-is-cut|if-modified-since-fraction": _ROUNDED,
    r"go-content-range-with-modtime-nanos": _ROUNDED,
    r"epoch|go-content-unix-zero-modtime": "Swift has no objects of that time",
}
"""Cases about what cannot be in a store: a pattern of their ids, and why."""

HERE = [
    case for case in CASES if "serve" in case.on and not any(re.fullmatch(pattern, case.id) for pattern in NOT_THERE)
]


def objects(data_dir: Path) -> Iterator[tuple[str, bytes]]:
    """What is there by its key. Links that stay in their directory are objects of their own; empty ones end in "/"."""
    yield from tree.FILES.items()
    for path in data_dir.rglob("*"):
        name = path.relative_to(data_dir)
        root = data_dir / Path(*name.parts[: 2 if name.parts[0] == "bundles" else 1])
        if path.is_symlink() and path.is_file() and path.resolve().is_relative_to(root):
            yield str(name), path.read_bytes()
        elif path.is_dir() and not any(path.iterdir()):
            yield f"{name}/", b""


@pytest.fixture(scope="module")
def bench(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Our server over a bucket of Swift's that has the files of the data directory."""
    with swift_server() as swift:
        swift.put(BUCKET, "", b"")
        for name, content in objects(data_dir):
            swift.put(BUCKET, name, content, max(tree.TIMES.get(name, tree.MTIME * 10**9) / 10**9, 1))
        command = [sys.executable, "-m", "asgi_downloads", "serve", f"s3://{BUCKET}", "--port", "0"]
        log = tmp_path_factory.mktemp("store") / "log"
        database = f"sqlite:///{data_dir / 'app.db'}"
        with process("store", [*command, "--database-url", database], log, env=swift.environ) as server:
            yield Bench(server)


@pytest.mark.parametrize("case", HERE, ids=lambda case: case.id)
def test_case_in_a_store(case: Case, bench: Bench, recorder: Recorder) -> None:
    tries = 3 if case.id.startswith("digest") else 1  # RFC 9530 §4: a preference, which a slow store may leave unmet
    for _ in range(tries):
        differences = verdict(case, bench, recorder)
        if not differences:
            break
    assert differences == []
