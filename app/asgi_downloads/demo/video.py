"""The sample video: three seconds of a white bar that crosses colour bars."""

from functools import cache

from asgi_downloads.demo import h264, mp4

COLUMNS, ROWS = 8, 6
PER_SECOND = 12
SECONDS = 3

# Luma and two chromas of the eight colour bars at 75 %, after BT.601.
_BARS = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
    (16, 128, 128),
)
_WHITE = 235


@cache
def encode() -> bytes:
    """The MP4 file, 128 by 96."""
    pictures = tuple(h264.pictures(SECONDS * PER_SECOND, PER_SECOND, _draw))
    return mp4.mux(COLUMNS, ROWS, pictures, PER_SECOND)


def _draw(index: int) -> list[h264.Macroblock]:
    """The bar is one macroblock wide and moves three or four samples; only two or three columns change."""
    bar = index * COLUMNS * 16 // (PER_SECOND * SECONDS)
    row = [_macroblock(column, bar - column * 16) for column in range(COLUMNS)]
    return row * ROWS


@cache
def _macroblock(column: int, bar: int) -> h264.Macroblock:
    """The macroblock of a colour bar, with the white one from sample `bar` to `bar + 16` of it."""
    luma, *chromas = _BARS[column]
    bright = bytes(_WHITE if bar <= x < bar + 16 else luma for x in range(16))
    faint = [bytes(128 if bar <= 2 * x < bar + 16 else chroma for x in range(8)) for chroma in chromas]
    return bright * 16 + faint[0] * 8 + faint[1] * 8
