"""What could be otherwise about one customer: the values near which the answers about a field turn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from segments.rules import Context, Field, Type
from segments.rules.comparisons import Comparison, holds
from segments.rules.nodes import Condition, EventCondition, Ids, Node, Other, Sample
from segments.rules.operators import cut_key, operator
from segments.rules.sentence import happening_in_words, in_words
from segments.rules.texts import fold
from segments.rules.windows import NEVER, TICK, Anniversary, Moment, Span, first_day

ZERO = ("count", "sum", "distinct")  # measures of which no events at all are 0
WHOLE = ("count", "distinct")
ELSE = "something else"
FIXED = {"external_id", "seed"}
A_DAY = timedelta(days=1)
WALL_STEPS = [*range(-7, 8), *(30 * month for month in range(-12, 13))]
LONGEST = 200  # letters of a text that is made up for its length
FAR = 3.0  # how far it is to another answer of what has no measure, and to no value


@dataclass(frozen=True)
class Move:
    """One thing that could be otherwise: the value of a field, or else the answer of a leaf about something else."""

    label: str
    seen: Any
    value: Any
    distance: float
    field: Field | None = None
    leaf: Node | None = None

    @property
    def text(self) -> str:
        """Give `country: FR → DE`, or what would have to be so."""
        if self.field is None and self.seen is None:
            return self.label
        return f"{self.label}: {told(self.seen)} → {told(self.value)}"


def of_field(
    field: Field, seen: Any, conditions: Iterable[Condition], row: pl.DataFrame, context: Context
) -> list[Move]:
    """Give the values near which the answers of these conditions turn, for a customer who has the value seen."""
    if field.name in FIXED:
        return []
    found: list[Any] = [None]
    for condition in conditions:
        found += VALUES[field.type](condition, seen, row, context)
    is_whole = row.schema[field.name].is_integer()
    values = [int(value) if is_whole and value is not None else value for value in found if _fits(value, is_whole)]
    unique: dict[str, Any] = {repr(value): value for value in values if value != seen}
    return [Move(field.label, seen, value, _distance(seen, value), field) for value in unique.values()]


def of_leaf(node: Node, is_so: bool, found: Any) -> list[Move]:
    """Give how a leaf that is not about a field's value would be answered otherwise; none for what never changes."""
    if isinstance(node, Sample | Ids):
        return []
    if isinstance(node, EventCondition) and isinstance(node.compare, Comparison) and not isinstance(found, date):
        seen = found or (0 if node.measure in ZERO else None)
        turns = _turns(node.compare, seen, is_so, is_whole=node.measure in WHOLE)
        return [Move(label(node), seen, value, _distance(seen, value), leaf=node) for value in turns]
    return [Move(f"{'no longer: ' if is_so else ''}{in_words(node)}", None, not is_so, FAR, leaf=node)]


def label(node: EventCondition) -> str:
    of = (
        f"{node.measure} {node.field.label} of "
        if node.field
        else f"{node.measure} of "
        if node.measure != "count"
        else ""
    )
    return f"{of}{happening_in_words(node.of)} {node.within.words()}"


def _turns(compare: Comparison, seen: float | None, is_so: bool, *, is_whole: bool) -> list[float]:
    """Give the nearest number that a comparison answers otherwise."""
    steps = (-1, 0, 1) if is_whole else (-0.01, 0, 0.01)
    near = pl.Series("n", sorted({round(one + step, 6) for one in compare.values for step in steps}), pl.Float64)
    near = near.filter(near >= 0) if is_whole else near
    answer = near.to_frame().select(holds(compare, pl.col("n"))).to_series()
    fitting = near.filter(~answer if is_so else answer).to_list()
    nearest = sorted(fitting, key=lambda one: abs(one - (seen or 0)))[:1]
    return [int(one) if float(one).is_integer() else one for one in nearest]


def _fits(value: Any, is_whole: bool) -> bool:
    return not is_whole or value is None or float(value).is_integer()


