"""CSV text as blocks of bytes (RFC 4180). Pure; goes through a block in the few calls that run at C speed."""

CELL_END, LINE_END = b"\x1f", b"\x1e"
"""Between cells and between lines until it is known which cells need quotes: ASCII's unit and record separator."""


def is_regular(block: bytes, lines: int, columns: int) -> bool:
    """Whether `block` has exactly the CELL_ENDs and LINE_ENDs that stand between so many cells and lines.

    If so, none is within a cell, and the block can be cut at them.
    """
    return len(block) - len(block.translate(None, CELL_END + LINE_END)) == lines * columns - 1


def finished(block: bytes, delimiter: bytes) -> bytes:
    """A regular block as CSV: `delimiter` between cells, CRLF between lines, quotes around the cells that need them."""
    cells = _cells_with(block, (delimiter, b'"', b"\r", b"\n"))
    if cells:
        parts: list[bytes] = []
        done = 0
        for start, stop in sorted(cells.items()):
            parts += block[done:start], b'"', block[start:stop].replace(b'"', b'""'), b'"'
            done = stop
        parts.append(block[done:])
        block = b"".join(parts)
    return block.replace(CELL_END, delimiter).replace(LINE_END, b"\r\n")


def _cells_with(block: bytes, marks: tuple[bytes, ...]) -> dict[int, int]:
    """Start and stop of every cell of a regular block that has one of `marks` in it."""
    cells = {}
    for mark in marks:
        hit = block.find(mark)
        while hit >= 0:
            line = 1 + block.rfind(LINE_END, 0, hit)
            start = max(line, 1 + block.rfind(CELL_END, line, hit))
            stop = block.find(CELL_END, hit)
            end = block.find(LINE_END, hit, stop if stop >= 0 else len(block))
            stop = end if end >= 0 else stop if stop >= 0 else len(block)
            cells[start] = stop
            hit = block.find(mark, stop)
    return cells


def with_crlf(block: bytes, in_quotes: bool) -> tuple[bytes, bool]:
    """CSV with its LF line ends made CRLF; those within quoted cells stay.

    `in_quotes` says whether the block starts within a quoted cell; returned is whether it ends in one.
    """
    if not in_quotes and b'"' not in block:
        return block.replace(b"\n", b"\r\n"), False
    stretches = block.split(b'"')  # every quote, a doubled one too, changes sides
    outside = slice(1 if in_quotes else 0, None, 2)
    stretches[outside] = [stretch.replace(b"\n", b"\r\n") for stretch in stretches[outside]]
    return b'"'.join(stretches), in_quotes ^ (len(stretches) % 2 == 0)


def as_utf8(block: bytes) -> bytes:
    """The block with U+FFFD for whatever is not UTF-8, so that the charset announced is true."""
    if block.isascii():
        return block
    try:
        block.decode()
    except UnicodeDecodeError:
        return block.decode("utf-8", "replace").encode()
    return block
