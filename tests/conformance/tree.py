"""The data directory that every target serves: plain files, odd names, links, traps; always the same."""

import os
import random
import socket
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

MTIME: Final = 1_700_000_000
"""Seconds since the epoch that every file carries unless `TIMES` says otherwise."""

LAST_MODIFIED: Final = "Tue, 14 Nov 2023 22:13:20 GMT"
"""`MTIME` as an IMF-fixdate (RFC 9110 §5.6.7)."""

RFC850: Final = "Tuesday, 14-Nov-23 22:13:20 GMT"
ASCTIME: Final = "Tue Nov 14 22:13:20 2023"
EARLIER: Final = "Tue, 14 Nov 2023 22:13:19 GMT"
LATER: Final = "Tue, 14 Nov 2023 22:13:21 GMT"

SECRET: Final = b"secret: lies outside every root\n"
TEN: Final = b"0123456789"


def _noise(seed: str, count: int) -> bytes:
    return random.Random(seed).randbytes(count)


ODD_NAMES: Final = (
    "with space.txt",
    'quo"te.txt',
    "back\\slash.txt",
    "semi;colon.txt",
    "per%cent.txt",
    "percent%41.txt",
    "percentA.txt",
    "100%.txt",
    "%zz.txt",
    "plus+plus.txt",
    "apos'trophe.txt",
    "caf\u00e9.txt",
    "e\u0301-combining.txt",
    "\u65e5\u672c\u8a9e.txt",
    "\u0440\u0443\u0441\u0441\u043a\u0438\u0439.txt",
    "\U0001f600.txt",
    "bidi-\u202etxt.exe",
    "zero\u200bwidth.txt",
    "quest?ion.txt",
    "hash#mark.txt",
    "amp&eq=.txt",
    "comma,name.txt",
    "star*.txt",
    "colon:.txt",
    "pipe|.txt",
    "<angle>.txt",
    "[bracket].txt",
    "{brace}.txt",
    "back`tick.txt",
    "at@.txt",
    "dollar$.txt",
    "excl!.txt",
    "paren(1).txt",
    "caret^.txt",
    "tilde~.txt",
    "under_score-1.2.txt",
    ".hidden",
    "-dash",
    "...",
    "..x",
    "x..",
    "trailing-space ",
    "trailing-dot.",
    "UPPER.TXT",
    "con",
    "a" * 251 + ".txt",
)
"""Names without control characters; `downloads/` and `files/` have a file for each, whose content is the name."""

CONTROL_NAMES: Final = ("new\nline.txt", "carriage\rreturn.txt", "tab\tstop.txt", "escape\x1b[0m.txt", "del\x7f.txt")
"""Names with control characters, likewise."""

TYPED_NAMES: Final = (
    "page.html",
    "page.htm",
    "style.css",
    "table.csv",
    "plain.txt",
    "data.json",
    "picture.png",
    "photo.jpg",
    "photo.jpeg",
    "PHOTO.JPG",
    "anim.gif",
    "clip.mp4",
    "doc.pdf",
    "DOC.PDF",
    "vector.svg",
    "feed.xml",
    "script.js",
    "pack.zip",
    "pack.tar",
    "song.mp3",
    "sound.wav",
    "blob.bin",
    "letter.doc",
    "movie.mov",
    "movie.mpeg",
    "film.webm",
    "picture.bmp",
    "picture.tiff",
    "picture.ico",
    "picture.webp",
    "noext",
    "x.unknownext",
    ".txt",
    ".png",
    "x.tar.gz",
    "notes.txt.gz",
    "pic.svgz",
    "data:,x.png",
    "dotted.name.png",
    "trailing.png.",
)
"""Files in `files/` that differ in their suffix."""

PDF: Final = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
REPORT_IDS: Final = (
    "42",
    "q1 2024",
    "caf\u00e9",
    "100%",
    "a%41",
    "aA",
    "new\nline",
    "generate",
    "\u65e5\u672c",
    "a;b",
    "..x",
    "trailing ",
)
"""Reports that exist."""

BUNDLES: Final[Mapping[str, Mapping[str, bytes]]] = {
    "docs": {
        "a.txt": b"alpha\n" * 300,
        "b.bin": _noise("b.bin", 70_000),
        "empty.txt": b"",
        ".dotfile": b"dot\n",
        "with space.txt": b"space\n",
        "\u00fcml\u00e4ut.txt": b"umlaut\n",
        "old.txt": b"older than ZIP\n",
    },
    "one": {"only.txt": b"only\n"},
    "with space": {"a.txt": b"in a bundle with a space\n"},
    "caf\u00e9": {"a.txt": b"in a bundle with an accent\n"},
    "percent%41": {"a.txt": b"in a bundle with a percent sign\n"},
    'quo"te': {"a.txt": b"in a bundle with a quote\n"},
    "dots-only": {".a": b"a\n", ".b": b"b\n"},
}
"""Bundles by id: the members that are plain files."""

