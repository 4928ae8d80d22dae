"""Header fields of the file routes: rows E1 to E12, and Content-Disposition, rows F1 to F5."""

import re
from email.utils import format_datetime
from urllib.parse import quote

from tests.conformance import tree
from tests.conformance.case import PARTIAL, Case, Named, choice, get, rfc, same, slug, want

FILES = {
    "download": ("/download/ten.txt", "downloads/ten.txt"),
    "report": ("/reports/42", "reports/42.pdf"),
    "file": ("/file/ten.txt", "files/ten.txt"),
    "preview": ("/preview/ten.txt", "files/ten.txt"),
    "video": ("/video/ten.mp4", "videos/ten.mp4"),
}
"""The five file routes: a target and the file it gives."""

STRONG = re.compile(r'"[\x21\x23-\x7e]+"')

COMMON = [
    *(
        same(
            f"whole-{name}",
            "E1 E3 E4 E5",
            get(target),
            want(
                200,
                tree.content(path),
                content_length=str(len(tree.content(path))),
                accept_ranges="bytes",
                etag=STRONG,
                last_modified=tree.LAST_MODIFIED,
                content_encoding=None,
                transfer_encoding=None,
            ),
        )
        for name, (target, path) in FILES.items()
    ),
    *(
        same(f"empty-{name}", "E1", get(target), want(200, b"", content_length="0", accept_ranges="bytes"))
        for name, target in {
            "download": "/download/empty.bin",
            "report": "/reports/empty",
            "file": "/file/empty.txt",
            "preview": "/preview/empty.bin",
            "video": "/video/empty.mp4",
        }.items()
    ),
    same(
        "fraction-of-a-second-is-cut", "E4", get("/download/fraction.txt"), want(200, last_modified=tree.LAST_MODIFIED)
    ),
    rfc(
        "nanosecond-is-cut", "E4", "8.8.2", get("/download/nanosecond.txt"), want(200, last_modified=tree.LAST_MODIFIED)
    ),
    *(
        same(
            f"last-modified-{name}",
            "E4",
            get(f"/download/{name}"),
            want(200, last_modified=format_datetime(moment, usegmt=True)),
        )
        for name, moment in tree.MONTHS.items()
    ),
    same("epoch", "E4", get("/download/epoch.txt"), want(200, last_modified="Thu, 01 Jan 1970 00:00:00 GMT")),
    rfc(
        "last-modified-not-in-the-future",
        "E6",
        "8.8.2.1",
        get("/download/future.txt"),
        [want(200, last_modified=None), want(200, last_modified=re.compile(r".*, .* 20[2-8][0-9] .* GMT"))],
    ),
    *(
        choice(
            f"etag-stable-{name}",
            "E5",
            "one representation has one tag; the tag of a copy under another time is another",
            [get(target), get(target), get(target, If_None_Match="{etag}")],
            want(200, etag=STRONG),
            200,
            304,
        )
        for name, (target, _) in FILES.items()
    ),
    *(
        same(
            f"accept-encoding-{name}",
            "E12",
            get(target, Accept_Encoding="gzip, br, zstd, identity;q=0"),
            want(200, content_encoding=None),
        )
        for name, (target, _) in FILES.items()
    ),
    *(
        choice(
            f"nosniff-{name}",
            "E8",
            "content of users is never to be taken for another type than the one said",
            get(target),
            want(200, x_content_type_options="nosniff"),
        )
        for name, (target, _) in FILES.items()
    ),
    *(
        choice(
            f"cache-control-{name}-{status}",
            "E9",
            "without a word a browser shows a file that was replaced for weeks without asking (RFC 9111 §4.2.2)",
            requests,
            *wanted,
        )
        for name in ("download", "file", "video")
        for status, requests, wanted in (
            (200, get(FILES[name][0]), [want(200, cache_control="no-cache")]),
            (206, get(FILES[name][0], Range="bytes=0-0"), [want(206, cache_control="no-cache")]),
            (304, get(FILES[name][0], If_None_Match="*"), [want(304, b"", cache_control="no-cache")]),
        )
    ),
]

