"""What the sample pictures show. Whole numbers only, so that every machine draws the same bytes."""

COLOURS = tuple((40 + i * 215 // 127, 60 + i * 130 // 127, 150 - i * 110 // 127) for i in range(128))
"""From dusk to sun, as red, green and blue."""

PALETTE = bytes(channel for colour in COLOURS for channel in colour)


def sunset(width: int, height: int, sun: int) -> bytes:
    """Indices of `COLOURS`, row by row: rings around a sun whose centre is at column `sun`."""
    middle = height * 2 // 3
    return bytes(
        max(0, 127 - ((x - sun) ** 2 + (2 * (y - middle)) ** 2) * 127 // (width * width))
        for y in range(height)
        for x in range(width)
    )
