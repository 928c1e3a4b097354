"""Drawings as inline SVG, in the colours of the page. Each stands beside a table with its numbers."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

SIDE = 240
EDGE = 34
WIDE, HIGH = 640, 150
LEFT, RIGHT, BELOW = 44, 12, 22
MOST_DOTS = 12
WIDEST = 120  # a column
LETTER = 7  # the width of one of the words beside a drawing


class Part(NamedTuple):
    """A labelled number, drawn in the colour of its kind: good, bad, wait or nothing."""

    label: str
    value: float
    kind: str = ""


class Span(NamedTuple):
    """A labelled value with its interval, and the words for it."""

    label: str
    value: float
    low: float
    high: float
    words: str


def framed(svg: SafeString, label: str, width: int, height: int, kind: str = "") -> SafeString:
    """Give a drawing with its name, for eyes and for screen readers."""
    text = (
        '<figure class="cusp-chart {}"><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        "<figcaption>{}</figcaption></figure>"
    )
    return format_html(text, kind, width, height, f"{label}; the table has the numbers", svg, label)


def curve(points: Sequence[tuple[float, float]], across: str, up: str) -> SafeString:
    """Give a line over the unit square, with a dashed diagonal and dots that tell their numbers."""
    places = [(EDGE + x * SIDE, 8 + (1 - y) * SIDE, x, y) for x, y in points]
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py, _, _ in places)
    dot = '<circle cx="{}" cy="{}" r="3.5"><title>{}: {}, {}: {}</title></circle>'
    dots = format_html_join(
        "", dot, ((f"{px:.1f}", f"{py:.1f}", across, f"{x:.3f}", up, f"{y:.3f}") for px, py, x, y in places)
    )
    tick = '<text x="{}" y="{}" text-anchor="middle">{}</text><text x="{}" y="{}" text-anchor="end">{}</text>'
    ticks = format_html_join(
        "",
        tick,
        (
            (f"{EDGE + t * SIDE:.0f}", SIDE + 24, f"{t:g}", EDGE - 6, f"{8 + (1 - t) * SIDE + 4:.0f}", f"{t:g}")
            for t in (0, 0.5, 1)
        ),
    )
    svg = format_html(
        '<rect x="{e}" y="8" width="{s}" height="{s}"/><line x1="{e}" y1="{b}" x2="{r}" y2="8"/>'
        '<polyline points="{line}"/>{dots}{ticks}',
        **{"e": EDGE, "s": SIDE, "b": SIDE + 8, "r": EDGE + SIDE, "line": line, "dots": dots, "ticks": ticks},
    )
    return framed(svg, f"{up} (up) over {across} (across)", EDGE + SIDE + 14, SIDE + 32)


def stack(parts: Sequence[Part]) -> SafeString:
    """Give one bar that shows how a whole divides, with its legend."""
    whole = sum(part.value for part in parts) or 1
    bars, names, at = [], [], 0.0
    for part in parts:
        width = 100 * part.value / whole
        words = f"{part.label}: {part.value:,.0f} ({part.value / whole:.1%})"
        bars.append((part.kind or "plain", f"{at:.3f}", f"{max(width - 0.15, 0.1):.3f}", words))
        names.append((part.kind or "plain", part.label, f"{part.value:,.0f}", f"{part.value / whole:.1%}"))
        at += width
    drawn = format_html_join(
        "", '<rect class="cusp-fill-{}" x="{}%" y="0" width="{}%" height="18"><title>{}</title></rect>', bars
    )
    told = format_html_join(
        "", '<li><i class="cusp-dot cusp-fill-{}"></i>{} <b>{}</b> <span class="cusp-quiet">{}</span></li>', names
    )
    text = (
        '<div class="cusp-stack"><svg width="100%" height="18" role="img" aria-label="How they divide">{}</svg>'
        "<ul>{}</ul></div>"
    )
    return format_html(text, drawn, told)


def columns(parts: Sequence[Part], label: str, line: int | None = None) -> SafeString:
    """Give a histogram: one column a part, its label below every few; a line stands before the column `line`."""
    top = max((part.value for part in parts), default=0) or 1
    step = min((WIDE - LEFT - RIGHT) / max(len(parts), 1), WIDEST)
    bars, names = [], []
    for index, part in enumerate(parts):
        height = (HIGH - 8) * part.value / top
        x = LEFT + index * step
        words = f"{part.label}: {part.value:,.0f}"
        bars.append(
            (part.kind or "main", f"{x + 1:.1f}", f"{HIGH - height:.1f}", f"{step - 2:.1f}", f"{height:.1f}", words)
        )
        if index % max(len(parts) // 5, 1) == 0:
            names.append((f"{x:.1f}", HIGH + 15, part.label))
    drawn = format_html_join(
        "", '<rect class="cusp-fill-{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>', bars
    )
    told = format_html_join("", '<text x="{}" y="{}">{}</text>', names)
    upright = '<line class="cusp-zero" x1="{x}" x2="{x}" y1="4" y2="{y}"/>'
    mark = "" if line is None else format_html(upright, x=_near(LEFT + line * step), y=HIGH)
    svg = format_html("{}{}{}{}", drawn, told, _scale(top), mark)
    return framed(svg, label, WIDE, HIGH + BELOW, "cusp-wide")


def _scale(top: float) -> SafeString:
    """Give the numbers at the left: nothing below, the largest above."""
    text = (
        '<line x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">0</text>'
        '<text x="{}" y="16" text-anchor="end">{}</text>'
    )
    return format_html(text, LEFT, WIDE - RIGHT, HIGH, HIGH, LEFT - 6, HIGH + 3, LEFT - 6, f"{top:,.0f}")


def over_time(points: Sequence[tuple[datetime, float]], label: str, *, is_line: bool = True) -> SafeString:
    """Give values over time: as steps that hold until the next, or as a stem for each."""
    first, last = points[0][0], points[-1][0]
    length = (last - first).total_seconds() or 1
    top = max(value for _, value in points) or 1
    places = [
        (
            LEFT + (WIDE - LEFT - RIGHT) * (at - first).total_seconds() / length,
            HIGH - (HIGH - 12) * max(value, 0) / top,
            f"{date_format(timezone.localtime(at), 'j M Y')}: {value:,.0f}",
        )
        for at, value in points
    ]
    drawn = _steps(places) if is_line else _stems(places)
    dates = format_html(
        '<text x="{}" y="{}">{}</text><text x="{}" y="{}" text-anchor="end">{}</text>',
        *(LEFT, HIGH + 15, date_format(timezone.localtime(first), "j M Y")),
        *(WIDE - RIGHT, HIGH + 15, date_format(timezone.localtime(last), "j M Y") if last != first else ""),
    )
    return framed(format_html("{}{}{}", drawn, dates, _scale(top)), label, WIDE, HIGH + BELOW, "cusp-wide")


def _steps(places: Sequence[tuple[float, float, str]]) -> SafeString:
    corners = [f"{places[0][0]:.1f},{places[0][1]:.1f}"]
    for (_, before, _), (x, y, _) in pairwise(places):
        corners += [f"{x:.1f},{before:.1f}", f"{x:.1f},{y:.1f}"]
    shown = places if len(places) <= 3 * MOST_DOTS else ()
    dot = '<circle cx="{}" cy="{}" r="3"><title>{}</title></circle>'
    dots = format_html_join("", dot, ((f"{x:.1f}", f"{y:.1f}", words) for x, y, words in shown))
    return format_html('<polyline points="{}"/>{}', " ".join(corners), dots)


def _stems(places: Sequence[tuple[float, float, str]]) -> SafeString:
    stem = '<path d="M{} {}V{}"/><circle cx="{}" cy="{}" r="3"><title>{}</title></circle>'
    return format_html_join(
        "", stem, ((f"{x:.1f}", HIGH, f"{y:.1f}", f"{x:.1f}", f"{y:.1f}", words) for x, y, words in places)
    )


def intervals(spans: Sequence[Span], label: str) -> SafeString:
    """Give values with their intervals on one scale; a dashed line marks zero where the scale holds it."""
    low, high = min(0.0, *(span.low for span in spans)), max(0.0, *(span.high for span in spans))
    room = (high - low) or 1.0
    left, height = 110, 30
    said = max(150, 10 + LETTER * max(len(span.words) for span in spans))

    def at(value: float) -> float:
        return left + (WIDE - left - said) * (value - low) / room

    row = (
        '<text x="0" y="{}">{}</text><path d="M{} {}H{}"/><circle cx="{}" cy="{}" r="4.5"><title>{}</title></circle>'
        '<text class="cusp-figure" x="{}" y="{}">{}</text>'
    )
    places = [(height * n + 18, span) for n, span in enumerate(spans)]
    drawn = [
        (y + 4, span.label, _near(at(span.low)), y, _near(at(span.high)), _near(at(span.value)), y, span.words)
        for y, span in places
    ]
    rows = format_html_join(
        "", row, ((*one, WIDE - said + 10, y + 4, span.words) for one, (y, span) in zip(drawn, places, strict=True))
    )
    zero = format_html('<line x1="{x}" x2="{x}" y1="0" y2="{y}"/>', x=f"{at(0):.1f}", y=height * len(spans) + 6)
    return framed(format_html("{}{}", zero, rows), label, WIDE, height * len(spans) + 10, "cusp-wide cusp-spans")


def funnel(parts: Sequence[Part], label: str) -> SafeString:
    """Give one bar for each step from many to few, with its number and what part of the first it is."""
    top = max((part.value for part in parts), default=0) or 1
    left, height, room = 110, 30, WIDE - 110 - 170
    row = (
        '<text x="0" y="{}">{}</text><rect class="cusp-fill-{}" x="{}" y="{}" width="{}" height="18" rx="2">'
        '<title>{}</title></rect><text class="cusp-figure" x="{}" y="{}">{}</text>'
    )
    drawn = []
    for n, part in enumerate(parts):
        first = parts[0].value if n else 0
        words = f"{part.value:,.0f}" + (f" ({part.value / first:.1%})" if first else "")
        width, y = max(room * part.value / top, 1.0), height * n
        bar = (part.kind or "main", left, y + 4, _near(width), f"{part.label}: {words}")
        drawn.append((y + 17, part.label, *bar, _near(left + width + 8), y + 17, words))
    return framed(format_html_join("", row, drawn), label, WIDE, height * len(parts) + 4, "cusp-wide cusp-spans")


class Lane(NamedTuple):
    """What happens under one name, day by day: how many, whether that is still to come, and the words for it."""

    label: str
    days: Sequence[tuple[int, float, bool, str]]


def calendar(lanes: Sequence[Lane], heads: Sequence[tuple[int, str]], days: int, next_: int, label: str) -> SafeString:
    """Give a lane for each name over so many days: the more, the darker; what is to come is an outline.

    `heads` are days with their dates; a line stands before the first day that is to come, `next_`.
    """
    left, height, top = 150, 22, 20
    step = (WIDE - left - 4) / days
    most = max((many for lane in lanes for _, many, _, _ in lane.days), default=0) or 1
    cell = '<rect class="cusp-day-{}" x="{}" y="{}" width="{}" height="{}" rx="2" opacity="{}"><title>{}</title></rect>'
    cells = [
        (
            *("next" if is_next else "past", _near(left + day * step + 1), top + height * n + 3),
            *(_near(step - 2), height - 6, "1" if is_next else f"{0.3 + 0.7 * (many / most) ** 0.5:.2f}", words),
        )
        for n, lane in enumerate(lanes)
        for day, many, is_next, words in lane.days
    ]
    names = [(top + height * n + 15, cut(lane.label, 24), lane.label) for n, lane in enumerate(lanes)]
    bottom, now = top + height * len(lanes), _near(left + next_ * step)
    svg = format_html(
        '{}{}{}<line x1="{now}" x2="{now}" y1="14" y2="{}"/>',
        format_html_join("", '<text x="0" y="{}">{}<title>{}</title></text>', names),
        format_html_join(
            "", '<text x="{}" y="10">{}</text>', ((_near(left + d * step + 1), words) for d, words in heads)
        ),
        format_html_join("", cell, cells),
        bottom,
        now=now,
    )
    return framed(svg, label, WIDE, bottom + 4, "cusp-wide cusp-spans cusp-days")


def cut(label: str, most: int = 18) -> str:
    """Give a label as short as a drawing has room for."""
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _near(place: float) -> str:
    return f"{place:.1f}"
