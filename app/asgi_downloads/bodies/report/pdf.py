"""A report as PDF: a title, when it was made, a table, page numbers. Made by reportlab, on paper of size A4.

Text is drawn, never read as markup. Each character is set in the first font that has it. What no font has, or what
cannot be seen, like a control or a mark of direction, is shown as an escape such as `\\u200b`.
"""

import io
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

from asgi_downloads.bodies.report.report import Report

MARGIN = 56.0
BOTTOM = 72.0
TITLE_SIZE, TEXT_SIZE = 18.0, 9.0
LEADING = 1.35
"""Distance of base lines, in font sizes."""

LONGEST = 1000
"""Characters of one text that are shown; more of them would be paper for nobody."""


def render(report: Report) -> bytes:
    """The report as a PDF file. Takes tens of milliseconds of pure Python: not for the event loop."""
    file = io.BytesIO()
    # invariant: no time of our own making and no random identifier in the file
    canvas = Canvas(file, pagesize=A4, invariant=1, pageCompression=1)
    title = f"Report {report.report_id}"
    canvas.setTitle(visible(title))
    canvas.setCreator("asgi-downloads")
    width, height = A4
    pages = list(_pages(report, title, width - 2 * MARGIN, height - MARGIN - BOTTOM))
    for number, page in enumerate(pages, 1):
        for line in page:
            _draw(canvas, line, MARGIN, height - MARGIN)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, BOTTOM - 18, width - MARGIN, BOTTOM - 18)
        canvas.setFont("Helvetica", 8)
        canvas.drawRightString(width - MARGIN, BOTTOM - 32, f"Page {number} of {len(pages)}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


Run = tuple[str, str]
"""The name of a font, and text that it has."""


@dataclass(frozen=True, slots=True)
class Line:
    """Text at (`x`, `y`) in points from the left and the top of what may be printed on; a heading has a rule."""

    x: float
    y: float
    size: float
    runs: tuple[Run, ...]
    rule: float = 0.0


def _pages(report: Report, title: str, width: float, height: float) -> Iterator[list[Line]]:
    """The report cut into pages, each of which starts with the names of the columns."""
    page: list[Line] = []
    y = 0.0
    made_at = report.made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    for text, size in ((title, TITLE_SIZE), (f"Generated at {made_at}", TEXT_SIZE), (report.table.caption, TEXT_SIZE)):
        for runs in _wrapped(text, size, width):
            if y + size * LEADING > height:
                yield page
                page, y = [], 0.0
            y += size * LEADING
            page.append(Line(0, y, size, runs))
        y += size * 0.5
    head, head_height = _row(report.table.columns, width, rule=True)
    placed = False
    for row in report.table.rows:
        lines, row_height = _row(row, width)
        if not placed or y + row_height > height:
            if placed or y + head_height + row_height > height:
                yield page
                page, y = [], 0.0
            page += _moved(head, y)
            y += head_height
            placed = True
        page += _moved(lines, y)
        y += row_height
    if page:
        yield page


def _row(cells: Sequence[str], width: float, rule: bool = False) -> tuple[list[Line], float]:
    """The lines of a row of the table, from 0 down, and its height."""
    column = width / max(1, len(cells))
    lines, deepest = [], 1
    for number, cell in enumerate(cells):
        wrapped = list(_wrapped(cell, TEXT_SIZE, column - 6))
        deepest = max(deepest, len(wrapped))
        for depth, runs in enumerate(wrapped, 1):
            lines.append(
                Line(number * column, depth * TEXT_SIZE * LEADING, TEXT_SIZE, runs, rule=column if rule else 0)
            )
    return lines, deepest * TEXT_SIZE * LEADING + 4


def _moved(lines: list[Line], down: float) -> list[Line]:
    return [Line(line.x, line.y + down, line.size, line.runs, line.rule) for line in lines]


def _draw(canvas: Any, line: Line, left: float, top: float) -> None:
    text = canvas.beginText(left + line.x, top - line.y)
    for font, run in line.runs:
        text.setFont(font, line.size)
        text.textOut(run)
    canvas.drawText(text)
    if line.rule:
        y = top - line.y - 4
        canvas.setLineWidth(0.5)
        canvas.line(left + line.x, y, left + line.x + line.rule, y)


def _wrapped(text: str, size: float, width: float) -> Iterator[tuple[Run, ...]]:
    """The text in lines that fit, broken at the last space where there is one, else anywhere."""
    shown = visible(text)
    fonts = [_fonts().find(char) or _WESTERN for char in shown]
    start = space = 0
    used = 0.0
    for place, char in enumerate(shown):
        advance = pdfmetrics.stringWidth(char, fonts[place], size)
        if used + advance > width and place > start:
            stop = space if space > start else place
            yield _runs(shown, fonts, start, stop)
            start = stop
            used = sum(pdfmetrics.stringWidth(shown[at], fonts[at], size) for at in range(start, place))
        used += advance
        if char == " ":
            space = place + 1
    yield _runs(shown, fonts, start, len(shown))


def _runs(text: str, fonts: list[str], start: int, stop: int) -> tuple[Run, ...]:
    runs: list[Run] = []
    for char, font in zip(text[start:stop], fonts[start:stop], strict=True):
        if runs and runs[-1][0] == font:
            runs[-1] = (font, runs[-1][1] + char)
        else:
            runs.append((font, char))
    return tuple(runs)


def visible(text: str) -> str:
    """The text with escapes for what has no shape: controls, marks of direction, lone surrogates, and no font's."""
    shown = "".join(map(_visible, unicodedata.normalize("NFC", text[:LONGEST])))
    return shown if len(text) <= LONGEST else f"{shown}… ({len(text):,} characters)"


def _visible(char: str) -> str:
    if char == " " or (unicodedata.category(char)[0] not in "CZ" and _fonts().find(char)):
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Fonts:
    """Which font of this process has a character. A font is read from its file when no font before it would do."""

    def __init__(self) -> None:
        self._found: dict[str, str | None] = {}
        self._glyphs: dict[str, Collection[int]] = {}

    def find(self, char: str) -> str | None:
        """The name of the first font that has `char`, ready for use."""
        try:
            return self._found[char]
        except KeyError:
            font = self._found[char] = self._search(char)
            return font

    def _search(self, char: str) -> str | None:
        if _encodes(char, "cp1252"):
            return _WESTERN
        for name in _FILES:
            if ord(char) in self._load(name):
                return name
        for name, encoding in _EAST_ASIAN.items():
            if _encodes(char, encoding):
                pdfmetrics.registerFont(UnicodeCIDFont(name))
                return name
        return None

    def _load(self, name: str) -> Collection[int]:
        """The code points that a font of `_FILES` has; none if it is not installed."""
        if name not in self._glyphs:
            self._glyphs[name] = ()
            for path in _FILES[name]:
                try:
                    font = TTFont(name, path)
                except (TTFError, OSError):
                    continue
                pdfmetrics.registerFont(font)
                self._glyphs[name] = font.face.charToGlyph
                break
        return self._glyphs[name]


_WESTERN = "Helvetica"
"""In every viewer, without a file; has what Windows code page 1252 has."""

_FILES = {
    "Vera": ("Vera.ttf",),  # comes with reportlab
    "DejaVuSans": (
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
        "/usr/share/fonts/TTF/DejaVuSans.ttf",
        "DejaVuSans.ttf",
    ),
    "DroidSansFallback": ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",),
    "WenQuanYiZenHei": ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",),
    "Unifont": ("/usr/share/fonts/truetype/unifont/unifont.ttf",),
}
"""Fonts that are embedded, from western to everything, and where systems keep them."""

_EAST_ASIAN = {
    "HeiseiKakuGo-W5": "cp932",
    "STSong-Light": "gbk",
    "MSung-Light": "big5",
    "HYSMyeongJo-Medium": "cp949",
}
"""Fonts that a viewer brings along, and encodings that tell what is in them."""


def _encodes(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@cache
def _fonts() -> _Fonts:
    return _Fonts()
