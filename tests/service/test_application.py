"""The composition root, as an ASGI server or another site finds it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from asgi_downloads.service.application import create_app, lifespan
from asgi_downloads.service.names import DIRECTORIES
from asgi_downloads.service.routes import Trees
from asgi_downloads.service.settings import TABLE, Settings
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


def test_the_start_looks_for_the_directories_that_are_served() -> None:
    assert tuple(name.replace("_", "-") for name in Trees.__dataclass_fields__) == DIRECTORIES


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
    urls = [route.template for route in create_app(Settings(data_dir=tmp_path)).routes]
    assert len(urls) >= 14
    assert [url for url in urls if f"`{url}`" not in readme] == []
