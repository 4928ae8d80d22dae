"""What the kernel counted for a tree of processes: CPU time and memory, read from /proc (Linux)."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessGone(Exception):
    """A process that was to be measured is no more."""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command name (which may hold spaces), so [0] is the state."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessGone(f"process {pid} is gone") from error
    return text[text.rindex(")") + 2 :].split()


def tree(root: int) -> list[int]:
    """`root` and its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(ProcessGone):
                children.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
    _stat(root)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds of CPU. `total` is exact to the scheduler's nanosecond, its two parts to the kernel's tick (10 ms)."""

    total: float
    user: float
    system: float

    def __sub__(self, earlier: "CpuTime") -> "CpuTime":
        return CpuTime(self.total - earlier.total, self.user - earlier.user, self.system - earlier.system)


def _clock(pid: int) -> float:
    """The process' own CPU clock, all threads, also those that ended (clock_getcpuclockid(3) is this number)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise ProcessGone(f"process {pid} is gone") from error


def cpu_time(root: int) -> CpuTime:
    """What `root`, its living descendants and its children that were waited for have used since they started."""
    total = user = system = 0.0
    for pid in tree(root):
        try:
            fields, clock = _stat(pid), _clock(pid)
        except ProcessGone:
            if pid == root:
                raise
            continue  # its time is now in its parent's count of waited-for children
        waited_user, waited_system = int(fields[13]) / _TICK, int(fields[14]) / _TICK
        user += int(fields[11]) / _TICK + waited_user
        system += int(fields[12]) / _TICK + waited_system
        total += clock + waited_user + waited_system
    return CpuTime(total, user, system)


def _field(path: str, *names: str) -> int:
    """The sum, in bytes, of the named `Name:  123 kB` lines."""
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    wanted = {f"{name}:" for name in names}
    return sum(int(words[1]) * 1024 for line in lines if (words := line.split()) and words[0] in wanted)


def resident(root: int) -> int:
    """Bytes now resident, summed over the tree; a page that two processes share counts twice."""
    return sum(_field(f"/proc/{pid}/status", "VmRSS") for pid in tree(root))


def private(root: int) -> int:
    """Bytes that only these processes have: what they would give back if they ended."""
    names = ("Private_Clean", "Private_Dirty", "Private_Hugetlb", "SwapPss")
    return sum(_field(f"/proc/{pid}/smaps_rollup", *names) for pid in tree(root))


def reset_peak(root: int) -> None:
    """Let the peak begin again at what is resident now (proc_pid_clear_refs(5), value 5)."""
    for pid in tree(root):
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peak(root: int) -> int:
    """The highest number of resident bytes since `reset_peak`, summed over the tree."""
    return sum(_field(f"/proc/{pid}/status", "VmHWM") for pid in tree(root))


def core_busy(core: int) -> float:
    """Seconds that `core` was not idle since boot, whoever used it, time stolen by a hypervisor included."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *values = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in values[:8])
            return (user + nice + system + irq + softirq + steal) / _TICK
    raise ValueError(f"no core {core}")


def settle(root: int, *, quiet: float = 0.02, patience: float = 3.0) -> None:
    """Wait until the tree does nothing to speak of, so that work left over from before is not counted as new."""
    deadline = time.monotonic() + patience
    before = cpu_time(root).total
    while time.monotonic() < deadline:
        time.sleep(0.05)
        now = cpu_time(root).total
        if now - before < 0.05 * quiet:
            return
        before = now
