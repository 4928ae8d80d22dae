"""What is PostgreSQL's own: connections, and servers that are away, full or going."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

pytest.importorskip("asyncpg")

from asgi_downloads.storage.errors import Busy, StorageError, TimedOut, Unavailable, Unusable
from asgi_downloads.storage.rows.notation import Csv, JsonLines
from asgi_downloads.storage.rows.postgres import PostgresRows
from asgi_downloads.storage.rows.source import Selection
from tests.support.postgres import psql

pytestmark = pytest.mark.anyio

OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


async def first_block(url: str, **options: float) -> bytes:
    async with aclosing(PostgresRows(url, **options).lines(Selection(), Csv())) as lines:  # type: ignore[arg-type]
        return await anext(lines)


def schema(url: str, name: str, users: str) -> str:
    """The database with a view of its own for users."""
    psql(url, f"CREATE SCHEMA IF NOT EXISTS {name}; CREATE OR REPLACE VIEW {name}.users AS {users}")
    return f"{url}&options=-csearch_path%3D{name}"


async def no_connection_left(url: str) -> None:
    """A server notices some milliseconds later that a client has gone."""
    async with asyncio.timeout(10):
        while (await asyncio.to_thread(psql, url, OTHERS)).strip() != "0":
            await asyncio.sleep(0.02)


@pytest.fixture
def large_url(postgres_url: str) -> str:
    """A schema whose users are a view of more text than all buffers hold, in the order of an index."""
    users = "SELECT id, repeat('x', 3000) AS name, email, created_at FROM public.users"
    return schema(postgres_url, "large", users)


@dataclass(frozen=True)
class Broken:
    id: str
    url: Callable[[str], str]
    error: type[StorageError]


ONE = "SELECT 1 AS id, {} AS name, '' AS email, now() AS created_at"
BROKEN = [
    Broken("no-server", lambda url: "postgresql://tester@127.0.0.1:1/postgres", Unavailable),
    Broken("no-socket", lambda url: url.replace("host=/", "host=/nowhere/"), Unavailable),
    Broken("no-database", lambda url: url.replace("/postgres?", "/missing?"), Unusable),
    Broken("no-table", lambda url: url.replace("/postgres?", "/template1?"), Unusable),
    Broken("no-user-of-that-name", lambda url: url.replace("tester@", "nobody@"), Unusable),
    Broken("no-column", lambda url: schema(url, "narrow", "SELECT 1 AS id"), Unusable),
    Broken("no-right", lambda url: schema(url, "secret", ONE.format("''")).replace("tester@", "guest@"), Unusable),
    Broken("first-row", lambda url: schema(url, "divided", ONE.format("1 / (random() * 0)::int")), Unusable),
    Broken("a-write", lambda url: schema(url, "writes", ONE.format("nextval('counter')")), Unusable),
    Broken("no-url", lambda url: "postgresql://tester@127.0.0.1:x/postgres", Unusable),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
async def test_a_database_that_cannot_be_read_is_an_error_of_storage(
    case: Broken, postgres_url: str, no_descriptor_left: None
) -> None:
    psql(postgres_url, "CREATE SEQUENCE IF NOT EXISTS counter; DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    url = case.url(postgres_url)
    for notation in (Csv(), JsonLines(), Csv(for_excel=True)):
        with pytest.raises(case.error):
            await anext(PostgresRows(url).lines(Selection(), notation))
    with pytest.raises(case.error):
        await PostgresRows(url).check()


async def test_a_server_that_does_not_answer_is_given_up(no_descriptor_left: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://tester@127.0.0.1:{silent.getsockname()[1]}/postgres?sslmode=disable"
        with pytest.raises(Unavailable):
            await first_block(url, connect_timeout=0.1)
        with pytest.raises((Unavailable, TimedOut)):
            await PostgresRows(url).check()


async def test_a_server_with_no_connection_to_spare_is_unavailable(large_url: str) -> None:
    source = PostgresRows(large_url, connections=30)
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable):
            for _ in range(30):
                lines = source.lines(Selection(), Csv())
                await stack.enter_async_context(aclosing(lines))
                await anext(lines)
    await no_connection_left(large_url)


async def test_no_more_connections_than_are_allowed_and_one_for_the_check(large_url: str) -> None:
    source = PostgresRows(large_url, connections=2)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            lines = source.lines(Selection(), Csv())
            await stack.enter_async_context(aclosing(lines))
            await anext(lines)
        await source.check()
        waiting = [asyncio.ensure_future(anext(source.lines(Selection(), Csv()))) for _ in range(3)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [Busy] * 3
        assert (await asyncio.to_thread(psql, large_url, OTHERS)).strip() == "2"
    await no_connection_left(large_url)


async def test_a_check_reads_one_row_and_not_all(postgres_url: str) -> None:
    """Where no index has the order of an export, that would read the whole table."""
    rows = "SELECT n AS id, pg_sleep(0.01)::text AS name, '' AS email, now() AS created_at"
    url = schema(postgres_url, "unordered", f"{rows} FROM generate_series(1, 1000) AS n")
    await PostgresRows(url).check()


@pytest.mark.parametrize(("asked", "name"), [("", "asgi-downloads"), ("&application_name=mine", "mine")])
async def test_the_server_is_told_who_is_there(asked: str, name: str, large_url: str) -> None:
    async with aclosing(PostgresRows(large_url + asked).lines(Selection(), Csv())) as lines:
        await anext(lines)
        names = await asyncio.to_thread(psql, large_url, "SELECT application_name FROM pg_stat_activity")
        assert name in names.split()


class TestTimeLimit:
    async def test_a_query_that_takes_too_long_is_ended(self, postgres_url: str, no_descriptor_left: None) -> None:
        url = schema(postgres_url, "slow", f"{ONE.format(repr(''))} FROM pg_sleep(60)")
        with pytest.raises(TimedOut):
            await first_block(url, query_timeout=0.1)
        await no_connection_left(url)

    async def test_time_runs_while_the_reader_stalls(self, large_url: str, no_descriptor_left: None) -> None:
        """The server's own limit does not end a query that waits for its client."""
        stalled = PostgresRows(large_url, query_timeout=0.1).lines(Selection(), Csv())
        await anext(stalled)
        await no_connection_left(large_url)
        with pytest.raises(TimedOut):
            async for _ in stalled:
                pass


