import mimetypes
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.http import media_types
from asgi_downloads.http.media_types import NOSNIFF, OCTET_STREAM, SANDBOX, for_preview, guess, inline_fields, is_active


@dataclass(frozen=True)
class Case:
    id: str
    filename: str
    guess: bytes
    preview: bytes = OCTET_STREAM


CASES = [
    Case("pdf", "a.pdf", b"application/pdf", b"application/pdf"),
    Case("png", "a.png", b"image/png", b"image/png"),
    Case("jpg", "a.jpg", b"image/jpeg", b"image/jpeg"),
    Case("jpeg", "a.jpeg", b"image/jpeg", b"image/jpeg"),
    Case("gif", "a.gif", b"image/gif", b"image/gif"),
    Case("mp4", "a.mp4", b"video/mp4", b"video/mp4"),
    Case("text has a charset", "a.txt", b"text/plain; charset=utf-8", b"text/plain; charset=utf-8"),
    Case("capitals", "A.PDF", b"application/pdf", b"application/pdf"),
    Case("html", "a.html", b"text/html; charset=utf-8"),
    Case("css", "a.css", b"text/css; charset=utf-8"),
    Case("csv", "a.csv", b"text/csv; charset=utf-8"),
    Case("script", "a.js", b"text/javascript; charset=utf-8"),
    Case("json has no charset", "a.json", b"application/json"),
    Case("svg has no charset", "a.svg", b"image/svg+xml"),
    Case("xml has no charset", "a.xml", b"application/xml"),
    Case("the last extension decides", "a.pdf.zip", b"application/zip"),
    Case("a compressed archive is what it is", "a.tar.gz", b"application/gzip"),
    Case("compressed text is what it is", "a.txt.gz", b"application/gzip"),
    Case("a compressed drawing is what it is", "a.svgz", b"application/gzip"),
    Case("a name that looks like a URL", "data:,a.png", b"image/png", b"image/png"),
    Case("an unknown extension", "a.xyzzy", OCTET_STREAM),
    Case("no extension", "README", OCTET_STREAM),
    Case("a name that is only an extension", ".txt", OCTET_STREAM),
    Case("a hidden file with one", ".a.txt", b"text/plain; charset=utf-8", b"text/plain; charset=utf-8"),
    Case("a dot at the end", "a.pdf.", OCTET_STREAM),
    Case("a space at the end", "a.pdf ", OCTET_STREAM),
    Case("an extension that only grows into one", "a.pdf\0", OCTET_STREAM),
    Case("nothing", "", OCTET_STREAM),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_type_of_a_name(case: Case) -> None:
    assert guess(case.filename) == case.guess
    assert for_preview(case.filename) == case.preview


# Where no version of Python and no machine's mime.types says otherwise
_UNDISPUTED = (
    "html htm css csv txt json pdf png jpg jpeg gif svg bmp tiff zip tar mp4 mpeg webm mov avi mp3 aac doc xls wasm py"
)


@pytest.mark.parametrize("extension", _UNDISPUTED.split())
def test_types_are_those_that_fastapi_gives(extension: str) -> None:
    kind, _ = mimetypes.MimeTypes().guess_type("a." + extension)
    assert guess("a." + extension).partition(b";")[0].decode() == kind


@given(st.text(max_size=12))
def test_the_extension_is_that_of_pathlib_where_the_name_is_no_run_of_dots(name: str) -> None:
    name = name.replace("/", "_")
    if name.lstrip(".") == name:
        assert media_types._extension(name) == PurePosixPath(name).suffix[1:].lower()


def test_every_type_in_the_table_is_one() -> None:
    for content_type in media_types._BY_EXTENSION.values():
        assert re.fullmatch(rb"[a-z]+/[a-z0-9.+\-]+(?:; charset=utf-8)?", content_type)
        assert content_type.startswith(b"text/") == content_type.endswith(b"; charset=utf-8")


def test_no_extension_stands_twice() -> None:
    extensions = [extension for row in media_types._TYPES.values() for extension in row.split()]
    assert len(extensions) == len(set(extensions))


ACTIVE = [
    b"text/html",
    b"text/html; charset=utf-8",
    b"TEXT/HTML ;charset=x",
    b"application/xhtml+xml",
    b"image/svg+xml",
    b"application/xml",
    b"text/xml; charset=utf-8",
    b"application/rss+xml",
    b"text/xsl",
    b"message/rfc822",
    b"multipart/related; boundary=x",
]
PASSIVE = [
    b"application/pdf",
    b"image/png",
    b"text/plain; charset=utf-8",
    b"text/plain; x=text/html",
    b"text/csv; charset=utf-8",
    b"application/json",
    b"application/octet-stream",
    b"video/mp4",
    b"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
]


@pytest.mark.parametrize("content_type", ACTIVE, ids=bytes.decode)
def test_what_can_act_is_shown_in_a_sandbox(content_type: bytes) -> None:
    assert is_active(content_type)
    assert inline_fields(content_type) == (NOSNIFF, SANDBOX)


@pytest.mark.parametrize("content_type", PASSIVE, ids=bytes.decode)
def test_what_cannot_act_is_only_not_guessed_at(content_type: bytes) -> None:
    assert not is_active(content_type)
    assert inline_fields(content_type) == (NOSNIFF,)


def test_the_sandbox_allows_no_script() -> None:
    name, policy = SANDBOX
    directives = dict(directive.strip().partition(b" ")[::2] for directive in policy.split(b";"))
    assert name == b"content-security-policy"
    assert directives[b"sandbox"] == b""
    assert directives[b"default-src"] == b"'none'"
    assert b"script-src" not in directives


@pytest.mark.parametrize("extension", ["html", "htm", "xhtml", "svg", "xml", "xsl", "rdf", "rss", "atom", "mht", "eml"])
def test_no_active_extension_is_forgotten(extension: str) -> None:
    assert is_active(guess("a." + extension))
    assert not is_active(for_preview("a." + extension))
