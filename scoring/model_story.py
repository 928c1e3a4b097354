"""What a training tells, as panels: why it is live, what drives it, what was done to the data, and what is guarded."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from customers.charts import Part, Span
from customers.panels import Cell, Panel, lines, number, share, tag
from customers.plots import bars, small
from scoring.grades import quality
from scoring.model_curves import figure
from scoring.models import ModelVersion, Target

LEARNERS = {
    "average": "Average of two",
    "logistic": "Logistic regression",
    "tree": "Decision tree",
    "forest": "Random forest",
    "boosting": "Gradient boosting",
    "network": "Neural network",
    "base rate": "Base rate",
    "one field": "One field alone",
    "recency": "Recency alone",
    "rfm": "Recency, frequency and money",
    "value": "Value model alone",
    "blend": "Blend of all",
    "regression": "Regression",
    "mean": "The mean of all",
    "last rate": "Everybody's own rate",
    "usual gap": "The usual gap",
}
DRIVERS, PICTURES = 12, 6
PREPARED = 40
KINDS = {"target": "leak", "missing": "filled late", "time": "time only"}


def learner(name: str) -> str:
    """Give a learner's name as people say it."""
    return LEARNERS.get(name, name)


def checks(gate: Mapping[str, Any]) -> Panel | None:
    """Give every condition of going live, and whether it is met."""
    if not gate.get("checks"):
        return None
    said = [
        format_html("{} {}", tag("yes", "good") if one["passed"] else tag("no", "bad"), one["sentence"])
        for one in gate["checks"]
    ]
    title = "Why it may go live" if gate["passed"] else "Why it may not go live"
    return Panel(title, drawing=lines(said), is_half=True)


def changes(said: Sequence[str]) -> Panel | None:
    """Give what is different from the version before."""
    return Panel("What changed since the last version", drawing=lines(list(said)), is_half=True) if said else None


def drivers(found: Sequence[Mapping[str, Any]]) -> Panel | None:
    """Give the fields that matter most, and how what is foreseen goes with the values of the first ones."""
    shown = sorted(found, key=lambda one: -float(one["importance"]["value"]))[:DRIVERS]
    if not shown:
        return None
    is_amount = any("amount" in point for one in shown for point in one.get("dependence", []))
    key, what = ("amount", "Amount") if is_amount else ("chance", "Chance")
    write = "{:,.2f}".format if is_amount else "{:.1%}".format
    lost = "AUC" if any(one.get("odds_ratio") for one in shown) else "Gini"
    spans = [
        Span(
            one["label"],
            one["importance"]["value"],
            one["importance"]["low"],
            one["importance"]["high"],
            f"{one['importance']['value']:.3f}",
        )
        for one in shown
    ]
    pictures = [
        (small([Part(point["value"], point[key]) for point in one["dependence"]], f"{what} by {one['label']}", write),)
        for one in shown[:PICTURES]
        if one.get("dependence")
    ]
    drawing = format_html(
        '{}<div class="cusp-pictures">{}</div>',
        bars(spans, f"what {lost} loses without the field, on later times"),
        format_html_join("", "{}", pictures),
    )
    rows = [
        (
            one["label"],
            figure(one["importance"]),
            figure(one["odds_ratio"], 2) if one.get("odds_ratio") else "–",
            one.get("sentence", ""),
            "; ".join(f"{point['value']}: {write(point[key])}" for point in one.get("dependence", [])),
        )
        for one in shown
    ]
    note = (
        "The longer the bar, the more the model leans on the field. They go together with it; they need not cause it."
    )
    head = ("Field", f"{lost} lost without it", "Odds ratio", "In words", f"{what} by value")
    return Panel("What it goes by", note, head=head, rows=rows, drawing=drawing, is_folded=True)


def tried(found: Sequence[Mapping[str, Any]]) -> Panel | None:
    """Give the learners beside each other: quality where the choice was made, and what serving each costs."""
    if not found:
        return None
    ordered = sorted(found, key=lambda one: -float(one["auc"]["value"]))
    spans = [
        Span(
            f"{learner(one['learner'])}{' (chosen)' if one['is_chosen'] else ''}",
            quality(one["auc"]["value"]),
            quality(one["auc"]["low"]),
            quality(one["auc"]["high"]),
            f"{quality(one['auc']['value']):.0f}" + (f" · {cost(one)}" if one.get("microseconds") else ""),
        )
        for one in ordered
    ]
    rows = [
        (
            format_html("{} {}", learner(one["learner"]), tag("chosen", "good") if one["is_chosen"] else ""),
            "simple rule" if one["is_baseline"] else "model",
            number(quality(one["auc"]["value"])),
            figure(one["auc"]),
            number(one["log_loss"], 4),
            cost(one),
            ", ".join(f"{name} {value}" for name, value in one["settings"].items()) or "–",
        )
        for one in ordered
    ]
    note = "All were tried on the same earlier times. Beside the quality: how long scoring a million customers takes."
    head = ("Learner", "What", "Quality", "AUC", "Log loss", "A million customers", "Settings")
    drawing = bars(spans, "quality of 0 to 100 where the choice was made")
    return Panel("Learners beside each other", note, head=head, rows=rows, drawing=drawing, is_folded=True)