REPORTS = [
    same(
        "report-cache-control",
        "E9 K4",
        get("/reports/42"),
        want(200, cache_control="private, max-age=3600", x_report_id="42"),
    ),
    same(
        "report-range-cache-control",
        "E9 G1",
        get("/reports/42", Range="bytes=0-3"),
        want(206, b"%PDF", cache_control="private, max-age=3600", x_report_id="42"),
        compare=PARTIAL,
    ),
    rfc(
        "report-304-cache-control",
        "E9 I11",
        "15.4.5",
        get("/reports/42", If_None_Match="*"),
        want(304, b"", cache_control="private, max-age=3600"),
    ),
    same(
        "report-id-with-space",
        "E10 K4",
        get("/reports/q1%202024"),
        want(200, x_report_id="q1 2024", content_disposition=Named("attachment", "report-q1 2024.pdf")),
    ),
    same("report-id-with-semicolon", "E10", get("/reports/a;b"), want(200, x_report_id="a;b")),
    same("report-id-with-dots", "E10 D1", get("/reports/..x"), want(200, x_report_id="..x")),
    *(
        rfc(
            f"report-id-{name}",
            "E10",
            "5.5",
            get(f"/reports/{quote(id_, safe='')}"),
            want(200, x_report_id=said, content_disposition=re.compile(r"attachment; filename.*")),
        )
        for name, id_, said in (
            ("latin-1", "caf\u00e9", "caf%C3%A9"),
            ("japanese", "\u65e5\u672c", "%E6%97%A5%E6%9C%AC"),
            ("newline", "new\nline", "new%0Aline"),
            ("percent", "100%", "100%25"),
            ("percent-escape", "a%41", "a%2541"),
        )
    ),
]

_TEXT = "; charset=utf-8"
TYPES = {
    "page.html": "text/html" + _TEXT,
    "page.htm": "text/html" + _TEXT,
    "style.css": "text/css" + _TEXT,
    "table.csv": "text/csv" + _TEXT,
    "plain.txt": "text/plain" + _TEXT,
    "UPPER.TXT": "text/plain" + _TEXT,
    "data.json": "application/json",
    "picture.png": "image/png",
    "photo.jpg": "image/jpeg",
    "photo.jpeg": "image/jpeg",
    "PHOTO.JPG": "image/jpeg",
    "anim.gif": "image/gif",
    "clip.mp4": "video/mp4",
    "doc.pdf": "application/pdf",
    "DOC.PDF": "application/pdf",
    "vector.svg": "image/svg+xml",
    "pack.zip": "application/zip",
    "pack.tar": "application/x-tar",
    "song.mp3": "audio/mpeg",
    "movie.mov": "video/quicktime",
    "film.webm": "video/webm",
    "movie.mpeg": "video/mpeg",
    "picture.bmp": "image/bmp",
    "picture.tiff": "image/tiff",
    "letter.doc": "application/msword",
    "noext": "application/octet-stream",
    "x.unknownext": "application/octet-stream",
    ".txt": "application/octet-stream",
    ".png": "application/octet-stream",
    "blob.bin": "application/octet-stream",
    "dotted.name.png": "image/png",
    "trailing.png.": "application/octet-stream",
    ".hidden": "application/octet-stream",
}
"""Types by name that every FastAPI gives, whatever the machine's mime.types say."""

FREE_TYPES = {
    "feed.xml": r"(application|text)/xml(; charset=utf-8)?",
    "script.js": r"(text|application)/javascript(; charset=utf-8)?",
    "sound.wav": r"audio/(x-)?wav",
    "picture.ico": r"image/(vnd\.microsoft\.icon|x-icon)",
    "picture.webp": r"image/webp",
}
INNER = {
    "x.tar.gz": r"application/(gzip|x-gzip|octet-stream)",
    "notes.txt.gz": r"application/(gzip|x-gzip|octet-stream)",
    "pic.svgz": r"application/(gzip|x-gzip|octet-stream)",
    "data:,x.png": r"image/png",
    "colon:.txt": r"text/plain; charset=utf-8",
}
PREVIEWED = {
    "doc.pdf": "application/pdf",
    "DOC.PDF": "application/pdf",
    "picture.png": "image/png",
    "photo.jpg": "image/jpeg",
    "photo.jpeg": "image/jpeg",
    "PHOTO.JPG": "image/jpeg",
    "anim.gif": "image/gif",
    "clip.mp4": "video/mp4",
    "plain.txt": "text/plain" + _TEXT,
    "UPPER.TXT": "text/plain" + _TEXT,
    "noext": "application/octet-stream",
    ".txt": "application/octet-stream",
    ".png": "application/octet-stream",
    "dotted.name.png": "image/png",
    "x.unknownext": "application/octet-stream",
    "trailing.png.": "application/octet-stream",
}
ACTIVE = ("page.html", "vector.svg", "feed.xml")


