"""The command line: `python -m bench quick | full | run | scaling | compare | report | fairness | folders | list`."""

import argparse
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench import environment, fairness, folders, report, results
from bench.cases import BY_ID, CASES, Case
from bench.data import Data, default_workdir
from bench.results import Run
from bench.runner import Method, run_all
from bench.scaling import SCALES
from bench.targets import TARGETS

_QUICK_BUDGET = 100.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the service against its peers.")
    commands = parser.add_subparsers(dest="command", required=True)
    running = argparse.ArgumentParser(add_help=False)
    running.add_argument(
        "--workdir", type=Path, default=default_workdir(), help="where the served data is made and kept"
    )
    running.add_argument("--output", type=Path, help="the JSON result (default: bench/results/<command>-<time>.json)")
    commands.add_parser("quick", parents=[running], help="the most telling cases, in under two minutes")
    full = commands.add_parser("full", parents=[running], help="every case, every target")
    scale = commands.add_parser("scaling", parents=[running], help="cost against size, connections, members, rows")
    scale.add_argument("--scale", action="append", choices=list(SCALES), metavar="SCALE", help=", ".join(SCALES))
    run = commands.add_parser("run", parents=[running], help="chosen cases and targets")
    run.add_argument("--case", action="append", choices=list(BY_ID), metavar="CASE", required=True)
    run.add_argument("--target", action="append", choices=list(TARGETS), metavar="TARGET")
    for command, rounds in ((full, 5), (run, 5), (scale, 3)):
        command.add_argument("--rounds", type=int, default=rounds)
        command.add_argument("--seconds", type=float, default=2.0, help="length of one load of requests")
    compare = commands.add_parser("compare", help="two results: is B other than A?")
    compare.add_argument("a", type=Path)
    compare.add_argument("b", type=Path)
    show = commands.add_parser("report", help="Markdown and charts from a result")
    show.add_argument("result", type=Path, nargs="+", help="several are taken for parts of one")
    show.add_argument("--charts", type=Path, help="write SVG charts into this directory")
    show.add_argument("--into", type=Path, help="replace the benchmark section of this Markdown file")
    commands.add_parser("list", help="the cases and the targets")
    commands.add_parser("fairness", help="what one client can do to all, beside its bars")
    commands.add_parser("folders", help="the page of a large folder, beside others'")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: measured; 1: some target failed; 2: it could not be tried."""
    options = _parser().parse_args(arguments)
    match options.command:
        case "list":
            print(report.listing(CASES, TARGETS.values()))
            return 0
        case "compare":
            print(report.comparison(results.load(options.a), results.load(options.b)))
            return 0
        case "report":
            return _report(options)
        case "fairness":
            return _fairness()
        case "folders":
            return _folders()
        case _:
            return _measure(options)


def _fairness() -> int:
    """Print a Markdown table, a row as soon as it is measured."""
    print("| what is tried | measured | bar |\n| --- | ---: | ---: |")
    for row in fairness.rows():
        print(row, flush=True)
    return 0


def _folders() -> int:
    """Print a Markdown table, a row as soon as it is measured."""
    print("| entries | page | first byte | whole | bytes | CPU |\n| ---: | --- | ---: | ---: | ---: | ---: |")
    for row in folders.rows():
        print(row, flush=True)
    return 0


def _report(options: argparse.Namespace) -> int:
    run = report.merged([results.load(path) for path in options.result])
    drawn = report.write_charts(run, options.charts) if options.charts else []
    if options.into:
        paths = [os.path.relpath(path, options.into.parent) for path in drawn]
        report.replace_section(options.into, report.summary(run, paths))
    else:
        print(report.markdown(run))
    return 0


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does: with its servers stopped and its results kept."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _measure(options: argparse.Namespace) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft < hard else soft, hard))
    started = datetime.now(UTC)
    words = " ".join(["python -m bench", *_words(options)])
    cases, method = _choice(options)
    run = Run(words, started.isoformat(timespec="seconds"), environment.describe())
    print(f"{run.environment['cpu']}, {run.environment['cores']} cores\n", flush=True)
    output = options.output or results.FOLDER / f"{options.command}-{started:%Y%m%d-%H%M%S}.json"
    broken = False
    try:
        with closing(run_all(cases, Data(options.workdir), method)) as measured:
            for result in measured:
                run.cases.append(result)
                results.save(run, output)  # each time: a long run that is broken off leaves what it has
                print(report.table(result), flush=True)
    except (OSError, KeyboardInterrupt) as error:
        print(f"bench: {error!r}", file=sys.stderr)
        broken = True
    print(report.bars(run))
    print(f"\n{output}")
    if broken:
        return 2
    return 1 if any(case.errors for case in run.cases) else 0


def _words(options: argparse.Namespace) -> list[str]:
    """The command that repeats the run, without what belongs to one machine."""
    words = [options.command]
    for name in ("case", "target", "scale"):
        words += [f"--{name} {value}" for value in getattr(options, name, None) or ()]
    words += [f"--{name} {getattr(options, name):g}" for name in ("rounds", "seconds") if hasattr(options, name)]
    return words


def _choice(options: argparse.Namespace) -> tuple[dict[str, tuple[Case, tuple[str, ...]]], Method]:
    match options.command:
        case "quick":
            cases = {case.id: (case, case.quick_targets or case.targets) for case in CASES if case.quick}
            return cases, Method(3, 1.0, keep_servers=True, deadline=time.monotonic() + _QUICK_BUDGET)
        case "full":
            return {case.id: (case, case.targets) for case in CASES}, Method(options.rounds, options.seconds)
        case "scaling":
            scales = [SCALES[name] for name in options.scale or SCALES]
            points = [case for scale in scales for _, case in scale.points]
            return {case.id: (case, case.targets) for case in points}, Method(options.rounds, options.seconds)
        case _:
            chosen = {name: BY_ID[name] for name in options.case}
            cases = {name: (case, tuple(options.target or case.targets)) for name, case in chosen.items()}
            return cases, Method(options.rounds, options.seconds)


if __name__ == "__main__":
    stop_on_signals()
    sys.exit(main())
