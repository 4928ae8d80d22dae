"""A run: for every case the targets' answers are verified first, then the targets measured in turn, round by round.

A B C, A B C: what slows the machine down for a while slows down all. A target that fails has an error and no figure.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import IO, Self

from bench import load, measure
from bench.cases import Ask, Case
from bench.data import Data
from bench.load import Bulk, LoadFailed, Outcome, Requests, Stalled, on_core
from bench.measure import ProcessGone
from bench.postgres import NotAvailable, Postgres
from bench.progress import Progress
from bench.results import CaseResult, Sample
from bench.store import Store
from bench.targets import TARGETS, Program, Server, Target, TargetDied, missing
from bench.verify import Archive, ArchiveSpan, Bytes, NotModified, Request, Users, WrongAnswer, fetching, verify

FAILURES = (WrongAnswer, TargetDied, LoadFailed, ProcessGone)
_VERIFIED_SPANS = 16
_BESIDE = 300
_STALL = 1.0


@dataclass(frozen=True, slots=True)
class Method:
    """`seconds` is for loads of requests; `deadline` (monotonic) ends the run early, whole rounds only."""

    rounds: int = 5
    seconds: float = 2.0
    keep_servers: bool = False
    deadline: float | None = None

    @property
    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline


@dataclass(frozen=True, slots=True)
class Prepared:
    """Requests of which the answers are known to be right, each with `length` bytes of content."""

    asks: tuple[Ask, ...]
    length: int

    @property
    def status(self) -> int:
        return self.asks[0].status

    def raw(self, host: str) -> list[bytes]:
        return [Request(ask.path, ask.headers).raw(host) for ask in self.asks]


def cores() -> tuple[int | None, int | None]:
    """The core for servers and the core for load; None, None where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[-1], usable[0]) if len(usable) > 1 else (None, None)


def prepare(case: Case, target: Target, server: Server) -> Prepared:
    """Verify the target's answers to the case. Raises WrongAnswer."""
    asks = tuple(replace(ask, path=target.path(ask.path)) for ask in case.asks)
    host, port = server.address.host, server.address.port
    lengths = set()
    if isinstance(asks[0].content, ArchiveSpan):
        return _prepare_spans(asks, server)
    for ask in asks:
        if isinstance(ask.content, NotModified):
            ask = replace(ask, headers={**ask.headers, **_validator(server, ask.path)})
            asks = (ask,)
        lengths.add(verify(host, port, Request(ask.path, ask.headers), ask.content, server.data))
    if len(lengths) != 1:
        raise WrongAnswer(f"answers of different lengths: {sorted(lengths)[:5]}")
    return Prepared(asks, lengths.pop())


def _validator(server: Server, path: str) -> dict[str, str]:
    with fetching(server.address.host, server.address.port, Request(path)) as (answer, _):
        etag = answer.headers.get("etag")
    if etag is None:
        raise WrongAnswer(f"no ETag for {path}")
    return {"If-None-Match": etag}


def _prepare_spans(asks: Sequence[Ask], server: Server) -> Prepared:
    """The archive is checked whole; then some of the spans against it."""
    host, port = server.address.host, server.address.port
    length = 0
    span = asks[0].content
    assert isinstance(span, ArchiveSpan)
    with tempfile.TemporaryFile() as whole:
        with fetching(host, port, Request(asks[0].path)) as (answer, finish):
            shutil.copyfileobj(answer.body, whole)
            finish()
        Archive(span.folder).check_file(whole, server.data)
        for ask in asks[:_VERIFIED_SPANS]:
            assert isinstance(ask.content, ArchiveSpan)
            part: Bytes = ask.content.of(whole)
            length = verify(host, port, Request(ask.path, ask.headers), part, server.data)
    return Prepared(tuple(asks), length)


