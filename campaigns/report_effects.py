"""Effects as blocks of a report: what one arm did more than another, with intervals that hold at any look."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, time

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from campaigns.assignment import HOLDOUT
from campaigns.report import Arm, Comparison, Effect, Looks, Point, Slice, Split
from campaigns.stats import Interval, wilson
from campaigns.withheld import WHY
from customers import charts, plots
from customers.charts import Span
from customers.panels import Cell, Panel, number, share
from customers.plots import Reading

NAMES = {"treated": "Treated", "control": "Control", "holdout": "Held out", "reached": "In campaigns"}
WHOLE = ("treated", "reached")
POINTS, MONEY = 100.0, 1.0
RARE = 0.001
Pick = Callable[[Comparison | Point], Effect]
FIGURES: tuple[tuple[str, str, float, str, Pick], ...] = (
    (
        "conversion",
        "Conversions, in points",
        POINTS,
        "Points more of the first arm than of the other converted",
        lambda one: one.conversion,
    ),
    ("value", "Value each", MONEY, "Value each: the first arm minus the other", lambda one: one.value),
    ("margin", "Margin each", MONEY, "Margin less cost each: the first arm minus the other", lambda one: one.margin),
)


def name_of(key: str) -> str:
    """Give what an arm is called."""
    return NAMES.get(key, f"Variant {key}")


def signed(value: float) -> str:
    """Give a number of a scale with its sign; zero has none."""
    return f"{value:+,g}" if value else "0"


def effect(found: Effect, times: float = MONEY) -> Cell:
    """Give a difference with its interval, or why there is none."""
    return ranged(found.interval, times) if found.interval else found.message or "–"


def ranged(found: Interval | None, times: float = MONEY, digits: int = 2) -> Cell:
    """Give a value with its interval, or a dash."""
    if found is None:
        return "–"
    value, low, high = (f"{times * one:+,.{digits}f}" for one in (found.value, found.low, found.high))
    return format_html('{} <span class="cusp-interval">({} to {})</span>', value, low, high)


def effects(found: Sequence[Comparison], split: Split, title: str = "Against those who were left alone") -> Panel:
    """Give every comparison in every figure; nothing of it where the split is broken."""
    if not split.is_balanced:
        return Panel(title, warning=WHY)
    if not any(pick(one).interval for one in found for *_, pick in FIGURES):
        return Panel(title, empty=" ".join(dict.fromkeys(pick(one).message for one in found for *_, pick in FIGURES)))
    rows = [
        (
            f"{name_of(one.of)} minus {name_of(one.against).lower()}",
            *(effect(pick(one), times) for _, _, times, _, pick in FIGURES),
            ranged(one.earned, digits=0),
            _needed(one),
            _aids(one),
        )
        for one in found
    ]
    head = (
        "Difference",
        *(label for _, label, _, _, _ in FIGURES),
        "Margin altogether",
        "To show it",
        "How it is read",
    )
    note = "Each interval holds at every look, however often you look. One with zero in it shows no effect."
    return Panel(title, note, head=head, rows=rows, drawing=_drawn(found))


def _needed(one: Comparison) -> str:
    return "–" if one.conversion.needed is None else f"about {number(one.conversion.needed)} more customers"


def _aids(one: Comparison) -> str:
    """Say what made the intervals narrower or truer."""
    told = [f"{share(one.value.cut, 0)} of the spread known before"] if one.value.cut else []
    told += ["weighted by each customer's chance of her arm"] if one.is_weighted else []
    return "; ".join(told) or "as it is"


def _drawn(found: Sequence[Comparison]) -> SafeString | None:
    """Draw each figure's intervals on a scale of its own."""
    parts = []
    for _, _, times, label, pick in FIGURES:
        told = [(one, pick(one).interval) for one in found]
        spans = [_span(_short(one), interval, times) for one, interval in told if interval]
        parts += [charts.intervals(spans, label)] if spans else []
    return _together(parts)


def _short(one: Comparison) -> str:
    """Give what is compared in the few words that a drawing has room for."""
    other = "held out" if one.against == HOLDOUT else one.against
    return f"against {other}" if one.of in WHOLE else f"{one.of} − {other}"


def _span(label: str, found: Interval, times: float) -> Span:
    value, low, high = times * found.value, times * found.low, times * found.high
    return Span(charts.cut(label), value, low, high, f"{value:+,.2f} ({low:+,.2f} to {high:+,.2f})")


def _together(parts: Sequence[SafeString]) -> SafeString | None:
    if not parts:
        return None
    return format_html('<div class="cusp-charts">{}</div>', format_html_join("", "{}", ((one,) for one in parts)))


