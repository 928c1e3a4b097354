"""The curves of an evaluation as panels, each with its numbers: ranking, precision, lift, calibration, and money."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.charts import Span
from customers.panels import Cell, Panel, moment, number, share
from customers.plots import Axis, Line, bars, plot
from scoring.grades import quality
from scoring.models import Backtest, Evaluation

DIAGONAL = Line("chance", ((0.0, 0.0), (1.0, 1.0)), "plain", is_guide=True)
TENTHS = 10
HIGHEST_LIFT = 10.0
ROOM = 1.1

Points = list[tuple[float, float]]


def percent(value: float) -> str:
    """Give a share of 1 in whole percents, for a scale."""
    return f"{value:.0%}"


def curves(own: Evaluation, rule: Evaluation | None, rule_name: str) -> list[Panel]:
    """Give the panels of one learner's curves beside those of the best simple rule."""
    found = [ranking(own, rule, rule_name), precision(own), lift(own, rule, rule_name), calibration(own)]
    return [panel for panel in found if panel]


def base_rate(evaluation: Evaluation) -> float | None:
    """Give the share of the tested rows of whom it came true."""
    rows = sum(one["customers"] for one in evaluation.curves.get("reliability", []))
    return evaluation.positives / rows if rows and 0 < evaluation.positives < rows else None


def reached(evaluation: Evaluation | None) -> Points:
    """Give which share of the positives is reached by which share of the customers, highest scores first."""
    return [(one["share"], one["captured"]) for one in evaluation.curves.get("gains", [])] if evaluation else []


def roc(evaluation: Evaluation | None) -> Points:
    """Give the share of the negatives that is reached with each share of the positives."""
    base = base_rate(evaluation) if evaluation else None
    if base is None:
        return []
    return [(min(max((s - base * c) / (1 - base), 0.0), 1.0), c) for s, c in reached(evaluation)]


def ranking(own: Evaluation, rule: Evaluation | None, rule_name: str) -> Panel | None:
    """Give the ROC curve: what is reached rightly over what is reached wrongly."""
    points = roc(own)
    if not points:
        return None
    lines = [Line("this model", points), Line(rule_name, roc(rule), "wait"), DIAGONAL]
    note = "Going down from the highest score: of those who did, so many are found while so many who did not are taken."
    drawing = plot(lines, Axis("of those who did not", write=percent), Axis("of those who did", write=percent))
    rows = [(share(x), share(y)) for x, y in points]
    head = ("Of those who did not, taken", "Of those who did, found")
    return _half("Who is found (ROC)", note, drawing, head, rows)


def precision(own: Evaluation) -> Panel | None:
    """Give the precision-recall curve: how many of those taken did, the more of those who did are found."""
    base = base_rate(own)
    points = [(c, min(base * c / s, 1.0)) for s, c in reached(own) if s > 0] if base else []
    if base is None or not points:
        return None
    guide = Line("everybody", ((0.0, base), (1.0, base)), "plain", is_guide=True)
    note = f"Of those taken, so many did. Among all customers it is {share(base)}: the dashed line."
    drawing = plot(
        [Line("this model", points), guide],
        Axis("of those who did, found", write=percent),
        Axis("of those taken, did", write=percent),
    )
    rows = [(share(x), share(y)) for x, y in points]
    head = ("Of those who did, found", "Of those taken, did")
    return _half("How many are right (precision and recall)", note, drawing, head, rows)


def lift(own: Evaluation, rule: Evaluation | None, rule_name: str) -> Panel | None:
    """Give how many times as many positives as chance the highest scores hold."""
    points = [(s, c / s) for s, c in reached(own) if s > 0]
    if not points:
        return None
    other = [(s, c / s) for s, c in reached(rule) if s > 0]
    top = min(max(2.0, *(y for _, y in [*points, *other])) * ROOM, HIGHEST_LIFT * ROOM)
    lines = [
        Line("this model", points),
        Line(rule_name, other, "wait"),
        Line("chance", ((0.0, 1.0), (1.0, 1.0)), "plain", is_guide=True),
    ]
    note = "Taking the highest scores first, so many times as many of those who did are found as by chance."
    up = Axis("times as many as chance", 0.0, top, "{:g}".format)
    drawing = plot(lines, Axis("of all customers, taken", write=percent), up)
    rows = [(share(s, 0), number(y, 2), share(s * y)) for s, y in points]
    head = ("Of all customers, taken", "Times as many as chance", "Of those who did, found")
    return _half("Lift", note, drawing, head, rows)