DOCS_LINKS: Final = {"link-in.txt": "a.txt", "link-sub.txt": "sub/inner.txt"}
"""Links in `bundles/docs/` that end inside it, hence are members."""

COLUMNS: Final = ("id", "name", "email", "created_at")
USERS: Final = [
    (1, "Ann", "ann@example.org", "2024-01-02 03:04:05"),
    (2, 'Bob "the" Builder', "bob@example.org", "2024-01-02 03:04:06"),
    (3, "Comma, Chris", "chris@example.org", "2024-01-02 03:04:07"),
    (4, "Line\nDana", "dana@example.org", "2024-01-02 03:04:08"),
    (5, "Zo\u00eb \u65e5\u672c \U0001f600", "zoe@example.org", "2024-01-02 03:04:09"),
    (6, None, "none@example.org", None),
    (7, "", "empty@example.org", "2024-01-02 03:04:11"),
    (8, " padded ", "padded@example.org", "2024-01-02 03:04:12"),
    (9, "=1+1", "formula@example.org", "2024-01-02 03:04:13"),
    (10, "CR\rLF\r\nend", "crlf@example.org", "2024-01-02 03:04:14"),
    *((i, f"user {i}", f"user{i}@example.org", f"2024-02-01 00:{i % 60:02}:00") for i in range(11, 2601)),
]

MONTHS: Final = {
    f"month-{month:02}.txt": datetime(2021, month, day, 12, 30, tzinfo=UTC)
    for month, day in enumerate((4, 2, 3, 1, 1, 6, 5, 8, 9, 10, 11, 10), 1)
}
"""Files in `downloads/` that were modified in each month, on every day of the week, as a minute began."""

FILES: Final[dict[str, bytes]] = {
    **{f"downloads/{name}": b"dated\n" for name in MONTHS},
    "downloads/ten.txt": TEN,
    "downloads/data.bin": _noise("data.bin", 5000),
    "downloads/big.bin": _noise("big.bin", 300_000),
    "downloads/empty.bin": b"",
    "downloads/one.bin": b"x",
    "downloads/eleven.txt": b"0123456789\n",
    "downloads/thousand.txt": b"".join(b"%03d------\n" % i for i in range(100)),
    "downloads/ten-thousand.bin": _noise("ten-thousand", 10_000),
    "downloads/large": b"a file named large\n",
    "downloads/async": b"a file named async\n",
    "downloads/bundle": b"a file named bundle\n",
    "downloads/future.txt": b"from the future\n",
    "downloads/epoch.txt": b"from the epoch\n",
    "downloads/fraction.txt": b"a microsecond before the next second\n",
    "downloads/nanosecond.txt": b"a nanosecond before the next second\n",
    "downloads/subdir/inner.txt": b"inner\n",
    **{f"downloads/{name}": name.encode() for name in (*ODD_NAMES, *CONTROL_NAMES)},
    "downloads-private/secret.txt": SECRET,
    "secret.txt": SECRET,
    "large-files/big.bin": _noise("large", 200_000),
    "large-files/ten.txt": TEN,
    "large-files/empty.bin": b"",
    'large-files/caf\u00e9 "1".bin': b"named oddly\n",
    "large-files/subdir/inner.txt": b"inner\n",
    "files/ten.txt": TEN,
    "files/data.bin": _noise("files-data", 5000),
    "files/empty.bin": b"",
    "files/empty.txt": b"",
    "files/subdir/inner.txt": b"inner\n",
    **{f"files/{name}": b"content of " + name.encode() for name in TYPED_NAMES},
    **{f"files/{name}": name.encode() for name in (*ODD_NAMES, *CONTROL_NAMES)},
    "videos/clip.mp4": _noise("clip", 70_000),
    "videos/clip.webm": _noise("webm", 3000),
    "videos/ten.mp4": TEN,
    "videos/noext": b"no suffix",
    "videos/empty.mp4": b"",
    "videos/with space.mp4": b"space",
    "videos/subdir/inner.mp4": b"inner\n",
    **{f"reports/{id_}.pdf": PDF + id_.encode() for id_ in REPORT_IDS},
    "reports/range.pdf": PDF + _noise("report", 5000),
    "reports/empty.pdf": b"",
    "reports/dir.pdf/inner.pdf": PDF,
    "bundles/docs/sub/inner.txt": b"inner\n",
    "bundles/only-subdir/sub/inner.txt": b"inner\n",
    "bundles/only-bad/sub/inner.txt": b"inner\n",
    "bundles/plain-file": b"not a directory\n",
    **{f"bundles/{id_}/{name}": content for id_, members in BUNDLES.items() for name, content in members.items()},
}
"""Content by path below the data directory."""

