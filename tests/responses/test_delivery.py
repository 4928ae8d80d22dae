"""With a prefix for nginx, whole files are handed over by name; everything to be decided stays ours."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.settings import Settings
from tests.endpoints.conftest import FILES
from tests.support.asgi import exchange


@pytest.fixture
def offloading(data: Path) -> Application:
    return create_app(Settings(data_dir=data, accel_prefix="/_files/"))


@dataclass(frozen=True)
class Case:
    target: str
    path: bytes


CASES = [
    Case("/download/a.bin", b"/_files/downloads/a.bin"),
    Case("/download/two words.txt", b"/_files/downloads/two%20words.txt"),
    Case("/download/large/big.bin", b"/_files/large-files/big.bin"),
    Case("/file/page.html", b"/_files/files/page.html"),
    Case("/reports/q1", b"/_files/reports/q1.pdf"),
    Case("/video/film.mp4", b"/_files/videos/film.mp4"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.target)
def test_a_whole_file_is_named_to_nginx_with_all_the_fields_it_would_have(
    case: Case, app: Application, offloading: Application
) -> None:
    ours = exchange(app, case.target).headers
    for _ in range(2):
        answer = exchange(offloading, case.target)
        assert answer.content == b""
        assert answer.headers == {**ours, b"content-length": b"0", b"x-accel-redirect": case.path}


@pytest.mark.parametrize("name", ["100%.txt", "a?b", "a#b", "%2e%2e", "é", "a\nb", "\\"])
def test_a_name_stays_one_name_when_nginx_decodes_it(name: str, data: Path, offloading: Application) -> None:
    (data / "downloads" / name).write_bytes(b"x")
    answer = exchange(offloading, f"/download/{name}", literal=True)
    location = answer.headers[b"x-accel-redirect"].decode()
    assert location.isascii()
    assert "?" not in location
    assert unquote(location) == f"/_files/downloads/{name}"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("HEAD", [], 200),
        ("GET", [(b"range", b"bytes=0-3")], 206),
        ("GET", [(b"range", b"lines=0-3")], 200),
        ("GET", [(b"if-none-match", b"*")], 304),
        ("GET", [(b"if-match", b'"other"')], 412),
        ("GET", [(b"if-modified-since", b"Tue, 14 Nov 2023 22:13:19 GMT")], 200),
        ("GET", [(b"want-repr-digest", b"sha-256=1")], 200),
    ],
)
def test_what_there_is_to_decide_is_answered_by_ourselves(
    method: str, headers: list[tuple[bytes, bytes]], status: int, app: Application, offloading: Application
) -> None:
    ours = exchange(app, "/download/a.bin", method, headers=headers)
    answer = exchange(offloading, "/download/a.bin", method, headers=headers)
    assert answer.status == status
    assert (answer.headers, answer.content) == (ours.headers, ours.content)


def test_an_empty_file_needs_no_nginx(offloading: Application) -> None:
    assert exchange(offloading, "/download/empty").headers[b"content-length"] == b"0"
    assert b"x-accel-redirect" not in exchange(offloading, "/download/empty").headers


@pytest.mark.parametrize("name", [b"x-accel-redirect", b"x-sendfile-type", b"x-accel-mapping"])
def test_such_fields_of_a_request_are_not_heard(name: bytes, app: Application) -> None:
    answer = exchange(app, "/download/a.bin", headers=[(name, b"/etc/passwd")])
    assert answer.content == FILES["downloads/a.bin"]
    assert not any(b"accel" in field for field in answer.headers)
