"""The sample tree on disk. It appears whole or not at all, and never on top of anything."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from asgi_downloads.demo import users

SAMPLES = Path(__file__).parent / "files"
"""Real small files of each kind. The video: `ffmpeg -f lavfi -i testsrc=size=320x180:rate=12:duration=20 -c:v libx264
-profile:v baseline -pix_fmt yuv420p -preset veryslow -crf 34 -g 12 -movflags +faststart`: a key frame each second."""

MARK = "DEMO.txt"
"""Says what the directory is, to people and to us; no URL leads to it."""

WRITTEN = 1735689600
"""Every file's mtime, 2025-01-01T00:00:00Z: Last-Modified, portable ETags and ZIPs are the same everywhere."""

LARGE = "large-files/sample-8M.bin"

# Names beyond ASCII stand here and not in a checkout: not every file system and archiver brings them along unchanged.
COPIES = {
    MARK: MARK,
    "downloads/report.pdf": "report.pdf",
    "downloads/meeting notes.txt": "notes.txt",
    "downloads/данные.csv": "table.csv",
    "downloads/日本語.txt": "notes.txt",
    "downloads/naïve café.txt": "notes.txt",
    "files/report.pdf": "report.pdf",
    "files/picture.png": "picture.png",
    "files/photo.jpg": "photo.jpg",
    "files/animation.gif": "animation.gif",
    "files/notes.txt": "notes.txt",
    "files/page.html": "page.html",
    "files/drawing.svg": "drawing.svg",
    "files/clip.mp4": "video.mp4",
    "reports/1.pdf": "report-1.pdf",
    "reports/42.pdf": "report-42.pdf",
    "reports/2024-q4.pdf": "report-2024-q4.pdf",
    "videos/sample.mp4": "video.mp4",
    "bundles/holiday/photo.jpg": "photo.jpg",
    "bundles/holiday/picture.png": "picture.png",
    "bundles/holiday/open me.txt": "notes.txt",
    "bundles/holiday/письмо.txt": "notes.txt",
    "bundles/holiday/写真.gif": "animation.gif",
    "bundles/holiday/empty.txt": "empty.txt",
    "bundles/holiday/more/below.txt": "notes.txt",
    "bundles/reports/report.pdf": "report.pdf",
    "bundles/reports/table.csv": "table.csv",
}
"""Every file of the tree that is one of `SAMPLES`, by its path."""


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
    for name, sample in COPIES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLES / sample, path)
    large = root / LARGE
    large.parent.mkdir()
    # SHAKE gives any length of bytes that do not compress, and gives them everywhere.
    large.write_bytes(hashlib.shake_128(b"asgi-downloads").digest(8 << 20))
    (root / "bundles" / "empty").mkdir()
    users.write(root / "app.db", count)
    root.chmod(0o755)  # mkdtemp's is 0700, and the server may be another user
    for folder, _, names in os.walk(root, topdown=False):
        for name in (*names, ""):
            os.utime(os.path.join(folder, name), (WRITTEN, WRITTEN))
