"""The sample tree on disk. It appears whole or not at all, and never on top of anything."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from asgi_downloads.demo import gif, jpeg, pdf, pixels, png, users, video

MARK = "DEMO.txt"
"""Says what the directory is, to people and to us; no URL leads to it."""

WRITTEN = 1735689600
"""Every file's mtime, 2025-01-01T00:00:00Z: Last-Modified, portable ETags and ZIPs are the same everywhere."""

LARGE = 8 << 20

_ABOUT = """\
Sample files for asgi-downloads, made by `asgi-downloads demo`.
Delete the directory and make it again to have it as it was.
"""

_TEXT = """\
A plain text file.

It has a few lines, some of them with letters beyond ASCII:
  naïve café, Ελλάδα, данные, 日本語, 🦊.
"""

_HTML = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A page</title>
<h1>A page</h1>
<p id="said">No script of this page runs when it is shown inline.</p>
<script>document.getElementById("said").textContent = "A script ran.";</script>
</html>
"""

_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 160" width="240" height="160">
  <rect width="240" height="160" fill="#283c96"/>
  <circle cx="80" cy="107" r="48" fill="#ffbe28"/>
  <path d="M0 107h240v53H0z" fill="#1b2a63" opacity=".6"/>
</svg>
"""

_TABLE = "city,people\r\nМосква,13104177\r\n東京,14094034\r\nMünchen,1510378\r\n"  # noqa: RUF001 - Cyrillic is meant

REPORTS = ("1", "42", "2024-q4")


class DemoError(Exception):
    """The sample tree cannot be made there; the text is one line."""


def write_demo(directory: Path, users: int = 1000) -> None:
    """Make the sample tree with a database of `users` users as `directory`, new or still empty.

    Raises `DemoError`; then `directory` is as it was.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DemoError(f"{str(directory)!r} is there already and not empty; nothing was written")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
        try:
            _fill(made, users)
            made.rename(directory)  # POSIX: takes the place of an empty directory, and of no other
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise DemoError(f"{str(directory)!r} cannot be made: {error.strerror}") from error


def is_demo(directory: Path) -> bool:
    """Whether `write_demo` made this directory."""
    return (directory / MARK).is_file()


COMMANDS = (
    ("-OJ", "/download/report.pdf"),
    ("-OJ", "/download/meeting notes.txt"),
    ("-OJ", "/download/данные.csv"),
    ("-OJ", "/download/large/sample-8M.bin"),
    ("-OJ", "/download/async/notes.txt"),
    ("-OJ", "/download/bundle/holiday"),
    ("-I", "/file/photo.jpg"),
    ("-I", "/preview/report.pdf"),
    ("-r 0-1023 -o start.mp4", "/video/sample.mp4"),
    ("-OJ", "/reports/2024-q4"),
    ("-OJ", "/reports/generate/7"),
    ("-OJ", "/export/users"),
    ("-OJ", "/export/data"),
    ("", "/healthz"),
)
"""What to try first: options of curl, and a path."""


def commands(curl: str, base: str) -> Iterator[str]:
    """`COMMANDS` as lines for a shell, for a service that shows the sample tree at the URL `base`."""
    for options, path in COMMANDS:
        yield " ".join(filter(None, (curl, options, base + quote(path))))


def _fill(root: Path, count: int) -> None:
    for name, content in _files():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "bundles" / "empty").mkdir()
    users.write(root / "app.db", count)
    root.chmod(0o755)  # mkdtemp's is 0700, and the server may be another user
    for folder, _, names in os.walk(root, topdown=False):
        for name in (*names, ""):
            os.utime(os.path.join(folder, name), (WRITTEN, WRITTEN))


def _files() -> Iterator[tuple[str, bytes]]:
    """Every file but the database, by its path in the tree."""
    text = _TEXT.encode()
    report = pdf.encode("Annual report", [f"{year}: {year * 37 % 1000} downloads" for year in range(1995, 2025)])
    picture, photo, animation = _picture(), _photo(), _animation()

    yield MARK, _ABOUT.encode()

    yield "downloads/report.pdf", report
    yield "downloads/meeting notes.txt", text
    yield "downloads/данные.csv", _TABLE.encode()
    yield "downloads/日本語.txt", text
    yield "downloads/naïve café.txt", text

    # SHAKE gives any length of bytes that do not compress, and gives them everywhere.
    yield "large-files/sample-8M.bin", hashlib.shake_128(b"asgi-downloads").digest(LARGE)

    yield "files/report.pdf", report
    yield "files/picture.png", picture
    yield "files/photo.jpg", photo
    yield "files/animation.gif", animation
    yield "files/notes.txt", text
    yield "files/page.html", _HTML.encode()
    yield "files/drawing.svg", _SVG.encode()
    yield "files/clip.mp4", video.encode()

    for report_id in REPORTS:
        yield f"reports/{report_id}.pdf", pdf.encode(f"Report {report_id}", ["Made beforehand, and kept as a file."])

    yield "videos/sample.mp4", video.encode()

    yield "bundles/holiday/photo.jpg", photo
    yield "bundles/holiday/picture.png", picture
    yield "bundles/holiday/open me.txt", text
    yield "bundles/holiday/письмо.txt", text
    yield "bundles/holiday/写真.gif", animation
    yield "bundles/holiday/empty.txt", b""
    yield "bundles/holiday/more/below.txt", text
    yield "bundles/reports/report.pdf", report
    yield "bundles/reports/table.csv", _TABLE.encode()


def _picture() -> bytes:
    return png.encode(240, 160, pixels.PALETTE, pixels.sunset(240, 160, sun=80))


def _photo() -> bytes:
    return jpeg.encode(30, 20, [pixels.COLOURS[i] for i in pixels.sunset(30, 20, sun=20)])


def _animation() -> bytes:
    frames = (pixels.sunset(90, 60, sun) for sun in range(10, 90, 8))
    return gif.encode(90, 60, pixels.PALETTE, frames, hundredths=12)
