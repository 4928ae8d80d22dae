"""What is printed for systemd: nothing that a setting says can become a directive of its own."""

import os
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


ODD = "50% \"a b\" \\x $y 'z'"


@pytest.mark.parametrize("name", ["plain", ODD], ids=["plain", "odd"])
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed here")
    data = tmp_path / name
    settings = Settings(data_dir=data, temp_dir=data / "t", state_dir=data / "s", uds=tmp_path / "s", workers=2)
    unit = service_unit(settings, {"data_dir", "workers", "uds", "temp_dir", "state_dir"})
    (tmp_path / "asgi-downloads.service").write_text(unit)
    (tmp_path / "asgi-downloads.socket").write_text(socket_unit(settings))
    names = [str(tmp_path / "asgi-downloads.service"), str(tmp_path / "asgi-downloads.socket")]
    said = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, timeout=30)
    assert not [line for line in said.stderr.splitlines() if "asgi-downloads" in line], said.stderr


def test_what_the_service_writes_to_is_not_read_only_to_it() -> None:
    settings = Settings(data_dir=PLACE, temp_dir=Path("/var/spool/a b"), state_dir=Path("/srv/state"))
    assert 'ReadWritePaths="/srv/state" "/var/spool/a b"\n' in service_unit(settings, {"temp_dir", "state_dir"})
    assert "ReadWritePaths=" not in service_unit(settings, {"data_dir"})
    assert 'Environment="DOWNLOADS_STATE_DIR=/srv/state"' in service_unit(settings, {"state_dir"})


def test_memory_and_tasks_are_bounded_by_the_number_of_processes() -> None:
    one, four = (service_unit(Settings(data_dir=PLACE, workers=workers), ()) for workers in (1, 4))
    assert "\nMemoryMax=1024M\n" in one
    assert "\nTasksMax=256\n" in one
    assert "\nMemoryMax=2560M\n" in four
    assert "\nTasksMax=640\n" in four


@pytest.mark.parametrize("name", [b"a\nExecStart=/bin/evil", b"caf\xe9"], ids=["line-break", "not-utf-8"])
def test_what_systemd_could_misread_is_refused(name: bytes) -> None:
    with pytest.raises(StartError, match="cannot be written in a unit"):
        service_unit(Settings(data_dir=Path("/srv", os.fsdecode(name))), {"data_dir"})


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


def test_the_account_of_a_store_is_in_a_file_that_is_not_for_all_to_read() -> None:
    unit = service_unit(Settings(data_dir="s3://bucket/prefix"), {"data_dir"})  # type: ignore[arg-type]
    assert 'Environment="DOWNLOADS_DATA_DIR=s3://bucket/prefix"' in unit
    assert "AWS_SECRET_ACCESS_KEY=... goes into this file" in unit
    assert "EnvironmentFile=/etc/asgi-downloads.env" in unit
