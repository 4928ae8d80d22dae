"""Serving: the ready line, the ways it ends, and what is left. With a stand-in for the service."""

import asyncio
import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from asgi_downloads.asgi.types import ASGIApp
from asgi_downloads.server.around.forwarded import Forwarded
from asgi_downloads.server.errors import StartError
from asgi_downloads.server.http1.deadlines import Limits
from asgi_downloads.server.process import listen, run
from asgi_downloads.server.process.notify import notify
from asgi_downloads.server.protocol import AutoZeroCopy
from asgi_downloads.service.settings import Settings
from tests.support.hello import create
from tests.support.serving import Served, serving

SCRIPT = """\
import sys
from asgi_downloads.server.process.run import run
from asgi_downloads.service.settings import Settings
from tests.support import hello
if __name__ == "__main__":
    flags = dict(each.split("=") for each in sys.argv[2:])
    sys.exit(run(Settings(**flags), create=getattr(hello, sys.argv[1])))
"""


@contextmanager
def standing_in(data: Path, *flags: str, create: str = "create") -> Iterator[Served]:
    """A server of the stand-in; its script is a file, since worker processes import it again."""
    script = data.parent / "standing_in.py"
    script.write_text(SCRIPT)
    with serving(
        create, f"data_dir={data}", "port=0", "log_level=warning", *flags, command=[str(script)], cwd=data.parent
    ) as served:
        yield served


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


@dataclass(frozen=True)
class End:
    id: str
    flags: tuple[str, ...]
    number: signal.Signals


ENDS = [
    End("sigterm", (), signal.SIGTERM),
    End("ctrl-c", (), signal.SIGINT),
    End("sigterm-workers", ("workers=2",), signal.SIGTERM),
    End("ctrl-c-workers", ("workers=2",), signal.SIGINT),
]


@pytest.mark.parametrize("case", ENDS, ids=lambda case: case.id)
def test_it_says_where_it_serves_and_ends_when_it_is_told_to(case: End, data: Path) -> None:
    with standing_in(data, *case.flags) as served:
        assert re.fullmatch(rf"Serving {re.escape(str(data))} on http://127\.0\.0\.1:[1-9][0-9]*", served.line)
        with urlopen(served.url) as answer:
            pid = int(answer.read().removeprefix(b"hello from "))
        assert (pid == served.process.pid) is (len(case.flags) == 0)
        assert served.stop(case.number) == 0
        assert (data / "ended").exists()
        with pytest.raises(OSError, match="refused"):
            urlopen(served.url)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_unix_socket_is_open_to_the_proxy_and_removed_at_the_end(data: Path, workers: str) -> None:
    path = data.parent / "s"
    with standing_in(data, f"uds={path}", f"workers={workers}") as served:
        assert served.line.endswith(f" on unix:{path}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert served.stop() == 0
    assert not path.exists()


def test_a_service_that_cannot_start_is_not_announced(data: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"ended with 3: .*it is broken"),
        standing_in(data, create="create_broken"),
    ):
        pass


def test_a_second_server_on_the_port_is_refused_before_it_makes_the_service(
    tmp_path: Path, no_descriptor_left: None
) -> None:
    def not_made(settings: Settings) -> ASGIApp:
        raise AssertionError

    with listen.listening(Settings(port=0)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} of 127.0.0.1 is in use"):
            run.run(Settings(data_dir=tmp_path, port=port), create=not_made)
    with listen.listening(Settings(port=port)):
        pass


def test_signals_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def end_at_once(url: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    assert run.run(Settings(data_dir=tmp_path, port=0, log_level="critical"), end_at_once, create) == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_the_socket_of_a_dead_server_is_replaced_and_of_a_living_one_not(
    tmp_path: Path, no_descriptor_left: None
) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listen.listening(Settings(uds=path)) as sock:
        assert listen.url(sock) == f"unix:{path}"
        with pytest.raises(StartError, match="is in use"), listen.listening(Settings(uds=path)):
            pass
    assert not path.exists()


def test_a_socket_that_another_server_has_replaced_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        with listen.listening(Settings(uds=path)):
            other.bind(str(tmp_path / "t"))
            (tmp_path / "t").rename(path)
        assert path.is_socket()


def test_a_passed_socket_is_taken_once_and_still_a_tcp_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio sets TCP_NODELAY only where it sees IPPROTO_TCP."""
    owned = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(listen, "FIRST_PASSED", owned.detach())
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")

    async def nodelay(sock: socket.socket) -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("socket")
            found.set_result(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accepted, sock=sock):
            _, writer = await asyncio.open_connection(*sock.getsockname())
            answer = await found
            writer.close()
            await writer.wait_closed()
        return answer

    with listen.listening(Settings()) as sock:
        assert "LISTEN_FDS" not in os.environ
        assert asyncio.run(nodelay(sock))


@pytest.mark.parametrize(("count", "says"), [("2", "2 were passed"), ("1", "cannot be used|does not listen")])
def test_what_is_passed_and_cannot_be_served_is_refused(
    count: str, says: str, monkeypatch: pytest.MonkeyPatch, no_descriptor_left: None
) -> None:
    idle = socket.socket()
    monkeypatch.setattr(listen, "FIRST_PASSED", idle.fileno())
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", count)
    with pytest.raises(StartError, match=says), listen.listening(Settings()):
        pass
    if count == "1":
        idle.detach()
    idle.close()


def test_the_service_manager_hears_when_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"\0asgi-downloads-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:])
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    notify("STOPPING=1")  # nobody listens any more


def test_an_ipv6_address_is_bracketed() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listen.listening(Settings(host="::1", port=0)) as sock:
        assert re.fullmatch(r"http://\[::1\]:[1-9][0-9]*", listen.url(sock))


def test_uvicorn_is_told_every_setting_that_is_its_own(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        workers=3,
        root_path="/files",
        forwarded_allow_ips="10.0.0.1",
        graceful_timeout=2.5,
        stall_timeout=1.5,
        keep_alive_timeout=7.0,
    )
    config = run.Config(settings, partial(create, settings))
    assert config.workers == 3
    assert config.root_path == "/files"
    assert config.timeout_graceful_shutdown == 2.5
    assert config.timeout_keep_alive == 7.0
    config.load()
    protocol: Any = config.http_protocol_class
    assert (protocol.args, protocol.keywords["limits"]) == (AutoZeroCopy.args, Limits(stall_seconds=1.5))
    assert isinstance(config.loaded_app, Forwarded)
    unbelieving = run.Config(Settings(forwarded_allow_ips=""), partial(create, settings))
    unbelieving.load()
    assert not isinstance(unbelieving.loaded_app, Forwarded)


def test_an_answer_has_one_date_and_no_server(data: Path) -> None:
    with standing_in(data) as served, urlopen(served.url) as answer:
        assert len(answer.headers.get_all("date")) == 1
        assert answer.headers["server"] is None
