"""Rows as the answer of a route: at once, as fast as the client takes them, and never complete when they are not."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from asgi_downloads import CSVResponse, JSONLinesResponse
from tests.support.asgi import Recorder, exchange, http_scope

ROWS = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}]
CSV = b"id,name\r\n1,Ada\r\n2,Grace\r\n"


def test_csv_has_the_fields_of_an_export() -> None:
    found = exchange(CSVResponse(ROWS))
    assert found.content == CSV
    assert found.headers == {
        b"content-type": b"text/csv; charset=utf-8",
        b"content-disposition": b'attachment; filename="export.csv"',
        b"cache-control": b"no-store",
        b"vary": b"accept-encoding",
        b"x-accel-buffering": b"no",
        b"x-content-type-options": b"nosniff",
    }


def test_json_lines_are_objects() -> None:
    found = exchange(JSONLinesResponse([(1, "Ada"), (2, "Grace")], columns=["id", "name"], filename="people.jsonl"))
    assert [json.loads(line) for line in found.content.splitlines()] == ROWS
    assert found.headers[b"content-type"] == b"application/x-ndjson"
    assert found.headers[b"content-disposition"] == b'attachment; filename="people.jsonl"'


def test_a_spreadsheet_gets_what_it_understands() -> None:
    found = exchange(CSVResponse([["=1+1", "é"]], columns=["a", "b"], delimiter=";", excel=True))
    assert found.content.decode() == "\ufeffa;b\r\n'=1+1;é\r\n"


@pytest.mark.parametrize("delimiter", ["", "\n", '"', "::", "x"])
def test_what_cannot_stand_between_cells_is_refused(delimiter: str) -> None:
    with pytest.raises(ValueError, match="delimiter"):
        CSVResponse([], delimiter=delimiter)


def test_content_is_gzipped_for_who_asks() -> None:
    found = exchange(CSVResponse(ROWS), headers=[(b"accept-encoding", b"gzip")])
    assert found.headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(found.content) == CSV


def test_the_caller_s_status_and_fields_stand() -> None:
    found = exchange(CSVResponse(ROWS, 201, {"Cache-Control": "private", "X-Own": "1", "Content-Length": "3"}))
    assert found.status == 201
    assert found.headers[b"cache-control"] == b"private"
    assert found.headers[b"x-own"] == b"1"
    assert b"content-length" not in found.headers
    assert found.content == CSV


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_fails_before_the_first_row_is_an_error(method: str) -> None:
    def rows() -> Iterator[Any]:
        raise LookupError
        yield

    found = exchange(CSVResponse(rows()), method=method)
    assert found.status == 500
    assert found.complete


@pytest.mark.parametrize("fault", ["producer", "row"])
def test_what_fails_midway_is_a_broken_transfer(fault: str) -> None:
    def rows() -> Iterator[Any]:
        for number in range(5000):
            yield [number, "x" * 100]
        if fault == "producer":
            raise LookupError
        yield ["one cell"]

    found = exchange(CSVResponse(rows()))
    assert found.status == 200
    assert found.broken
    assert not found.complete


@pytest.mark.parametrize("hang_up_after", [1, 3, None])
@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
def test_the_producer_is_closed_in_the_end(hang_up_after: int | None, spec_version: str) -> None:
    closed: list[int] = []
    made: list[int] = []

    async def rows() -> AsyncIterator[Any]:
        try:
            for number in range(100_000 if hang_up_after else 10):
                made.append(number)
                yield [number, "x" * 100]
                await asyncio.sleep(0)
        finally:
            closed.append(1)

    async def run() -> None:
        recorder = Recorder(http_scope(spec_version=spec_version), hang_up_after=hang_up_after)
        await CSVResponse(rows())(recorder.scope, recorder.receive, recorder.send)

    asyncio.run(run())
    assert closed == [1]
    assert len(made) < 20_000


def test_the_producer_is_asked_for_no_more_than_the_client_takes() -> None:
    made: list[int] = []

    async def rows() -> AsyncIterator[Any]:
        for number in range(1_000_000):
            made.append(number)
            yield ["x" * 1000]

    async def run() -> None:
        stalled = asyncio.Event()
        recorder = Recorder(http_scope())

        async def send(event: Any) -> None:
            await recorder.send(event)
            if len(recorder.content) > 1 << 20:
                stalled.set()
                await asyncio.Event().wait()

        sending = asyncio.ensure_future(CSVResponse(rows())(recorder.scope, recorder.receive, send))
        await stalled.wait()
        so_far = len(made)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(made) == so_far < 3000
        sending.cancel()
        await asyncio.wait((sending,))

    asyncio.run(run())
