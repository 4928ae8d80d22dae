"""Reports over real sockets: those who left are not served before those who stay."""

import http.client
import socket
import sqlite3
import struct
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.serving import serving

LEFT = 200


def ask(port: int) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request("GET", "/reports/generate/7")
        answer = client.getresponse()
        answer.read()
        return answer.status


@pytest.mark.slow
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_reports_that_nobody_waits_for_are_not_made(reset: bool, tmp_path: Path) -> None:
    """Those of all who left would take minutes: no two neighbours in a name have the same font."""
    pytest.importorskip("reportlab")
    with closing(sqlite3.connect(tmp_path / "app.db")) as database, database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name, email, created_at)")
        row = ("a山" * 100, "", "2024-01-01T00:00:00Z")
        database.executemany("INSERT INTO users (name, email, created_at) VALUES (?, ?, ?)", [row] * 40)
    with serving(tmp_path) as served:
        port = urlsplit(served.url).port or 0
        assert ask(port) == 200  # and with it the worker process is there
        began = time.monotonic()
        assert ask(port) == 200
        alone = time.monotonic() - began
        for _ in range(LEFT):
            with socket.create_connection(("127.0.0.1", port), 20) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", reset, 0))
                sock.sendall(b"GET /reports/generate/7 HTTP/1.1\r\nHost: h\r\n\r\n")
        began = time.monotonic()
        while (status := ask(port)) == 503:
            pass
        assert status == 200
        assert time.monotonic() - began < LEFT / 4 * alone
