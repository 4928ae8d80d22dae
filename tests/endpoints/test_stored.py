"""Every URL of stored files: what it serves, as what, under which name."""

import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asgi_downloads.asgi.extensions import EXACT_DATE
from asgi_downloads.asgi.types import Message
from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.errors import FileChanged
from asgi_downloads.storage.files.openfile import OpenFile
from tests.endpoints.conftest import FILES
from tests.support.asgi import exchange


@dataclass(frozen=True)
class Serves:
    target: str
    file: str
    content_type: bytes
    fields: dict[bytes, bytes] = field(default_factory=dict)


NOSNIFF = {b"x-content-type-options": b"nosniff"}


def named(kind: str, value: str) -> dict[bytes, bytes]:
    return {b"content-disposition": f"{kind}; {value}".encode(), **NOSNIFF}


BYTES = b"application/octet-stream"
SANDBOX = b"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; sandbox"

SERVES = [
    Serves("/download/a.bin", "downloads/a.bin", BYTES, named("attachment", 'filename="a.bin"')),
    Serves(
        "/download/two words.txt",
        "downloads/two words.txt",
        BYTES,
        named("attachment", "filename=\"two words.txt\"; filename*=UTF-8''two%20words.txt"),
    ),
    Serves("/download/empty", "downloads/empty", BYTES, named("attachment", 'filename="empty"')),
    Serves("/download/large/big.bin", "large-files/big.bin", BYTES, named("attachment", 'filename="big.bin"')),
    Serves("/download/async/notes.txt", "files/notes.txt", BYTES, named("attachment", 'filename="notes.txt"')),
    Serves("/file/notes.txt", "files/notes.txt", b"text/plain; charset=utf-8", named("inline", 'filename="notes.txt"')),
    Serves(
        "/file/page.html",
        "files/page.html",
        b"text/html; charset=utf-8",
        {**named("inline", 'filename="page.html"'), b"content-security-policy": SANDBOX},
    ),
    Serves(
        "/file/page.html?download=yes",
        "files/page.html",
        b"text/html; charset=utf-8",
        named("attachment", 'filename="page.html"'),
    ),
    Serves(
        "/file/archive.tar.gz",
        "files/archive.tar.gz",
        b"application/gzip",
        named("inline", 'filename="archive.tar.gz"'),
    ),
    Serves("/preview/picture.png", "files/picture.png", b"image/png", named("inline", 'filename="picture.png"')),
    Serves("/preview/page.html", "files/page.html", BYTES, named("inline", 'filename="page.html"')),
    Serves("/video/film.mp4", "videos/film.mp4", b"video/mp4", NOSNIFF),
    Serves("/video/film.webm", "videos/film.webm", b"video/mp4", NOSNIFF),
    Serves(
        "/reports/q1",
        "reports/q1.pdf",
        b"application/pdf",
        {
            **named("attachment", 'filename="report-q1.pdf"'),
            b"cache-control": b"private, max-age=3600",
            b"x-report-id": b"q1",
        },
    ),
]


