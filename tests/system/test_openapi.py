"""Thousands of requests made from the document of the served demo: none is answered otherwise than it says."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from asgi_downloads import demo
from tests.support.serving import serving

pytestmark = pytest.mark.slow

NAMES = {
    "/download/{filename}": "report.pdf",
    "/download/large/{filename}": "sample-8M.bin",
    "/download/async/{filename}": "notes.txt",
    "/download/bundle/{bundle_id}": "holiday",
    "/file/{filename}": "photo.jpg",
    "/preview/{filename}": "photo.jpg",
    "/video/{filename}": "sample.mp4",
    "/reports/{report_id}": "42",
    "/reports/generate/{report_id}": "7",
    "/browse/{path}": "files/notes.txt",
}
"""What is there, for the content to be asked for too."""

CONFIG = """\
[phases.coverage]
unexpected-methods = ["get", "put", "post", "delete", "options", "patch", "trace"]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 303, 304, 307, 308, 400, 404, 405, 412, 416]
"""
"""QUERY is a method that servers have not heard of: no request at all. Any text is a value of Range and If-Match; which
one holds is for nobody to know beforehand."""


WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "the guide": ((), ()),
    # Which methods there are is another thing for files than for folders: a field that the document cannot know.
    "the page": (
        ("--browse",),
        ("--include-path-regex", "^/(browse|[.]assets|$)", "--exclude-checks", "allow_header_conformance"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_schemathesis_finds_nothing(way: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    demo.write_demo(tmp_path / "data", users=30)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    flags, chosen = WAYS[way]
    with serving(tmp_path / "data", *flags) as served:
        with urllib.request.urlopen(f"{served.url}/openapi.json") as answer:
            document = json.load(answer)
        for path, name in NAMES.items():
            if path in document["paths"]:
                document["paths"][path]["parameters"][0]["example"] = name
        document["components"]["parameters"]["Range"]["example"] = "bytes=0-9"
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", "openapi.json", "--url", served.url]
        options = ["--checks", "all", "--max-examples", "50", "--seed", "1", "--no-color"]
        run = subprocess.run(
            [*command, *options, *chosen], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
    assert run.returncode == 0, run.stdout
    operations = sum(len(both.keys() - {"parameters"}) for both in document["paths"].values())
    assert f"Tested: {9 if chosen else operations}" in run.stdout
