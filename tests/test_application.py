"""The composition root, as an ASGI server or another site finds it."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import app.main
from app.main import Application, create_app
from app.settings import Settings, SettingsError
from tests.support.asgi import exchange


def test_the_application_of_the_environment_is_made_once_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("APP_DATA_DIR", str(tmp_path))
    monkeypatch.delitem(vars(app.main), "app", raising=False)
    first = app.main.app
    assert isinstance(first, Application)
    assert first is app.main.app
    assert first.settings.data_dir == tmp_path
    monkeypatch.delitem(vars(app.main), "app")


def test_the_module_has_nothing_else_of_the_kind() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'application'"):
        _ = app.main.application


def test_importing_the_package_makes_no_application(tmp_path: Path) -> None:
    code = "import app.main; assert 'app' not in vars(app.main)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"APP_PORT": "no number", "PYTHONPATH": "."})


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
