"""What an orchestrator is told."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from asgi_downloads.asgi.types import Message
from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.settings import Settings
from tests.support.asgi import exchange


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
def test_the_process_is_up(path: str, app: Application) -> None:
    answer = exchange(app, path)
    assert (answer.status, json.loads(answer.content)) == (200, {"status": "ok"})
    assert answer.headers[b"cache-control"] == b"no-store"


def test_ready_with_data_and_database(data: Path) -> None:
    import sqlite3

    with sqlite3.connect(data / "app.db") as database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name, email, created_at)")
    database.close()
    answer = exchange(create_app(Settings(data_dir=data)), "/readyz")
    assert (answer.status, json.loads(answer.content)) == (200, {"status": "ok"})


def test_ready_without_a_database_that_nobody_asked_for(app: Application) -> None:
    assert exchange(app, "/readyz").status == 200


def test_not_ready_says_what_is_missing_without_saying_where(data: Path) -> None:
    app = create_app(Settings(data_dir=data, database_url=f"sqlite:///{data}/users.db"))
    shutil.rmtree(data)
    answer = exchange(app, "/readyz")
    assert answer.status == 503
    checks = {"data": "the data directory is not there", "database": "the database does not answer"}
    assert json.loads(answer.content) == {"status": "unavailable", "checks": checks}
    assert str(data).encode() not in answer.content


def test_a_default_database_that_is_there_must_answer(data: Path, app: Application) -> None:
    (data / "app.db").write_bytes(b"no database" * 100)
    assert exchange(app, "/readyz").status == 503


def test_head_has_the_fields_and_no_content(app: Application) -> None:
    answer = exchange(app, "/livez", "HEAD")
    assert (answer.status, answer.headers[b"content-length"], bytes(answer.content)) == (200, b"15", b"")


async def live_and_end(app: Application) -> list[str]:
    """What the application says to a server that runs its lifespan."""
    said: list[str] = []
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        return {"type": next(asked)}

    async def send(message: Message) -> None:
        said.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    return said


COMPLETE = ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_it_starts_and_ends_in_good_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(data_dir=tmp_path, temp_dir=tmp_path / "temporary"))
    assert asyncio.run(live_and_end(app)) == COMPLETE
    assert list((tmp_path / "temporary").iterdir()) == []
    assert caplog.text == ""


def test_without_a_temporary_place_it_starts_and_serves_files(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    (data / "file").touch()
    app = create_app(Settings(data_dir=data, temp_dir=data / "file"))
    assert asyncio.run(live_and_end(app)) == COMPLETE
    assert "no temporary file can be made" in caplog.text
    assert exchange(app, "/download/a.bin").status == 200
    made = exchange(app, "/export/data")
    assert made.status == 503
    assert made.headers[b"retry-after"]
