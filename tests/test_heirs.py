"""What is written for heirs is true: each module is tested where it says, and each path that is named is there."""

import re
from pathlib import Path

import pytest

from tests.support.serving import ROOT

PACKAGE, TESTS = ROOT / "app" / "asgi_downloads", ROOT / "tests"
TABLE = (TESTS / "README.md").read_text("utf-8").partition("## Modules whose tests have another name")[2]
ROWS = [re.findall(r"`([\w/]+\.py)`", line) for line in TABLE.splitlines() if line.startswith("| `")]
ELSEWHERE = {name for row in ROWS for name in row if not Path(name).name.startswith("test_")}
NAMED_TESTS = {name for row in ROWS for name in row if Path(name).name.startswith("test_")}
MODULES = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}


def has_tests_of_its_own(module: str) -> bool:
    path = TESTS / module
    return path.with_name(f"test_{path.name}").exists()


def test_each_module_has_tests_of_its_own_or_a_row_that_says_where_they_are() -> None:
    assert {module for module in MODULES if not has_tests_of_its_own(module)} == ELSEWHERE


def test_the_tests_in_the_table_are_there() -> None:
    assert [name for name in sorted(NAMED_TESTS) if not (TESTS / name).exists()] == []


PAGES = [
    "README.md",
    "app/README.md",
    "tests/README.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    "app/CHANGES.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_paths_that_the_map_names_are_there() -> None:
    """A path with a folder is below the package; a name alone is somewhere in it."""
    names = set(re.findall(r"`([\w/]+(?:\.py|/))`", (ROOT / "app" / "README.md").read_text("utf-8")))
    anywhere = {path.name for path in PACKAGE.rglob("*.py")} | {f"{path.name}/" for path in PACKAGE.rglob("*/")}
    roots = (PACKAGE, ROOT / "app", ROOT)
    missing = [name for name in names if name not in anywhere and not any((root / name).exists() for root in roots)]
    assert missing == []


def test_every_cache_is_on_the_map() -> None:
    page = (ROOT / "app" / "README.md").read_text("utf-8")
    cached = [
        path for path in PACKAGE.rglob("*.py") if re.search(r"^ *@(lru_)?cache\b", path.read_text(), re.MULTILINE)
    ]
    assert [path.name for path in cached if f"{path.name}`" not in page] == []