def cost(one: Mapping[str, Any]) -> str:
    """Give what serving a learner costs, where it was measured: microseconds a row are seconds a million."""
    found = float(one.get("microseconds") or 0.0)
    return f"{number(found, 1 if found < 10 else 0)} s" if found else "–"


def guard(target: Target, found: Mapping[str, Any], *, may_change: bool) -> Panel | None:
    """Give the fields that may tell the answer, with what a person may say about each."""
    suspects = [(one, True) for one in found.get("blocked", [])] + [(one, False) for one in found.get("warned", [])]
    vouched, excluded = set(target.vouched), set(target.excluded)
    listed = {one["field"] for one, _ in suspects}
    rows: list[tuple[Cell, ...]] = [
        (
            bare(one["field"]),
            tag("not read", "bad") if is_blocked else tag("look at it", "wait"),
            one["why"],
            _choices(target, one["field"]) if may_change else "",
        )
        for one, is_blocked in suspects
    ]
    rows += [
        (bare(field), "–", "Named by hand.", _choices(target, field) if may_change else "")
        for field in sorted((vouched | excluded) - listed)
    ]
    if not rows:
        return Panel("Fields that may tell the answer", "None was found.") if found else None
    note = (
        "A field that is filled in only after the fact makes a model look good and then fail. What is sure to be so is "
        "not read, unless you know that the field is known in time. What you say counts from the next training."
    )
    return Panel("Fields that may tell the answer", note, head=("Field", "What", "Why", ""), rows=rows)


def _choices(target: Target, field: str) -> SafeString:
    """Give the buttons that vouch for a field, leave it out, or take either back."""
    is_vouched, is_excluded = field in target.vouched, field in target.excluded
    address = reverse("admin:scoring_target_field", args=[target.pk])
    offered = [
        ("unvouch", "Guard it again") if is_vouched else ("vouch", "I know this field in time"),
        ("include", "Let it be read") if is_excluded else ("exclude", "Exclude"),
    ]
    button = (
        '<button class="cusp-button cusp-button-small" form="fields" formaction="{}?do={}" name="field" value="{}" '
        'aria-label="{}: {}">{}</button>'
    )
    rows = ((address, name, field, bare(field), words, words) for name, words in offered)
    said = tag("vouched for", "good") if is_vouched else tag("left out", "wait") if is_excluded else ""
    return format_html('<span class="cusp-row">{}{}</span>', said, format_html_join("", button, rows))


def bare(field: str) -> str:
    """Give a column's name without where it comes from."""
    return field.removeprefix("features.").removeprefix("attributes.").removeprefix("value.").replace("_", " ")


def preparation(found: Mapping[str, Any]) -> Panel | None:
    """Give what was done to the data before a learner read it."""
    if not found:
        return None
    facts: list[tuple[str, Cell]] = [
        ("Rows", number(found.get("rows"))),
        ("Customers", number(found.get("customers"))),
        ("Rows the same as another", number(found.get("duplicates"))),
        ("Fields read", number(len(found.get("fields", [])))),
        ("Fields left out", number(len(found.get("left_out", {})))),
    ]
    rows: list[tuple[Cell, ...]] = [
        (
            one["label"],
            one["kind"],
            number(one["missing"]),
            number(one["outliers"]),
            number(one["rare"]),
            one["done"],
        )
        for one in found.get("fields", [])[:PREPARED]
    ]
    rows += [
        (bare(name), tag("left out", "wait"), "–", "–", "–", why) for name, why in found.get("left_out", {}).items()
    ]
    head = ("Field", "Type", "Without a value", "Pulled in", "Rare values", "What was done")
    return Panel("How the data was prepared", facts=facts, head=head, rows=rows, is_folded=True)


def from_where(band: Mapping[str, Any]) -> str:
    """Give where a band begins: at a score, or at a share of all customers."""
    if "from_percentile" in band:
        return f"above {number(band['from_percentile'])} % of all"
    return f"from {number(band.get('from'), 2)}"


def limits(version: ModelVersion, report: Mapping[str, Any]) -> Panel:
    """Give which data it learned from, and what it cannot know."""
    times = [time[:10] for time in report.get("times", [])]
    spanned = f"{times[0]} to {times[-1]}" if len(times) > 1 else times[0] if times else "–"
    facts: list[tuple[str, Cell]] = [
        ("Learner", learner(version.learner)),
        ("Customers", number(version.customers)),
        ("Of whom it came true", f"{number(version.positives)} rows"),
        ("Share", share(report.get("base_rate"))),
        ("Looked back at", f"{number(len(times))} times, {spanned}" if times else "–"),
        ("Counts as yes from", number(version.threshold, 3)),
        *((f"Band {band.get('name')}", from_where(band)) for band in version.bands),
        ("Took", f"{number(report['seconds'], 1)} s" if "seconds" in report else "–"),
        ("Seed", str(version.seed)),
    ]
    notes = [*([report["season"]["sentence"]] if report.get("season") else []), *report.get("notes", [])]
    read = f"It reads {len(version.features)} fields: {', '.join(map(bare, version.features))}."
    return Panel("What it learned from, and what it cannot know", facts=facts, drawing=lines([*notes, read]))
