"""The page of a model that foresees a number, money or days: how far the total is off, and how well it sorts."""

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from customers.panels import Cell, Panel, moment, number, share, tag
from customers.plots import Axis, Line, plot
from scoring.model_curves import interval, percent
from scoring.model_story import learner
from scoring.models import Backtest, Evaluation, ModelVersion, Target

TOTAL, GINI = "total_error", "gini"
FIGURES = {
    TOTAL: ("Error of the total", "so much more or less is foreseen in all than came"),
    GINI: ("Gini", "how well customers are sorted by the amount; 0 is chance, 1 the best order"),
    "capture": ("Held by the top 10 %", "so much of all that came, those foreseen highest have"),
    "spearman": ("Rank correlation", "0 is chance, 1 the best order"),
    "mae": ("Mean error", "how far one customer's number is off; it prefers numbers that are too low"),
    "on_time": ("On time", "so many did it by the day foreseen, or did not where none was"),
}
UNITS = {Target.Kind.SPEND: "spent by each, on average", Target.Kind.NEXT: "days"}
ROOM = 1.1


def graded(version: ModelVersion, own: Evaluation, rule: Evaluation | None, badges: SafeString) -> Panel:
    """Give the error of the total and the Gini coefficient, with their words."""
    facts: list[tuple[str, Cell]] = []
    if told := own.figures.get(TOTAL):
        facts.append(
            ("The total is off by", _large(f"{told['value']:+.1%}", f"{told['low']:+.1%} to {told['high']:+.1%}"))
        )
    if told := own.figures.get(GINI):
        beside = rule.figures.get(GINI) if rule else None
        against = f"; {learner(rule.learner).lower()} gets {beside['value']:.2f}" if rule and beside else ""
        facts.append(
            ("How well it sorts (Gini, 0 to 1)", _large(number(told["value"], 2), interval(told, 2) + against))
        )
    facts += [
        ("Tested", version.get_validated_display()),
        ("On", f"{number(own.customers)} customers"),
        ("Trained as of", moment(version.as_of)),
    ]
    title = f"Version {version.number}: {learner(version.learner).lower()}"
    drawing = format_html('<p class="cusp-badges">{}</p><p>{}</p>', badges, version.reason)
    return Panel(title, facts=facts, drawing=drawing)


def _large(value: str, words: str) -> SafeString:
    text = '<strong class="cusp-large">{}</strong> <span class="cusp-quiet cusp-small">{}</span>'
    return format_html(text, value, words)


def curves(target: Target, own: Evaluation, rule: Evaluation | None) -> list[Panel]:
    """Give what was foreseen beside what came by tenth, and what the highest hold of all."""
    return [panel for panel in (tenths(target, own), captured(own, rule)) if panel]


def tenths(target: Target, own: Evaluation) -> Panel | None:
    """Give the numbers foreseen beside those that came, by tenth of the customers."""
    found = own.curves.get("reliability", [])
    if not found:
        return None
    lines = [
        Line("foreseen", [(n, one["predicted"]) for n, one in enumerate(found, 1)]),
        Line("came", [(n, one["observed"]) for n, one in enumerate(found, 1)], "wait"),
    ]
    top = max(max(one["predicted"], one["observed"]) for one in found) * ROOM or 1.0
    across = Axis("tenth of the customers, lowest first", 1, max(len(found), 2), "{:.0f}".format)
    up = Axis(UNITS.get(Target.Kind(target.kind), "number"), 0.0, top, lambda value: number(value))
    rows = [
        (str(n), number(one["predicted"], 2), number(one["observed"], 2), number(one["customers"]))
        for n, one in enumerate(found, 1)
    ]
    note = "Where the lines lie on each other, as much came as was foreseen."
    head = ("Tenth", "Foreseen", "Came", "Customers")
    return Panel(
        "Does as much come as is foreseen?",
        note,
        head=head,
        rows=rows,
        drawing=plot(lines, across, up),
        is_half=True,
        is_folded=True,
    )


def captured(own: Evaluation, rule: Evaluation | None) -> Panel | None:
    """Give which share of all that came is held by the customers foreseen highest."""
    points = _gains(own)
    if not points:
        return None
    lines = [
        Line("this model", points),
        Line(learner(rule.learner).lower() if rule else "", _gains(rule), "wait"),
        Line("chance", ((0.0, 0.0), (1.0, 1.0)), "plain", is_guide=True),
    ]
    note = "Taking the customers foreseen highest first, so much of all that came is theirs."
    drawing = plot(lines, Axis("of all customers, taken", write=percent), Axis("of all that came", write=percent))
    rows = [(share(x, 0), share(y)) for x, y in points]
    head = ("Of all customers, taken", "Of all that came, held")
    return Panel("Who brings it", note, head=head, rows=rows, drawing=drawing, is_half=True, is_folded=True)


def came_true(judged: Sequence[Backtest]) -> Panel | None:
    """Give the number that was foreseen beside the one that came, each time a window had closed."""
    if not judged:
        return None
    rows = [
        (
            moment(one.as_of),
            one.get_who_display(),
            number(one.customers),
            number(one.figures["foreseen"], 2),
            number(one.figures["happened"], 2),
            _interval(one, TOTAL),
            _interval(one, GINI),
            _interval(one, "on_time"),
        )
        for one in judged
    ]
    lines = [
        Line("foreseen", [(n, one.figures["foreseen"]) for n, one in enumerate(judged, 1)]),
        Line("came", [(n, one.figures["happened"]) for n, one in enumerate(judged, 1)], "wait"),
    ]
    top = max(max(one.figures["foreseen"], one.figures["happened"]) for one in judged) * ROOM or 1.0
    across = Axis("times judged, oldest first", 1, max(len(judged), 2), "{:.0f}".format)
    drawing = plot(lines, across, Axis("mean of each customer", 0.0, top, lambda value: number(value)))
    head = ("Scored as of", "Whom", "Customers", "Foreseen", "Came", "Total off by", "Gini", "On time")
    note = "The numbers that were really foreseen, judged once their time had passed."
    return Panel("What came of its scores", note, head=head, rows=rows, drawing=drawing, is_half=True, is_folded=True)


def _interval(one: Backtest, name: str) -> str:
    told = one.figures.get(name)
    return f"{number(told['value'], 2)} ({interval(told, 2)})" if told else "–"


def _gains(evaluation: Evaluation | None) -> list[tuple[float, float]]:
    return [(one["share"], one["captured"]) for one in evaluation.curves.get("gains", [])] if evaluation else []


def short(own: Evaluation) -> Cell:
    """Give the figures of a version for a list."""
    gini: dict[str, Any] | None = own.figures.get(GINI)
    return format_html("Gini {} {}", number(gini["value"], 2), tag("number")) if gini else "–"
