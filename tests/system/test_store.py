"""Directories in a real store, behind the served process: who sends what, replicas, links, and the end."""

import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.fetch import Fetched, fetch
from tests.support.nginx import Site, behind_nginx, free_port, running
from tests.support.postgres import postgres_server, psql
from tests.support.serving import Served, environment, serving
from tests.support.swift import Swift, swift_server
from tests.support.tools import require
from tests.system.conftest import pattern

pytest.importorskip("obstore")
pytestmark = pytest.mark.slow

BUCKET = "site"
BIG = pattern(20 << 20, b"a large object")
OBJECTS = {
    "downloads/big.bin": BIG,
    "downloads/a b+c%é.txt": b"odd name",
    "files/page.html": b"<p>hello</p>",
    "files/empty": b"",
    **{f"bundles/many/{number:03}.bin": pattern(20_000, b"%d" % number) for number in range(100)},
    "bundles/large/one.bin": BIG,
    "bundles/large/text.txt": b"the same words again and again. " * 200_000,
    "bundles/large/odd//name": b"nobody can ask for it",
}
TAG_OF_ANOTHER = '"00000000000000000000000000000000"'


@pytest.fixture(scope="module")
def swift() -> Iterator[Swift]:
    with swift_server() as swift:
        swift.put(BUCKET, "", b"")
        for key, content in OBJECTS.items():
            swift.put(BUCKET, f"data/{key}", content)
        yield swift


@pytest.fixture(scope="module")
def streamed(swift: Swift) -> Iterator[str]:
    with serving(f"s3://{BUCKET}/data", environ=swift.environ) as served:
        yield served.url


@pytest.fixture(scope="module")
def redirected(swift: Swift) -> Iterator[str]:
    with serving(f"s3://{BUCKET}/data", "--store-mode", "redirect", environ=swift.environ) as served:
        yield served.url