def calibration(own: Evaluation) -> Panel | None:
    """Give whether chances mean what they say."""
    found = own.curves.get("reliability", [])
    if not found:
        return None
    points = [(one["predicted"], one["observed"]) for one in found]
    rows = [(number(one["predicted"], 3), number(one["observed"], 3), number(one["customers"])) for one in found]
    note = "Of those given a chance, so many did. On the dashed line, chances mean what they say."
    drawing = plot(
        [Line("this model", points), DIAGONAL._replace(name="what is foreseen happens")],
        Axis("chance foreseen", write=percent),
        Axis("share that did", write=percent),
    )
    head = ("Chance foreseen", "Share that did", "Customers")
    return _half("Do chances mean what they say? (calibration)", note, drawing, head, rows)


def money(told: Mapping[str, Any]) -> Panel | None:
    """Give what contacting everybody from a line up is expected to earn, and the line that pays most."""
    cuts = sorted(told.get("cuts", []), key=lambda one: float(one["threshold"]))
    if not cuts:
        return Panel("What it earns", told["sentence"]) if told.get("sentence") else None
    ends = [float(one["profit"][name]) for one in cuts for name in ("low", "high")]
    low, high = min(0.0, *ends), max(0.0, *ends)
    lines = [
        Line("expected", [(one["threshold"], one["profit"]["value"]) for one in cuts]),
        Line("95 % interval", [(one["threshold"], one["profit"]["low"]) for one in cuts], "plain", is_guide=True),
        Line("", [(one["threshold"], one["profit"]["high"]) for one in cuts], "plain", is_guide=True),
    ]
    across = Axis("contacting from this chance up", 0.0, 1.0, percent)
    up = Axis("earned per 1,000 customers", low, high * ROOM or 1.0, lambda value: number(value))
    line = told.get("line")
    mark = (float(line), f"{line:.2f} pays most") if line is not None else None
    rows = [
        (number(one["threshold"], 3), share(one["share"]), number(one["profit"]["value"]), interval(one["profit"], 0))
        for one in cuts
    ]
    head = ("From a chance of", "Customers contacted", "Earned per 1,000", "95 % interval")
    drawing = plot(lines, across, up, mark)
    return _half("What it earns", told.get("sentence", ""), drawing, head, rows)


def over_time(evaluations: Sequence[Evaluation]) -> Panel | None:
    """Give the grade at each time that it was tested on, with its interval."""
    tested = [(one, one.figures["auc"]) for one in evaluations if one.origin and "auc" in one.figures]
    if not tested:
        return None
    spans = [
        Span(
            f"{one.origin:%-d %b %Y}",
            quality(auc["value"]),
            quality(auc["low"]),
            quality(auc["high"]),
            f"{quality(auc['value']):.0f} of 100",
        )
        for one, auc in tested
    ]
    rows = [
        (moment(one.origin), number(one.customers), number(one.positives), number(quality(auc["value"])), figure(auc))
        for one, auc in tested
    ]
    head = ("As of", "Customers", "Who did", "Quality", "AUC")
    note = "Each time it was trained on what was known by then, and judged by what came after."
    drawing = bars(spans, "quality of 0 to 100 by the time it was tested on")
    return _half("Tested on later times", note, drawing, head, rows)


def came_true(judged: Sequence[Backtest]) -> Panel | None:
    """Give the share that was foreseen beside the share that happened, each time a window had closed."""
    if not judged:
        return None
    spans = [
        Span(
            f"{one.as_of:%-d %b %Y}",
            quality(one.figures["auc"]["value"]),
            quality(one.figures["auc"]["low"]),
            quality(one.figures["auc"]["high"]),
            f"{quality(one.figures['auc']['value']):.0f} of 100",
        )
        for one in judged
    ]
    rows = [
        (
            moment(one.as_of),
            one.get_who_display(),
            number(one.customers),
            share(one.figures["foreseen"]),
            share(one.figures["happened"]),
            number(quality(one.figures["auc"]["value"])),
        )
        for one in judged
    ]
    head = ("Scored as of", "Whom", "Customers", "Foreseen", "Happened", "Quality")
    note = "The scores that were really given, judged once their time had passed."
    drawing = bars(spans, "quality of 0 to 100 of the scores given at a time")
    last = judged[-1]
    said = f"Last time {share(last.figures['foreseen'])} were foreseen, and {share(last.figures['happened'])} did."
    return _half("What came of its scores", f"{note} {said}", drawing, head, rows)


def figure(found: Mapping[str, Any], digits: int = 3) -> str:
    """Give a figure with its interval as text."""
    return f"{number(found.get('value'), digits)} ({interval(found, digits)})"


def interval(found: Mapping[str, Any], digits: int = 3) -> str:
    """Give the interval of a figure."""
    return f"{number(found.get('low'), digits)} to {number(found.get('high'), digits)}"


def _half(title: str, note: str, drawing: Any, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Panel:
    return Panel(title, note, head=head, rows=rows, drawing=drawing, is_half=True, is_folded=True)
