"""A TOML file with an operator's own directories and queries, served behind nginx."""

import csv
import io
import json
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.nginx import Site, behind_nginx
from tests.support.postgres import postgres_server, psql
from tests.support.tools import require

TOML = """
[[directories]]
url = "/media"
path = "{root}/media"
bundle = true
[[directories]]
url = "/t/ools"
path = "{root}/tools"
show = "download"
hide = ["*.key"]
accel_prefix = "/_tools/"
cache_control = "max-age=60"
[[directories]]
url = "/films"
path = "{root}/films"
show = "video"

[exports.people]
sql = "SELECT id, name FROM people WHERE id >= :first ORDER BY id"
database_url = "sqlite:///{root}/people.db"
parameters = {{first = {{type = "integer", default = 0}}}}
[exports.orders]
sql = "SELECT id, at::date AS day FROM orders WHERE at >= :since AND region = :region -- :not"
database_url = "{postgres}"
[exports.orders.parameters]
since = {{type = "datetime", required = true}}
region = {{type = "text", choices = ["eu", "us"], default = "eu"}}
[exports.wrong]
sql = "SELECT no_such FROM people"
database_url = "sqlite:///{root}/people.db"
"""


@dataclass(frozen=True)
class Own:
    site: Site
    root: Path

    def curl(self, path: str, *options: str) -> "subprocess.CompletedProcess[bytes]":
        command = ["curl", "-sS", "--path-as-is", *options, self.site.url + path]
        return subprocess.run(command, capture_output=True, timeout=30, check=False)

    def get(self, path: str, *options: str) -> bytes:
        answer = self.curl(path, "-f", *options)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def status(self, path: str, *options: str) -> int:
        return int(self.curl(path, "-o", "/dev/null", "-w", "%{http_code}", *options).stdout)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    require("curl")
    root = tmp_path_factory.mktemp("own")
    for name in (
        "media/a/b/c/d/deep.bin",
        "media/.hidden",
        "tools/tool.sh",
        "tools/secret.key",
        "films/film.mp4",
        "out",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode() * 10_000)  # more than the service keeps ready
        (root / name).chmod(0o644)
    (root / "data").mkdir()
    (root / "media" / "a" / "link").symlink_to("b/c/d/deep.bin")
    (root / "media" / "a" / "out").symlink_to(root / "out")
    for directory in (root, *root.parents[:-1]):
        directory.chmod(directory.stat().st_mode | 0o055)
    with closing(sqlite3.connect(root / "people.db")) as database, database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
        database.executemany("INSERT INTO people VALUES (?, ?)", [(n, f"n{n}") for n in range(1000)])
    with postgres_server() as postgres:
        psql(
            postgres,
            "CREATE TABLE orders (id int, at timestamptz, region text);"
            "INSERT INTO orders VALUES (1, '2026-01-01Z', 'eu'), (2, '2026-02-01Z', 'eu'), (3, '2026-03-01Z', 'us')",
        )
        config = root / "own.toml"
        config.write_text(TOML.format(root=root, postgres=postgres))
        with behind_nginx(root / "run", root / "data", "--config", str(config)) as site:
            yield Own(site, root)


def test_the_start_tells_of_the_query_that_is_wrong_and_serves_the_rest(own: Own) -> None:
    lines = [line for line in own.site.served.errors.splitlines() if "exports." in line]
    assert len(lines) == 1
    assert "exports.wrong: answers 500, for its query cannot be run: no such column: no_such" in lines[0]
    assert own.status("/export/wrong") == 500


def test_files_at_any_depth(own: Own) -> None:
    deep = (own.root / "media/a/b/c/d/deep.bin").read_bytes()
    assert own.get("/media/a/b/c/d/deep.bin") == deep
    assert own.get("/media/a/b/c/d/deep.bin", "-r", "5-9") == deep[5:10]
    assert own.get("/media/a/link") == deep
    assert own.get("/films/film.mp4").startswith(b"films/film.mp4")
    head = own.curl("/t/ools/tool.sh", "-I").stdout.lower()
    assert b"content-disposition: attachment" in head
    assert b"cache-control: max-age=60" in head
    assert own.get("/t/ools/tool.sh") == (own.root / "tools/tool.sh").read_bytes()


HIDDEN = [
    "/media/.hidden",
    "/t/ools/secret.key",
    "/t/ools/SECRET.KEY",
    "/media/a/out",
    "/media/",
    "/media",
    "/media/a",
    "/media/none",
    "/films/.hidden",
]
ATTACKS = [
    "/media/../out",
    "/media/a/../../out",
    "/media/%2e%2e/out",
    "/media/%2e%2e%2fout",
    "/media/a%2fb%2fc%2fd%2fdeep.bin",
    "/media/..%2fout",
    "/media/a/b/c/d/../../../../../out",
    "/media//etc/hostname",
    "/media/%2fetc%2fhostname",
    "/media/a/%00",
    "/media/a\\..\\..\\out",
    "/media/%c0%ae%c0%ae/out",
    "/_tools/tool.sh",
    "/_tools/../out",
    "/t/ools/..;/out",
]


@pytest.mark.parametrize("path", HIDDEN + ATTACKS)
def test_nothing_else_is_there(path: str, own: Own) -> None:
    answer = own.curl(path, "-w", "%{http_code}")
    assert answer.stdout[-3:] in (b"404", b"400")
    assert b"outout" not in answer.stdout


def test_a_folder_is_an_archive_that_resumes(own: Own) -> None:
    whole = own.get("/media/a/?zip")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.namelist() == ["link", "b/c/d/deep.bin"]
        assert archive.testzip() is None
    assert own.get("/media/a/?zip", "-r", "100-") == whole[100:]
    assert own.status("/t/ools/?zip") == 404


def test_queries_of_both_databases(own: Own) -> None:
    people = list(csv.reader(io.StringIO(own.get("/export/people?first=990").decode())))
    assert people == [["id", "name"], *([str(n), f"n{n}"] for n in range(990, 1000))]
    orders = own.get("/export/orders?since=2026-01-15&format=jsonl")
    assert [json.loads(line) for line in orders.splitlines()] == [{"id": 2, "day": "2026-02-01"}]
    assert own.get("/export/orders?since=2020-01-01&region=us").splitlines()[1:] == [b"3,2026-03-01"]
    assert own.status("/export/orders") == 422
    assert own.status("/export/orders?since=2026-01-15&region=' OR 1=1".replace(" ", "%20")) == 422
    assert own.status("/export/people?first=x") == 422


def test_nginx_sends_what_it_may(own: Own) -> None:
    own.get("/t/ools/tool.sh", "-H", "X-Request-ID: by-nginx")
    assert '"sent_by":"nginx"' in own.site.logged("by-nginx")
