"""Through the real nginx, proxied and offloaded, everything arrives as the service means it."""

import hashlib
import re
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.support.nginx import Site, behind_nginx, fields, free_port, get, raw, uncommented, write_configuration
from tests.support.tools import require
from tests.system.conftest import BIG


def body(answer: bytes) -> bytes:
    """What the answer brings; into which chunks the proxy cuts it is its own affair."""
    head, _, content = answer.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" not in head.lower():
        return content
    return b"".join(_chunks(content))


def _chunks(framed: bytes) -> Iterator[bytes]:
    while framed:
        size, _, rest = framed.partition(b"\r\n")
        end = int(size, 16)
        yield rest[:end]
        assert rest[end : end + 2] == b"\r\n"
        framed = rest[end + 2 :]


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@dataclass(frozen=True)
class Configured:
    id: str
    flags: tuple[str, ...]
    says: str


CONFIGURED = [
    Configured("tcp", ("--port", "8000"), 'server "127.0.0.1:8000" fail_timeout=0;'),
    Configured("all-addresses", ("--host", "0.0.0.0"), 'server "127.0.0.1:8000" fail_timeout=0;'),
    Configured("ipv6", ("--host", "::1"), 'server "[::1]:8000" fail_timeout=0;'),
    Configured("unix", ("--uds", "/run/a b.sock"), 'server "unix:/run/a b.sock" fail_timeout=0;'),
    Configured("offload", ("--accel-prefix", "/_files/"), "location /_files/ {"),
    Configured("prefix", ("--root-path", "/a.b-c"), r'($request_uri ~ "^/a\\.b\\-c(?<'),
    Configured("metrics", ("--metrics",), "location = /metrics {"),
    Configured("limit", ("--max-downloads", "9"), "_all 9;"),
    Configured("limit-each", ("--max-downloads-per-client", "2"), "_client 2;"),
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
        line = site.logged(f"who-sent-{sender}")
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


@pytest.mark.parametrize("name", ["proxied", "offloaded", "prefixed"])
def test_a_long_target_gets_through(name: str, request: pytest.FixtureRequest) -> None:
    """What is ticked on a page goes into one."""
    site: Site = request.getfixturevalue(name)
    prefix = "/dl" if name == "prefixed" else ""
    assert status(raw(site.port, get(f"{prefix}/livez?{'a' * 31000}"))) == 200


@dataclass(frozen=True)
class Refused:
    id: str
    request: bytes
    status: int


REFUSED = [
    Refused("no-http", b"hello\r\n\r\n", 400),
    Refused("no-host", b"GET /livez HTTP/1.1\r\n\r\n", 400),
    Refused("two-hosts", b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    Refused("long-target", b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    Refused("large-head", b"GET /livez HTTP/1.1\r\nHost: a\r\nCookie: " + b"a" * 40000 + b"\r\n\r\n", 400),
    Refused("content", b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n", 413),
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


def existing_server(printed: str, port: int) -> str:
    """A server{} of somebody who has more on that host."""
    return f"""
server {{
    listen 127.0.0.1:{port};
    large_client_header_buffers 4 32k;
    location / {{
        return 200 "theirs";
    }}
    {printed}
}}"""


@pytest.fixture(scope="module")
def snippet(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    flags = ("--accel-prefix", "/_files/", "--root-path", "/dl", "--metrics", "--max-downloads", "9")
    here = tmp_path_factory.mktemp("snippet")
    with behind_nginx(here, data, *flags, for_nginx=("--snippet",), edit=existing_server) as site:
        yield site


@pytest.mark.parametrize("target", FILES)
def test_a_snippet_answers_as_a_server_of_its_own(target: str, snippet: Site, prefixed: Site) -> None:
    one, other = raw(snippet.port, get("/dl" + target)), raw(prefixed.port, get("/dl" + target))
    assert status(one) == 200
    assert body(one) == body(other)
    assert {pair for pair in fields(one) if pair[0] not in OURS} == {
        pair for pair in fields(other) if pair[0] not in OURS
    }


def test_a_snippet_leaves_the_rest_of_the_server_alone(snippet: Site) -> None:
    for target in ("/", "/livez", "/dlx", "/download/report.pdf"):
        assert body(raw(snippet.port, get(target))) == b"theirs"
    answer = raw(snippet.port, get("/dl/none", "X-Request-ID: mine"))
    assert (status(answer), body(answer)) == (404, b'{"detail":"Not Found"}')
    assert dict(fields(answer))["x-request-id"] == "mine"
    assert status(raw(snippet.port, get("/_files/app.db"))) == 404
    assert b"downloads_requests_total" in body(raw(snippet.port, get("/dl/metrics")))
    sent = [line for line in raw(snippet.port, get("/dl/livez")).split(b"\r\n") if line.startswith(b"X-Request-ID")]
    assert len(sent) == 1


def test_a_site_below_a_prefix_shows_nothing_else(prefixed: Site) -> None:
    for target in ("/", "/index.html", "/livez"):
        answer = raw(prefixed.port, get(target))
        assert (status(answer), body(answer)) == (404, b'{"detail":"Not Found"}')


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    subprocess.run([*new, *name, "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.mark.parametrize("way", ["comments", "flags"])
def test_tls_works_by_flags_and_by_the_lines_that_are_shown(
    way: str, data: Path, certificate: Path, tmp_path: Path
) -> None:
    plain = free_port()

    def edit(printed: str, port: int) -> str:
        switched = re.sub("/etc/ssl/[a-z/.-]+", str(certificate), uncommented(printed, "ssl_certificate", "return 301"))
        return switched.replace("listen 443 ssl;", f"listen {port} ssl;").replace("listen 80;", f"listen {plain};")

    flags = ("--listen", "443 ssl", "--certificate", str(certificate), "--certificate-key", str(certificate))
    given = ("--listen", "80") if way == "comments" else flags
    trusting = ssl.create_default_context(cafile=str(certificate))
    with behind_nginx(tmp_path, data, "--access-log", for_nginx=given, edit=edit) as site:
        with urlopen(f"https://localhost:{site.port}/reports/1", context=trusting) as answer:
            assert answer.read() == (data / "reports" / "1.pdf").read_bytes()
        answer = raw(plain, get("/reports/1"))
        if way == "comments":
            assert body(answer) == (data / "reports" / "1.pdf").read_bytes()
        else:
            assert status(answer) == 301
            assert dict(fields(answer))["location"] == "https://files.example/reports/1"


class Gate(BaseHTTPRequestHandler):
    """Lets in whoever has a ticket, and keeps what it was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers['X-Original-URI']}")
        ticket = self.headers["Cookie"]
        self.send_response({"ticket=good": 204, "ticket=old": 403}.get(ticket, 401))
        self.send_header("WWW-Authenticate", 'Basic realm="gate"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def gate() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("form", ["server", "snippet"])
def test_a_site_is_asked_who_may_download_by_the_lines_that_are_shown(
    form: str, gate: int, data: Path, tmp_path: Path
) -> None:
    def edit(printed: str, port: int) -> str:
        switched = uncommented(printed, "auth_request", "/auth {").replace("127.0.0.1:9000", f"127.0.0.1:{gate}")
        return existing_server(switched, port) if form == "snippet" else switched

    flags = ("--accel-prefix", "/_files/", "--root-path", "/dl")
    given = ("--snippet",) if form == "snippet" else ()
    with behind_nginx(tmp_path, data, *flags, for_nginx=given, edit=edit) as site:
        for ticket, expected in (("good", 200), ("old", 403), ("none", 401)):
            answer = raw(site.port, get("/dl/reports/1?a=%2F", f"Cookie: ticket={ticket}"))
            assert status(answer) == expected
            assert Gate.asked.pop() == "/auth /dl/reports/1?a=%2F"
            assert Gate.asked == []
            if expected == 200:
                assert body(answer) == (data / "reports" / "1.pdf").read_bytes()
            else:
                assert body(answer).startswith(b'{"detail":"')
            assert ("www-authenticate" in dict(fields(answer))) is (expected == 401)