@pytest.fixture(scope="module")
def offloaded(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    here = tmp_path_factory.mktemp("accel")
    root: Path = f"s3://{BUCKET}/data"  # type: ignore[assignment]
    with behind_nginx(here, root, "--store-mode", "accel", environ=swift.environ) as site:
        yield site


@pytest.fixture(params=["streamed", "offloaded", "redirected"])
def url(request: pytest.FixtureRequest) -> str:
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else str(found.url)


def followed(url: str, fields: dict[str, str] | None = None, method: str = "GET") -> Fetched:
    """As a browser does: to another place with the same fields."""
    answer = fetch(url, fields, method=method)
    return fetch(answer.fields["location"], fields, method=method) if answer.status == 307 else answer


# Who sends what


def test_all_of_it(url: str) -> None:
    answer = followed(f"{url}/download/big.bin")
    assert (answer.status, answer.complete, answer.content) == (200, True, BIG)
    assert answer.fields["content-disposition"] == 'attachment; filename="big.bin"'
    assert answer.fields["content-type"] == "application/octet-stream"
    assert answer.fields["content-length"] == str(len(BIG))


def test_a_part(url: str) -> None:
    answer = followed(f"{url}/download/big.bin", {"Range": "bytes=1000-2000999"})
    assert (answer.status, answer.content) == (206, BIG[1000:2001000])
    assert answer.fields["content-range"] == f"bytes 1000-2000999/{len(BIG)}"


def test_a_resume_with_the_tag_of_this_version(url: str) -> None:
    etag = followed(f"{url}/download/big.bin", method="HEAD").fields["etag"]
    answer = followed(f"{url}/download/big.bin", {"Range": "bytes=1000-", "If-Range": etag})
    assert (answer.status, answer.content) == (206, BIG[1000:])


def test_a_resume_with_the_tag_of_another_version_gets_all_of_it(url: str) -> None:
    """Swift itself would answer with a part."""
    answer = followed(f"{url}/download/big.bin", {"Range": "bytes=1000-", "If-Range": TAG_OF_ANOTHER})
    assert (answer.status, answer.content) == (200, BIG)


def test_several_parts(url: str) -> None:
    answer = followed(f"{url}/download/big.bin", {"Range": "bytes=0-9,1000000-1000009"})
    assert answer.status == 206
    assert answer.fields["content-type"].startswith("multipart/byteranges")
    assert BIG[1000000:1000010] in answer.content


DECIDED: dict[str, tuple[dict[str, str], int]] = {
    "revalidation": ({"If-None-Match": "ETAG"}, 304),
    "another-is-there": ({"If-None-Match": TAG_OF_ANOTHER}, 200),
    "guarded": ({"If-Match": "ETAG"}, 200),
    "guarded-and-gone": ({"If-Match": TAG_OF_ANOTHER}, 412),
    "beyond-the-end": ({"Range": "bytes=99999999-"}, 416),
}


@pytest.mark.parametrize("case", DECIDED)
def test_what_is_decided_by_us(url: str, case: str) -> None:
    fields, status = DECIDED[case]
    etag = followed(f"{url}/download/big.bin", method="HEAD").fields["etag"]
    fields = {name: etag if value == "ETAG" else value for name, value in fields.items()}
    assert followed(f"{url}/download/big.bin", fields).status == status


def test_names_and_types(url: str) -> None:
    assert followed(f"{url}/download/a%20b%2Bc%25%C3%A9.txt").content == b"odd name"
    page = followed(f"{url}/file/page.html")
    assert page.fields["content-type"] == "text/html; charset=utf-8"
    assert page.fields["content-disposition"] == 'inline; filename="page.html"'
    assert followed(f"{url}/file/empty").content == b""
    assert followed(f"{url}/file/missing").status == 404


def test_a_coding_that_it_was_written_with_is_told(url: str, swift: Swift) -> None:
    packed = gzip.compress(b"content " * 1000)
    swift.ask("PUT", f"/{BUCKET}/data/files/packed.txt", packed, {"Content-Encoding": "gzip"})
    answer = followed(f"{url}/file/packed.txt")
    assert (answer.status, answer.fields["content-encoding"], answer.content) == (200, "gzip", packed)
    part = followed(f"{url}/file/packed.txt", {"Range": "bytes=3-9"})
    assert (part.status, part.content) == (206, packed[3:10])


def test_what_a_browser_would_run_is_not_left_to_the_store(redirected: str) -> None:
    """Its answer would not say that it is to be kept in a sandbox."""
    answer = fetch(f"{redirected}/file/page.html")
    assert (answer.status, answer.content) == (200, b"<p>hello</p>")
    assert "sandbox" in answer.fields["content-security-policy"]


def test_nginx_fetches_what_a_store_has_and_tells_nothing_of_it(offloaded: Site) -> None:
    answer = fetch(f"{offloaded.url}/file/page.html")
    plain = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}
    assert {name: answer.fields[name] for name in plain} == plain
    assert "sandbox" in answer.fields["content-security-policy"]
    assert not [name for name in answer.fields if name.startswith(("x-amz", "x-store", "x-accel", "x-trans"))]
    assert '"sent_by":"store"' in offloaded.access_log
    assert "X-Amz-Signature" not in offloaded.access_log


def test_what_was_replaced_before_nginx_asks_is_looked_at_again(offloaded: Site, swift: Swift) -> None:
    """Always one version, and after at most one more look."""
    versions = [b"a" * 100_000, b"b" * 100_001]
    for number in range(30):
        swift.put(BUCKET, "data/files/changing", versions[number % 2])
        answer = fetch(f"{offloaded.url}/file/changing")
        assert answer.status == 200
        assert answer.content in versions


def test_a_redirection_is_the_clients_alone_and_for_less_than_it_is_good_for(redirected: str) -> None:
    answer = fetch(f"{redirected}/download/big.bin")
    assert (answer.status, answer.fields["cache-control"]) == (307, "private, max-age=30")
    assert "X-Amz-Expires=60" in answer.fields["location"]
    assert fetch(f"{redirected}/download/big.bin", {"If-Range": '"x"', "Range": "bytes=1-"}).status == 200


# Archives and the page


def test_a_bundle_says_what_it_lacks(streamed: str) -> None:
    answer = fetch(f"{streamed}/download/bundle/large?recursive=true")
    assert answer.status == 200
    assert answer.fields["x-bundle-omitted"] == "1"


def test_a_bundle_is_resumed_by_curl(streamed: str, tmp_path: Path) -> None:
    require("curl")
    whole = fetch(f"{streamed}/download/bundle/many")
    half = tmp_path / "many.zip"
    half.write_bytes(whole.content[:1_000_001])
    command = ["curl", "-sS", "-f", "-C", "-", "-o", str(half), f"{streamed}/download/bundle/many"]
    subprocess.run(command, check=True, timeout=60)
    assert half.read_bytes() == whole.content


