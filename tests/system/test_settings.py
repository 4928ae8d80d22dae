"""Every setting arrives in the process that serves, as a variable, in a file or as a flag, and does what it says."""

import hashlib
import http.client
import os
import re
import socket
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads import demo, sign_link
from asgi_downloads.endpoints.links.keys import add_key
from asgi_downloads.service.setting import Setting
from asgi_downloads.service.settings import TABLE, Settings
from tests.support.nginx import free_port
from tests.support.serving import SERVE, Served, serving, until
from tests.system.test_life_cycle import children
from tests.system.test_observation import Lines

WAYS = ("environment", "file", "flags")

FREE = {
    "cache_control": "private, max-age=60",
    "chunk_size": "64K",
    "accel_prefix": "/_files/",
    "stall_timeout": "400ms",
    "etag": "Portable",
    "unreadable": "skip",
    "database_connections": "3",
    "query_timeout": "5m",
    "store_mode": "redirect",
    "store_timeout": "3s",
    "store_requests": "7",
    "host": "127.0.0.2",
    "workers": "2",
    "access_log": "yes",
    "access_log_format": "text",
    "log_level": "INFO",
    "root_path": "/dl",
    "forwarded_allow_ips": "127.0.0.3",
    "keep_alive_timeout": "1s",
    "metrics": "on",
    "browse": "true",
    "browse_title": "What we have",
    "link_grace": "2h",
    "link_max": "3d",
    "link_forever": "yes",
    "docs": "false",
    "cors_origins": "https://a.example, https://b.example:8443",
}
LIMITED = {
    "log_level": "critical",
    "graceful_timeout": "1s",
    "drain_delay": "700ms",
    "max_downloads": "2",
    "max_downloads_per_client": "1",
    "rate_limit": "1M",
}
"""Those whose effects would be in the way of the others'."""


ORIGINS = ("https://a.example", "https://b.example:8443", "https://c.example")


