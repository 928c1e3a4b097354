"""Lines over two scales, bars with their intervals, and tracks with a mark: drawings for figures of models."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from customers.charts import HIGH, WIDE, Part, Span, framed

LEFT, TOP, RIGHT, BELOW = 46, 10, 12, 36
WIDTH, HEIGHT = 300, 220
BAR = 26
NAMES, WORDS = 190, 120
MOST_DOTS = 12
SMALL = (200, 84)


class Line(NamedTuple):
    """A named line, drawn in the colour of its kind; what is dashed is a guide."""

    name: str
    points: Sequence[tuple[float, float]]
    kind: str = "main"
    is_guide: bool = False


class Axis(NamedTuple):
    """A scale: what it measures, from where to where, and how its numbers are written."""

    label: str
    low: float = 0.0
    high: float = 1.0
    write: Callable[[float], str] = "{:g}".format

    def at(self, value: float) -> float:
        """Give the place of a value between the ends, 0 to 1."""
        return min(max((value - self.low) / ((self.high - self.low) or 1.0), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Give the round values that are written at the scale: four to eight."""
        room = (self.high - self.low) or 1.0
        step = 10.0 ** math.floor(math.log10(room / 4))
        step *= next(times for times in (10.0, 5.0, 2.5, 2.0, 1.0) if times * step <= room / 3.99)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]


def plot(lines: Sequence[Line], across: Axis, up: Axis, mark: tuple[float, str] | None = None) -> SafeString:
    """Give lines over two scales with a legend; a mark is an upright line at a place, with its words."""
    drawn = [_line(line, across, up) for line in lines if line.points]
    zero = _level(up, 0.0) if up.low < 0 < up.high else ""
    svg = format_html("{}{}{}{}", _grid(across, up), zero, _mark(mark, across), format_html_join("", "{}", zip(drawn)))
    label = f"{up.label} (up) over {across.label} (across)"
    figure = framed(svg, label, LEFT + WIDTH + RIGHT, TOP + HEIGHT + BELOW, "cusp-plot")
    return format_html("{}{}", figure, legend([line for line in lines if line.name and line.points]))


def _x(across: Axis, value: float) -> str:
    return f"{LEFT + WIDTH * across.at(value):.1f}"


def _y(up: Axis, value: float) -> str:
    return f"{TOP + HEIGHT * (1 - up.at(value)):.1f}"


def _line(line: Line, across: Axis, up: Axis) -> SafeString:
    corners = " ".join(f"{_x(across, x)},{_y(up, y)}" for x, y in line.points)
    css = f"cusp-line-{line.kind}{' cusp-guide' if line.is_guide else ''}"
    shown = line.points if len(line.points) <= MOST_DOTS and not line.is_guide else ()
    dot = '<circle class="{}" cx="{}" cy="{}" r="3.5"><title>{}: {}, {}: {}</title></circle>'
    dots = format_html_join(
        "",
        dot,
        ((css, _x(across, x), _y(up, y), across.label, across.write(x), up.label, up.write(y)) for x, y in shown),
    )
    return format_html('<polyline class="{}" points="{}"/>{}', css, corners, dots)


def _grid(across: Axis, up: Axis) -> SafeString:
    """Give the frame, with the numbers of both scales."""
    frame = format_html('<rect x="{}" y="{}" width="{}" height="{}"/>', LEFT, TOP, WIDTH, HEIGHT)
    below = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        ((_x(across, t), TOP + HEIGHT + 16, across.write(t)) for t in across.ticks()),
    )
    beside = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="end">{}</text>',
        ((LEFT - 6, f"{float(_y(up, t)) + 3.5:.1f}", up.write(t)) for t in up.ticks()),
    )
    return format_html("{}{}{}", frame, below, beside)


def _level(up: Axis, value: float) -> SafeString:
    return format_html('<line x1="{}" x2="{}" y1="{y}" y2="{y}"/>', LEFT, LEFT + WIDTH, y=_y(up, value))


def _mark(mark: tuple[float, str] | None, across: Axis) -> SafeString | str:
    if mark is None:
        return ""
    side = "end" if across.at(mark[0]) > 0.5 else "start"
    shift = -5 if side == "end" else 5
    text = (
        '<line class="cusp-mark" x1="{x}" x2="{x}" y1="{}" y2="{}"/>'
        '<text class="cusp-mark-words" x="{}" y="{}" text-anchor="{}">{}</text>'
    )
    x = _x(across, mark[0])
    return format_html(text, TOP, TOP + HEIGHT, f"{float(x) + shift:.1f}", TOP + 12, side, mark[1], x=x)


class Reading(NamedTuple):
    """What was known at a time: a value, the range around it, and the words for both."""

    at: datetime
    value: float
    low: float
    high: float
    words: str


