"""The composition root, as an ASGI server or another site finds it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.router import Route
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.service.application import create_app, lifespan
from asgi_downloads.service.own import OwnDirectory, OwnExport
from asgi_downloads.service.settings import TABLE, Settings
from asgi_downloads.storage.files import state
from tests.support.asgi import exchange
from tests.support.serving import ROOT


def test_a_server_finds_the_application_of_the_environment(tmp_path: Path) -> None:
    """By name in the module's variables, as servers look it up in more than one way."""
    code = "import asgi_downloads.main; print(vars(asgi_downloads.main)['app'].settings.data_dir)"
    environ = {"DOWNLOADS_DATA_DIR": str(tmp_path), "PYTHONPATH": "app"}
    shown = subprocess.run([sys.executable, "-c", code], check=True, env=environ, capture_output=True, text=True)
    assert shown.stdout == f"{tmp_path}\n"


def test_variables_of_the_site_around_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNLOADS_DATA_DIR", "/elsewhere")
    monkeypatch.setenv("DOWNLOADS_PORT", "no number")
    assert create_app().settings == Settings()


def test_a_data_directory_may_come_later(tmp_path: Path) -> None:
    application = create_app(Settings(data_dir=tmp_path / "later"))
    assert exchange(application, "/download/a").status == 404
    (tmp_path / "later" / "downloads").mkdir(parents=True)
    (tmp_path / "later" / "downloads" / "a").write_text("a")
    assert exchange(application, "/download/a").content == b"a"


def test_a_site_runs_the_start_and_the_end_with_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    application = create_app(Settings(data_dir=tmp_path, temp_dir=tmp_path / "file"))

    async def run() -> None:
        async with lifespan(application)(object()):
            assert "no temporary file can be made" in caplog.text

    asyncio.run(run())


def test_the_readme_names_every_setting_and_every_url(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    assert [entry.name for entry in TABLE if f"| `{entry.name}` | " not in readme] == []
    (tmp_path / "files").mkdir()
    urls = [route.template for route in create_app(Settings(data_dir=tmp_path, browse=True)).routes]
    assert len(urls) >= 18
    assert [url for url in urls if f"`{url}`" not in readme] == []


def answers(application: ASGIApp, path: str) -> bytes:
    return bytes(exchange(application, path).content)


def test_directories_of_ones_own_stand_beside_the_guides(tmp_path: Path) -> None:
    for name in ("downloads/a", "media/b/c/d/e", "music/x.part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    own: Any = [
        {"url": "/media", "path": tmp_path / "media", "show": "download", "bundle": True},
        OwnDirectory("/m/usic", tmp_path / "music"),
    ]
    application = create_app(Settings(data_dir=tmp_path, directories=own))
    assert answers(application, "/download/a") == b"downloads/a"
    found = exchange(application, "/media/b/c/d/e")
    assert found.content == b"media/b/c/d/e"
    assert found.headers[b"content-disposition"] == b'attachment; filename="e"'
    assert exchange(application, "/media/b/?zip").headers[b"content-type"] == b"application/zip"
    assert exchange(application, "/m/usic/x.part").status == 404
    assert exchange(application, "/media").status == 404
    assert exchange(application, "/mediab/c").status == 404


def test_the_guides_urls_can_be_turned_off(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a").write_text("a")
    own: Any = [{"url": "/download", "path": tmp_path / "downloads"}]
    application = create_app(Settings(data_dir=tmp_path, guide_urls=False, directories=own))
    assert answers(application, "/download/a") == b"a"
    for path in ("/file/a", "/reports/a", "/reports/generate/a", "/export/data"):
        assert exchange(application, path).status == 404


def test_a_plain_folder_is_served_whole_but_for_what_is_the_services_own(tmp_path: Path) -> None:
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "a.jpg").write_text("jpg")
    (tmp_path / "state" / "below").mkdir(parents=True)
    (tmp_path / "state" / "below" / "checksums.sqlite").write_text("secret")
    (tmp_path / "app.db").write_text("secret")
    (tmp_path / "app.db-wal").write_text("secret")
    (tmp_path / "other-name").hardlink_to(tmp_path / "app.db")
    (tmp_path / "trip" / "link").symlink_to("../state/below/checksums.sqlite")
    application = create_app(Settings(data_dir=tmp_path, state_dir=tmp_path / "state"))
    assert answers(application, "/browse/trip/a.jpg") == b"jpg"
    for name in ("app.db", "app.db-wal", "other-name", "state/below/checksums.sqlite", "trip/link"):
        assert exchange(application, f"/browse/{name}").status == 404, name
    assert b"secret" not in answers(application, "/browse/?zip")
    assert b"a.jpg" in answers(application, "/browse/?zip")


def test_a_kept_answer_is_not_that_of_an_encoded_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SETTLING_NS", -(10**12))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("b")
    os.utime(tmp_path / "a" / "b", (1_700_000_000, 1_700_000_000))
    application = create_app(Settings(data_dir=tmp_path))
    for _ in range(2):
        assert answers(application, "/browse/a/b") == b"b"

    async def encoded(scope: Scope, receive: Receive, send: Send) -> None:
        scope["raw_path"] = b"/browse/a%2Fb"
        await application(scope, receive, send)

    assert exchange(encoded, "/browse/a/b").status == 404


def test_each_route_says_what_it_is(tmp_path: Path) -> None:
    own = (OwnDirectory("/media", tmp_path),)
    exports = (OwnExport("sales", "SELECT :a", parameters=(Parameter("a"),)),)
    routes = create_app(Settings(data_dir=tmp_path, directories=own, exports=exports)).routes
    assert [route.template for route in routes if not route.name or not route.summary] == []
    assert len({route.name for route in routes}) == len(routes)
    (sales,) = [route for route in routes if route.name == "export-sales"]
    assert [each.name for each in sales.parameters] == ["format", "delimiter", "excel", "columns", "limit", "a"]


def test_a_site_adds_routes_of_its_own(tmp_path: Path) -> None:
    async def hello(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path_params"]["name"].encode()})

    application = create_app(Settings(data_dir=tmp_path), [Route("/hello/{name}", hello)])
    assert answers(application, "/hello/you") == b"you"
    assert exchange(application, "/livez").status == 200
    with pytest.raises(ValueError, match="two routes for one path"):
        create_app(Settings(data_dir=tmp_path), [Route("/livez", hello)])