@dataclass(frozen=True)
class Place:
    """Two sites of samples, and a server that takes files from one and users from the other."""

    here: Path
    chosen: dict[str, str]
    served: Served
    lines: Lines

    def connect(self, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        if "port" in self.chosen:
            address = (self.chosen["host"], int(self.chosen["port"]))
            client = http.client.HTTPConnection(*address, timeout=10, source_address=(source, 0))
            client.connect()
            return client
        client = http.client.HTTPConnection("localhost", timeout=10)
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.connect(self.chosen["uds"])
        return client

    def get(self, target: str, source: str = "127.0.0.1", **fields: str) -> tuple[http.client.HTTPResponse, bytes]:
        with closing(self.connect(source)) as client:
            client.request("GET", target, headers={name.replace("_", "-"): value for name, value in fields.items()})
            answer = client.getresponse()
            return answer, answer.read()

    @contextmanager
    def stalled(self, source: str = "127.0.0.1") -> Iterator[socket.socket]:
        """A client that asks for much and takes little of it; a part, since nginx would send the whole."""
        with closing(self.connect(source)) as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            client.request("GET", "/download/large/big.bin", headers={"Range": "bytes=1-"})
            assert client.sock.recv(1000)
            yield client.sock


def prepared(here: Path, chosen: dict[str, str]) -> dict[str, str]:
    """The settings, with paths and addresses of this machine."""
    demo.write_demo(here / "data", users=3)
    with (here / "data" / "large-files" / "big.bin").open("wb") as big:
        big.truncate(64 << 20)
    demo.write_demo(here / "other", users=7)
    (here / "temporary").mkdir()
    paths = {name: str(here / name.partition("_")[0]) for name in ("data_dir", "state_dir")}
    paths |= {"temp_dir": str(here / "temporary"), "database_url": f"sqlite:///{here / 'other' / 'app.db'}"}
    if "link_grace" in chosen:
        paths |= {"link_keys_file": str(here / "keys"), "revoked_links_file": str(here / "revoked")}
        add_key(here / "keys")
        revoked = link(here, "files/notes.txt", 60).split("/")[2]
        (here / "revoked").write_text(hashlib.sha256(revoked.encode()).hexdigest())
        (here / "link").write_text(f"/s/{revoked}/notes.txt")
    return {**chosen, **paths, **({"port": str(free_port())} if "host" in chosen else {"uds": str(here / "s")})}


def link(here: Path, path: str, expires: float | None) -> str:
    return sign_link(path, keys_file=here / "keys", expires=expires)


@contextmanager
def started(here: Path, chosen: dict[str, str], way: str, command: tuple[str, ...] = SERVE[:3]) -> Iterator[Served]:
    """`serve` with the settings given in one of the ways."""
    rows = [(each, chosen[each.name]) for each in TABLE if each.name in chosen]
    environ = {each.variable: text for each, text in rows}
    flags = [_flag(each, text) for each, text in rows]
    file = here / "settings.toml"
    file.write_text("".join(f"{each.name} = '{text}'\n" for each, text in rows))
    arguments = {"environment": [], "file": ["--config", str(file)], "flags": flags}[way]
    with serving(*arguments, command=command, environ=environ if way == "environment" else {}, cwd=here) as served:
        yield served


def _flag(each: Setting, text: str) -> str:
    if each.kind.metavar != "BOOL":
        return f"{each.flag}={text}"
    return each.flag.replace("--", "--no-", 1) if text == "false" else each.flag


TELLING = """\
import sys
from asgi_downloads import __main__ as command_line
from asgi_downloads.server.process import run
from tests.support import hello
serve = run.run
run.run = lambda settings, announce: serve(settings, announce, hello.create_telling)
sys.exit(command_line.main())
"""


@pytest.mark.parametrize("way", WAYS)
def test_every_setting_arrives(way: str, tmp_path: Path) -> None:
    chosen = prepared(tmp_path, {**LIMITED, **FREE, "log_level": "Debug", "guide_urls": "false"})
    (tmp_path / "telling.py").write_text(TELLING)
    assert {*chosen, "uds"} == {each.name for each in TABLE}, "a setting is missing here, and below"
    with started(tmp_path, chosen, way, (str(tmp_path / "telling.py"), "serve")) as served:
        place = Place(tmp_path, {**chosen, "drain_delay": "0"}, served, Lines(served))
        told = tomllib.loads(place.get("/", "127.0.0.3")[1].decode())
        served.process.terminate()
        place.lines.close()
    meant = Settings(**chosen)  # type: ignore[arg-type]
    assert Settings(**told) == meant
    assert [each.name for each in TABLE if getattr(meant, each.name) == getattr(Settings(), each.name)] == ["uds"]


def data_dir(place: Place) -> None:
    answer, _ = place.get("/file/notes.txt")
    assert answer.status == 200


def database_url(place: Place) -> None:
    assert place.get("/export/users?format=jsonl")[1].count(b"\n") == 7


def temp_dir(place: Place) -> None:
    temporary = place.here / "temporary"
    assert place.get("/export/data")[0].status == 200
    temporary.rename(temporary.with_name("elsewhere"))
    temporary.write_text("no directory")
    assert place.get("/export/data")[0].status == 503
    temporary.unlink()
    temporary.with_name("elsewhere").rename(temporary)


def state_dir(place: Place) -> None:
    assert place.get("/download/bundle/holiday")[0].status == 200
    until(lambda: (place.here / "state").is_dir() and any((place.here / "state").iterdir()))


def cache_control(place: Place) -> None:
    assert place.get("/file/notes.txt")[0].getheader("cache-control") == "private, max-age=60"


def accel_prefix(place: Place) -> None:
    assert place.get("/file/notes.txt")[0].getheader("x-accel-redirect") == "/_files/files/notes.txt"


def stall_timeout(place: Place) -> None:
    with place.stalled():
        begun = time.monotonic()
        until(lambda: any(", stalled, " in line for line in place.lines.lines))
        assert time.monotonic() - begun < 3


def etag(place: Place) -> None:
    one = place.here / "data" / "files" / "notes.txt"
    copy = one.with_name("copy.txt")
    copy.write_bytes(one.read_bytes())
    os.utime(copy, ns=(0, one.stat().st_mtime_ns))
    tags = {place.get(f"/file/{name}")[0].getheader("etag") for name in ("notes.txt", "copy.txt")}
    assert len(tags) == 1


def host(place: Place) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(place.chosen["port"])))


def port(place: Place) -> None:
    assert place.served.line.endswith(f" on http://127.0.0.2:{place.chosen['port']}")


def workers(place: Place) -> None:
    assert len(children(place.served.process.pid)) == 2


def access_log(place: Place) -> None:
    place.get("/livez?logged")
    until(lambda: any("/livez?logged" in line for line in place.lines.lines))


def access_log_format(place: Place) -> None:
    place.get("/livez?text")
    until(lambda: any(re.match(r"[0-9:]{8} 127\.0\.0\.1 GET /dl/livez\?text 200 ", line) for line in place.lines.lines))


def log_level(place: Place) -> None:
    shown = "Application startup complete" in place.served.errors
    assert shown is (place.chosen["log_level"] == "INFO")


def root_path(place: Place) -> None:
    assert place.get("/livez/")[0].getheader("location") == "/dl/livez"


def forwarded_allow_ips(place: Place) -> None:
    for source in ("127.0.0.1", "127.0.0.3"):
        place.get(f"/livez?from={source}", source, X_Forwarded_For="192.0.2.7")
    until(lambda: sum("/livez?from=" in line for line in place.lines.lines) == 2)
    found = {line.split()[1] for line in place.lines.lines if "/livez?from=" in line}
    assert found == {"127.0.0.1", "192.0.2.7"}


