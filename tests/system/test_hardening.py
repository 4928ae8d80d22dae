"""What is said to everybody says nothing about us, and runs nowhere."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.nginx import Site, fields, get, raw
from tests.support.serving import Served, serving
from tests.system.test_life_cycle import connect

TARGETS = [
    "/download/report.pdf",
    "/download/large/big.bin",
    "/download/async/page.html",
    "/download/bundle/holiday",
    "/download/bundle/empty",
    "/download/bundle/none",
    "/file/page.html",
    "/file/drawing.svg",
    "/file/notes.txt?download=true",
    "/file/page.html?download=perhaps",
    "/preview/page.html",
    "/preview/drawing.svg",
    "/video/sample.mp4",
    "/reports/42",
    "/reports/none",
    "/reports/generate/x",
    "/export/users",
    "/export/data",
    "/livez",
    "/readyz",
    "/healthz",
    "/none",
    "/",
    "/download/%2e%2e%2fapp.db",
    "/download/..%2f..%2fetc%2fpasswd",
    "/download/%00",
    "/download/" + "a" * 300,
]


@pytest.fixture(scope="module")
def served(data: Path) -> Iterator[Served]:
    with serving(data, "--log-level", "critical") as found:
        yield found


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("target", TARGETS)
def test_no_answer_is_sniffed_or_tells_of_us(target: str, method: str, served: Served, data: Path) -> None:
    with closing(connect(served)) as client:
        client.request(method, target)
        answer = client.getresponse()
        body = answer.read()
    facts = {name.lower(): value for name, value in answer.getheaders()}
    assert answer.status < 500
    assert facts["x-content-type-options"] == "nosniff"
    assert not {"server", "x-powered-by", "via"} & set(facts)
    told = " ".join(f"{name}: {value}" for name, value in facts.items())
    if answer.status >= 400:
        told += body.decode()
    assert str(data) not in told
    assert not re.search(r"uvicorn|python|asgi|traceback", told, re.IGNORECASE)


@pytest.mark.parametrize("target", ["/file/page.html", "/file/drawing.svg"])
def test_what_could_run_is_shut_in_when_it_is_shown(target: str, site: Site) -> None:
    facts = dict(fields(raw(site.port, get(target))))
    assert facts["content-disposition"].startswith("inline")
    assert "sandbox" in facts["content-security-policy"]
    assert facts["x-content-type-options"] == "nosniff"


HEADS = {
    "long-field": (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "many-fields": (b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 12_000 + b"\r\n", 431),
    "long-target": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "no-host": (b"GET /livez HTTP/1.1\r\n\r\n", 400),
    "two-hosts": (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "no-host-name": (b"GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "space-before-colon": (b"GET /livez HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400),
    "space-in-target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
}


@pytest.mark.parametrize(("head", "status"), HEADS.values(), ids=HEADS)
def test_a_head_that_is_too_large_or_ambiguous_ends_the_connection(head: bytes, status: int, served: Served) -> None:
    port = int(served.url.rpartition(":")[2])
    answer = bytearray()
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        try:
            sock.sendall(head)
            while block := sock.recv(65536):
                answer += block
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert dict(fields(bytes(answer)))["x-content-type-options"] == "nosniff"


def test_what_a_client_says_of_a_proxy_changes_nothing(served: Served) -> None:
    with closing(connect(served)) as client:
        for name in ("X-Accel-Redirect", "X-Sendfile", "X-Accel-Mapping", "X-Sendfile-Type", "X-Original-URL"):
            client.request("GET", "/none", headers={name: "/etc/passwd"})
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (404, b'{"detail":"Not Found"}')
            assert answer.getheader(name) is None