def _q(name: str) -> str:
    return quote(name, safe="")


TYPED = [
    *(
        same(f"type-{name}", "E2 K9", get(f"/file/{_q(name)}"), want(200, content_type=said))
        for name, said in TYPES.items()
    ),
    *(
        choice(
            f"type-{name}",
            "E2",
            "Python's table differs by version and machine; ours is fixed",
            get(f"/file/{_q(name)}"),
            want(200, content_type=re.compile(said)),
        )
        for name, said in FREE_TYPES.items()
    ),
    *(
        rfc(f"type-{name}", "E7", "8.3", get(f"/file/{_q(name)}"), want(200, content_type=re.compile(said)))
        for name, said in INNER.items()
    ),
    *(
        same(
            f"preview-{name}",
            "K10",
            get(f"/preview/{_q(name)}"),
            want(200, content_type=said, content_disposition=Named("inline", name)),
        )
        for name, said in PREVIEWED.items()
    ),
    *(
        choice(
            f"preview-{name}",
            "K10",
            "octet-stream as in the guide, or the right type",
            get(f"/preview/{name}"),
            want(
                200,
                content_type=re.compile(f"application/octet-stream|{said}"),
                content_disposition=Named("inline", name),
            ),
        )
        for name, said in {
            "page.html": "text/html; charset=utf-8",
            "vector.svg": r"image/svg\+xml",
            "data.json": "application/json",
            "table.csv": "text/csv; charset=utf-8",
        }.items()
    ),
    *(
        choice(
            f"sandbox-{name}",
            "E8",
            "script in a user's file must not run in our origin",
            get(f"/file/{name}"),
            want(200, content_security_policy=re.compile(r"(.*; ?)?sandbox(;.*)?")),
        )
        for name in ACTIVE
    ),
    *(
        same(
            f"type-attached-{name}",
            "E2 K9",
            get(f"/file/{_q(name)}?download=1"),
            want(200, content_type=TYPES[name], content_disposition=Named("attachment", name)),
        )
        for name in ("page.html", "doc.pdf", "noext")
    ),
    *(
        same(
            f"type-of-download-{name}",
            "K1",
            get(f"/download/{_q(name)}"),
            want(200, content_type="application/octet-stream"),
        )
        for name in ("page.html", "UPPER.TXT")
    ),
]

PLAIN = ("ten.txt", "under_score-1.2.txt", "tilde~.txt", ".hidden", "...", "-dash", "..x", "x..", "UPPER.TXT", "con")


def _disposition(name: str) -> Case:
    rows = "F1" if name in PLAIN else "F2"
    return same(
        f"disposition-{slug(name)}",
        rows,
        get(f"/download/{_q(name)}"),
        want(200, name.encode() if name != "ten.txt" else tree.TEN, content_disposition=Named("attachment", name)),
    )


_ASCII_FALLBACK = re.compile(
    r"""attachment; filename="[^"\\%\x00-\x1f\x7f-\U0010ffff]*"; filename\*=(UTF|utf)-8''[!#$&+.^_`|~0-9A-Za-z%-]+"""
)
FALLBACKS = {
    "caf\u00e9.txt": "cafe.txt",
    "e\u0301-combining.txt": "e-combining.txt",
    "\u65e5\u672c\u8a9e.txt": "___.txt",
    "\U0001f600.txt": "_.txt",
    "bidi-\u202etxt.exe": "bidi-_txt.exe",
    'quo"te.txt': "quo_te.txt",
    "back\\slash.txt": "back_slash.txt",
    "per%cent.txt": "per_cent.txt",
    "with space.txt": "with space.txt",
    "semi;colon.txt": "semi;colon.txt",
}
"""What is said to a client that cannot read `filename*`: accents dropped, `_` for what has no likeness in ASCII."""

