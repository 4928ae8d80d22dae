"""Breaks the rules one at a time and looks whether a case notices: `python -m tests.conformance.mutation`.

Every change is made to the syntax tree of one module, in a process forked for it, which runs the cases on the service
in process and stops at the first that fails. Not part of CI: it takes some minutes. What no case notices is tried
on the modules' own tests as well.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from tests.conformance import tree
from tests.conformance.case import IN_PROCESS
from tests.conformance.cases import CASES
from tests.conformance.client import Answer
from tests.conformance.judge import faults
from tests.conformance.run import Bench, Recorder, SetupFailed
from tests.conformance.targets import PROJECT, Fleet, Reference, Service

MODULES: Final = (
    *sorted(path for path in (PROJECT / "app" / "asgi_downloads" / "http").glob("*.py")),
    PROJECT / "app" / "asgi_downloads" / "asgi" / "router.py",
)
UNIT_TESTS: Final = ("tests/http", "tests/asgi/test_router.py")
PATIENCE: Final = 15
"""Seconds after which a broken rule has made the service hang, which is noticed too."""

_COMPARISONS: Final[dict[type[ast.cmpop], list[type[ast.cmpop]]]] = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one module."""

    path: Path
    line: int
    before: str
    after: str
    code: CodeType

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


@dataclass(frozen=True, slots=True)
class Stage:
    """What the cases are run over, and those of them that fail without any change."""

    data_dir: Path
    work: Path
    answers: dict[str, list[Answer]]
    failing: frozenset[str]


def mutants(path: Path) -> Iterator[Mutant]:
    """Every change of one operator, constant, condition or statement in the module at `path`."""
    module = ast.parse(path.read_text())
    inert = _inert(module)
    for index, node in enumerate(ast.walk(module)):
        if id(node) in inert:
            continue
        for changed in _changes(node):
            whole = copy.deepcopy(module)
            place = next(found for at, found in enumerate(ast.walk(whole)) if at == index)
            replaced = _Replace(place, changed).visit(whole)
            assert isinstance(replaced, ast.Module)
            code = compile(ast.fix_missing_locations(replaced), str(path), "exec")
            yield Mutant(path, getattr(node, "lineno", 0), _text(node), _text(changed), code)


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:100]


def _inert(module: ast.Module) -> set[int]:
    """Nodes that do nothing at run time: annotations, docstrings, imports, `__all__`; and the texts of messages."""
    found: set[int] = set()
    for node in ast.walk(module):
        still: ast.AST | None = None
        match node:
            case ast.arg() | ast.AnnAssign():
                still = node.annotation
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                still = node.returns
            case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
                still = node
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                still = node
        if still is not None:
            found.update(map(id, ast.walk(still)))
    return found


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[operator]):
            for other in _COMPARISONS.get(type(operator), []):
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.Compare(ops=operators):
            for at, operator in enumerate(operators):
                for other in _COMPARISONS.get(type(operator), []):
                    yield ast.Compare(node.left, [*operators[:at], other(), *operators[at + 1 :]], node.comparators)
        case ast.BoolOp(op=ast.And()):
            yield ast.BoolOp(ast.Or(), node.values)
        case ast.BoolOp(op=ast.Or()):
            yield ast.BoolOp(ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
            yield ast.BinOp(node.left, _ARITHMETIC[type(operator)](), node.right)
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str() as value) if value:
            yield ast.Constant(value + "x")
        case ast.Constant(value=bytes() as value) if value:
            yield ast.Constant(value + b"x")
        case ast.If() | ast.While():
            yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.IfExp():
            yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Expr() | ast.AugAssign() | ast.Continue() | ast.Break():
            yield ast.Pass()


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class _Replace(ast.NodeTransformer):
    def __init__(self, place: ast.AST, changed: ast.AST) -> None:
        self._place, self._changed = place, changed

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._place:
            return ast.copy_location(copy.deepcopy(self._changed), node)
        return super().visit(node)  # type: ignore[no-any-return]


