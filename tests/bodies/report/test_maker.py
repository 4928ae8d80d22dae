"""A report is made elsewhere than on the event loop, one at a time, and only for those who wait for it."""

import importlib.util
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_process
import pytest

from asgi_downloads.bodies.report import maker as module
from asgi_downloads.bodies.report.maker import ReportMaker, require_reportlab, to_pdf
from asgi_downloads.bodies.report.report import SAMPLE, Report
from asgi_downloads.storage.errors import Busy, MissingExtra
from tests.support.serving import environment

pytestmark = pytest.mark.anyio

REPORT = Report("q1", datetime(2024, 2, 29, tzinfo=UTC), SAMPLE)


@pytest.fixture
def without_reportlab(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "reportlab" else real(name))


@pytest.mark.usefixtures("without_reportlab")
async def test_without_reportlab_there_is_an_extra_to_install() -> None:
    with pytest.raises(MissingExtra) as caught:
        require_reportlab()
    assert caught.value.extra == "pdf"
    with pytest.raises(MissingExtra):
        await ReportMaker()(REPORT)


class TestReportMaker:
    @pytest.fixture(autouse=True)
    def reportlab(self) -> None:
        pytest.importorskip("reportlab")

    async def test_the_loop_goes_on_and_so_does_this_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "to_pdf", _process_id)
        maker = ReportMaker()
        first, second = [int(await maker(REPORT)) for _ in range(2)]
        assert first == second != os.getpid()

    async def test_it_is_the_same_report(self) -> None:
        assert await ReportMaker()(REPORT) == to_pdf(REPORT)

    @pytest.mark.parametrize(
        "error",
        [anyio.BrokenWorkerProcess("x"), BlockingIOError(11, "x"), OSError(24, "x"), NotImplementedError()],
        ids=lambda error: type(error).__name__,
    )
    async def test_without_processes_it_is_a_thread_from_then_on(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        tried = 0

        async def broken(*args: Any, **more: Any) -> bytes:
            nonlocal tried
            tried += 1
            raise error

        monkeypatch.setattr(anyio.to_process, "run_sync", broken)
        monkeypatch.setattr(module, "to_pdf", lambda report: b"%d" % threading.get_ident())
        maker = ReportMaker()
        for _ in range(3):
            assert int(await maker(REPORT)) != threading.get_ident()
        assert tried == 1
        assert [record.levelname for record in caplog.records if record.name == "asgi_downloads"] == ["WARNING"]

    async def test_a_process_that_dies_later_costs_nobody_a_report(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers: list[bytes | Exception] = [b"1", anyio.BrokenWorkerProcess(), b"3"]

        async def now_and_then(*args: Any, **more: Any) -> bytes:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(anyio.to_process, "run_sync", now_and_then)
        monkeypatch.setattr(module, "to_pdf", lambda report: b"from a thread")
        maker = ReportMaker()
        assert [await maker(REPORT) for _ in range(3)] == [b"1", b"from a thread", b"3"]

    async def test_a_process_that_never_answers_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def silent(*args: Any, **more: Any) -> bytes:
            await anyio.sleep_forever()
            raise AssertionError

        monkeypatch.setattr(anyio.to_process, "run_sync", silent)
        monkeypatch.setattr(module, "to_pdf", lambda report: b"from a thread")
        assert await ReportMaker(timeout=0.05)(REPORT) == b"from a thread"

    async def test_one_is_made_at_a_time_and_none_that_nobody_waits_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        begun: list[str] = []
        go_on = anyio.Event()

        async def slow(function: Any, report: Report, **more: Any) -> bytes:
            begun.append(report.report_id)
            await go_on.wait()
            return report.report_id.encode()

        monkeypatch.setattr(anyio.to_process, "run_sync", slow)
        maker = ReportMaker()
        made: list[bytes] = []

        async def ask(report_id: str) -> None:
            made.append(await maker(replace(REPORT, report_id=report_id)))

        async with anyio.create_task_group() as staying, anyio.create_task_group() as leaving:
            for number in range(20):
                leaving.start_soon(ask, f"left-{number}")
            await anyio.wait_all_tasks_blocked()
            staying.start_soon(ask, "stayed")
            await anyio.wait_all_tasks_blocked()
            assert begun == ["left-0"]
            leaving.cancel_scope.cancel()
            go_on.set()  # what had begun is made to its end, for nobody
        assert begun == ["left-0", "stayed"]
        assert made == [b"left-0", b"stayed"]

    async def test_a_full_queue_refuses_until_there_is_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        go_on = anyio.Event()

        async def slow(*args: Any, **more: Any) -> bytes:
            await go_on.wait()
            return b"made"

        monkeypatch.setattr(anyio.to_process, "run_sync", slow)
        maker = ReportMaker(most_asked=2)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(maker, REPORT)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Busy):
                await maker(REPORT)
            go_on.set()
        assert await maker(REPORT) == b"made"

    async def test_a_report_that_cannot_be_made_is_an_error(self) -> None:
        with pytest.raises(AttributeError):
            await ReportMaker()(None)  # type: ignore[arg-type]


UNGUARDED = """
import asyncio
import sys
from datetime import UTC, datetime
from asgi_downloads.bodies.report.maker import ReportMaker
from asgi_downloads.bodies.report.report import SAMPLE, Report
if __name__ == "__mp_main__":
    raise SystemExit(1)
print(asyncio.run(ReportMaker()(Report("x", datetime.now(UTC), SAMPLE)))[:5])
"""


def test_a_main_module_that_can_only_be_run_gets_its_report(tmp_path: Path) -> None:
    pytest.importorskip("reportlab")
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        (sys.executable, script), capture_output=True, check=True, text=True, env=environment(), timeout=60
    )
    assert done.stdout == "b'%PDF-'\n"


def _process_id(report: Report) -> bytes:
    return b"%d" % os.getpid()