@pytest.fixture
def site(swift: Swift, tmp_path: Path) -> Iterator[tuple[Served, Path]]:
    """One with a page, links, and a directory of its own below another prefix."""
    keys = tmp_path / "keys"
    config = tmp_path / "c.toml"
    config.write_text(
        f'data_dir = "s3://{BUCKET}/data"\nbrowse = true\nlink_keys_file = "{keys}"\n'
        f'[[directories]]\nurl = "/own"\npath = "s3://{BUCKET}/data/bundles"\nbundle = true\nbrowse = true\n'
    )
    keys.write_text("k1:" + "0123456789abcdef" * 4 + "\n")
    keys.chmod(0o600)
    with serving("--config", str(config), environ=swift.environ) as served:
        yield served, config


def test_the_page_of_a_store(site: tuple[Served, Path]) -> None:
    served, _ = site
    top = fetch(f"{served.url}/browse/", {"Accept": "application/json"})
    assert [entry["name"] for entry in json.loads(top.content)["entries"]] == ["bundles", "downloads", "files", "own"]
    assert b'"name":"downloads","href":"./downloads/","type":"directory","size":null,"modified":null' in top.content
    listed = fetch(f"{served.url}/browse/bundles/many/", {"Accept": "application/json"})
    assert b'"total":100' in listed.content
    assert fetch(f"{served.url}/browse/downloads/big.bin", {"Range": "bytes=5-9"}).content == BIG[5:10]
    assert fetch(f"{served.url}/browse/downloads").status == 308
    assert fetch(f"{served.url}/browse/nothing").status == 404
    assert fetch(f"{served.url}/browse/files/page.html?view", {"Accept": "text/html"}).status == 200
    chosen = fetch(f"{served.url}/browse/bundles/many/?zip&m=001.bin&m=002.bin")
    assert (chosen.status, chosen.content[:2]) == (200, b"PK")
    assert fetch(f"{served.url}/own/many/?zip").status == 200
    assert fetch(f"{served.url}/own/large/one.bin", {"Range": "bytes=0-4"}).content == BIG[:5]


# Replicas


def test_what_was_begun_on_one_replica_goes_on_at_another(swift: Swift) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(serving(f"s3://{BUCKET}/data", environ=swift.environ)) for _ in range(2))
        for target in ("/download/big.bin", "/download/bundle/many", "/download/bundle/large?recursive=true"):
            whole = fetch(one.url + target)
            etag = whole.fields["etag"]
            # All CRCs are known to one by now, and none to the other: both give the same tag.
            assert [fetch(each.url + target, method="HEAD").fields["etag"] for each in (one, other)] == [etag] * 2
            rest = fetch(other.url + target, {"Range": "bytes=700000-", "If-Range": etag})
            assert (rest.status, rest.content) == (206, whole.content[700000:])
            again = fetch(one.url + target, {"If-None-Match": etag})
            assert again.status == 304
        deflated = "/download/bundle/large?recursive=true&compression=deflate"
        first = [fetch(replica.url + deflated) for replica in (one, other)]
        assert first[0].content == first[1].content
        etag = fetch(one.url + deflated, method="HEAD").fields["etag"]
        rest = fetch(other.url + deflated, {"Range": "bytes=700000-", "If-Range": etag})
        assert (rest.status, rest.content) == (206, first[0].content[700000:])


def test_a_link_goes_on_at_another_replica(site: tuple[Served, Path], swift: Swift) -> None:
    one, config = site
    with serving("--config", str(config), environ=swift.environ) as other:
        for path, content in (("downloads/big.bin", BIG), ("bundles/many/", None)):
            command = [sys.executable, "-m", "asgi_downloads", "sign", "--config", str(config), path]
            signed = subprocess.run(
                command, env=environment(swift.environ), capture_output=True, text=True, check=True, timeout=20
            )
            target = signed.stdout.strip() + ("?zip" if content is None else "")
            whole = fetch(one.url + target)
            assert whole.status == 200
            assert content is None or whole.content == content
            rest = fetch(other.url + target, {"Range": "bytes=700000-", "If-Range": whole.fields["etag"]})
            assert (rest.status, rest.content) == (206, whole.content[700000:])


