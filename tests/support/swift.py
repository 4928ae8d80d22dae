"""OpenStack's Swift with its S3 API, of the tests' own: made, started, stopped and removed by them, on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from configparser import RawConfigParser
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from asgi_downloads.storage.objects.sigv4 import Signer
from tests.support.nginx import free_port
from tests.support.tools import require

KEY_ID, SECRET, NOBODY = "test:tester", "testing", "test:nobody"

_KINDS = ("account", "container", "object")
_PIPELINE = "catch_errors gatekeeper cache listing_formats bulk s3api tempauth copy slo versioned_writes symlink"

_RINGS = """
import os, sys
from swift.common.ring import RingBuilder
for kind, port in zip(("account", "container", "object"), sys.argv[2:]):
    at = {"ip": "127.0.0.1", "port": int(port), "replication_ip": "127.0.0.1", "replication_port": int(port)}
    ring = RingBuilder(1, 1, 0)
    ring.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "d", "meta": "", **at})
    ring.rebalance()
    ring.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
"""


@dataclass
class Swift:
    """Five processes; what they keep lies in `here`."""

    here: Path
    port: int
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """What a client of S3's is told of it by."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def put(self, bucket: str, key: str, content: bytes, modified: float | None = None) -> None:
        """Write an object, or with an empty key make the bucket; `modified` is in seconds since the epoch."""
        if modified is not None:
            self._put_at(f"{bucket}/{key}", content, modified)
            return
        status, said = self.ask("PUT", f"/{bucket}/{key}" if key else f"/{bucket}", content)
        assert status == 200 or (status == 409 and not key), (status, said)  # 409: it is there

    def _put_at(self, path: str, content: bytes, modified: float) -> None:
        """By Swift's own protocol, which lets a client say the time, and the proxy that lets everybody do anything."""
        url = f"http://127.0.0.1:{self.ports['trusting']}/v1/AUTH_test/{quote(path)}"
        request = urllib.request.Request(url, content, {"X-Timestamp": f"{modified:.5f}"}, method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def delete(self, bucket: str, key: str) -> None:
        status, said = self.ask("DELETE", f"/{bucket}/{key}")
        assert status == 204, (status, said)

    def ask(
        self, method: str, path: str, content: bytes | None = None, fields: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One signed request: status and content."""
        signer = Signer.of(self.environ)
        assert signer is not None
        url = signer.sign(method, path, {}, time.time())
        request = urllib.request.Request(url, content, dict(fields or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def signal(self, number: int, name: str = "proxy") -> None:
        """SIGSTOP makes one that hangs, SIGCONT lets it go on."""
        self.processes[name].send_signal(number)

    def start(self, name: str) -> None:
        program = shutil.which(f"swift-{name.replace('trusting', 'proxy')}-server")
        assert program is not None
        with (self.here / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [program, str(self.here / f"{name}.conf")], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()

    def wait(self, seconds: float = 60) -> None:
        """Until a signed request is answered; the servers behind first, for the proxy remembers who has failed it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                for port in self.ports.values():
                    socket.create_connection(("127.0.0.1", port), 5).close()
                if self.ask("GET", "/")[0] == 200:
                    return
            except OSError:
                pass
            logs = "\n".join(path.read_text()[-2000:] for path in self.here.glob("*.log"))
            assert all(process.poll() is None for process in self.processes.values()), logs
            assert time.monotonic() < deadline, logs
            time.sleep(0.05)


@contextmanager
def swift_server() -> Iterator[Swift]:
    """A running Swift without a bucket; skips where it is not installed."""
    require(*(f"swift-{kind}-server" for kind in (*_KINDS, "proxy")))
    here = Path(tempfile.mkdtemp(prefix="swift-"))
    swift = Swift(here, free_port(), {kind: free_port() for kind in (*_KINDS, "trusting")})
    try:
        (here / "devices" / "d").mkdir(parents=True)
        (here / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\n")
        for kind in _KINDS:
            main = {"pipeline": f"{kind}-server"}
            app = {f"app:{kind}-server": {"use": f"egg:swift#{kind}"}}
            _write(here, kind, swift.ports[kind], {"pipeline:main": main, **app})
        _write(here, "proxy", swift.port, _proxy(*_PIPELINE.split()))
        _write(here, "trusting", swift.ports["trusting"], _proxy("catch_errors", "gatekeeper"))
        _run_python_of_swift(_RINGS, str(here), *(str(swift.ports[kind]) for kind in _KINDS))
        for name in (*_KINDS, "trusting", "proxy"):
            swift.start(name)
        swift.wait()
        yield swift
    finally:
        for name in list(swift.processes):
            swift.stop(name)
        shutil.rmtree(here)


def _proxy(*names: str) -> dict[str, dict[str, str]]:
    filters = {
        "gatekeeper": {"shunt_inbound_x_timestamp": "false"},
        "cache": {"use": "egg:swift#memcache", "memcache_servers": "127.0.0.1:9"},  # nobody there: it does without
        "s3api": {"location": "us-east-1", "dns_compliant_bucket_names": "false", "min_segment_size": "1"},
        "tempauth": {
            "user_test_tester": f"{SECRET} .admin",
            "user_test_nobody": SECRET,
        },
        "versioned_writes": {"allow_versioned_writes": "true", "allow_object_versioning": "true"},
    }
    return {
        "pipeline:main": {"pipeline": " ".join((*names, "proxy-server"))},
        "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": "true", "client_chunk_size": "262144"},
        **{f"filter:{name}": {"use": f"egg:swift#{name}", **filters.get(name, {})} for name in names},
    }


def _write(here: Path, name: str, port: int, sections: Mapping[str, Mapping[str, str]]) -> None:
    config = RawConfigParser()
    config["DEFAULT"] = {
        "bind_ip": "127.0.0.1",
        "bind_port": str(port),
        "workers": "0",
        "user": os.environ.get("USER") or "root",
        "swift_dir": str(here),
        "devices": str(here / "devices"),
        "mount_check": "false",
        "disable_fallocate": "true",
        "fallocate_reserve": "0",
    }
    config.read_dict(sections)
    with (here / f"{name}.conf").open("w") as file:
        config.write(file)


def _run_python_of_swift(code: str, *arguments: str) -> None:
    """Run code with the packages that Swift's own programs have."""
    program = Path(shutil.which("swift-proxy-server") or "").resolve()
    python = program.read_text().partition("\n")[0].removeprefix("#!").split()
    subprocess.run([*python, "-c", code, *arguments], check=True, timeout=60)
