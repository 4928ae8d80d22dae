"""Charts as SVG, written by hand: bars for a case, lines on logarithmic axes for scaling."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:14px}"
    ".s{fill:#777;font-size:12px}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.s{fill:#999}}</style>"
)
_OURS, _OTHERS = "#2563eb", "#9ca3af"
_LINES = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2")


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    value: float
    spread: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Points are (x, y), both above zero."""

    name: str
    points: Sequence[tuple[float, float]]


def _svg(width: int, height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img"><title>{escape(title)}</title>{_STYLE}\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def bar_chart(title: str, axis: str, bars: Sequence[Bar], number: Callable[[float], str]) -> str:
    """Horizontal bars from zero, each with its value and a whisker as long as its spread."""
    left, top, step, width = 150, 52, 26, 720
    room = width - left - 90
    scale = room / max((bar.value for bar in bars), default=1.0)
    parts = [_text(10, 20, title, "t"), _text(10, 38, axis, "s")]
    for row, bar in enumerate(bars):
        y = top + row * step
        end = left + bar.value * scale
        half = bar.spread / 2 * scale
        colour = _OURS if bar.ours else _OTHERS
        parts += [
            _text(left - 8, y + 15, bar.name, anchor="end"),
            f'<rect x="{left}" y="{y + 2}" width="{max(1.0, end - left):.1f}" height="18" rx="2" fill="{colour}"/>',
            f'<path d="M{end - half:.1f} {y + 11}H{end + half:.1f}" stroke="#111" stroke-width="1.5"/>',
            _text(end + half + 6, y + 15, number(bar.value)),
        ]
    return _svg(width, top + len(bars) * step + 10, parts, title)


def _decades(values: Sequence[float]) -> range:
    return range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)


def _tick(power: int) -> str:
    """A power of ten, short: 0.01, 1, 10, 100 k, 1 G."""
    if power < 0:
        return f"{10.0**power:.{-power}f}"
    return f"{10 ** (power % 3)}{('', ' k', ' M', ' G', ' T')[power // 3]}"


def line_chart(title: str, x_axis: str, y_axis: str, lines: Sequence[Line]) -> str:
    """Both axes logarithmic, so that what grows linearly is a straight line and what is flat is level."""
    left, top, width, height, bottom, right = 80, 52, 720, 400, 44, 150
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    x_decades, y_decades = _decades(xs), _decades(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_decades[0]) / max(1, len(x_decades) - 1)
        up = (math.log10(y) - y_decades[0]) / max(1, len(y_decades) - 1)
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    parts = [_text(10, 20, title, "t"), _text(10, 38, y_axis, "s"), _text(left, height - 8, x_axis, "s")]
    for power in x_decades:
        x, y = place(10.0**power, 10.0 ** y_decades[0])
        parts.append(f'<path d="M{x:.1f} {top}V{y:.1f}" stroke="#8883" />')
        parts.append(_text(x, y + 16, _tick(power), "s", "middle"))
    for power in y_decades:
        x, y = place(10.0 ** x_decades[0], 10.0**power)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{width - right}" stroke="#8883"/>')
        parts.append(_text(x - 6, y + 4, _tick(power), "s", "end"))
    for row, line in enumerate(lines):
        colour = _LINES[row % len(_LINES)]
        places = [place(x, y) for x, y in line.points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(f'<rect x="{width - right + 12}" y="{top + row * 20}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(width - right + 30, top + row * 20 + 11, line.name))
    return _svg(width, height, parts, title)
