"""The machine and the versions a figure belongs to. No host name, no path, no user."""

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "aiobotocore", "aiofiles", "aiohttp", "anyio", "asyncpg", "fastapi", "granian", "gunicorn", "h11", "httptools",
    "isal", "obstore", "reportlab", "starlette", "uvicorn", "uvloop", "zipstream-ng",
)  # fmt: skip
PROGRAMS = {"nginx": ("nginx", "-v"), "wrk": ("wrk", "-v"), "sqlite3": ("sqlite3", "--version"), "psql": ("psql", "-V")}

ROOT = Path(__file__).resolve().parent.parent
"""The checkout that holds this package."""


def describe() -> dict[str, object]:
    """Everything needed to judge or repeat a run, as JSON values."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": f"{platform.system()} {_number(platform.release())}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name in PACKAGES if (version := _package(name))},
        "programs": {name: version for name, command in PROGRAMS.items() if (version := _program(command))},
        "load_average": os.getloadavg()[0],
        "revision": revision(),
    }


def revision() -> str:
    """The checkout's commit, with `+changes` where files differ from it; `unknown` outside a checkout."""
    commit = _output("git", "rev-parse", "--short=12", "HEAD")
    if not commit:
        return "unknown"
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "--", "app", "bench", "pyproject.toml")
    return commit + ("+changes" if changed else "")


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _number(release: str) -> str:
    """The digits of a kernel release; what follows them is a builder's name."""
    found = re.match(r"\d+(\.\d+)*", release)
    return found[0] if found else release


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _program(command: tuple[str, ...]) -> str | None:
    if shutil.which(command[0]) is None and not Path("/usr/sbin", command[0]).exists():
        return None
    found = re.search(r"\d+\.\d+(\.\d+)*", _output(*command))
    return found[0] if found else "installed"


def _output(*command: str) -> str:
    """What the command printed, on either channel (wrk and nginx tell their version as an error)."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    program = shutil.which(command[0], path=path)
    if program is None:
        return ""
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode and command[0] == "git":
        return ""
    return (done.stdout + done.stderr).strip()