def _distance(seen: Any, value: Any) -> float:
    """Say how far it is from one value to another, from 0 to 1; to no value is farther than any."""
    if value is None:
        return FAR
    if isinstance(seen, datetime | date) and isinstance(value, datetime | date):
        return min(1.0, abs(_instant(seen) - _instant(value)) / timedelta(days=3650))
    if isinstance(seen, list) and isinstance(value, list):
        return min(1.0, len({*seen} ^ {*value}) / 10)
    if isinstance(value, str):
        return 0.8 if value == ELSE else 0.9 if seen and seen in value else 0.7
    if isinstance(seen, bool) or seen is None:
        return 0.7
    return abs(value - seen) / (abs(value) + abs(seen)) if value or seen else 0.0


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Comparison):
        yield from value.values
    elif isinstance(value, tuple):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield float(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _other(condition: Condition, row: pl.DataFrame) -> Any:
    return row[condition.value.field.name].to_list()[0] if isinstance(condition.value, Other) else None


def _near_numbers(condition: Condition, seen: Any, row: pl.DataFrame, context: Context) -> list[Any]:
    cut = context.cuts.get(cut_key(condition)) if operator(condition).cut_point else None
    lines = [cut.low, cut.high] if cut else [*_numbers(condition.value), _other(condition, row)]
    return [round(line + step, 6) for line in lines if line is not None for step in _steps(line)]


def _steps(line: float) -> tuple[float, ...]:
    """Give how near to a line a number is tried: a hundredth, or the finest step of a share."""
    fine = 0.01 if abs(line) >= 1 else 1e-6
    return (0.0, fine, -fine, 1.0, -1.0)


def _near_texts(condition: Condition, seen: Any, row: pl.DataFrame, context: Context) -> list[Any]:
    before = seen or ""
    found = [ELSE]
    for text in (*_texts(condition.value), *_texts(_other(condition, row))):
        found += [text, f"{before} {text}".strip(), f"{text} {before}".strip()]
        found += [f"name@{text}"] if condition.op == "domain_is" else []
    if isinstance(condition.value, Comparison):
        lengths = {int(number) + step for number in condition.value.values for step in (-1, 0, 1)}
        found += ["x" * length for length in sorted(lengths) if 0 < length <= LONGEST]
    return found


def _near_lists(condition: Condition, seen: Any, row: pl.DataFrame, context: Context) -> list[Any]:
    before, other = seen or [], _other(condition, row)
    asked = [*_texts(condition.value), *_texts(tuple(other) if isinstance(other, list) else other)]
    folded = {fold(one) for one in asked}
    kept = [one for one in before if fold(one) not in folded]
    found = [[], kept, [*before, *asked], asked, [*kept, ELSE]]
    found += [[*before, one] for one in asked]
    if isinstance(condition.value, Comparison):
        lengths = {int(number) + step for number in condition.value.values for step in (-1, 0, 1)}
        found += [
            ([*before, *(f"{ELSE} {n}" for n in range(50))])[:length] for length in sorted(lengths) if length >= 0
        ]
    return found


def _near_dates(condition: Condition, seen: Any, row: pl.DataFrame, context: Context) -> list[Any]:
    row_of, moment = operator(condition), context.moment(condition.zone)
    is_day = row.schema[condition.field.name] == pl.Date
    if isinstance(condition.value, Other):
        other = _other(condition, row)
        at = _instant(other) + condition.value.offset_days * A_DAY if other else None
        found = [at + step for step in (-A_DAY, -TICK, timedelta(), TICK, A_DAY)] if at else []
    elif row_of.span:
        found = _edges(row_of.span(condition.value, moment), moment, is_day)
    elif isinstance(condition.value, Anniversary):
        year = seen.year if seen else 2000
        days = [divmod(number, 100) for number in condition.value.days(moment)[:2]]
        days = [(month, day) for month, day in days if (month, day) != (2, 29)] or [(2, 28)]
        found = [datetime(year, month, day, 12, tzinfo=UTC) for month, day in days]
        found += [one + 30 * A_DAY for one in found]
    else:
        start = _instant(seen) if seen else moment.as_of
        found = [start + step * A_DAY for step in WALL_STEPS]
        found += [start + timedelta(hours=hour) for hour in range(-23, 24)]
    return [one.date() for one in found] if is_day else found


def _edges(span: Span, moment: Moment, is_day: bool) -> list[datetime]:
    edges = [edge for edge in (span.start, span.end) if edge is not None and edge < NEVER]
    if not is_day:
        return [edge + step for edge in edges for step in (-TICK, timedelta())]
    days = [datetime.combine(first_day(edge, moment.zone), datetime.min.time(), UTC) for edge in edges]
    return [day + step for day in days for step in (-A_DAY, timedelta())]


def _instant(at: date) -> datetime:
    return at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=UTC)


def told(value: Any) -> str:
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return f"{value:.10g}" if isinstance(value, float) else str(value)


VALUES = {
    Type.NUMBER: _near_numbers,
    Type.TEXT: _near_texts,
    Type.YES_NO: lambda condition, seen, row, context: [True, False],
    Type.DATE: _near_dates,
    Type.LIST: _near_lists,
}
