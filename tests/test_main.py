"""The command line: what each command prints and how it ends."""

import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

import pytest

from asgi_downloads import demo
from asgi_downloads.__main__ import main
from asgi_downloads.service.settings import TABLE, Settings
from tests.support.serving import environment, serving


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("DOWNLOADS_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("main") / "sample"
    demo.write_demo(directory, users=20)
    return directory


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield other.getsockname()[1]


@dataclass(frozen=True)
class Refused:
    id: str
    command: str
    """`{sample}` is a whole data directory, `{taken}` a port in use."""
    says: str


REFUSED = [
    Refused("no-command", "", "the following arguments are required: COMMAND"),
    Refused("unknown-command", "sevre", "invalid choice: 'sevre'"),
    Refused("unknown-flag", "serve --prot 1", "--prot: no such flag; the nearest is --port"),
    Refused("unknown-flag-with-value", "serve --prot=1", "--prot=1: no such flag; the nearest is --port"),
    Refused("no-abbreviation", "serve --por 1", "--por: no such flag; the nearest is --port"),
    Refused("flag-without-value", "serve --port", "argument --port: expected one argument"),
    Refused("two-directories", "serve a b", "'b': one argument too many"),
    Refused("directory-given-twice", "serve a --data-dir b", "the data directory is given twice"),
    Refused("bad-setting", "serve --port x", "--port: 'x' is not a whole number between 0 and 65535"),
    Refused("bad-setting-checked", "check-config --port x", "--port: 'x' is not a whole number between 0 and 65535"),
    Refused("snippet-that-listens", "nginx-config --snippet --listen 80", "a server that says itself where it listens"),
    Refused("no-config-file", "serve --config none.toml", "none.toml: cannot be read: No such file or directory"),
    Refused("default-directory-missing", "serve", "data directory 'data' does not exist"),
    Refused("directory-missing-what-to-do", "serve none", "or make a sample with 'asgi-downloads demo none'"),
    Refused("directory-is-a-file", "serve {sample}/app.db", "app.db' cannot be read: Not a directory"),
    Refused("switch-with-a-value", "serve --demo --access-log true", "--access-log is a switch and takes no value"),
    Refused("switch-with-a-value-joined", "serve --metrics=1", "--metrics is a switch and takes no value"),
    Refused("switch-off-with-a-value", "serve --no-metrics no", "--no-metrics is a switch and takes no value"),
    Refused("switch-of-a-command", "systemd-unit --socket YES", "--socket is a switch and takes no value"),
    Refused("port-in-use", "serve {sample} --port {taken}", "port {taken} of 127.0.0.1 is in use: choose another"),
    Refused("host-of-another", "serve {sample} --host 192.0.2.1", "host '192.0.2.1' is not an address of this machine"),
    Refused("host-unknown", "serve {sample} --host a..b", "host 'a..b' is not an address of this machine"),
    Refused("socket-in-no-directory", "serve {sample} --uds none/s", "Unix socket 'none/s': No such file or directory"),
    Refused("socket-is-a-file", "serve {sample} --uds {sample}/app.db", "there is something else"),
    Refused("socket-name-too-long", "serve {sample} --uds " + "s" * 200, "AF_UNIX path too long"),
    Refused("demo-over-something", "demo {sample}", "is there already and not empty; nothing was written"),
    Refused("demo-over-a-file", "demo {sample}/app.db", "is there already and not empty; nothing was written"),
    Refused("serve-demo-over-something", "serve --demo {sample}/files", "is there already and not empty"),
    Refused("demo-users-negative", "demo new --users -3", "'-3' is not a whole number"),
    Refused("demo-below-a-file", "demo {sample}/app.db/new", "cannot be made"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_what_cannot_be_is_one_line_and_exit_code_2(
    case: Refused, sample: Path, taken: int, capfd: pytest.CaptureFixture[str]
) -> None:
    places = {"sample": sample, "taken": taken}
    before = sorted(sample.rglob("*"))
    assert main(shlex.split(case.command.format(**places))) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("asgi-downloads: ")
    assert case.says.format(**places) in err
    assert err.count("\n") == 1
    assert sorted(sample.rglob("*")) == before
    assert os.listdir() == []


def test_a_name_with_a_line_end_still_makes_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "two\nlines"]) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["serve none", "serve --port x", "bogus", "demo /dev/null"])
def test_the_process_ends_so_too(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asgi_downloads", *command.split()],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("asgi-downloads: ")
    assert done.stderr.count("\n") == 1


def test_help_has_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["serve", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for each in TABLE:
        assert each.flag in out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"asgi-downloads {version('asgi-downloads')}\n"


def test_half_of_a_configuration_is_none() -> None:
    """What a command prints is whole, or the command fails."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "asgi_downloads", "nginx-config"],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
        )
    assert (done.returncode, done.stderr) == (2, "asgi-downloads: standard output: No space left on device\n")


def test_check_config_prints_every_setting_with_its_source(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("app.toml").write_text("workers = 3\nport = 1\n")
    monkeypatch.setenv("DOWNLOADS_PORT", "2")
    monkeypatch.setenv("DOWNLOADS_DATABASE_URL", "postgresql://me:secret@db/users")
    assert main(["check-config", "files", "--config", "app.toml", "--access-log", "--etag", "portable"]) == 0
    lines = dict(line.split("  # ") for line in capfd.readouterr().out.splitlines())
    told = {setting.rstrip(): source for setting, source in lines.items()}
    assert len(told) == len(TABLE)
    assert told['data_dir = "files"'] == "--data-dir"
    assert told["workers = 3"] == "app.toml: workers"
    assert told["port = 2"] == "DOWNLOADS_PORT"
    assert told["access_log = true"] == "--access-log"
    assert told['etag = "portable"'] == "--etag"
    assert told['host = "127.0.0.1"'] == "default"
    assert told['database_url = "postgresql://me:***@db/users"'] == "DOWNLOADS_DATABASE_URL"


def test_demo_makes_the_tree_and_says_how_to_serve_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "here", "--users", "7"]) == 0
    assert "asgi-downloads serve here" in capfd.readouterr().out
    with closing(sqlite3.connect("here/app.db")) as database:
        assert database.execute("SELECT count(*) FROM users").fetchone() == (7,)


def test_ctrl_c_while_the_demo_is_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("asgi_downloads.demo.users.write", interrupted)
    assert main(["demo", "here"]) == 130
    assert os.listdir() == []


@dataclass(frozen=True)
class Told:
    id: str
    command: str
    url: str
    first: str
    """The first line."""
    then: str
    """The first of the lines to try; empty where there are none."""


TOLD = [
    Told("plain", "serve {sample}", "http://[::1]:80", "Serving {sample} on http://[::1]:80", ""),
    Told(
        "demo",
        "serve --demo",
        "http://127.0.0.1:80",
        "Serving demo on http://127.0.0.1:80",
        "curl -OJ http://127.0.0.1:80/download/report.pdf",
    ),
    Told(
        "demo-on-a-socket",
        "serve --demo d --uds 'a b'",
        "unix:a b",
        "Serving d on unix:a b",
        "curl --unix-socket 'a b' -OJ http://localhost/download/report.pdf",
    ),
]


@pytest.mark.parametrize("case", TOLD, ids=lambda case: case.id)
def test_serve_tells_where_and_what_to_try(
    case: Told, sample: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(settings: Settings, announce: Callable[[str], None]) -> int:
        announce(case.url)
        return 0

    monkeypatch.setattr("asgi_downloads.server.process.run.run", run)
    assert main(shlex.split(case.command.format(sample=sample))) == 0
    first, *rest = capfd.readouterr().out.splitlines()
    assert first == case.first.format(sample=sample)
    assert [line.strip() for line in rest[2:3]] == ([case.then] if case.then else [])


def test_serve_takes_the_directory_of_the_environment(sample: Path) -> None:
    with serving(environ={"DOWNLOADS_DATA_DIR": str(sample)}) as served:
        assert served.line.startswith(f"Serving {sample} on http://127.0.0.1:")
        with urlopen(f"{served.url}/download/report.pdf") as answer:
            assert answer.read() == (sample / "downloads" / "report.pdf").read_bytes()
        assert served.stop() == 0


def test_serve_demo_fills_a_new_directory_once(elsewhere: Path) -> None:
    for _ in range(2):
        with serving("--demo", cwd=elsewhere) as served:
            assert served.line.startswith("Serving demo on ")
            with urlopen(f"{served.url}/video/sample.mp4") as answer:
                assert answer.status == 200
            assert served.stop(signal.SIGINT) == 0
            assert served.process.stdout is not None
            told = served.process.stdout.read()
            assert list(demo.commands("  curl", served.url)) == told.splitlines()[2:]
        assert demo.is_demo(elsewhere / "demo")
        (elsewhere / "demo" / "downloads" / "mine.txt").touch()  # is still there for the second time
    assert (elsewhere / "demo" / "downloads" / "mine.txt").exists()