BALANCED = """
daemon off;
master_process off;
pid {here}/nginx.pid;
error_log {here}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    upstream replicas {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""


def downloaded(url: str, stop: threading.Event) -> bytes:
    """As a client does that resumes whatever breaks off."""
    content, etag = b"", ""
    for _ in range(40):
        fields = {"Range": f"bytes={len(content)}-", "If-Range": etag} if content else {}
        try:
            answer = fetch(url, fields)
        except (OSError, http.client.HTTPException):
            stop.wait(0.05)
            continue
        if answer.status in (200, 206):
            content = content + answer.content if answer.status == 206 else answer.content
            etag = answer.fields["etag"]
            if answer.complete:
                return content
    raise AssertionError("it never came to an end")


def test_a_replica_that_is_killed_under_load_costs_nobody_a_download(swift: Swift, tmp_path: Path) -> None:
    """Two over one store and one database, behind nginx."""
    require("nginx")
    pytest.importorskip("asyncpg")
    with ExitStack() as stack:
        database = stack.enter_context(postgres_server())
        psql(database, "CREATE TABLE users (id int PRIMARY KEY, name text, email text, created_at text);")
        arguments = (f"s3://{BUCKET}/data", "--database-url", database, "--rate-limit", "20M")
        one, other = (stack.enter_context(serving(*arguments, environ=swift.environ)) for _ in range(2))
        port = free_port()
        servers = " ".join(f"server {urlsplit(each.url).netloc} fail_timeout=1s;" for each in (one, other))
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(BALANCED.format(here=tmp_path, servers=servers, port=port))
        stack.enter_context(running(configuration, port))
        url = f"http://127.0.0.1:{port}"
        assert fetch(f"{url}/export/users").content == fetch(f"{one.url}/export/users").content
        stop = threading.Event()
        targets = ["/download/big.bin", "/download/bundle/many", "/download/bundle/large?recursive=true"] * 2
        wanted = {target: fetch(other.url + target).content for target in targets}
        with ThreadPoolExecutor(len(targets)) as pool:
            running_ = {pool.submit(downloaded, url + target, stop): target for target in targets}
            time.sleep(0.3)
            one.process.kill()
            for future, target in running_.items():
                assert future.result() == wanted[target]
        assert fetch(f"{url}/export/users").status == 200
        assert one.process.wait(10) == -signal.SIGKILL


# What goes wrong


def reading(url: str) -> socket.socket:
    """A client that has begun to read a large object, and does not go on."""
    parts = urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    client.settimeout(20)
    client.connect((parts.hostname, parts.port))
    client.sendall(b"GET /download/big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(1000).startswith(b"HTTP/1.1 200")
    return client


def told_once(served: Served) -> int:
    return served.stop()


def told_twice(served: Served) -> int:
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)  # longer than what counts as one word
    return served.stop()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("end", [told_once, told_twice])
def test_it_ends_well_during_many_streams(swift: Swift, end: Callable[[Served], int], workers: str) -> None:
    flags = ("--graceful-timeout", "1s", "--workers", workers)
    with serving(f"s3://{BUCKET}/data", *flags, environ=swift.environ) as served, ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(closing(reading(served.url)))
        assert end(served) == 0


def test_workers_are_replaced_while_they_serve(swift: Swift) -> None:
    with serving(f"s3://{BUCKET}/data", "--workers", "2", environ=swift.environ) as served:
        for _ in range(3):
            assert fetch(f"{served.url}/download/big.bin").content == BIG
            served.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
        assert fetch(f"{served.url}/download/big.bin").content == BIG
        assert served.stop() == 0


def test_clients_that_leave_leave_nothing_behind(swift: Swift) -> None:
    with serving(f"s3://{BUCKET}/data", environ=swift.environ) as served:
        assert fetch(f"{served.url}/download/big.bin").complete
        before = descriptors(served.process.pid)
        for _ in range(40):
            reading(served.url).close()
        deadline = time.monotonic() + 10
        while descriptors(served.process.pid) > before + 8:  # idle connections to the store may be kept
            assert time.monotonic() < deadline
            time.sleep(0.05)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_store_that_hangs_and_comes_back(swift: Swift) -> None:
    with serving(f"s3://{BUCKET}/data", "--store-timeout", "1s", environ=swift.environ) as served:
        assert fetch(f"{served.url}/file/page.html").status == 200
        swift.signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            answer = fetch(f"{served.url}/file/page.html")
            assert (answer.status, answer.fields["retry-after"]) == (503, "1")
            assert time.monotonic() - begun < 3
            assert fetch(f"{served.url}/readyz").status == 503
            assert fetch(f"{served.url}/livez").status == 200
        finally:
            swift.signal(signal.SIGCONT)
        assert fetch(f"{served.url}/file/page.html").status == 200
        assert fetch(f"{served.url}/readyz").status == 200


def test_a_store_that_is_not_there_at_the_start_is_found_later(swift: Swift) -> None:
    swift.stop("proxy")
    with serving(f"s3://{BUCKET}/data", environ=swift.environ) as served:
        begun = time.monotonic()
        assert fetch(f"{served.url}/file/page.html").status == 503
        assert fetch(f"{served.url}/readyz").status == 503
        assert time.monotonic() - begun < 8
        swift.start("proxy")
        swift.wait()
        assert fetch(f"{served.url}/file/page.html").status == 200
        assert fetch(f"{served.url}/readyz").status == 200


def test_a_client_slower_than_any_timeout_gets_all_of_it(swift: Swift) -> None:
    with serving(f"s3://{BUCKET}/data", "--store-timeout", "500ms", environ=swift.environ) as served:
        with closing(reading(served.url)) as client:
            time.sleep(2)
            got = 1000
            while got < len(BIG) and (block := client.recv(1 << 20)):
                got += len(block)
        assert got >= len(BIG)


@pytest.mark.parametrize("sizes", [(3 << 20, (3 << 20) + 1)])
def test_while_it_is_written_over_and_over_every_answer_is_of_one_version(
    streamed: str, swift: Swift, sizes: tuple[int, int]
) -> None:
    versions = [pattern(size, b"%d" % size) for size in sizes]
    statuses = []
    for number in range(20):
        swift.put(BUCKET, "data/downloads/changing", versions[number % 2])
        for fields in ({}, {"If-None-Match": '"x"'}, {"Range": "bytes=0-9,2000000-"}):
            answer = fetch(f"{streamed}/download/changing", fields)
            statuses.append(answer.status)
            if answer.status == 200 and answer.complete:
                assert answer.content in versions
    assert set(statuses) <= {200, 206, 503}
    assert statuses.count(503) < 5


def test_while_somebody_writes_no_answer_is_of_two_versions(url: str, swift: Swift) -> None:
    """As fast as can be, beside those who read; what comes to its end is of one version, whoever has sent it."""
    versions = [pattern(1 << 20, b"first"), pattern((1 << 20) + 1, b"second")]
    swift.put(BUCKET, "data/downloads/contested", versions[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                swift.put(BUCKET, "data/downloads/contested", version)

    statuses = []
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(15):
            for fields in ({}, {"If-None-Match": '"x"'}, {"Range": "bytes=0-9,1000000-1000009"}):
                answer = followed(f"{url}/download/contested", fields)
                statuses.append(answer.status)
                if answer.status == 200 and answer.complete:
                    assert answer.content in versions
                elif answer.status == 206 and answer.complete:
                    parts = [
                        (each[:10] in answer.content, each[1000000:1000010] in answer.content) for each in versions
                    ]
                    assert sorted(parts) == [(False, False), (True, True)]
    finally:
        stop.set()
        writer.join()
    assert set(statuses) <= {200, 206, 503}
    assert statuses.count(200) > 10


def test_nothing_secret_is_shown(swift: Swift) -> None:
    secrets = [swift.environ[name] for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    wrong = {**swift.environ, "AWS_SECRET_ACCESS_KEY": "WrongSecretOfOurs"}
    command = [sys.executable, "-m", "asgi_downloads", "check-config", f"s3://{BUCKET}/data"]
    shown = subprocess.run(command, env=environment(wrong), capture_output=True, text=True, check=True, timeout=20)
    assert f'data_dir = "s3://{BUCKET}/data"' in shown.stdout
    with serving(f"s3://{BUCKET}/data", environ=wrong) as served:
        said = [
            shown.stdout,
            *(fetch(f"{served.url}{path}").content.decode() for path in ("/file/page.html", "/readyz")),
        ]
        said.append(served.errors)
    assert "403 SignatureDoesNotMatch" in served.line or any("403 SignatureDoesNotMatch" in text for text in said)
    assert not [text for text in said for secret in (*secrets, "WrongSecretOfOurs") if secret in text]
