"""What the kernel counted."""

import mmap
import os
import subprocess
import sys
import time

import pytest

from bench import measure

BURN = """
import time
end = time.process_time() + 0.2
while time.process_time() < end: pass
print("burnt", flush=True)
input()
"""
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], stdin=0)
print("over", flush=True)
input()
"""


def test_cpu_time_counts_children_alive_and_waited_for() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "burnt\n"
        assert len(measure.tree(process.pid)) == 2
        alive = measure.cpu_time(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "over\n"
        waited = measure.cpu_time(process.pid)
        assert measure.tree(process.pid) == [process.pid]
        process.communicate("\n")
    assert alive.total >= 0.2
    assert waited.total >= alive.total - 0.02  # a waited-for child is counted in ticks of 10 ms


def test_a_dead_process_is_an_error_and_not_a_zero() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pid = process.pid
    for read in (measure.cpu_time, measure.tree, measure.peak, measure.private, measure.resident):
        with pytest.raises(measure.ProcessGone):
            read(pid)


def test_peak_remembers_what_was_given_back() -> None:
    measure.reset_peak(os.getpid())
    before = measure.resident(os.getpid())
    with mmap.mmap(-1, 64 << 20) as block:  # memory of its own, which goes back at once
        block.write(b"x" * len(block))
        held = measure.resident(os.getpid())
    assert held - before > 50 << 20
    assert measure.peak(os.getpid()) - before > 50 << 20


def test_private_memory_is_part_of_resident_memory() -> None:
    assert 0 < measure.private(os.getpid()) <= measure.resident(os.getpid())


def test_settling_waits_for_rest() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        begun = time.monotonic()
        measure.settle(process.pid)
        assert time.monotonic() - begun >= 0.05
        assert measure.cpu_time(process.pid).total >= 0.2
        process.communicate("\n")


def test_a_core_has_been_busy() -> None:
    core = min(os.sched_getaffinity(0))
    assert measure.core_busy(core) > 0
    with pytest.raises(ValueError, match="no core"):
        measure.core_busy(10_000)
