"""CSV text as blocks of bytes (RFC 4180). Pure; each function walks a block with the few calls that run at C speed."""

FIELD_END = b"\x1f"
"""Stands between the cells of a line until it is known which cells need quotes."""


def is_regular(block: bytes, lines: int, columns: int) -> bool:
    """Whether the only FIELD_END, CR and LF in `block` are those between its cells and its lines.

    True means that every line can be cut at them; any other such byte must be within a cell.
    """
    structure = lines * (columns + 1) - 2  # the last line has no CRLF yet
    return len(block) - len(block.translate(None, FIELD_END + b"\r\n")) == structure


def put_quotes(block: bytes, delimiter: bytes) -> bytes:
    """A regular block with `delimiter` between its cells and quotes around the cells that need them."""
    if delimiter not in block and b'"' not in block:
        return block.replace(FIELD_END, delimiter)
    parts = []
    done, quote, mark = 0, block.find(b'"'), block.find(delimiter)
    while quote >= 0 or mark >= 0:
        hit = max(quote, mark) if quote < 0 or mark < 0 else min(quote, mark)
        start = max(done, 1 + block.rfind(FIELD_END, done, hit), 1 + block.rfind(b"\n", done, hit))
        stop = min(_end(block, FIELD_END, hit), _end(block, b"\r", hit))
        parts += block[done:start].replace(FIELD_END, delimiter), b'"', block[start:stop].replace(b'"', b'""'), b'"'
        done = stop
        if 0 <= quote < done:
            quote = block.find(b'"', done)
        if 0 <= mark < done:
            mark = block.find(delimiter, done)
    parts.append(block[done:].replace(FIELD_END, delimiter))
    return b"".join(parts)


def _end(block: bytes, mark: bytes, start: int) -> int:
    """Where `mark` next stands from `start` on; the end of the block if nowhere."""
    at = block.find(mark, start)
    return len(block) if at < 0 else at


def end_lines(block: bytes, in_quotes: bool) -> tuple[bytes, bool]:
    """Turn LF line ends into CRLF and leave those within quoted cells alone.

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
