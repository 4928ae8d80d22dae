"""`python -m tests.conformance report | record | tree DIR`."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.conformance import report, tree
from tests.conformance.record import RECORDED, record
from tests.conformance.run import Bench, Recorder
from tests.conformance.targets import TARGETS, Fleet, Reference


def main() -> int:
    """Exit status 1 if a case fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("report", help="run every case on every target and print the table")
    table.add_argument("--targets", default=",".join(TARGETS), help="names, with commas between")
    table.add_argument("--markdown", type=Path, help="write the table here instead of printing it")
    table.add_argument("--json", type=Path, help="write it here as data too")
    commands.add_parser("record", help="ask FastAPI anew where ours is to differ")
    made = commands.add_parser("tree", help="make the data directory of the cases")
    made.add_argument("directory", type=Path)
    options = parser.parse_args()
    if options.command == "tree":
        print(tree.build(options.directory))
        return 0
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        work = Path(temporary)
        data_dir = tree.build(work / "data")
        if options.command == "record":
            with Fleet(Reference(), data_dir, work / "reference") as fleet:
                count = record(Recorder(Bench(fleet["uvicorn"], without_validators=True)))
            print(f"{count} cases recorded in {RECORDED}")
            return 0
        found = report.lines(data_dir, work, options.targets.split(","))
    report.write(found, options.markdown, options.json)
    if options.markdown is None:
        sys.stdout.write(report.as_markdown(found))
    return int(any(verdict == "fail" for line in found for verdict in line.targets.values()))


if __name__ == "__main__":
    sys.exit(main())
