"""A report as PDF: a title, when it was made, a table, page numbers. Set by reportlab, on paper of size A4.

Text is drawn, never read as markup. What no font here has, or what cannot be seen, like a control or a mark of
direction, is shown as an escape such as `\\u200b`.
"""

import io
import re
import unicodedata
from datetime import UTC
from functools import cache, lru_cache
from itertools import groupby
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from asgi_downloads.bodies.report.report import Report

MARGIN = 56.0
"""Points of white on each side; the page's number stands in the lower one."""

PADDING = 6.0
"""Points that reportlab leaves free on the left and the right of a frame, and on the right of a cell."""

LONGEST, LONGEST_CELL = 1000, 200
"""Characters of one text that are shown; more of them would be paper for nobody."""

EAST_ASIAN = {"HeiseiKakuGo-W5": "cp932", "STSong-Light": "gbk", "MSung-Light": "big5", "HYSMyeongJo-Medium": "cp949"}
"""Fonts that a viewer brings along, and encodings that tell what is in them."""

NUMBER = ("Helvetica", 8)
TITLE = ParagraphStyle("title", fontSize=18, leading=24, spaceAfter=9)
TEXT = ParagraphStyle("text", fontSize=9, leading=12, spaceAfter=4)
CELL = ParagraphStyle("cell", TEXT, spaceAfter=0)
GRID = [
    ("LINEBELOW", (0, 0), (-1, 0), 0.5, "black"),
    ("FONT", (0, 0), (-1, -1), CELL.fontName, CELL.fontSize, CELL.leading),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
]


def render(report: Report) -> bytes:
    """The report as a PDF file. Takes tens of milliseconds of pure Python: not for the event loop."""
    file = io.BytesIO()
    title = visible(f"Report {report.report_id}")
    made_at = report.made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        **dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), MARGIN),
        title=title,
        creator="asgi-downloads",
        invariant=1,  # no time of reportlab's making and no random identifier in the file
        pageCompression=1,
    )
    texts = (title, TITLE), (f"Generated at {made_at}", TEXT), (visible(report.table.caption), TEXT)
    story = [_paragraph(shown, style) for shown, style in texts]
    if columns := report.table.columns:
        width = (document.width - 2 * PADDING) / len(columns)
        rows = [[_cell(cell, width - PADDING) for cell in row] for row in (columns, *report.table.rows)]
        # A row is cut at the end of a page only where it is higher than one.
        story.append(Table(rows, [width] * len(columns), None, GRID, repeatRows=1, splitInRow=1))
    document.build(story, canvasmaker=_Numbered)
    return file.getvalue()


class _Numbered(Canvas):  # type: ignore[misc]
    """Canvas that says on each page which of how many it is; how many is a form that is drawn when all are there."""

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        text = f"Page {self.getPageNumber()} of "
        self.setFont(*NUMBER)
        self.drawString(MARGIN + PADDING, MARGIN / 2, text)
        self.translate(MARGIN + PADDING + self.stringWidth(text), MARGIN / 2)
        self.doForm("pages")
        super().showPage()

    def save(self) -> None:
        self.beginForm("pages")
        self.setFont(*NUMBER)
        self.drawString(0, 0, str(self.getPageNumber() - 1))
        self.endForm()
        super().save()


def _paragraph(shown: str, style: ParagraphStyle) -> Paragraph:
    """A paragraph in which each character is set in the first font that has it, and none is markup."""
    spaced = re.sub(" (?= )", "\u00a0", shown)  # a paragraph would make one space of many
    runs = groupby(spaced, lambda char: _font(char) or style.fontName)
    return Paragraph("".join(f'<font name="{font}">{escape("".join(run))}</font>' for font, run in runs), style)


def _cell(text: str, width: float) -> Paragraph | str:
    """The text for a table to draw, or a paragraph, ten times dearer, if it needs another font or more lines."""
    shown, font = visible(text, LONGEST_CELL), CELL.fontName
    plain = {_font(char) for char in shown} <= {font} and pdfmetrics.stringWidth(shown, font, CELL.fontSize) <= width
    return shown if plain else _paragraph(shown, CELL)


def visible(text: str, longest: int = LONGEST) -> str:
    """The text with escapes for what has no shape: controls, marks of direction, lone surrogates, and no font's."""
    shown = "".join(map(_visible, unicodedata.normalize("NFC", text[:longest])))
    return shown if len(text) <= longest else f"{shown}… ({len(text):,} characters)"


def _visible(char: str) -> str:
    if char == " " or (unicodedata.category(char)[0] not in "CZ" and _font(char)):
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@lru_cache(4096)
def _font(char: str) -> str | None:
    """The name of the first font that has `char`, registered with reportlab."""
    if char.encode("cp1252", "ignore"):
        return "Helvetica"  # in every viewer, without a file
    if ord(char) in _embedded().face.charToGlyph:
        return str(_embedded().fontName)
    for name, encoding in EAST_ASIAN.items():
        if char.encode(encoding, "ignore"):
            pdfmetrics.registerFont(UnicodeCIDFont(name))
            return name
    return None


@cache
def _embedded() -> TTFont:
    """The font that is embedded where Helvetica does not do: DejaVu if it is installed, else reportlab's own Vera."""
    try:
        font = TTFont("DejaVuSans", "DejaVuSans.ttf")
    except (TTFError, OSError):
        font = TTFont("Vera", "Vera.ttf")
    pdfmetrics.registerFont(font)
    return font
