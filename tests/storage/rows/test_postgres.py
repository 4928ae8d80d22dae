"""What is PostgreSQL's own: connections, and servers that are away, full or going."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

import pytest

pytest.importorskip("asyncpg")

from asgi_downloads.storage.errors import NotFound, StorageError, Unavailable
from asgi_downloads.storage.rows import postgres as rows_postgres
from asgi_downloads.storage.rows.postgres import PostgresRows
from asgi_downloads.storage.rows.source import Csv, Selection
from tests.support.postgres import psql

pytestmark = pytest.mark.anyio

OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


async def first_block(url: str) -> bytes:
    async with aclosing(PostgresRows(url).lines(Selection(), Csv())) as lines:
        return await anext(lines)


async def no_connection_left(url: str) -> None:
    """A server notices some milliseconds later that a client has gone."""
    async with asyncio.timeout(10):
        while (await asyncio.to_thread(psql, url, OTHERS)).strip() != "0":
            await asyncio.sleep(0.02)


@pytest.fixture
def large_url(postgres_url: str) -> str:
    """A schema whose users are a view of more text than all buffers hold, in the order of an index."""
    psql(
        postgres_url,
        "CREATE SCHEMA IF NOT EXISTS large; CREATE OR REPLACE VIEW large.users AS"
        " SELECT id, repeat('x', 3000) AS name, email, created_at FROM public.users",
    )
    return f"{postgres_url}&options=-csearch_path%3Dlarge"


@dataclass(frozen=True)
class Broken:
    id: str
    url: Callable[[str], str]
    error: type[StorageError]


BROKEN = [
    Broken("no-database", lambda url: url.replace("/postgres?", "/missing?"), Unavailable),
    Broken("no-table", lambda url: url.replace("/postgres?", "/template1?"), NotFound),
    Broken("no-user-of-that-name", lambda url: url.replace("tester@", "nobody@"), Unavailable),
    Broken("no-server", lambda url: "postgresql://tester@127.0.0.1:1/postgres", Unavailable),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
async def test_a_database_that_cannot_be_read_is_an_error_of_storage(
    case: Broken, postgres_url: str, no_descriptor_left: None
) -> None:
    url = case.url(postgres_url)
    with pytest.raises(case.error):
        await first_block(url)
    with pytest.raises(case.error):
        await PostgresRows(url).check()


async def test_a_server_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, no_descriptor_left: None
) -> None:
    monkeypatch.setattr(rows_postgres, "CONNECT_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        await first_block(f"postgresql://tester@127.0.0.1:{silent.getsockname()[1]}/postgres?sslmode=disable")


async def test_a_server_with_no_connection_to_spare_is_unavailable(large_url: str) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable):
            for _ in range(30):
                lines = PostgresRows(large_url).lines(Selection(), Csv())
                await stack.enter_async_context(aclosing(lines))
                await anext(lines)
    await no_connection_left(large_url)


async def test_a_reader_that_leaves_ends_the_query_and_the_connection(large_url: str, no_descriptor_left: None) -> None:
    for blocks in (1, 3):
        async with aclosing(PostgresRows(large_url).lines(Selection(), Csv())) as lines:
            for _ in range(blocks):
                await anext(lines)
    await no_connection_left(large_url)


async def test_a_reader_that_leaves_before_the_first_row_ends_the_query(
    postgres_url: str, no_descriptor_left: None
) -> None:
    psql(
        postgres_url,
        "CREATE SCHEMA IF NOT EXISTS slow; CREATE OR REPLACE VIEW slow.users AS"
        " SELECT 1 AS id, '' AS name, '' AS email, now() AS created_at FROM pg_sleep(60)",
    )
    lines = PostgresRows(f"{postgres_url}&options=-csearch_path%3Dslow").lines(Selection(), Csv())
    reading = asyncio.ensure_future(anext(lines))
    while "PgSleep" not in await asyncio.to_thread(psql, postgres_url, "SELECT wait_event FROM pg_stat_activity"):
        await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait((reading,))
    await lines.aclose()
    await no_connection_left(postgres_url)


async def test_a_reader_that_stalls_stalls_the_server(large_url: str) -> None:
    async with aclosing(PostgresRows(large_url).lines(Selection(), Csv())) as lines:
        await anext(lines)
        async with asyncio.timeout(20):
            while "ClientWrite" not in await asyncio.to_thread(
                psql, large_url, "SELECT wait_event FROM pg_stat_activity"
            ):
                await asyncio.sleep(0.02)
        assert len(await anext(lines)) < 4 << 20


async def test_a_server_that_goes_breaks_off_the_export(large_url: str, no_descriptor_left: None) -> None:
    async with aclosing(PostgresRows(large_url).lines(Selection(), Csv())) as lines:
        await anext(lines)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
        await asyncio.to_thread(psql, large_url, end)
        with pytest.raises(Unavailable):
            async for _ in lines:
                pass


async def test_an_error_in_a_later_row_breaks_off_the_export(postgres_url: str, no_descriptor_left: None) -> None:
    psql(
        postgres_url,
        "CREATE SCHEMA IF NOT EXISTS faulty; CREATE OR REPLACE VIEW faulty.users AS"
        " SELECT id, repeat('x', 3000) || 1 / (id - 15000) AS name, email, created_at FROM public.users",
    )
    lines = PostgresRows(f"{postgres_url}&options=-csearch_path%3Dfaulty").lines(Selection(), Csv())
    blocks = []
    with pytest.raises(Unavailable):
        async with aclosing(lines):
            async for block in lines:
                blocks.append(block)  # noqa: PERF401 - what came before the error counts
    assert blocks
