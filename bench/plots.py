"""Curves as SVG, written by hand: axes, labelled ticks, points joined by lines, marks, a legend; nothing to install.

    plots.svg(path, title, x_label, y_label, {"name": [(x, y), …]}, log_x=True, marks=[("here", x, y)])

Rules of this file
    - A point that an axis cannot show (not finite; not above zero on a logarithmic axis) is left out.
    - Every text is escaped; numbers are rounded to tenths of a pixel: equal data, equal bytes.

Invariant: every point that is kept lies within the frame, and the smallest and largest value lie on or inside ticks.
Complexity: O(points). Source: SVG 1.1; steps of 1, 2 and 5 as in Heckbert, "Nice numbers for graph labels" (1990).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

Point = tuple[float, float]
Mark = tuple[str, float, float]

WIDTH: Final = 860
HEIGHT: Final = 480
LEFT, RIGHT, TOP, BOTTOM = 76, 236, 44, 60
"""Margins in pixels; the legend stands in the right one."""
COLOURS: Final = ("#1b6ca8", "#d1495b", "#2e8b57", "#8e5ea2", "#c77f1a", "#4d4d4d", "#17a2a2", "#a0522d")
DASHES: Final = ("", "6 3", "2 3", "8 3 2 3")
"""Colours repeat with another dash, so that the ninth series is not the first."""
TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Axis:
    """Values to pixels: `low` and `high` are the ends, `ticks` what is written beside it."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, *, log: bool) -> Axis:
        """An axis from pixel `start` to `end` that shows all values and ends on ticks."""
        least, most = (min(values), max(values)) if values else (1.0, 10.0)
        ticks = _decades(least, most) if log else _nice(least, most)
        return cls(ticks[0], ticks[-1], start, end, log, ticks)

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high, here = (math.log10(one) if self.log else one for one in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (here - low) / (high - low)


def svg(
    path: Path,
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Sequence[Point]],
    *,
    log_x: bool = False,
    log_y: bool = False,
    marks: Iterable[Mark] = (),
) -> None:
    """Write a chart of `series` (name → points in the order in which they are joined) to `path`.

    `marks` are (text, x, y): a ring with a text beside it, such as a default or a limit.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drawn(title, (x_label, y_label), series, (log_x, log_y), list(marks)), encoding="utf-8")


def drawn(
    title: str,
    labels: tuple[str, str],
    series: Mapping[str, Sequence[Point]],
    logs: tuple[bool, bool] = (False, False),
    marks: Sequence[Mark] = (),
) -> str:
    """The chart as text: labels and logarithms of x and y in that order."""
    kept = {name: [point for point in points if _shown(point, logs)] for name, points in series.items()}
    rings = [mark for mark in marks if _shown(mark[1:], logs)]
    every = [point for points in kept.values() for point in points] + [mark[1:] for mark in rings]
    x = Axis.over([one[0] for one in every], LEFT, WIDTH - RIGHT, log=logs[0])
    y = Axis.over([one[1] for one in every], HEIGHT - BOTTOM, TOP, log=logs[1])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>{_said(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, TOP - 18, title, size=15),
        *_frame(x, y, labels),
    ]
    for number, (name, points) in enumerate(kept.items()):
        lines += _series(number, name, [(x.at(a), y.at(b)) for a, b in points])
    lines += _marks([(said, x.at(a), y.at(b)) for said, a, b in rings])
    return "\n".join([*lines, "</svg>", ""])


def _shown(point: Point, logs: tuple[bool, bool]) -> bool:
    return all(math.isfinite(one) and (one > 0 or not log) for one, log in zip(point, logs, strict=True))


def _nice(low: float, high: float) -> tuple[float, ...]:
    """Ticks in steps of 1, 2 or 5 times a power of ten, that hold low and high between them."""
    if high <= low:
        low, high = low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1)
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(one * step for one in range(first, last + 1))


def _decades(low: float, high: float) -> tuple[float, ...]:
    """Ticks at powers of ten; at more of their multiples where there would be few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1,) if last - first > 3 else (1, 2, 5) if high > 4 * low else (1, 2, 3, 4, 5, 6, 8)
    ticks = [one * 10.0**power for power in range(first, last + 1) for one in steps]
    begin = max((at for at, tick in enumerate(ticks) if tick <= low * (1 + 1e-9)), default=0)
    end = min(at for at, tick in enumerate([*ticks, math.inf]) if tick >= high * (1 - 1e-9))
    return tuple(ticks[begin : max(end, begin + 1) + 1])


def _frame(x: Axis, y: Axis, labels: tuple[str, str]) -> list[str]:
    """Grid lines with their numbers, and what the axes are."""
    lines: list[str] = []
    for tick in x.ticks:
        at = x.at(tick)
        lines.append(f'<path d="M{at:.1f} {y.start:.1f}V{y.end:.1f}" stroke="#dddddd"/>')
        lines.append(_text(at, y.start + 18, _number(tick), anchor="middle"))
    for tick in y.ticks:
        at = y.at(tick)
        lines.append(f'<path d="M{x.start:.1f} {at:.1f}H{x.end:.1f}" stroke="#dddddd"/>')
        lines.append(_text(x.start - 8, at + 4, _number(tick), anchor="end"))
    lines.append(f'<path d="M{x.start:.1f} {y.end:.1f}V{y.start:.1f}H{x.end:.1f}" fill="none" stroke="#333333"/>')
    lines.append(_text((x.start + x.end) / 2, HEIGHT - 14, labels[0], anchor="middle", size=13))
    middle = (y.start + y.end) / 2
    turned = _text(18, middle, labels[1], anchor="middle", size=13)
    return [*lines, turned.replace("<text ", f'<text transform="rotate(-90 18 {middle:.1f})" ', 1)]


def _series(number: int, name: str, points: Sequence[Point]) -> list[str]:
    """One line with its points, and its entry in the legend."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
    stroke = f'stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash or "none"}" fill="none"'
    at, right = TOP + 14 + 18 * number, WIDTH - RIGHT + 14
    lines = [
        f'<path d="M{right} {at - 4}h22" {stroke}/>',
        f'<circle cx="{right + 11}" cy="{at - 4}" r="3" fill="{colour}"/>',
        _text(right + 28, at, name),
    ]
    if points:
        joined = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        lines.append(f'<path d="M{joined}" {stroke}/>')
    return lines + [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]


def _marks(rings: Sequence[Mark]) -> list[str]:
    """Rings, and their texts to the right and below, each below those that it would cover."""
    lines: list[str] = []
    taken: list[tuple[float, float]] = []
    for said, a, b in rings:
        lines.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="7" fill="none" stroke="#000000"/>')
        if said:
            at = b + 16
            while any(abs(a - left) < 7 * len(said) and abs(at - top) < 12 for left, top in taken):
                at += 3
            taken.append((a, at))
            lines.append(_text(a + 9, at, said, size=11))
    return lines


def _text(x: float, y: float, said: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{_said(said)}</text>'


def _said(text: str) -> str:
    """A text as SVG may carry it: no control characters, markup escaped."""
    return escape("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text))


def _number(value: float) -> str:
    """A tick's number: short, with k and M for thousands and millions."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"