TIMES: Final = {
    "downloads/future.txt": 4_000_000_000 * 10**9,
    "downloads/epoch.txt": 0,
    "downloads/fraction.txt": MTIME * 10**9 + 999_999_000,
    "downloads/nanosecond.txt": MTIME * 10**9 + 999_999_999,
    "bundles/docs/old.txt": 10**9,
    **{f"downloads/{name}": int(moment.timestamp()) * 10**9 for name, moment in MONTHS.items()},
}
"""Times in nanoseconds, where they are not `MTIME`."""

_ROOTS = ("downloads", "large-files", "files", "videos", "reports")


def _links(root: Path) -> dict[str, str]:
    """Links by path below `root`: what they say. Each of the five roots has the same traps."""
    links = {
        "downloads/to-sibling": "../downloads-private/secret.txt",
        "downloads/to-chain": "to-file",
        "downloads/to-subdir-file": "subdir/inner.txt",
        "downloads/page.html": "ten.txt",
        "files/link.png": "plain.txt",
        "bundles/docs/to-outside.txt": "../../secret.txt",
        "bundles/docs/to-other-bundle.txt": "../one/only.txt",
        "bundles/docs/to-nowhere.txt": "missing",
        "bundles/docs/to-directory": "sub",
        "bundles/docs/to-absolute-outside.txt": str(root / "secret.txt"),
        **{f"bundles/docs/{name}": to for name, to in DOCS_LINKS.items()},
        "bundles/only-bad/to-outside.txt": "../../secret.txt",
        "bundles/only-bad/to-nowhere.txt": "missing",
        "bundles/to-downloads": "../downloads",
        "bundles/to-nowhere": "missing",
    }
    for name in _ROOTS:
        end = ".pdf" if name == "reports" else ""
        inside = {"reports": "42.pdf", "videos": "ten.mp4"}.get(name, "ten.txt")
        links |= {
            f"{name}/to-file{end}": inside,
            f"{name}/to-directory{end}": "." if name == "reports" else "subdir",
            f"{name}/to-outside{end}": "../secret.txt",
            f"{name}/to-other-root{end}": "../bundles/one/only.txt",
            f"{name}/to-absolute{end}": str(root / "secret.txt"),
            f"{name}/to-absolute-inside{end}": str(root / name / inside),
            f"{name}/to-and-back{end}": f"../{name}/{inside}",
            f"{name}/to-nowhere{end}": "missing",
            f"{name}/to-nowhere-outside{end}": "../missing",
            f"{name}/to-directory-outside{end}": "../bundles",
            f"{name}/loop{end}": f"pool{end}",
            f"{name}/pool{end}": f"loop{end}",
            f"{name}/to-zero{end}": "/dev/zero",
            f"{name}/to-proc{end}": "/proc/self/environ",
        }
    return links


def content(path: str) -> bytes:
    """What the file at `path`, below the data directory, holds."""
    return FILES[path]


def docs_members() -> dict[str, bytes]:
    """Name and content of every member of bundle `docs` (row K8)."""
    links = {name: FILES[f"bundles/docs/{to}"] for name, to in DOCS_LINKS.items()}
    return {**BUNDLES["docs"], **links}


def build(root: Path) -> Path:
    """Make the whole data directory at `root`, which must not exist or be empty; returns its resolved path."""
    root.mkdir(parents=True, exist_ok=True)
    root = root.resolve()
    for path, data in FILES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    # A name that is no UTF-8: row A1 says that no URL reaches it.
    Path(os.fsdecode(os.fsencode(root / "downloads") + b"/caf\xe9.txt")).write_bytes(b"latin-1 name\n")
    (root / "bundles" / "empty").mkdir()
    for path, to in _links(root).items():
        (root / path).symlink_to(to)
    _specials(root)
    _users(root / "app.db")
    _set_times(root)
    return root


def _specials(root: Path) -> None:
    """A FIFO and a socket in each root: opening the first for reading would hang (row D9)."""
    for name in (*_ROOTS, "bundles/docs", "bundles/only-bad"):
        end = ".pdf" if name == "reports" else ""
        os.mkfifo(root / name / f"fifo{end}")
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.open(root / name, os.O_RDONLY)
            try:  # by way of /proc, for a socket's path may have 108 bytes at most
                listener.bind(f"/proc/self/fd/{here}/socket{end}")
            finally:
                os.close(here)


def _users(path: Path) -> None:
    database = sqlite3.connect(path)
    try:
        with database:
            database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, created_at TEXT)")
            database.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", USERS)
    finally:
        database.close()


def _set_times(root: Path) -> None:
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                os.utime(path, ns=(MTIME * 10**9,) * 2)
    for name, nanoseconds in TIMES.items():
        os.utime(root / name, ns=(nanoseconds,) * 2)
