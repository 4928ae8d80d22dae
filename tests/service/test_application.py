"""The composition root, as an ASGI server or another site finds it."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from app.application import create_app
from app.settings import TABLE, Settings, SettingsError
from tests.support.asgi import exchange


def test_a_server_finds_the_application_of_the_environment(tmp_path: Path) -> None:
    """By name in the module's variables, as servers look it up in more than one way."""
    code = "import app.main; print(vars(app.main)['app'].settings.data_dir)"
    environ = {"APP_DATA_DIR": str(tmp_path), "PYTHONPATH": "."}
    shown = subprocess.run([sys.executable, "-c", code], check=True, env=environ, capture_output=True, text=True)
    assert shown.stdout == f"{tmp_path}\n"


def test_variables_of_the_site_around_are_told_and_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("APP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("APP_DATADIR", "/elsewhere")
    with caplog.at_level(logging.WARNING):
        assert create_app().settings.data_dir == tmp_path
    assert caplog.messages == ["APP_DATADIR: no such setting; the nearest is APP_DATA_DIR"]


def test_a_bad_value_of_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PORT", "no number")
    with pytest.raises(SettingsError, match="APP_PORT"):
        create_app()


def test_a_data_directory_may_come_later(tmp_path: Path) -> None:
    application = create_app(Settings(data_dir=tmp_path / "later"))
    assert exchange(application, "/download/a").status == 404
    (tmp_path / "later" / "downloads").mkdir(parents=True)
    (tmp_path / "later" / "downloads" / "a").write_text("a")
    assert exchange(application, "/download/a").content == b"a"


def test_the_readme_names_every_setting_and_every_url() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    assert [entry.name for entry in TABLE if f"| `{entry.name}` | " not in readme] == []
    templates = (Path(__file__).parent.parent / "app" / "routes.py").read_text().split('Route("')[1:]
    urls = [template.partition('"')[0] for template in templates]
    assert len(urls) >= 14
    assert [url for url in urls if f"`{url}`" not in readme] == []