def keep_alive_timeout(place: Place) -> None:
    with closing(place.connect()) as client:
        client.request("GET", "/livez")
        client.getresponse().read()
        begun = time.monotonic()
        assert client.sock.recv(1) == b""
        assert 0.8 < time.monotonic() - begun < 3


def metrics(place: Place) -> None:
    assert b"downloads_requests_total" in place.get("/metrics")[1]


def browse(place: Place) -> None:
    assert place.get("/browse/files/notes.txt")[0].status == 200


def link_keys_file(place: Place) -> None:
    assert place.get(link(place.here, "files/notes.txt", 60))[0].status == 200


def revoked_links_file(place: Place) -> None:
    assert place.get((place.here / "link").read_text())[0].status == 404


def link_grace(place: Place) -> None:
    tag = place.get("/file/notes.txt")[0].headers["etag"]
    for hours, status in ((1, 206), (3, 410)):
        ended = link(place.here, "files/notes.txt", -3600 * hours)
        assert place.get(ended, Range="bytes=0-1", If_Range=tag)[0].status == status


def link_forever(place: Place) -> None:
    assert place.get(link(place.here, "files/notes.txt", None))[0].status == 200


def browse_title(place: Place) -> None:
    assert b"<title>What we have</title>" in place.get("/browse/", Accept="text/html")[1]


def cors_origins(place: Place) -> None:
    allowed = [place.get("/livez", Origin=origin)[0].getheader("access-control-allow-origin") for origin in ORIGINS]
    assert allowed == [*ORIGINS[:2], None]


def docs(place: Place) -> None:
    assert [place.get(url)[0].status for url in ("/docs", "/openapi.json")] == [404, 404]


def uds(place: Place) -> None:
    assert place.served.line.endswith(f" on unix:{place.here / 's'}")


def max_downloads_per_client(place: Place) -> None:
    with place.stalled():
        assert place.get("/file/notes.txt")[0].status == 503
        assert place.get("/file/notes.txt", X_Forwarded_For="192.0.2.1")[0].status == 200
        assert place.get("/livez")[0].status == 200


def max_downloads(place: Place) -> None:
    with closing(place.connect()) as other, place.stalled():
        other.request("GET", "/download/large/big.bin", headers={"X-Forwarded-For": "192.0.2.1"})
        assert other.getresponse().read(1000)
        assert place.get("/file/notes.txt", X_Forwarded_For="192.0.2.2")[0].status == 503


def rate_limit(place: Place) -> None:
    begun = time.monotonic()
    assert len(place.get("/download/large/big.bin", Range=f"bytes=0-{(2 << 20) - 1}")[1]) == 2 << 20
    assert 0.8 < time.monotonic() - begun < 3


def the_end(place: Place) -> None:
    """It accepts for a while, then waits for a download, but not to its end."""
    with place.stalled():
        begun = time.monotonic()
        place.served.process.terminate()
        until(lambda: place.get("/readyz")[0].status == 503, 0.5)
        assert place.served.process.wait(10) == 0
        assert 1.5 < time.monotonic() - begun < 4


CHECKS: dict[str, list[Callable[[Place], None]]] = {
    "free": [
        *(data_dir, database_url, temp_dir, state_dir, cache_control, accel_prefix, stall_timeout, etag, host, port),
        *(
            workers,
            access_log,
            access_log_format,
            log_level,
            root_path,
            forwarded_allow_ips,
            keep_alive_timeout,
            metrics,
            browse,
            browse_title,
            link_keys_file,
            revoked_links_file,
            link_grace,
            link_forever,
            cors_origins,
            docs,
        ),
    ],
    "limited": [uds, log_level, max_downloads_per_client, max_downloads, rate_limit, the_end],
}
SEEN_BY_VALUE = {
    "chunk_size",
    *("graceful_timeout", "drain_delay"),  # `the_end` shows them
    *("database_connections", "query_timeout", "unreadable", "guide_urls"),  # tests of the rooms that obey them do
    "link_max",  # is obeyed where links are made
    *("store_mode", "store_timeout", "store_requests"),  # test_store.py, test_store_faults.py
}
"""What cannot be seen here from outside."""


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["free", "limited"])
def group(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def place(way: str, group: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    here = tmp_path_factory.mktemp("settings")
    chosen = prepared(here, FREE if group == "free" else LIMITED)
    with started(here, chosen, way) as served:
        lines = Lines(served)
        yield Place(here, chosen, served, lines)
        served.process.terminate()
        lines.close()


@pytest.mark.slow
def test_every_setting_does_what_it_says(place: Place, group: str) -> None:
    for check in CHECKS[group]:
        check(place)


def test_no_setting_is_forgotten() -> None:
    checked = {check.__name__ for checks in CHECKS.values() for check in checks} - {"the_end"}
    assert checked | SEEN_BY_VALUE == {each.name for each in TABLE}
