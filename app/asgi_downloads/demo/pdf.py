"""A PDF of plain lines of text, by hand: catalog, pages, one font, a table of where each object begins."""

from collections.abc import Sequence

_LINES_ON_PAGE = 40


def encode(title: str, lines: Sequence[str]) -> bytes:
    """A4 pages with `title` on each; text is that of Latin-1, other characters become `?`."""
    pages = [lines[start : start + _LINES_ON_PAGE] for start in range(0, len(lines), _LINES_ON_PAGE)] or [()]
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for page in pages:
        content = _content(title, page)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
            b" /Contents %d 0 R >>" % (len(objects) + 2),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        ]
    objects.append(b"<< /Title (%b) /Producer (asgi-downloads) >>" % _escape(title))
    return _file(objects)


def _content(title: str, lines: Sequence[str]) -> bytes:
    text = b"".join(b"(%b) Tj T*\n" % _escape(line) for line in lines)
    return b"BT\n/F1 20 Tf\n72 760 Td\n(%b) Tj\n/F1 12 Tf\n16 TL\n0 -36 Td\n%bET" % (_escape(title), text)


def _escape(text: str) -> bytes:
    data = text.encode("latin-1", "replace")
    return data.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    """The objects, numbered from 1; the first is the catalog and the last the document's information."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    entries = [b"0000000000 65535 f \n"]
    for number, content in enumerate(objects, 1):
        entries.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n%b" % (len(entries), b"".join(entries))
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(entries),
        len(objects),
        start,
    )
    return bytes(out)