class Runner:
    """Runs cases. With `keep_servers` those that follow each other on the same tree share the servers."""

    def __init__(self, data: Data, method: Method, progress: Progress | None = None) -> None:
        self._data = data
        self._method = method
        self._progress = progress or Progress(0)
        self._server_core, self._load_core = cores()
        self._servers: dict[tuple[str, str, str], Server] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(on_core(self._load_core))
        return self

    def __exit__(self, *exception: object) -> None:
        self._drop_servers()
        self._stack.close()

    def run(self, case: Case, targets: Sequence[str]) -> CaseResult:
        """Measure the case. Failures end up in `errors`, what cannot be measured here in `skipped`."""
        result = CaseResult(case.id)
        if self._method.out_of_time:
            result.skipped = dict.fromkeys(targets, "out of time")
            return result
        with ExitStack() as stack:
            url = ""
            if case.postgres:
                try:
                    url = stack.enter_context(Postgres(case.rows)).url
                except NotAvailable as why:
                    result.skipped = dict.fromkeys(targets, str(why))
                    return result
            for item in case.data:
                self._progress.step(case.id, item, "making data")
                self._data.ensure(item)
            if case.store:
                try:
                    url = stack.enter_context(Store(self._data.root(case.root), self._load_core)).url
                except NotAvailable as why:
                    result.skipped = dict.fromkeys(targets, str(why))
                    return result
            self._measure(case, targets, url, result)
            if not self._method.keep_servers or url:
                self._drop_servers()
        return result

    def _measure(self, case: Case, targets: Sequence[str], url: str, result: CaseResult) -> None:
        able = []
        for name in targets:
            why = missing(TARGETS[name].needs)
            if why is None:
                able.append(name)
            else:
                result.skipped[name] = why
        prepared = {}
        for name in able:
            self._progress.step(case.id, name, "verifying")
            try:
                prepared[name] = self._prepare(case, TARGETS[name], url)
            except FAILURES as error:
                self._failed(result, name, error)
        for number in range(self._method.rounds):
            if number and self._method.out_of_time:
                break
            for name in able:
                if name in result.errors:
                    continue
                self._progress.step(case.id, name, f"round {number + 1} of {self._method.rounds}")
                try:
                    sample = self._sample(case, TARGETS[name], url, prepared[name])
                    result.samples.setdefault(name, []).append(sample)
                except FAILURES as error:
                    self._failed(result, name, error)
                self._progress.done()

    def _failed(self, result: CaseResult, name: str, error: Exception) -> None:
        """What failed has no figure, not even of the rounds before."""
        result.errors[name] = f"{type(error).__name__}: {error}"
        result.samples.pop(name, None)
        self._progress.note(f"{result.id}: {name}: {result.errors[name]}")
        for key in [key for key in self._servers if key[0] == name]:
            self._servers.pop(key).stop()

    def _server(self, case: Case, target: Target, url: str) -> Server:
        key = (target.id, case.root, url)
        if key not in self._servers:
            self._servers[key] = self._new_server(case, target, url).__enter__()
        self._servers[key].check_alive()
        return self._servers[key]

    def _new_server(self, case: Case, target: Target, url: str) -> Server:
        return Server(target, self._data.root(case.root), url, self._server_core)

    def _drop_servers(self) -> None:
        for server in self._servers.values():
            server.stop()
        self._servers.clear()

    def _prepare(self, case: Case, target: Target | Program, url: str) -> Prepared:
        if isinstance(target, Program):
            return self._verify_program(case, target, url)
        if case.fresh:
            with self._new_server(case, target, url) as server:
                return prepare(case, target, server)
        return prepare(case, target, self._server(case, target, url))

    def _sample(self, case: Case, target: Target | Program, url: str, prepared: Prepared) -> Sample:
        if not _evicts(case):
            for item in case.data:
                self._data.warm(item)
        if isinstance(target, Program):
            sample = self._run_program(case, target, url)
            sample["length"] = prepared.length
        else:
            with ExitStack() as stack:
                if case.fresh:
                    server = stack.enter_context(self._new_server(case, target, url))
                else:
                    server = self._server(case, target, url)
                sample = self._measured(case, target, server, prepared)
                server.check_alive()
        if case.rows:
            sample["rows"] = case.rows * sample["requests"]
        return sample

    def _measured(self, case: Case, target: Target, server: Server, prepared: Prepared) -> Sample:
        raw = prepared.raw(str(server.address))
        if isinstance(case.load, Stalled):
            return _stalled(case.load, target, server, raw[0])
        sample: Sample = {}
        bulk = isinstance(case.load, Bulk)
        if not case.fresh and not _evicts(case):
            sample["first_byte"] = load.first_byte(server.address, raw, prepared.status, 3 if bulk else 20)
        server.settle()
        with ExitStack() as stack:
            if isinstance(case.load, Requests) and case.load.idle:
                idle = load.holding(server.address, raw[0], prepared.status, case.load.idle, read_first=True)
                stack.enter_context(idle)
            server.reset_peak()
            resident = server.resident()
            outcome, cpu, others = self._timed(server, lambda: self._load(case, server, raw, prepared))
        peak = server.peak()
        return sample | {
            "requests": outcome.requests,
            "bytes": outcome.requests * prepared.length,
            "length": prepared.length,
            "wall": outcome.wall,
            "cpu": cpu.total,
            "user": cpu.user,
            "system": cpu.system,
            "others": others,
            "p50": outcome.p50,
            "p99": outcome.p99,
            "peak": peak,
            "growth": max(0, peak - resident),
        }

    def _timed(self, server: Server, act: Callable[[], Outcome]) -> tuple[Outcome, measure.CpuTime, float]:
        """What the load cost the server, and the share of its core that others used meanwhile."""
        core = self._server_core
        begun = time.monotonic()
        busy_before = measure.core_busy(core) if core is not None else 0.0
        before = server.cpu_time()
        outcome = act()
        cpu = server.cpu_time() - before
        busy = measure.core_busy(core) - busy_before if core is not None else 0.0
        if cpu.total <= 0:
            raise TargetDied(f"{server.target.id} used no CPU time: something else answered")
        return outcome, cpu, max(0.0, busy - cpu.total) / (time.monotonic() - begun)

    def _load(self, case: Case, server: Server, raw: Sequence[bytes], prepared: Prepared) -> Outcome:
        if isinstance(case.load, Requests):
            return load.requests(
                server.address, raw, prepared.status, case.load.connections, self._method.seconds, prepared.length
            )
        assert isinstance(case.load, Bulk)
        closing = [Request(ask.path, ask.headers).raw(str(server.address), close=True) for ask in prepared.asks]
        evict = [server.data / ask.content.name for ask in case.asks] if case.load.evict else []  # type: ignore[attr-defined]
        return load.bulk(server.address, closing, prepared.status, case.load, evict, prepared.length)

    def _verify_program(self, case: Case, program: Program, url: str) -> Prepared:
        root = self._data.root(case.root)
        content = case.asks[0].content
        with tempfile.TemporaryFile(dir=self._data.workdir) as out:
            self._execute(case, program, url, out)
            length = out.tell()
            out.seek(0)
            if isinstance(content, Archive):
                content.check_file(out, root)
            elif isinstance(content, Users):
                content.check_file(out)
            else:
                raise TypeError(f"no check for what {program.id} writes")
        return Prepared(case.asks, length)

    def _run_program(self, case: Case, program: Program, url: str) -> Sample:
        with open(os.devnull, "wb") as out:
            return self._execute(case, program, url, out)

    def _execute(self, case: Case, program: Program, url: str, out: IO[bytes]) -> Sample:
        command = program.command(self._data.root(case.root), case.argument or url)
        with tempfile.TemporaryFile() as complaints, on_core(self._server_core):
            begun = time.perf_counter()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaints)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            complaints.seek(0)
            text = complaints.read().decode("utf-8", "replace").strip()
        if process.returncode:
            raise LoadFailed(f"{program.id} ended with status {process.returncode}: {text[-300:]}")
        sample: Sample = {
            "requests": 1, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "user": usage.ru_utime,
            "system": usage.ru_stime,
        }  # fmt: skip
        with suppress(ValueError, IndexError):
            account = json.loads(text.splitlines()[-1])
            sample |= {name: float(account[name]) for name in ("wall", "cpu", "bytes") if name in account}
        return sample


def _evicts(case: Case) -> bool:
    return isinstance(case.load, Bulk) and case.load.evict


def _stalled(stalled: Stalled, target: Target, server: Server, raw: bytes) -> Sample:
    """A small download alone, then among clients that do not read; what those cost in private memory."""
    small = [Request(target.path(stalled.beside)).raw(str(server.address))]
    load.first_byte(server.address, small, 200, 50)
    server.settle()
    alone = load.first_byte(server.address, small, 200, _BESIDE)
    before = server.private()
    with load.holding(server.address, raw, 200, stalled.clients, read_first=False):
        time.sleep(_STALL)
        beside = load.first_byte(server.address, small, 200, _BESIDE)
        after = server.private()
    return {"requests": stalled.clients, "alone": alone, "beside": beside, "growth": max(1, after - before)}


def run_all(
    cases: Mapping[str, tuple[Case, tuple[str, ...]]], data: Data, method: Method
) -> Generator[CaseResult, None, None]:
    """Every case with its targets, each result as soon as it is there."""
    progress = Progress(sum(len(targets) * method.rounds for _, targets in cases.values()))
    with closing(progress), Runner(data, method, progress) as runner:
        for case, targets in cases.values():
            yield runner.run(case, targets)
