"""The rooms import only from their left."""

import ast
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent / "app"

ORDER = ("http", "storage", "bodies", "asgi", "endpoints", "routes", "application", "main", "server")
BESIDE = {"kinds": (), "settings": ("kinds",), "demo": (), "__main__": ("settings", "demo", "server", "asgi")}
"""Modules beside the line of rooms, and what they may import."""

MODULES = sorted(APP.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(APP).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that rooms can be read off them"
            if node.module == "app":
                names = [f"app.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("app.")}
    return rooms


def allowed(home: str) -> set[str]:
    if home in BESIDE:
        return {home, *BESIDE[home]}
    return {*ORDER[: ORDER.index(home) + 1], *({"settings"} if home in ("application", "server") else ())}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(APP)))
def test_a_room_imports_only_from_its_left(path: Path) -> None:
    if path == APP / "__init__.py":
        return
    assert imported_rooms(path) <= allowed(room(path))


@pytest.mark.parametrize("path", sorted((APP / "http").glob("*.py")), ids=lambda path: path.name)
def test_the_rules_of_http_do_not_wait_open_or_look_at_a_clock(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await | ast.AsyncFunctionDef)]
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"os", "io", "asyncio", "anyio", "socket", "pathlib", "threading", "subprocess"}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"open", "time.time", "time.monotonic", "datetime.now", "datetime.today", "datetime.utcnow"}