@pytest.mark.parametrize("extensions", [(), (EXACT_DATE,)], ids=["any-server", "our-server"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("case", SERVES, ids=lambda case: case.target)
def test_a_file_is_served_with_its_fields(
    case: Serves, method: str, extensions: tuple[str, ...], app: Application
) -> None:
    answer = exchange(app, case.target, method, extensions=extensions)
    headers = answer.headers
    assert answer.status == 200
    assert re.fullmatch(rb'"[!#-~]+"', headers.pop(b"etag"))
    assert headers == {
        b"content-type": case.content_type,
        b"content-length": b"%d" % len(FILES[case.file]),
        b"accept-ranges": b"bytes",
        b"last-modified": b"Tue, 14 Nov 2023 22:13:20 GMT",
        b"cache-control": b"no-cache",
        **case.fields,
    }
    assert bytes(answer.content) == (FILES[case.file] if method == "GET" else b"")
    assert answer.complete


FILE_URLS = {
    "/download/{}": ("downloads", "File not found"),
    "/download/large/{}": ("large-files", "File not found"),
    "/download/async/{}": ("files", "File not found"),
    "/file/{}": ("files", "File not found"),
    "/preview/{}": ("files", "File not found"),
    "/video/{}": ("videos", "Video not found"),
    "/reports/{}": ("reports", "Report not found"),
}


@pytest.mark.parametrize("url", FILE_URLS)
@pytest.mark.parametrize("name", ["missing", ".", "x" * 4000, "\ufffd", "..\\outside", "..;", "%2e%2e"])
def test_what_is_not_there_is_404_in_the_words_of_its_url(url: str, name: str, app: Application) -> None:
    answer = exchange(app, url.format(name))
    assert answer.status == 404
    assert json.loads(answer.content) == {"detail": FILE_URLS[url][1]}


@pytest.mark.parametrize("url", [url for url in FILE_URLS if url != "/reports/{}"])
@pytest.mark.parametrize("name", ["..", "a\0b"])
def test_what_is_no_name_beneath_the_root_is_400(url: str, name: str, app: Application) -> None:
    answer = exchange(app, url.format(name))
    assert (answer.status, json.loads(answer.content)) == (400, {"detail": "Invalid file path"})


@pytest.mark.parametrize("url", FILE_URLS)
@pytest.mark.parametrize("target", ["../outside", "../nothing", "/etc/passwd", ".."])
def test_a_link_that_leaves_its_directory_is_refused_alike(url: str, target: str, data: Path, app: Application) -> None:
    (data / FILE_URLS[url][0] / "link.pdf").symlink_to(target)
    answer = exchange(app, url.format("link" if "reports" in url else "link.pdf"))
    assert (answer.status, json.loads(answer.content)) == (400, {"detail": "Invalid file path"})


@pytest.mark.parametrize("url", FILE_URLS)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_what_is_no_regular_file_is_not_there(url: str, make: object, data: Path, app: Application) -> None:
    assert callable(make)
    make(data / FILE_URLS[url][0] / "odd.pdf")
    assert exchange(app, url.format("odd" if "reports" in url else "odd.pdf")).status == 404


def test_a_link_to_a_file_inside_has_the_name_that_was_asked(data: Path, app: Application) -> None:
    (data / "files" / "link.html").symlink_to("notes.txt")
    answer = exchange(app, "/file/link.html")
    assert answer.content == FILES["files/notes.txt"]
    assert answer.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert answer.headers[b"content-disposition"] == b'inline; filename="link.html"'


@pytest.mark.parametrize("target", ["/file/missing?download=perhaps", "/file/..?download=perhaps"])
def test_a_bad_parameter_is_told_before_any_file_is_looked_up(target: str, app: Application) -> None:
    assert exchange(app, target).status == 422


def test_report_ids_of_any_script_make_an_ascii_field(data: Path, app: Application) -> None:
    (data / "reports" / "отчёт\n.pdf").write_bytes(b"%PDF-")
    answer = exchange(app, "/reports/отчёт\n")
    assert answer.status == 200
    assert answer.headers[b"x-report-id"] == b"%D0%BE%D1%82%D1%87%D1%91%D1%82%0A"


def test_a_file_of_this_second_is_never_modified_later_than_date_says(data: Path, app: Application) -> None:
    """A server that is not ours may send a Date of some time ago; ours makes it when the head is written."""
    path = data / "downloads" / "a.bin"
    os.utime(path)
    assert b"last-modified" not in exchange(app, "/download/a.bin").headers
    assert b"last-modified" in exchange(app, "/download/a.bin", extensions=(EXACT_DATE,)).headers
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    assert b"last-modified" not in exchange(app, "/download/a.bin").headers
    sent = exchange(app, "/download/a.bin", extensions=(EXACT_DATE,)).headers[b"last-modified"].decode()
    assert time.mktime(time.strptime(sent, "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone <= time.time()


@pytest.mark.parametrize(("etag", "same"), [("strict", False), ("portable", True)])
def test_a_copy_with_size_and_time_kept_is_another_file_unless_tags_are_portable(
    etag: str, same: bool, data: Path
) -> None:
    app = create_app(Settings(data_dir=data, etag=etag))
    path = data / "downloads" / "a.bin"
    before = exchange(app, "/download/a.bin").headers[b"etag"]
    facts = path.stat()
    path.write_bytes(b"DOWNLOAD")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (exchange(app, "/download/a.bin").headers[b"etag"] == before) is same


def test_a_digest_of_the_whole_comes_with_any_part_that_asks(app: Application) -> None:
    headers = [(b"want-repr-digest", b"sha-256=5"), (b"range", b"bytes=0-3")]
    answer = exchange(app, "/download/a.bin", headers=headers)
    assert answer.status == 206
    assert answer.headers[b"repr-digest"] == b"sha-256=:aP9j+4Lg5d/sKoSWv5r+9gitY57VUudAJo61N/pSBn8=:"


@pytest.mark.parametrize(("times", "status"), [(0, 200), (1, 200), (3, 200), (4, 503)])
def test_a_file_that_changes_while_its_few_bytes_are_read_is_opened_again(
    times: int, status: int, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log, in the midst of a write(2), has a new time and its old size for a moment."""
    changes = iter([FileChanged] * times)

    def check(file: OpenFile) -> None:
        if change := next(changes, None):
            raise change

    monkeypatch.setattr(OpenFile, "check", check)
    assert exchange(app, "/download/a.bin").status == status


def test_websockets_are_refused(app: Application) -> None:
    import asyncio

    sent: list[object] = []

    async def run() -> None:
        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(event: Message) -> None:
            sent.append(event)

        await app({"type": "websocket", "path": "/"}, receive, send)

    asyncio.run(run())
    assert sent == [{"type": "websocket.close"}]
