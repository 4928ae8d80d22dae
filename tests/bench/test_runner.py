"""A run against servers that are right, wrong, or dead."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bench import __main__ as command_line
from bench import results
from bench.cases import Ask, Case, stored
from bench.client import evict
from bench.data import KIB, Data
from bench.environment import ROOT
from bench.load import Bulk
from bench.runner import Method, Runner
from bench.targets import TARGETS, Launch, Program, Server, Target, TargetDied
from bench.verify import Archive, StoredFile

FILE = (Ask("/download/1KiB.bin", StoredFile("downloads/1KiB.bin")),)


REFUSES = [sys.executable, "-c", "exit('no licence')"]


def target(mode: str) -> Target:
    def commands(launch: Launch) -> list[tuple[int, list[str]]]:
        path = launch.data / "downloads" / "1KiB.bin"
        return [(launch.port, [sys.executable, "-m", "tests.bench.stub", str(launch.port), mode, str(path)])]

    return Target(f"stub-{mode}", mode, commands)


@pytest.fixture(autouse=True)
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    added: dict[str, Target | Program] = {f"stub-{mode}": target(mode) for mode in ("right", "wrong-byte", "missing")}
    added["stub-dead"] = Target("stub-dead", "ends", lambda launch: [(launch.port, REFUSES)])
    added["stub-absent"] = Target("stub-absent", "not here", lambda launch: [], needs=("no-such-program",))
    monkeypatch.setattr("bench.runner.TARGETS", TARGETS | added)
    affinity = os.sched_getaffinity(0)
    yield
    assert os.sched_getaffinity(0) == affinity


def case(**values: object) -> Case:
    return Case("stub-case", "a stub", FILE, Bulk(1, 3), (), ("cpu_per_request",), ("file:1KiB",), **values)  # type: ignore[arg-type]


def test_figures_come_from_right_answers_only(tmp_path: Path) -> None:
    names = ["stub-right", "stub-wrong-byte", "stub-missing", "stub-dead", "stub-absent"]
    with Runner(Data(tmp_path), Method(rounds=2, seconds=0.2)) as runner:
        result = runner.run(case(), names)
    assert list(result.samples) == ["stub-right"]
    assert len(result.samples["stub-right"]) == 2
    for sample in result.samples["stub-right"]:
        assert sample["requests"] == 3
        assert sample["bytes"] == 3 * KIB
        assert sample["cpu"] > 0
        assert sample["first_byte"] > 0
    assert "differs from the file at byte 512" in result.errors["stub-wrong-byte"]
    assert "status 404" in result.errors["stub-missing"]
    assert "no licence" in result.errors["stub-dead"]
    assert result.skipped == {"stub-absent": "no-such-program is not installed"}


@pytest.mark.parametrize("evict", [False, True])
def test_what_is_served_is_in_memory_before_each_sample_unless_cold_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evict: bool
) -> None:
    warmed: list[str] = []
    monkeypatch.setattr(Data, "warm", lambda self, item: warmed.append(item))
    with Runner(Data(tmp_path), Method(rounds=2, seconds=0.2)) as runner:
        asked = replace(case(), load=Bulk(1, 3, evict=evict))
        runner.run(asked, ["stub-right"])
    assert warmed == ([] if evict else ["file:1KiB"] * 2)


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="the kernel cannot say what it has in memory")
def test_warming_reads_every_page_of_every_file(tmp_path: Path) -> None:
    data = Data(tmp_path)
    files = [data.ensure("file:1MiB"), *sorted(data.ensure("bundle:small-3").iterdir())]
    with suppress(OSError):  # in a memory file system they stay, and are as warm as can be
        evict([str(file) for file in files])
    data.warm("file:1MiB")
    data.warm("bundle:small-3")
    for file in files:
        size = file.stat().st_size
        fd = os.open(file, os.O_RDONLY)
        try:
            assert os.preadv(fd, [bytearray(size)], 0, os.RWF_NOWAIT) == size
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        finally:
            os.close(fd)


def test_a_target_that_dies_between_rounds_has_no_figure(tmp_path: Path) -> None:
    class Deadly(Runner):
        def _sample(self, *arguments: object) -> results.Sample:
            sample = super()._sample(*arguments)  # type: ignore[arg-type]
            for server in self._servers.values():
                for process in server._processes:
                    process.kill()
                    process.wait()
            return sample

    with Deadly(Data(tmp_path), Method(rounds=3)) as runner:
        result = runner.run(case(), ["stub-right"])
    assert result.samples == {}
    assert "TargetDied" in result.errors["stub-right"]


def test_a_fresh_case_starts_every_sample_anew(tmp_path: Path) -> None:
    started = []

    class Counting(Runner):
        def _new_server(self, *arguments: object) -> Server:
            started.append(arguments)
            return super()._new_server(*arguments)  # type: ignore[arg-type]

    with Counting(Data(tmp_path), Method(rounds=2)) as runner:
        result = runner.run(case(fresh=True), ["stub-right"])
    assert len(result.samples["stub-right"]) == 2
    assert len(started) == 3  # one to verify, one for each round


def test_out_of_time_is_said_and_not_guessed(tmp_path: Path) -> None:
    with Runner(Data(tmp_path), Method(deadline=0.0)) as runner:
        result = runner.run(case(), ["stub-right"])
    assert result.skipped == {"stub-right": "out of time"}


def test_a_server_leaves_nothing_behind(tmp_path: Path) -> None:
    data = Data(tmp_path)
    data.ensure("file:1KiB")
    with Server(target("right"), data.root("tree")) as server:
        pids = [process.pid for process in server._processes]
        server.check_alive()
        assert server.resident() > 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(TargetDied, match="status 1: no licence"), Server(_dead(), data.root("tree")):
        pass


INTERRUPTED = """
import sys, time
from pathlib import Path
from bench.__main__ import stop_on_signals
from bench.targets import Server
from tests.bench.test_runner import target
stop_on_signals()
with Server(target("right"), Path(sys.argv[1])) as server:
    print(server._processes[0].pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_run_that_is_ended_takes_its_servers_along(tmp_path: Path, number: signal.Signals) -> None:
    data = Data(tmp_path)
    data.ensure("file:1KiB")
    command = [sys.executable, "-c", INTERRUPTED, str(data.root("tree"))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as harness:
        assert harness.stdout is not None
        pid = int(harness.stdout.readline())
        os.kill(pid, 0)
        harness.send_signal(number)
        harness.wait(20)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _dead() -> Target:
    return Target("dead", "ends", lambda launch: [(launch.port, REFUSES)])


WRITES = """
import sys
sys.stdout.buffer.write(open(sys.argv[1], "rb").read())
print('{"cpu": 7, "wall": 9}', file=sys.stderr)
"""


def test_a_program_is_verified_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs: dict[str, Target | Program] = {
        "writes": Program("writes", "", lambda root, name: [sys.executable, "-c", WRITES, str(root / name)]),
        "fails": Program("fails", "", lambda root, name: [sys.executable, "-c", "exit('out of paper')"]),
        "lies": Program("lies", "", lambda root, name: [sys.executable, "-c", "print('no archive')"]),
    }
    monkeypatch.setattr("bench.runner.TARGETS", programs)
    asked = (Ask("", Archive("bundles/tiny-3")),)
    row = Case("p", "p", asked, Bulk(), (), ("cpu",), ("archive:tiny-3",), argument="archives/tiny-3.zip")
    with Runner(Data(tmp_path), Method(rounds=1)) as runner:
        result = runner.run(row, list(programs))
    (sample,) = result.samples["writes"]
    assert (sample["cpu"], sample["wall"]) == (7, 9)
    assert sample["length"] == (tmp_path / "tree" / "archives" / "tiny-3.zip").stat().st_size
    assert "out of paper" in result.errors["fails"]
    assert "not a readable ZIP" in result.errors["lies"]


def test_the_command_line_fails_when_a_target_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Case("one", "one file", stored("1KiB"), Bulk(), ("stub-right", "stub-wrong-byte"), ("cpu_per_request",),
               ("file:1KiB",))  # fmt: skip
    monkeypatch.setattr(command_line, "CASES", (row,))
    output = tmp_path / "out.json"
    words = ["full", "--rounds", "1", "--workdir", str(tmp_path / "work"), "--output", str(output)]
    assert command_line.main(words) == 1
    said = capsys.readouterr().out
    assert "one: one file" in said or "one: ?" in said
    assert "differs from the file" in said
    run = results.load(output)
    assert list(run.cases[0].samples) == ["stub-right"]
    assert run.command == "python -m bench full --rounds 1 --seconds 2"
