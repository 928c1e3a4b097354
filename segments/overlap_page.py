"""The page that compares segments: every combination as a bar, the pairs as shares."""

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from customers.panels import Cell, Panel, link, moment, number, share
from segments.models import Segment
from segments.overlap import FEWEST, MOST, CannotCompare, Overlap, Part, overlap

COLOURS = ("#2563eb", "#d97706", "#16a34a", "#db2777", "#7c3aed", "#0891b2")


def compared(keys: Sequence[str]) -> dict[str, Any]:
    """Give what the page shows for some segments: a chart with its numbers, or why there is none."""
    every = list(Segment.objects.order_by("name"))
    chosen = [one for one in every if one.key in keys]
    context: dict[str, Any] = {"segments": every, "chosen": {one.key for one in chosen}, "most": MOST}
    try:
        found = overlap(chosen)
    except CannotCompare as error:
        return {**context, "problem": str(error) if keys else f"Choose {FEWEST} to {MOST} segments."}
    return {**context, "panels": [_combinations(found, chosen), _pairs(found, chosen)]}


def _combinations(found: Overlap, chosen: Sequence[Segment]) -> Panel:
    facts: list[tuple[str, Cell]] = [
        ("In at least one", number(found.either)),
        ("In all of them", number(found.all)),
        ("As of", moment(found.as_of)),
    ]
    return Panel("How they overlap", found.sentence, facts=facts, drawing=_chart(found, chosen))


def _chart(found: Overlap, chosen: Sequence[Segment]) -> SafeString:
    """Give one row a combination that has somebody: which segments, a bar, and the number."""
    colours = dict(zip((one.key for one in chosen), COLOURS, strict=False))
    parts = sorted((part for part in found.parts if part.count), key=lambda part: -part.count)
    top = max((part.count for part in parts), default=1)
    legend = format_html_join(
        "",
        '<li><i class="cb-mark" style="background:{}"></i>{} <b>{}</b></li>',
        ((colours[one.key], link(one), number(found.sizes[one.key])) for one in chosen),
    )
    rows = format_html_join("", "<tr>{}</tr>", ((_row(part, chosen, colours, top, found.either),) for part in parts))
    text = (
        '<ul class="cb-legend">{}</ul><div class="cusp-scroll" tabindex="0" role="region" '
        'aria-label="Every combination, table"><table class="cb-overlap"><thead><tr><th scope="col">In exactly these'
        '</th><th scope="col">Customers</th><th scope="col" aria-label="Bar"></th></tr></thead><tbody>{}</tbody>'
        "</table></div>"
    )
    return format_html(text, legend, rows)


def _row(part: Part, chosen: Sequence[Segment], colours: dict[str, str], top: int, either: int) -> SafeString:
    marks = format_html_join(
        "",
        '<i class="cb-mark{}" style="{}"></i>',
        (
            ("", f"background:{colours[one.key]}") if one.key in part.segments else (" cb-mark-none", "")
            for one in chosen
        ),
    )
    names = ", ".join(one.name for one in chosen if one.key in part.segments)
    said = names if len(part.segments) > 1 else f"only {names}"
    return format_html(
        '<td><span class="cb-marks" aria-hidden="true">{}</span> {}</td><td>{} <span class="cusp-quiet">{}</span></td>'
        '<td class="cb-bar-cell"><span class="cb-overlap-bar" style="width:{}%"></span></td>',
        marks,
        said,
        number(part.count),
        share(part.count / either),
        f"{max(100 * part.count / top, 0.5):.1f}",
    )


def _pairs(found: Overlap, chosen: Sequence[Segment]) -> Panel:
    names = {one.key: one.name for one in chosen}
    rows = [
        (
            names[pair.one],
            names[pair.other],
            number(pair.both),
            share(pair.share_of_one),
            share(pair.share_of_other),
            share(pair.share_of_either),
        )
        for pair in found.pairs
    ]
    head = ("One", "Other", "In both", "Share of the one", "Share of the other", "Share of either")
    return Panel("Two by two", head=head, rows=rows)
