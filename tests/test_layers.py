"""The house: rooms import only from their left, no two files in a circle, no folder that nobody can overlook."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "app" / "asgi_downloads"

ROOMS = ("http", "pages", "storage", "bodies", "asgi", "responses", "starlette", "endpoints", "service", "server")
"""Each imports itself and what stands to its left. `demo` stands beside; the top of the package sees all."""

SERVER = ("wire", "http1", "around", "process", "deploy")
"""The same within `server`, whose own modules are seen by all of them."""

MOST_FILES = 14
"""Modules of one folder; design.md says about a dozen."""


def dotted(path: Path) -> str:
    parts = ("asgi_downloads", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path: Path, *, typing_too: bool = True) -> Iterator[str]:
    """Our modules that the file imports, anywhere in it; those for types alone only if `typing_too`."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types and not typing_too:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that rooms can be read off them"
            for alias in node.names:
                if (name := f"{node.module}.{alias.name}") in MODULES:
                    yield name
                elif node.module in MODULES:
                    yield node.module


def room(name: str, depth: int = 1) -> str:
    parts = name.split(".")
    return parts[depth] if len(parts) > depth else ""


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_from_its_left(name: str) -> None:
    home = room(name)
    if home in ("", "main", "__main__"):
        return
    allowed = {home} if home == "demo" else {*ROOMS[: ROOMS.index(home) + 1]}
    assert {room(other) for other in imported(MODULES[name])} <= allowed


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) == "server"])
def test_a_room_of_the_server_imports_only_from_its_left(name: str) -> None:
    home = room(name, 2)
    if home not in SERVER:
        return
    others = {room(other, 2) for other in imported(MODULES[name]) if room(other) == "server"}
    assert others - set(SERVER[: SERVER.index(home) + 1]) <= {"errors", "protocol"}


def test_no_two_files_import_each_other() -> None:
    graph = {name: set(imported(path, typing_too=False)) - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}), ids=lambda path: path.name)
def test_a_folder_holds_about_a_dozen_files(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MOST_FILES


@pytest.mark.parametrize("path", sorted((PACKAGE / "http").glob("*.py")), ids=lambda path: path.name)
def test_the_rules_of_http_do_not_wait_open_or_look_at_a_clock(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await | ast.AsyncFunctionDef)]
    names = {name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"os", "io", "asyncio", "anyio", "socket", "pathlib", "threading", "subprocess"}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"open", "time.time", "time.monotonic", "datetime.now", "datetime.today", "datetime.utcnow"}