def arms(found: Iterable[Arm], split: Split) -> Panel:
    """Give what each arm's customers did; without the figures that make an effect where the split is broken."""
    shown = list(found)
    rows = [(name_of(arm.name), number(arm.customers), *_figures(arm, split.is_balanced)) for arm in shown]
    spans = []
    for arm in shown:
        if arm.customers and split.is_balanced:
            range_ = wilson(arm.conversions)
            words = f"{range_.value:.1%} ({range_.low:.1%} to {range_.high:.1%})"
            spans.append(Span(charts.cut(name_of(arm.name)), range_.value, range_.low, range_.high, words))
    head = (
        *("Arm", "Customers", "Converted", "Share", "Value each", "Margin each", "Cost", "Messages"),
        *("Unsubscribed", "Complained"),
    )
    label = "Share that converted in each arm, with the 95 % interval of one look"
    drawing = charts.intervals(spans, label) if spans else None
    note = "Everybody counts in the arm that was drawn at her first decision, whether anything was sent or not."
    return Panel("What each arm did", note, head=head, rows=rows, drawing=drawing)


def _figures(arm: Arm, is_told: bool) -> tuple[str, ...]:
    hidden = ("–",) * 4
    told = (
        number(arm.conversions.successes),
        share(arm.conversions.value, 2),
        number(arm.value.value, 2),
        number(arm.margin.value, 2),
    )
    counted = map(number, (arm.messages, arm.unsubscribed, arm.complained))
    return (*(told if is_told else hidden), number(arm.cost, 2), *counted)


def over_time(points: Sequence[Point], split: Split) -> Panel:
    """Give what could be read on each day of all decided about until then."""
    title = "How it came about"
    if not split.is_balanced:
        return Panel(title, warning=WHY)
    rows = [
        (
            date_format(one.until, "j M Y"),
            number(one.customers),
            *(effect(pick(one), times) for _, _, times, _, pick in FIGURES),
        )
        for one in reversed(points)
    ]
    parts = []
    for _, _, times, label, pick in FIGURES:
        told = [_reading(one, pick(one).interval, times) for one in points]
        readings = [one for one in told if one]
        parts += [plots.ranges(readings, f"{label}, day by day", signed)] if readings else []
    if not parts:
        return Panel(title, empty="There is no interval yet: it takes some customers in each arm, and goals reached.")
    note = (
        "What was known at the end of each day, of everybody decided about by then; the interval narrows as they come."
    )
    head = ("Until", "Customers", *(label for _, label, _, _, _ in FIGURES))
    return Panel(title, note, head=head, rows=rows, drawing=_together(parts), is_folded=True)


def _reading(one: Point, found: Interval | None, times: float) -> Reading | None:
    if found is None:
        return None
    value, low, high = times * found.value, times * found.low, times * found.high
    words = f"{date_format(one.until, 'j M')}: {value:+,.2f} ({low:+,.2f} to {high:+,.2f})"
    return Reading(datetime.combine(one.until, time(12), UTC), value, low, high, words)


def slices(found: Sequence[Slice], split: Split, title: str, of: str, empty: str) -> Panel:
    """Give the arms of parts of the customers beside each other."""
    if not split.is_balanced:
        return Panel(title, warning=WHY)
    rows = [
        (
            one.name.replace("-", "\u2011").replace(" ", "\u00a0"),  # in one line
            number(one.treated.customers),
            share(one.treated.conversions.value),
            number(one.control.customers),
            share(one.control.conversions.value),
            effect(one.against_control.conversion, POINTS),
            effect(one.against_control.margin),
        )
        for one in found
    ]
    told = [(one.name, one.against_control.conversion.interval) for one in found]
    spans = [_span(name, interval, POINTS) for name, interval in told if interval]
    label = f"Points more of the treated than of the control group converted, by {of}"
    return Panel(
        title,
        "Parts are small: an effect in one of many may be chance." if rows else "",
        head=(of.capitalize(), "Treated", "Converted", "Control", "Converted", "In points", "Margin each"),
        rows=rows,
        drawing=charts.intervals(spans, label) if spans else None,
        empty=empty,
        is_folded=bool(spans),
    )


def basis(looks: Looks, split: Split, ripe: float | None) -> list[tuple[str, Cell]]:
    """Give by what the effects are read, as facts."""
    plan = "no number was planned"
    if looks.planned:
        plan = f"{number(looks.so_far)} of {number(looks.planned)} customers planned"
    odds = min(split.control, split.variants)
    chance = f"chance {odds:.2g}" if odds >= RARE else f"chance below {RARE:g}"
    sound = f"{'as drawn' if split.is_balanced else 'not as drawn'} ({chance})"
    return [("So far", plan), ("Size of the arms", sound), ("The goal's time has run out for", share(ripe, 0))]
