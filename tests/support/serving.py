"""The real service in a process of its own, as a user starts it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent.parent
SERVE = ("-m", "asgi_downloads", "serve", "--port", "0", "--log-level", "warning")


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of the service; it imports the package of this checkout."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("DOWNLOADS_")}
    return {**kept, "PYTHONPATH": f"{ROOT / 'app'}:{ROOT}", **(changes or {})}


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition of another process, which nothing announces."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.01)


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[str]
    line: str
    """What it said when it was ready."""
    errors_to: IO[str] | None = None

    @property
    def url(self) -> str:
        found = re.search(r" on (http://\S+)$", self.line)
        assert found is not None, self.line
        return found[1]

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        assert self.errors_to is not None
        self.errors_to.seek(0)
        return self.errors_to.read()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def serving(
    *arguments: str | Path,
    command: Sequence[str] = SERVE,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """`serve` (or another `command` of Python) with `arguments`, from its ready line to its end."""
    with tempfile.TemporaryFile("w+", errors="surrogateescape") as errors:
        process = subprocess.Popen(
            [sys.executable, *command, *map(str, arguments)],
            cwd=cwd,
            env=environment(environ),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="surrogateescape",  # a path may be no UTF-8
        )
        late = threading.Timer(20, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline().rstrip("\n")
            late.cancel()
            if not line:
                errors.seek(0)
                raise AssertionError(f"it ended with {process.wait(20)}: {errors.read()}")
            yield Served(process, line, errors)
        finally:
            late.cancel()
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout is not None:
                process.stdout.close()
