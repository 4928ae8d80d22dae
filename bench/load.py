"""The kinds of load, and how each is put on a server: by wrk where it is installed, else by our own clients.

An Outcome counts only what was answered in full; any error of any response fails the load.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.environment import ROOT

_PATIENCE = 600.0


class LoadFailed(Exception):
    """The load could not be put on the target, or an answer was none."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Short answers over `connections` kept open, as fast as they come; `idle` more connections lie beside."""

    connections: int
    idle: int = 0


@dataclass(frozen=True, slots=True)
class Bulk:
    """`transfers` long answers, `connections` at a time; with `evict` their files leave the page cache first."""

    connections: int = 1
    transfers: int = 1
    evict: bool = False


@dataclass(frozen=True, slots=True)
class Stalled:
    """`clients` that ask for the case's path and never read, and a small download (`beside`) among them."""

    clients: int
    beside: str


Load = Requests | Bulk | Stalled


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`received` counts every byte on the wire, heads and framing included; times are in seconds."""

    requests: int
    received: int
    wall: float
    p50: float
    p99: float


def requests(
    address: Address, raw: Sequence[bytes], status: int, connections: int, seconds: float, body: int
) -> Outcome:
    """Ask `raw` in turn for `seconds`. `body` is the content length that every answer is known to have."""
    wrk = shutil.which("wrk")
    if wrk:
        outcome = _wrk(wrk, address, raw, connections, seconds)
    else:
        outcome = _outcome(
            _client("requests", address, raw, status=status, connections=connections, seconds=seconds)
        )  # fmt: skip
    least, most = outcome.requests * body, (outcome.requests + connections) * (body + 8192)
    if not least < outcome.received <= most:
        raise LoadFailed(f"{outcome.received} bytes came in {outcome.requests} answers of {body} bytes")
    return outcome


def bulk(address: Address, raw: Sequence[bytes], status: int, load: Bulk, evict: Sequence[Path], body: int) -> Outcome:
    """Fetch each answer once, `load.transfers` in all."""
    outcome = _outcome(
        _client(
            "bulk", address, raw, status=status, connections=load.connections, transfers=load.transfers,
            evict=[str(path) for path in evict],
        )
    )  # fmt: skip
    if outcome.received < outcome.requests * body:
        raise LoadFailed(f"{outcome.received} bytes came in {outcome.requests} answers of {body} bytes")
    return outcome


def first_byte(address: Address, raw: Sequence[bytes], status: int, times: int) -> float:
    """The median time to the first byte of content, in seconds."""
    return float(_client("first_byte", address, raw, status=status, transfers=times)["p50"])


@contextmanager
def holding(address: Address, raw: bytes, status: int, connections: int, *, read_first: bool) -> Iterator[None]:
    """Keep connections open for the time of the block: idle after an answer, or with an answer that is never read."""
    order = _order(address, [raw], status=status, connections=connections, read_first=read_first)
    with _start("hold") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(order + "\n")
        process.stdin.flush()
        account = json.loads(process.stdout.readline() or '{"error": "the holding client ended"}')
        if "error" in account:
            raise LoadFailed(account["error"])
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(30)


def _order(address: Address, raw: Sequence[bytes], **values: object) -> str:
    texts = [request.decode("ascii") for request in raw]
    return json.dumps({"host": address.host, "port": address.port, "requests": texts, **values})


def _start(kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.client", kind]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _client(kind: str, address: Address, raw: Sequence[bytes], **values: object) -> Mapping[str, float]:
    with _start(kind) as process:
        try:
            out, _ = process.communicate(_order(address, raw, **values) + "\n", timeout=_PATIENCE)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise LoadFailed(f"no end of the load after {_PATIENCE:.0f} s") from error
    account = json.loads(out or '{"error": "the client ended without an account"}')
    if "error" in account:
        raise LoadFailed(account["error"])
    return dict(account)


def _outcome(account: Mapping[str, float]) -> Outcome:
    return Outcome(
        int(account["requests"]), int(account["received"]), account["wall"], account["p50"], account["p99"]
    )  # fmt: skip


_SCRIPT = """
local raw = { %s }
local turn = 0
if #raw > 1 then
    request = function()
        turn = turn %% #raw + 1
        return raw[turn]
    end
end
done = function(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '\\n{"requests": %%d, "received": %%d, "wall": %%.6f, "p50": %%.9f, "p99": %%.9f, "errors": %%d}\\n',
        summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50) / 1e6,
        latency:percentile(99) / 1e6, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def _wrk(wrk: str, address: Address, raw: Sequence[bytes], connections: int, seconds: float) -> Outcome:
    """One request goes by wrk's own means, which costs it least; several by a script that takes them in turn."""
    target, _, rest = raw[0].decode("ascii").partition("\r\n")
    headers = [line for line in rest.split("\r\n") if line and not line.startswith("Host:")]
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="ascii") as script:
        # JSON's string escapes are Lua's, for the characters that a request has
        script.write(_SCRIPT % ", ".join(json.dumps(request.decode("ascii")) for request in raw))
        script.flush()
        command = [
            wrk,
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "30s",
            "-s",
            script.name,
        ]
        command += [word for line in headers for word in ("-H", line)]
        done = subprocess.run(
            [*command, f"http://{address}{target.split()[1]}"],
            capture_output=True, text=True, check=False, timeout=_PATIENCE,
        )  # fmt: skip
    if done.returncode:
        raise LoadFailed(f"wrk: {(done.stderr or done.stdout).strip()[:300]}")
    account = json.loads(done.stdout.strip().splitlines()[-1])
    if account["errors"] or not account["requests"]:
        raise LoadFailed(f"{account['errors']:.0f} errors in {account['requests']:.0f} answers")
    return _outcome(account)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Processes started in the block run on this core; None leaves them free."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