DISPOSITIONS = [
    *map(_disposition, dict.fromkeys((*PLAIN, *tree.ODD_NAMES))),
    same(
        "disposition-plain-exactly",
        "F1",
        get("/download/under_score-1.2.txt"),
        want(200, content_disposition='attachment; filename="under_score-1.2.txt"'),
    ),
    same(
        "disposition-inline",
        "F1 K9",
        get("/file/plain.txt"),
        want(200, content_disposition='inline; filename="plain.txt"'),
    ),
    same(
        "disposition-preview",
        "F1 K10",
        get("/preview/plain.txt"),
        want(200, content_disposition='inline; filename="plain.txt"'),
    ),
    same("disposition-video-none", "E11 K11", get("/video/clip.mp4"), want(200, content_disposition=None)),
    same(
        "disposition-video-none-for-odd-names",
        "E11",
        get("/video/with%20space.mp4"),
        want(200, b"space", content_disposition=None),
    ),
    same(
        "disposition-inline-utf-8",
        "F2",
        get("/file/caf%C3%A9.txt"),
        want(200, content_disposition=Named("inline", "caf\u00e9.txt")),
    ),
    same(
        "disposition-attached-utf-8",
        "F2 K9",
        get("/file/caf%C3%A9.txt?download=1"),
        want(200, content_disposition=Named("attachment", "caf\u00e9.txt")),
    ),
    same(
        "disposition-range",
        "F2 G1",
        get("/download/caf%C3%A9.txt", Range="bytes=0-1"),
        want(206, content_disposition=Named("attachment", "caf\u00e9.txt")),
        compare=PARTIAL,
    ),
    same(
        "disposition-large",
        "F2 K2",
        get("/download/large/caf%C3%A9%20%221%22.bin"),
        want(200, content_disposition=Named("attachment", 'caf\u00e9 "1".bin')),
        compare=("content-disposition", "content-type"),
    ),
    *(
        rfc(
            f"disposition-of-{name}",
            "F3",
            "RFC 6266 §4.1",
            get(f"/download/{_q(file)}"),
            want(200, content_disposition=Named("attachment", file)),
        )
        for name, file in {
            "quote": 'quo"te.txt',
            "backslash": "back\\slash.txt",
            "semicolon": "semi;colon.txt",
            "percent-escape": "percent%41.txt",
        }.items()
    ),
    *(
        choice(
            f"disposition-fallback-{name}",
            "F5",
            "clients that know no `filename*` get a name in ASCII (RFC 6266 §4.3)",
            get(f"/download/{_q(file)}"),
            want(200, content_disposition=_ASCII_FALLBACK),
        )
        for name, file in {
            "utf-8": "caf\u00e9.txt",
            "quote": 'quo"te.txt',
            "percent": "per%cent.txt",
            "japanese": "\u65e5\u672c\u8a9e.txt",
        }.items()
    ),
    *(
        choice(
            f"disposition-control-{slug(name)}",
            "F4 F3",
            "a control character is kept in `filename*` or replaced, and never raw",
            get(f"/download/{_q(name)}"),
            want(200, name.encode(), content_disposition=re.compile(r"[\x20-\x7e]+")),
        )
        for name in tree.CONTROL_NAMES
    ),
    *(
        choice(
            f"disposition-injection-{slug(id_)}",
            "F3 E10 J11",
            "no name can add a field, nor a parameter",
            get(f"/reports/generate/{_q(id_)}"),
            want(
                200,
                x_evil=None,
                set_cookie=None,
                content_disposition=re.compile(
                    r"""attachment; filename(="[^"\\]*"|\*=(UTF|utf)-8''[^;"]*)(; filename\*=(UTF|utf)-8''[^;"]*)?"""
                ),
            ),
        )
        for id_ in (
            "a\r\nX-Evil: 1",
            "a\nSet-Cookie: a=b",
            'a"; filename="evil.exe',
            "a\\",
            "a; filename=evil.exe",
            "\u2028x",
        )
    ),
]

LIKENESSES = [
    *(
        choice(
            f"disposition-likeness-{slug(name)}",
            "F5",
            "a likeness in ASCII is better than nothing (RFC 6266 §4.3)",
            get(f"/download/{_q(name)}"),
            want(200, content_disposition=f"attachment; filename=\"{likeness}\"; filename*=UTF-8''{_q(name)}"),
        )
        for name, likeness in FALLBACKS.items()
    ),
    *(
        choice(
            f"disposition-control-is-a-line-{slug(name)}",
            "F4",
            "a control character becomes `_` in both names",
            get(f"/download/{_q(name)}"),
            want(200, content_disposition=Named("attachment", re.sub(r"[\x00-\x1f\x7f]", "_", name))),
        )
        for name in tree.CONTROL_NAMES
    ),
    choice(
        "report-id-with-a-space-at-the-end",
        "E10",
        "a space at the end of a field value is trimmed on its way (RFC 9110 §5.5)",
        get("/reports/trailing%20"),
        want(200, x_report_id="trailing%20"),
    ),
]

CASES = [*LIKENESSES, *COMMON, *REPORTS, *TYPED, *DISPOSITIONS]