class _Loader(importlib.abc.Loader):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def exec_module(self, module: ModuleType) -> None:
        exec(self._mutant.code, module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    """Gives the mutated module instead of the one on disk."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        package = self._mutant.path.name == "__init__.py"
        return importlib.util.spec_from_file_location(
            fullname,
            self._mutant.path,
            loader=_Loader(self._mutant),
            submodule_search_locations=[str(self._mutant.path.parent)] if package else None,
        )


def noticed(mutant: Mutant, stage: Stage) -> str | None:
    """The id of the first case that fails with `mutant` in place, if there is one."""
    return _in_child(lambda: next(_failing(mutant, stage), ""))


def noticed_by_unit_tests(mutant: Mutant) -> str | None:
    """Whether the modules' own tests fail with `mutant` in place."""

    def run() -> str:
        import pytest

        sys.meta_path.insert(0, _Finder(mutant))
        os.chdir(PROJECT)
        with suppress(SystemExit):
            return "unit tests" if pytest.main(["-x", "-q", "-p", "no:cacheprovider", *UNIT_TESTS]) else ""
        return "unit tests"

    return _in_child(run, 10 * PATIENCE)


def _in_child(work: Callable[[], str], patience: int = PATIENCE) -> str | None:
    """What `work` returns in a forked process; a crash or a hang counts as noticed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.alarm(patience)
        try:
            said = work()
        except BaseException as error:
            said = f"raised {type(error).__name__}"
        os.write(writing, said.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if status:
        return "hangs"
    return said or None


def _failing(mutant: Mutant, stage: Stage) -> Iterator[str]:
    """The cases that fail with `mutant` in place, of those that hold without."""
    sys.meta_path.insert(0, _Finder(mutant))
    with (
        tempfile.TemporaryDirectory(dir=stage.work) as here,
        Fleet(Service(), stage.data_dir, Path(here) / "targets") as fleet,
    ):
        for name in sorted(IN_PROCESS):
            bench = Bench(fleet[name])
            for case in CASES:
                if name not in case.on or case.id in stage.failing:
                    continue
                try:
                    wrong = faults(case, bench.perform(case), stage.answers.get(case.id))
                except SetupFailed as error:
                    wrong = [str(error)]
                if wrong:
                    yield case.id


def _reference_answers(data_dir: Path, work: Path) -> dict[str, list[Answer]]:
    """FastAPI's answers to the `fastapi` cases, asked for once."""
    with Fleet(Reference(), data_dir, work / "reference") as fleet:
        recorder = Recorder(Bench(fleet["uvicorn"], without_validators=True))
        return {case.id: recorder.answers(case) for case in CASES if case.kind == "fastapi"}


def main() -> int:
    """Print, module by module, how many changes were noticed, and those that were not."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.mutation")
    parser.add_argument("modules", nargs="*", type=Path, default=MODULES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutation-") as temporary:
        work = Path(temporary)
        data_dir = tree.build(work / "data")
        stage = Stage(data_dir, work, _reference_answers(data_dir, work), frozenset())
        unchanged = Mutant(MODULES[0], 0, "", "", compile(MODULES[0].read_text(), str(MODULES[0]), "exec"))
        failing = _in_child(lambda: " ".join(_failing(unchanged, stage))) or ""
        if failing:
            print(f"left out, for they fail without any change: {failing}", flush=True)
        stage = replace(stage, failing=frozenset(failing.split()))
        for path in options.modules:
            _report(path.resolve(), stage)
    return 0


def _report(path: Path, stage: Stage) -> None:
    tried, survivors = 0, []
    for mutant in mutants(path):
        tried += 1
        if noticed(mutant, stage) is None:
            survivors.append((mutant, noticed_by_unit_tests(mutant)))
    print(f"{path.relative_to(PROJECT)}: {tried} changes, {tried - len(survivors)} noticed by a case", flush=True)
    for mutant, elsewhere in survivors:
        print(
            f"  {mutant.line}: {mutant.before!r} -> {mutant.after!r} ({elsewhere or 'noticed by nothing'})", flush=True
        )


if __name__ == "__main__":
    sys.exit(main())