def ranges(readings: Sequence[Reading], label: str, write: Callable[[float], str]) -> SafeString:
    """Give values with their ranges over time, and a line at zero.

    Early ranges are wide: where they would squeeze the last one, they are cut at the edge of the drawing.
    """
    last = readings[-1]
    most = 1.5 * (last.high - last.low)
    low = min(0.0, last.low, max(min(one.low for one in readings), last.low - most), min(one.value for one in readings))
    high = max(
        0.0, last.high, min(max(one.high for one in readings), last.high + most), max(one.value for one in readings)
    )
    up, first = Axis("", low, high, write), readings[0].at
    length = (last.at - first).total_seconds()
    left, height, across = 66, HIGH + 30, WIDE - 66 - RIGHT

    def place(at: datetime, value: float) -> str:
        x = across * (at - first).total_seconds() / length if length else across / 2
        return f"{left + x:.1f},{TOP + height * (1 - up.at(value)):.1f}"

    edge = [place(one.at, one.high) for one in readings] + [place(one.at, one.low) for one in reversed(readings)]
    line = [place(one.at, one.value) for one in readings]
    dot = '<circle cx="{}" cy="{}" r="3"><title>{}</title></circle>'
    dots = format_html_join("", dot, ((*spot.split(","), one.words) for spot, one in zip(line, readings, strict=True)))
    tick = '<text x="{}" y="{}" text-anchor="end">{}</text>'
    levels = [(left - 6, f"{TOP + height * (1 - up.at(t)) + 3.5:.1f}", write(t)) for t in up.ticks()]
    svg = format_html(
        '<line class="cusp-zero" x1="{}" x2="{}" y1="{zero}" y2="{zero}"/><polygon class="cusp-range" points="{}"/>'
        '<polyline points="{}"/>{}{}<text x="{}" y="{below}">{}</text>'
        '<text x="{}" y="{below}" text-anchor="end">{}</text>',
        *(left, left + across, " ".join(edge), " ".join(line), dots, format_html_join("", tick, levels)),
        *(left, _day(first), left + across, _day(last.at) if length else ""),
        zero=f"{TOP + height * (1 - up.at(0.0)):.1f}",
        below=TOP + height + 16,
    )
    return framed(svg, label, WIDE, TOP + height + 22, "cusp-wide")


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j M Y")


def legend(lines: Sequence[Line]) -> SafeString | str:
    """Give the names of lines in their colours; one line alone needs none."""
    if len(lines) < 2:
        return ""
    row = '<li><i class="cusp-stroke cusp-stroke-{}{}"></i>{}</li>'
    rows = ((line.kind, " cusp-stroke-guide" if line.is_guide else "", line.name) for line in lines)
    return format_html('<ul class="cusp-legend">{}</ul>', format_html_join("", row, rows))


def bars(spans: Sequence[Span], label: str) -> SafeString:
    """Give a bar from zero to each value, its interval as a whisker, and its words beside it."""
    low, high = min(0.0, *(span.low for span in spans)), max(0.0, *(span.high for span in spans))
    room, width = (high - low) or 1.0, LEFT + WIDTH + 240

    def at(value: float) -> float:
        return NAMES + (width - NAMES - WORDS) * (value - low) / room

    row = (
        '<text x="0" y="{}">{}<title>{}</title></text>'
        '<rect class="cusp-fill-main" x="{}" y="{}" width="{}" height="12" rx="2"><title>{}</title></rect>'
        '<path class="cusp-whisker" d="M{} {}H{}"/><text class="cusp-figure" x="{}" y="{}">{}</text>'
    )
    drawn = []
    for n, span in enumerate(spans):
        y, left, right = BAR * n + 16, at(min(0.0, span.value)), at(max(0.0, span.value))
        name = span.label if len(span.label) <= 30 else f"{span.label[:29]}…"
        bar = (f"{left:.1f}", y - 6, f"{max(right - left, 1.0):.1f}", span.words)
        whisker = (f"{at(span.low):.1f}", y, f"{at(span.high):.1f}")
        drawn.append((y + 4, name, span.label, *bar, *whisker, width - WORDS + 14, y + 4, span.words))
    return framed(format_html_join("", row, drawn), label, width, BAR * len(spans) + 8, "cusp-wide cusp-spans")


def small(points: Sequence[Part], title: str, write: Callable[[float], str] = "{:.1%}".format) -> SafeString:
    """Give a small picture of a number by value: columns from zero, the first and last value written below."""
    width, height = SMALL
    top = max((part.value for part in points), default=0.0) or 1.0
    step = width / max(len(points), 1)
    bars_drawn = format_html_join(
        "",
        '<rect class="cusp-fill-main" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (
                f"{n * step + 1:.1f}",
                f"{height - 16 - (height - 20) * part.value / top:.1f}",
                f"{max(step - 2, 1):.1f}",
                f"{max((height - 20) * part.value / top, 0.5):.1f}",
                part.label,
                write(part.value),
            )
            for n, part in enumerate(points)
        ),
    )
    ends = [(0, "start", points[0].label), (width, "end", points[-1].label)] if points else []
    name = '<text x="{}" y="{}" text-anchor="{}">{}</text>'
    names = format_html_join("", name, ((x, height - 3, side, words[:14]) for x, side, words in ends))
    return framed(format_html("{}{}", bars_drawn, names), title, width, height, "cusp-small-chart")


def track(value: float, low: float, high: float, zones: Sequence[tuple[float, str, str]], words: str) -> SafeString:
    """Give a scale of 0 to 100 in named zones (each from where, its name and kind), with a value and its interval."""
    ends = [*(start for start, _, _ in zones[1:]), 100.0]
    placed = [(start, end, name, kind) for (start, name, kind), end in zip(zones, ends, strict=True)]
    row = '<rect class="cusp-fill-{}" x="{}" y="12" width="{}" height="10"><title>{}</title></rect>'
    drawn = format_html_join(
        "", row, ((kind, start * 4, (end - start) * 4 - 2, name) for start, end, name, kind in placed)
    )
    text = '<text x="{}" y="36" text-anchor="middle">{}</text>'
    names = format_html_join("", text, (((start + end) * 2, name) for start, end, name, _ in placed))
    spot = (
        '<path class="cusp-whisker" d="M{} 17H{}"/>'
        '<circle class="cusp-spot" cx="{}" cy="17" r="7"><title>{}</title></circle>'
    )
    place = [min(max(one, 0.0), 100.0) * 4 for one in (low, high, value)]
    mark = format_html(spot, *(f"{one:.1f}" for one in place), words)
    return framed(format_html("{}{}{}", drawn, names, mark), words, 400, 40, "cusp-track")
