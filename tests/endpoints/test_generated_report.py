"""A generated report is a file like any other while it is sent."""

import asyncio
import json
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from asgi_downloads.asgi.guard import Guard
from asgi_downloads.asgi.router import Route, Router
from asgi_downloads.asgi.types import ASGIApp, Message
from asgi_downloads.bodies.report import maker as module
from asgi_downloads.bodies.report.report import SAMPLE, Report
from asgi_downloads.bodies.spooled_file import content_tag
from asgi_downloads.endpoints.generated_report import GeneratedReport
from asgi_downloads.service.application import Application
from asgi_downloads.storage.errors import Exhausted
from asgi_downloads.storage.files.temporary import TemporaryFiles
from tests.conftest import assert_none_left, descriptors
from tests.endpoints.test_export import get, write_users
from tests.support.asgi import Recorder, http_scope

NOW = datetime(2024, 2, 29, 12, 0, 0, 900_000, tzinfo=UTC)
CONTENT = b"%PDF-" + bytes(range(256)) * 8192


class Made:
    """Makes `CONTENT` of every report, and keeps what it was told."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    async def __call__(self, report: Report) -> bytes:
        self.reports.append(report)
        return CONTENT


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def files(tmp_path: Path) -> TemporaryFiles:
    return TemporaryFiles(tmp_path)


@pytest.fixture
def service(files: TemporaryFiles, made: Made, tmp_path: Path) -> Generator[ASGIApp]:
    pytest.importorskip("reportlab")
    report = GeneratedReport(None, files, make=made, clock=NOW.timestamp)
    before = descriptors()
    yield Guard(Router((Route("/reports/generate/{report_id}", report),)))
    assert_none_left(before)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_a_length_a_tag_and_a_name(service: ASGIApp, made: Made) -> None:
    answer = get(service, "/reports/generate/q1")
    assert (answer.status, answer.complete, bytes(answer.content)) == (200, True, CONTENT)
    assert made.reports == [Report("q1", NOW.replace(microsecond=0), SAMPLE)]
    headers = answer.headers
    assert headers[b"content-type"] == b"application/pdf"
    assert headers[b"content-disposition"] == b'attachment; filename="report-q1.pdf"'
    assert headers[b"content-length"] == b"%d" % len(CONTENT)
    assert headers[b"etag"] == content_tag(CONTENT)
    assert headers[b"accept-ranges"] == b"bytes"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("report_id", ["Übersicht", "日本", '"quoted"', "<b>", "a\r\nX: y", "\x00", "x" * 2000])
def test_any_id_is_a_title_and_never_a_header_of_its_own(report_id: str, service: ASGIApp, made: Made) -> None:
    answer = get(service, f"/reports/generate/{report_id}")
    assert answer.status == 200
    assert made.reports[0].report_id == report_id
    disposition = answer.headers[b"content-disposition"]
    assert disposition.isascii()
    assert not set(disposition) & {0, 10, 13}
    if not report_id.isascii():
        assert quote(report_id).encode() in disposition


def test_head_makes_nothing(service: ASGIApp, made: Made) -> None:
    answer = get(service, "/reports/generate/q1", "HEAD")
    assert (answer.status, bytes(answer.content)) == (200, b"")
    assert answer.headers[b"content-type"] == b"application/pdf"
    assert answer.headers[b"content-disposition"] == b'attachment; filename="report-q1.pdf"'
    assert made.reports == []


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("0-4", 0, 5), ("2000000-", 2_000_000, len(CONTENT)), ("-7", len(CONTENT) - 7, len(CONTENT))],
)
def test_ranges(asked: str, start: int, stop: int, service: ASGIApp) -> None:
    answer = get(service, "/reports/generate/q1", range=f"bytes={asked}")
    assert answer.status == 206
    assert answer.headers[b"content-range"] == b"bytes %d-%d/%d" % (start, stop - 1, len(CONTENT))
    assert answer.content == CONTENT[start:stop]


def test_validators(service: ASGIApp) -> None:
    tag = content_tag(CONTENT).decode()
    assert get(service, "/reports/generate/q1", if_none_match=tag).status == 304
    assert get(service, "/reports/generate/q1", if_match='"other"').status == 412
    assert get(service, "/reports/generate/q1", range="bytes=0-1", if_range=tag).status == 206
    assert get(service, "/reports/generate/q1", range="bytes=0-1", if_range='"other"').status == 200
    assert get(service, "/reports/generate/q1", range=f"bytes={len(CONTENT)}-").status == 416


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
@pytest.mark.parametrize("hang_up_after", range(4))
def test_a_client_that_leaves_leaves_nothing(hang_up_after: int, spec_version: str, service: ASGIApp) -> None:
    async def run() -> None:
        scope = http_scope("/reports/generate/q1", spec_version=spec_version)
        recorder = Recorder(scope, hang_up_after)
        await service(scope, recorder.receive, recorder.send)
        assert len(recorder.events) == hang_up_after

    asyncio.run(run())  # the fixtures look for what is left


def test_a_client_that_leaves_while_its_report_waits_has_none_made(files: TemporaryFiles) -> None:
    async def run() -> None:
        waiting, gone = asyncio.Event(), asyncio.Event()

        async def make(report: Report) -> bytes:
            waiting.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        recorder = Recorder(http_scope("/reports/generate/q1"))
        report = Guard(Router((Route("/reports/generate/{report_id}", GeneratedReport(None, files, make=make)),)))
        asked = asyncio.ensure_future(report(recorder.scope, receive, recorder.send))
        await waiting.wait()
        gone.set()
        await asyncio.wait_for(asked, 5)
        assert recorder.events == []

    asyncio.run(run())


def test_too_many_reports_at_once_are_503_and_say_when_to_ask_again(files: TemporaryFiles) -> None:
    async def make(report: Report) -> bytes:
        raise Exhausted

    service = Guard(Router((Route("/reports/generate/{report_id}", GeneratedReport(None, files, make=make)),)))
    answer = get(service, "/reports/generate/q1")
    assert answer.status == 503
    assert int(answer.headers[b"retry-after"]) >= 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_reportlab_it_is_501_with_what_to_install(
    method: str, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    answer = get(app, "/reports/generate/q1", method)
    assert answer.status == 501
    if method == "GET":
        assert json.loads(answer.content) == {"detail": "Not available here: install asgi-downloads[pdf]"}


def test_no_room_is_503(files: TemporaryFiles, service: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise Exhausted

    monkeypatch.setattr(files, "anonymous_blocking", refuse)
    assert get(service, "/reports/generate/q1").status == 503


@pytest.mark.parametrize("with_users", [True, False])
def test_a_real_one_from_the_whole_application(with_users: bool, data: Path, app: Application) -> None:
    pytest.importorskip("reportlab")
    if with_users:
        write_users(data / "app.db")
    answer = get(app, "/reports/generate/q1")
    assert answer.status == 200
    assert answer.content.startswith(b"%PDF-")
    assert answer.content.endswith(b"%%EOF\n")
    assert answer.headers[b"content-length"] == b"%d" % len(answer.content)
