"""What a file looks like in a page: the element that shows it, by its type."""

import csv
import io
import json
import re
from collections.abc import Iterator
from html import escape
from itertools import islice

from asgi_downloads.endpoints.browse import words
from asgi_downloads.storage.anywhere import AnyFile

MOST_READ = 1 << 20
"""Bytes that are read of a file for its preview."""
_MOST_TEXT = 256 << 10
_MOST_ROWS, _MOST_COLUMNS = 200, 100
_MOST_JSON = 2 << 20
"""Characters of JSON that has been indented."""

_PICTURES = (b"image/avif", b"image/bmp", b"image/gif", b"image/jpeg", b"image/png", b"image/svg+xml", b"image/webp")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s{}\[\],:"]++')


def element(kind: bytes, name: str, tracks: str, file: AnyFile) -> str:
    """What shows a file of this type; may wait for the disk. Raises `FileChanged`."""
    found = media_element(kind, name, tracks)
    if found is not None:
        return found
    content = file.read_blocking(0, min(file.size, MOST_READ))
    return text_element(kind, content, len(content) == file.size)


def media_element(kind: bytes, name: str, tracks: str) -> str | None:
    """The element with which a browser shows the file by itself; None if it has none for this type."""
    source = f'src="./{words.encoded(name)}"'
    if kind in _PICTURES or kind == b"image/vnd.microsoft.icon":
        return f'<img {source} alt="{words.visible(name)}">'
    if kind.startswith((b"video/", b"audio/")):
        element = kind.partition(b"/")[0].decode()
        return (
            f'<{element} {source} controls preload="metadata">{tracks}</{element}>'
            '<p><button id="resume" type="button" hidden>Continue</button></p>'
        )
    if kind == b"application/pdf":
        return f'<iframe {source} title="{words.visible(name)}"></iframe>'
    return None


def text_element(kind: bytes, content: bytes, is_whole: bool) -> str:
    """The beginning of a file as a table, as indented JSON or as text; a note for what is none of it."""
    if not content:
        return "<p>It is empty.</p>"
    if b"\0" in content[:_MOST_TEXT]:
        return "<p>There is no preview of a file of this type.</p>"
    text = _decoded(content)
    try:
        if kind in (b"text/csv", b"text/tab-separated-values"):
            return _table(text, is_whole)
        if is_whole and (kind == b"application/json" or kind.endswith(b"+json")):
            json.loads(text)
            return f"<pre>{escape(''.join(_indented(text)))}</pre>"
    except (csv.Error, ValueError, RecursionError):
        pass  # it is text all the same
    shown = text[:_MOST_TEXT]
    note = "" if is_whole and len(shown) == len(text) else "<p>This is its beginning.</p>"
    return f"{note}<pre>{escape(shown)}</pre>"


def _decoded(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace").replace("\r\n", "\n")


def _table(text: str, is_whole: bool) -> str:
    """The first rows, as their most frequent delimiter cuts them."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = list(islice(csv.reader(io.StringIO(text[:_MOST_TEXT], newline=""), delimiter=delimiter), _MOST_ROWS + 2))
    note = ""
    if not is_whole or len(rows) > _MOST_ROWS + 1 or len(text) > _MOST_TEXT:
        rows = rows[: min(_MOST_ROWS + 1, max(1, len(rows) - 1))]  # the last one may be cut
        note = f"<p>These are its first {len(rows) - 1} rows.</p>"
    head, *body = ([*map(escape, row[:_MOST_COLUMNS])] for row in rows)
    heads = "".join(f'<th scope="col">{cell}</th>' if cell else "<td></td>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in body)
    return (
        f'{note}<div class="wide" tabindex="0" role="region" aria-label="Rows">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _indented(text: str) -> Iterator[str]:
    """JSON with every value on a line, its words as they are: numbers keep their digits.

    Raises `ValueError` for what would become too long.
    """
    depth, written = 0, 0
    opened = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        line = f"\n{'  ' * depth}"
        if token in "}]":
            depth -= 1
            piece = token if opened else f"\n{'  ' * depth}{token}"
        elif token == ",":
            piece = token + line
        elif token == ":":
            piece = ": "
        else:
            piece = line + token if opened else token
            if token in "{[":
                depth += 1
        opened = token in "{["
        written += len(piece)
        if written > _MOST_JSON:
            raise ValueError("too long")
        yield piece