SETTINGS = {
    "datestyle": "'SQL, DMY'",
    "timezone": "'Asia/Kathmandu'",
    "intervalstyle": "iso_8601",
    "bytea_output": "escape",
    "extra_float_digits": "-5",
    "standard_conforming_strings": "off",
}


async def test_what_somebody_has_set_for_the_database_changes_nothing(postgres_url: str) -> None:
    users = "SELECT 1 AS id, interval '1 day' || ' ' || decode('00ff', 'hex') AS name"
    users += ", 0.1::float8 + 0.2 AS email, TIMESTAMPTZ '2024-01-31 12:00Z' AS created_at"
    url = schema(postgres_url, "settings", users)
    selection = Selection(since=datetime(2024, 1, 31, 12, tzinfo=UTC))
    before = [block async for block in PostgresRows(url).lines(selection, Csv())]
    changed = "".join(f"ALTER ROLE tester SET {name} = {value};" for name, value in SETTINGS.items())
    try:
        await asyncio.to_thread(psql, postgres_url, changed)
        assert [block async for block in PostgresRows(url).lines(selection, Csv())] == before
        assert b"0.30000000000000004,2024-01-31 12:00:00+00" in before[0]
    finally:
        await asyncio.to_thread(psql, postgres_url, "ALTER ROLE tester RESET ALL")


async def test_a_reader_that_leaves_ends_the_query_and_the_connection(large_url: str, no_descriptor_left: None) -> None:
    for blocks in (1, 3):
        async with aclosing(PostgresRows(large_url).lines(Selection(), Csv())) as lines:
            for _ in range(blocks):
                await anext(lines)
    await no_connection_left(large_url)


async def test_a_reader_that_leaves_before_the_first_row_ends_the_query(
    postgres_url: str, no_descriptor_left: None
) -> None:
    url = schema(postgres_url, "slow", f"{ONE.format(repr(''))} FROM pg_sleep(60)")
    lines = PostgresRows(url).lines(Selection(), Csv())
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
    users = "SELECT id, repeat('x', 3000) || 1 / (id - 15000) AS name, email, created_at FROM public.users"
    lines = PostgresRows(schema(postgres_url, "faulty", users)).lines(Selection(), Csv())
    blocks = []
    with pytest.raises(Unusable):
        async with aclosing(lines):
            async for block in lines:
                blocks.append(block)  # noqa: PERF401 - what came before the error counts
    assert blocks


@pytest.mark.parametrize(("encoding", "known"), [("LATIN1", True), ("SQL_ASCII", False)])
async def test_text_is_utf8_or_an_error_whatever_the_database_s_encoding(
    encoding: str, known: bool, postgres_url: str
) -> None:
    name = f"in_{encoding.lower()}"
    create = f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    await asyncio.to_thread(psql, postgres_url, create)
    url = postgres_url.replace("/postgres?", f"/{name}?")
    value = "convert_from('\\xe9', 'LATIN1')" if known else "E'\\xe9'"
    users = f"CREATE TABLE users AS SELECT 1 AS id, {value}::text AS name, '' AS email, now() AS created_at"
    await asyncio.to_thread(psql, url, users)
    for notation in (Csv(), JsonLines(), Csv(for_excel=True)):
        lines = PostgresRows(url).lines(Selection(columns=("name", "id")), notation)
        if known:
            assert "\u00e9" in b"".join([block async for block in lines]).decode()
        else:
            with pytest.raises(Unusable):
                await anext(lines)


async def test_for_excel_numbers_are_left_alone_and_text_is_not(postgres_url: str) -> None:
    users = "SELECT -1 AS id, -1.50::numeric AS name, '-3'::text AS email, -1e300::float8 AS created_at"
    lines = PostgresRows(schema(postgres_url, "signs", users)).lines(Selection(), Csv(for_excel=True))
    assert (await anext(lines)).splitlines()[1:] == [b"-1,-1.50,'-3,-1e+300"]
    await lines.aclose()
