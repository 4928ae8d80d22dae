"""Through the real nginx, proxied and offloaded, everything arrives as the service means it."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.nginx import Site, fields, free_port, get, raw, write_configuration
from tests.support.tools import require
from tests.system.conftest import BIG


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@dataclass(frozen=True)
class Configured:
    id: str
    flags: tuple[str, ...]
    says: str


CONFIGURED = [
    Configured("tcp", ("--port", "8000"), "server 127.0.0.1:8000 fail_timeout=0;"),
    Configured("all-addresses", ("--host", "0.0.0.0"), "server 127.0.0.1:8000 fail_timeout=0;"),
    Configured("ipv6", ("--host", "::1"), "server [::1]:8000 fail_timeout=0;"),
    Configured("unix", ("--uds", "/run/a b.sock"), 'server "unix:/run/a b.sock" fail_timeout=0;'),
    Configured("offload", ("--accel-prefix", "/_files/"), "location /_files/ {"),
    Configured("prefix", ("--root-path", "/a.b-c"), r'"~^/a\.b\-c(?<asgi_downloads_rest>/.*)$"'),
    Configured("metrics", ("--metrics",), "location = /metrics {"),
    Configured("limit", ("--max-downloads", "9"), "limit_conn asgi_downloads_all 9;"),
    Configured("limit-each", ("--max-downloads-per-client", "2"), "limit_conn asgi_downloads_client 2;"),
    Configured("names", ("--server-name", "a.example *.b.example"), "server_name a.example *.b.example;"),
    Configured("two-addresses", ("--listen", "8080", "--listen", "[::1]:8080"), "listen 8080;\n    listen [::1]:8080;"),
]


@pytest.mark.parametrize("case", CONFIGURED, ids=lambda case: case.id)
def test_what_is_printed_is_accepted_by_nginx(case: Configured, tmp_path: Path) -> None:
    require("nginx")
    whole = write_configuration(tmp_path, str(tmp_path), *case.flags, "--listen", f"127.0.0.1:{free_port()}")
    assert case.says in (tmp_path / "site.conf").read_text()
    tested = subprocess.run(["nginx", "-t", "-e", "stderr", "-c", str(whole)], capture_output=True, timeout=20)
    assert tested.returncode == 0, tested.stderr
    assert b"[warn]" not in tested.stderr


FILES = [
    "/download/report.pdf",
    "/download/" + quote("naïve café.txt"),
    "/download/" + quote("100% & more?.txt", safe=""),
    "/download/link.txt",
    "/download/large/big.bin",
    "/file/page.html",
    "/file/drawing.svg?download=true",
    "/preview/photo.jpg",
    "/video/sample.mp4",
    "/reports/42",
]
OURS = {"x-request-id", "date", "connection", "server"}


@pytest.mark.parametrize("target", FILES)
def test_an_offloaded_answer_has_each_field_of_a_proxied_one_once(
    target: str, proxied: Site, offloaded: Site, prefixed: Site
) -> None:
    direct = raw(proxied.port, get(target))
    assert status(direct) == 200
    for other, prefix in ((offloaded, ""), (prefixed, "/dl")):
        answer = raw(other.port, get(prefix + target))
        assert status(answer) == 200
        assert body(answer) == body(direct)
        assert sorted(pair for pair in fields(answer) if pair[0] not in OURS) == sorted(
            pair for pair in fields(direct) if pair[0] not in OURS
        )
        names = [name for name, _ in fields(answer)]
        assert len(set(names)) == len(names)
        assert set(names) >= OURS


def test_what_is_said_to_be_offloaded_is(offloaded: Site, proxied: Site) -> None:
    for site, sender in ((offloaded, "nginx"), (proxied, "service")):
        raw(site.port, get("/download/large/big.bin", f"X-Request-ID: who-sent-{sender}"))
        line = next(line for line in site.access_log.splitlines() if f"who-sent-{sender}" in line)
        assert f'"sent_by":"{sender}"' in line
        assert f'"bytes_sent":{BIG}' in line
        assert '"completion":"OK"' in line


def test_a_link_beneath_the_root_is_sent_by_the_service(offloaded: Site, data: Path) -> None:
    """nginx follows no links in the data directory; the service knows which of them are harmless."""
    answer = raw(offloaded.port, get("/download/link.txt"))
    assert body(answer) == (data / "downloads" / "meeting notes.txt").read_bytes()


@dataclass(frozen=True)
class Asked:
    id: str
    target: str
    lines: tuple[str, ...] = ()
    method: str = "GET"
    status: int = 200
    version: str = "1.1"


BIG_FILE = "/download/large/big.bin"
ASKED = [
    Asked("range", BIG_FILE, ("Range: bytes=1000000-2999999",), status=206),
    Asked("suffix", BIG_FILE, ("Range: bytes=-70000",), status=206),
    Asked("from-the-middle", BIG_FILE, (f"Range: bytes={BIG // 2}-",), status=206),
    Asked("many-ranges", BIG_FILE, ("Range: bytes=0-9,1000-1009,2000000-2999999",), status=206),
    Asked("too-far", BIG_FILE, (f"Range: bytes={BIG}-",), status=416),
    Asked("malformed", BIG_FILE, ("Range: bytes=5-2",), status=400),
    Asked("bundle", "/download/bundle/holiday"),
    Asked("bundle-range", "/download/bundle/holiday", ("Range: bytes=-500",), status=206),
    Asked("export", "/export/users"),
    Asked("export-in-a-file", "/export/data"),
    Asked("no-bundle", "/download/bundle/none", status=404),
    Asked("probe", "/readyz"),
    Asked("head", BIG_FILE, method="HEAD"),
    Asked("head-range", BIG_FILE, ("Range: bytes=0-9",), method="HEAD"),
    Asked("not-modified", BIG_FILE, ('If-None-Match: "{etag}"',), status=304),
    Asked("if-range-holds", BIG_FILE, ('If-Range: "{etag}"', "Range: bytes=5-9"), status=206),
    Asked("if-range-fails", "/reports/1", ('If-Range: "other"', "Range: bytes=5-9")),
    Asked("if-match-fails", BIG_FILE, ('If-Match: "other"',), status=412),
    Asked("missing", "/download/none", status=404),
    Asked("no-route", "/none", status=404),
    Asked("wrong-method", "/download/report.pdf", method="DELETE", status=405),
    Asked("bad-parameter", "/file/page.html?download=perhaps", status=422),
    Asked("climbing", "/download/%2e%2e%2fapp.db", status=404),
    Asked("http-1.0", "/reports/1", version="1.0"),
    Asked("http-1.0-large", BIG_FILE, version="1.0"),
]


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.id)
def test_every_kind_of_answer_is_the_same_proxied_and_offloaded(case: Asked, proxied: Site, offloaded: Site) -> None:
    etag = dict(fields(raw(proxied.port, get(BIG_FILE, method="HEAD"))))["etag"].strip('"')
    lines = [line.format(etag=etag) for line in case.lines]
    request = get(case.target, *lines, method=case.method, version=case.version)
    one, other = raw(proxied.port, request), raw(offloaded.port, request)
    assert status(one) == status(other) == case.status
    facts, others = dict(fields(one)), dict(fields(other))
    if case.id == "many-ranges":
        boundary, another = (found["content-type"].partition("boundary=")[2] for found in (facts, others))
        other = other.replace(another.encode(), boundary.encode())
        others["content-type"] = facts["content-type"]
    assert body(one) == body(other)
    own = {*OURS, "content-disposition"} if case.target == "/export/users" else OURS  # its name has the time in it
    assert {name: facts[name] for name in facts if name not in own} == {
        name: others[name] for name in others if name not in own
    }
    if case.method != "HEAD" and case.status != 304 and "transfer-encoding" not in facts:
        assert len(body(one)) == int(facts["content-length"])
    assert "x-accel-redirect" not in others


@pytest.mark.parametrize("line", ["X-Accel-Redirect: /_files/app.db", "X-Sendfile-Type: X-Accel-Redirect"])
def test_what_only_a_proxy_may_say_does_nothing_from_a_client(line: str, site: Site) -> None:
    answer = raw(site.port, get("/download/none", line, "X-Accel-Mapping: /=/_files/", "X-Accel-Limit-Rate: 1"))
    assert status(answer) == 404


@pytest.mark.parametrize("target", ["/_files/app.db", "/_files/downloads/report.pdf", "/_files../app.db", "/_files"])
def test_the_offload_location_is_closed_from_outside(target: str, offloaded: Site) -> None:
    answer = raw(offloaded.port, get(target))
    assert status(answer) == 404
    assert body(answer) == b'{"detail":"Not Found"}'


@pytest.mark.parametrize("target", ["/dl/../dl/livez", "/x/../dl/livez", "/dl", "/livez", "/%64l/livez"])
def test_below_a_prefix_only_what_is_written_so_is_answered(target: str, prefixed: Site) -> None:
    assert status(raw(prefixed.port, get(target))) in (301, 404)


@dataclass(frozen=True)
class Refused:
    id: str
    request: bytes
    status: int


REFUSED = [
    Refused("no-http", b"hello\r\n\r\n", 400),
    Refused("no-host", b"GET /livez HTTP/1.1\r\n\r\n", 400),
    Refused("two-hosts", b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    Refused("long-target", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    Refused("large-head", b"GET /livez HTTP/1.1\r\nHost: a\r\nCookie: " + b"a" * 20000 + b"\r\n\r\n", 400),
    Refused("content", b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", 413),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_what_nginx_refuses_is_told_as_the_service_tells(case: Refused, proxied: Site) -> None:
    answer = raw(proxied.port, case.request, until=b"}")  # nginx lingers for what the client may still send
    assert status(answer) == case.status
    assert dict(fields(answer))["content-type"] == "application/json"
    assert body(answer).startswith(b'{"detail":"')
    assert dict(fields(answer))["server"] == "nginx"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Tool:
    """A program that fetches {url} into {file}, which holds the first part already."""

    id: str
    command: tuple[str, ...]


RESUMING = [
    Tool("curl", ("curl", "-sS", "--fail", "-C", "-", "-o", "{file}", "{url}")),
    Tool("wget", ("wget", "-q", "-c", "-O", "{file}", "{url}")),
    Tool("aria2c", ("aria2c", "-q", "-c", "-x4", "-s4", "-k1M", "-d", "{dir}", "-o", "{name}", "{url}")),
]


@pytest.mark.parametrize("tool", RESUMING, ids=lambda tool: tool.id)
def test_a_download_is_resumed_to_the_same_bytes(tool: Tool, site: Site, data: Path, tmp_path: Path) -> None:
    require(tool.command[0])
    file, whole = tmp_path / "big.bin", data / "large-files" / "big.bin"
    if tool.id != "aria2c":  # which keeps a journal of its own of what it has
        file.write_bytes(whole.read_bytes()[: 5 << 20])
    words = {"file": str(file), "dir": str(tmp_path), "name": file.name, "url": site.url + BIG_FILE}
    subprocess.run([word.format(**words) for word in tool.command], check=True, timeout=30)
    assert digest(file) == digest(whole)


def test_a_slow_client_makes_neither_side_write_to_the_disk(site: Site, data: Path) -> None:
    require("curl")
    command = ["curl", "-sS", "--limit-rate", "1M", "-o", "/dev/null", "-m", "1.5", site.url + BIG_FILE]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    seen: set[Path] = set()
    while process.poll() is None:
        seen.update(site.spooled())
    assert process.returncode == 28  # it would have taken longer
    assert not seen
    assert "buffered to a temporary file" not in site.error_log
