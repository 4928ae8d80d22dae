"""What is printed for systemd: nothing that a setting says can become a directive of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

from asgi_downloads.server.deploy.systemd import service_unit, socket_unit
from asgi_downloads.server.errors import StartError
from asgi_downloads.service.settings import Settings

PLACE = Path("/srv/data")


def test_the_service_gets_what_was_chosen_and_no_password(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "50%",
        database_url="postgresql://me:secret@host/name",
        workers=3,
        graceful_timeout=90.0,
        stall_timeout=5.0,
    )
    unit = service_unit(settings, {"data_dir", "database_url", "workers", "graceful_timeout"})
    assert f'Environment="DOWNLOADS_DATA_DIR={tmp_path}/50%%"' in unit
    assert 'Environment="DOWNLOADS_WORKERS=3"' in unit
    assert 'Environment="DOWNLOADS_STATE_DIR=/var/lib/asgi-downloads"' in unit
    assert "TimeoutStopSec=100" in unit
    assert "ExecReload=" in unit
    assert "STALL" not in unit
    assert "secret" not in unit
    assert "EnvironmentFile=/etc/asgi-downloads.env" in unit
    alone = service_unit(Settings(data_dir=tmp_path), {"data_dir"})
    assert "ExecReload=" not in alone
    assert "EnvironmentFile=" not in alone


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed here")
    settings = Settings(data_dir=tmp_path, uds=Path("/run/asgi-downloads/app.sock"), workers=2)
    (tmp_path / "asgi-downloads.service").write_text(service_unit(settings, {"workers", "uds"}))
    (tmp_path / "asgi-downloads.socket").write_text(socket_unit(settings))
    names = [str(tmp_path / "asgi-downloads.service"), str(tmp_path / "asgi-downloads.socket")]
    said = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, timeout=30)
    assert not [line for line in said.stderr.splitlines() if "asgi-downloads" in line], said.stderr


def test_a_line_break_cannot_become_a_setting_of_systemd() -> None:
    with pytest.raises(StartError, match="cannot be written in a unit"):
        service_unit(Settings(data_dir=Path("/srv/a\nExecStart=/bin/evil")), {"data_dir"})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(data_dir=PLACE), "ListenStream=127.0.0.1:8000\n"),
        (Settings(data_dir=PLACE, host="::1", port=80), "ListenStream=[::1]:80\n"),
        (Settings(data_dir=PLACE, uds=Path("/run/s")), "ListenStream=/run/s\n"),
    ],
)
def test_the_socket_listens_where_serve_would(settings: Settings, says: str) -> None:
    assert says in socket_unit(settings)
    assert ("SocketMode=0660" in socket_unit(settings)) == (settings.uds is not None)


def test_a_free_port_is_nothing_for_a_unit() -> None:
    with pytest.raises(StartError, match="has to know the port"):
        socket_unit(Settings(data_dir=PLACE, port=0))
