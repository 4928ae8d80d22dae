"""An export of users as blocks: a first line that names the columns, then the rows as they come from the database."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from asgi_downloads.storage.rows.source import Csv, Notation, RowSource, Selection

BYTE_ORDER_MARK = "\ufeff".encode()


async def export_blocks(source: RowSource, selection: Selection, notation: Notation) -> AsyncGenerator[bytes]:
    """The export as text in UTF-8; JSON lines have no first line. Raises what the source raises."""
    head = b""
    if isinstance(notation, Csv):
        head = BYTE_ORDER_MARK if notation.for_excel else b""
        head += notation.delimiter.join(selection.columns).encode() + b"\r\n"
    async with aclosing(source.lines(selection, notation)) as lines:
        async for block in lines:
            yield head + block if head else block
            head = b""
    if head:
        yield head
