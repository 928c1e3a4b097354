"""What is odd about a rule that can be read: each finding has its place, its kind, and a sentence with figures."""

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

import polars as pl

from segments.intervals import allowed, forbidden, of_range, subject
from segments.leaves import Leaves
from segments.rules import Context, Type
from segments.rules.event_fields import PREFIX, PROPERTY
from segments.rules.nodes import Condition, EventCondition, Field, Group, Happening, Node, Sequence, placed, steps
from segments.rules.operators import operator
from segments.rules.sentence import in_words
from segments.rules.texts import fold
from segments.rules.windows import Last

MOSTLY = 0.5  # of the members are in because a value is missing: that is told
FILLED_LEAST = 0.03
SAME_LEAST = 0.98
SLOW_SECONDS = 1.0
TELLING = 20  # customers; of fewer, "nobody" and "everybody" tell nothing
LOOKED_AT = 1_000
NUMERIC = r"^\s*[+-]?\d+([.,]\d+)?\s*$"
NUMERIC_LEAST = 0.9
EQUALITIES = ("is", "is_not", "any_of", "none_of")
RANGES = ("between", "percentile_between")


class Finding(NamedTuple):
    """One thing that is odd, where it is, and of which kind."""

    path: str
    kind: str
    text: str


@dataclass(frozen=True)
class Facts:
    """What is known beside the rule and the customers.

    `seconds` is what the answer took, `cycle` how often everybody is looked at. `events` are the names that were seen,
    `properties` those of each; `live` the scores with a live model, `bands` how each is cut. `sizes` are the other
    segments'; `shared` gives the share of the rule's members, by customer id, who are in one of them.
    """

    seconds: float
    cycle: timedelta
    events: Collection[str]
    properties: Mapping[str, Collection[str]]
    live: Collection[str]
    bands: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    shared: Callable[[str, list[int]], float] = lambda key, customers: 0.0


@dataclass(frozen=True)
class _Case:
    """A rule, its leaves answered for everybody, and what else is known."""

    leaves: Leaves
    frame: pl.DataFrame
    inside: pl.Series
    context: Context
    facts: Facts

    @property
    def nodes(self) -> Iterator[tuple[str, Node]]:
        return placed(self.leaves.rule.root)

    @property
    def conditions(self) -> Iterator[tuple[str, Condition]]:
        return ((path, node) for path, node in self.nodes if isinstance(node, Condition))

    def column(self, field: Field) -> pl.Series:
        """Give everybody's value of a field."""
        if field.name in self.frame.columns:
            return self.frame[field.name]
        return pl.repeat(None, self.frame.height, dtype=pl.Null, eager=True)


def lint(leaves: Leaves, frame: pl.DataFrame, context: Context, facts: Facts) -> list[Finding]:
    """Give what is odd about a rule whose leaves are answered for the customers of the frame."""
    case = _Case(leaves, frame, leaves.whole(), context, facts)
    found = [finding for look in LINTS for finding in look(case)]
    return list(dict.fromkeys(found))


def _only_missing(case: _Case) -> Iterator[Finding]:
    """Find conditions that most members meet, or escape, only for having no value."""
    members = int(case.inside.sum())
    for path, node in case.conditions:
        column = case.column(node.field)
        if operator(node).asks_for_value or not members or not column.null_count():
            continue
        is_missing = column.is_null()
        lacking = case.inside & is_missing
        if lacking.sum() <= MOSTLY * members:
            continue
        otherwise = case.leaves.whole({path: case.leaves.holds[path] ^ is_missing})
        only = int((lacking & ~otherwise).sum())
        if only > MOSTLY * members:
            text = f"{_share(only, members)} of those who match ({only:,}) do so only because "
            yield Finding(path, "missing_value", f"{text}{node.field.label} is not known.")


def _contradictions(case: _Case) -> Iterator[Finding]:
    """Find groups that nobody or everybody can meet: by what their comparisons allow, else by who meets them now."""
    proven = set()
    for path, node in case.nodes:
        if isinstance(node, Group) and node.kind in ("all", "any") and (pair := _excluding(node)):
            proven.add(path)
            said = " and ".join(in_words(one) for one in pair)
            never = f"Nobody can match: {said} exclude each other."
            always = f"Everybody with a value matches: {said} leave nothing out."
            yield Finding(path, "contradiction", never) if node.kind == "all" else Finding(path, "always_true", always)
    if case.frame.height < TELLING:
        return
    for path, node in case.nodes:
        if path not in proven and not any(one.startswith(path) for one in proven):
            yield from _seen(case, path, node)


def _seen(case: _Case, path: str, node: Node) -> Iterator[Finding]:
    """Say where all customers of now are in, or, though each part of it has some, none."""
    count, customers = int(case.leaves.at(node, path).sum()), case.frame.height
    if count == customers:
        yield Finding(path, "always_true", f"All {customers:,} customers match: {in_words(node)}.")
    if count or not isinstance(node, Group) or node.kind != "all" or len(node.nodes) < 2:
        return
    parts = [(child, case.leaves.at(child, place)) for place, child in steps(node, path)]
    for (one, first), (other, second) in itertools.combinations(parts, 2):
        if first.any() and second.any() and not (first & second).any():
            figures = f"{in_words(one)} ({int(first.sum()):,} customers) and {in_words(other)} ({int(second.sum()):,})"
            yield Finding(path, "contradiction", f"Nobody of {customers:,} is both: {figures}.")
            return


def _excluding(group: Group) -> tuple[Node, Node] | None:
    """Give two nodes of which one must be false (all), or one must be true (any), whatever the value is."""
    numbers = allowed if group.kind == "all" else forbidden
    for one, other in itertools.combinations(group.nodes, 2):
        first, second = numbers(one), numbers(other)
        if first is not None and second is not None and subject(one) == subject(other) and first.both(second).is_empty:
            return one, other
        if group.kind == "all" and _differ(one, other):
            return one, other
    return None


def _differ(one: Node, other: Node) -> bool:
    """Say whether two conditions want different texts of one field, or a value and none."""
    if not isinstance(one, Condition) or not isinstance(other, Condition) or one.field != other.field:
        return False
    if {one.op, other.op} == {"has_value", "no_value"}:
        return True
    first, second = _texts(one), _texts(other)
    return bool(first and second) and not first & second


def _texts(node: Condition) -> set[str]:
    """Give the folded texts that a condition allows; none where it is not about some."""
    is_plain = node.field.type == Type.TEXT and node.op in ("is", "any_of") and not node.is_missing_included
    values = (node.value,) if isinstance(node.value, str) else node.value
    return {fold(one) for one in values} if is_plain and isinstance(values, tuple) else set()


def _same_as_segment(case: _Case) -> Iterator[Finding]:
    """Find a segment of the same size that some of the members are all in."""
    count = int(case.inside.sum())
    if count < TELLING:
        return
    alike = [key for key, size in case.facts.sizes.items() if abs(size - count) <= (1 - SAME_LEAST) * count]
    some = case.frame["customer_id"].filter(case.inside).gather_every(max(1, count // LOOKED_AT)).to_list()
    for key in alike:
        share = case.facts.shared(key, some)
        if share >= SAME_LEAST:
            size = case.facts.sizes[key]
            text = f"These are the customers of segment '{key}': {count:,} here, {size:,} there, {share:.0%} the same."
            yield Finding("rule", "same_as_segment", text)


def _short_windows(case: _Case) -> Iterator[Finding]:
    for path, node in case.nodes:
        for window in _windows(node):
            span = window.span(case.context.moment(""))
            if span.start is not None and span.end - span.start < case.facts.cycle:
                text = f"{window.amount_in_words()} is shorter than a full cycle, which looks at everybody every "
                yield Finding(path, "short_window", f"{text}{_length(case.facts.cycle)}: many come and go unseen.")


def _windows(node: Node) -> Iterator[Last]:
    for window in (getattr(node, "within", None), getattr(node, "window", None), getattr(node, "value", None)):
        if isinstance(window, Last):
            yield window


def _hardly_filled(case: _Case) -> Iterator[Finding]:
    for path, node in case.conditions:
        filled = case.frame.height - case.column(node.field).null_count()
        if case.frame.height >= TELLING and filled < FILLED_LEAST * case.frame.height:
            text = f"Only {_share(filled, case.frame.height)} of the customers ({filled:,}) have a value of "
            yield Finding(path, "hardly_filled", f"{text}{node.field.label}.")


def _never_seen(case: _Case) -> Iterator[Finding]:
    for path, node in case.nodes:
        for of, asked in _happenings(node):
            if of.event not in case.facts.events:
                yield Finding(path, "never_seen", f"No event named {of.event} was ever received: 0 so far.")
                continue
            fields = [one.field for one in of.where] + ([asked] if asked else [])
            names = [one.name.removeprefix(PREFIX) for one in fields if one.group == PROPERTY]
            for name in names:
                if name not in case.facts.properties.get(of.event, ()):
                    yield Finding(path, "never_seen", f"No {of.event} ever had a property {name}: 0 so far.")


def _happenings(node: Node) -> Iterator[tuple[Happening, Field | None]]:
    if isinstance(node, EventCondition):
        yield node.of, node.field
    elif isinstance(node, Sequence):
        yield from ((step.of, None) for step in node.steps)


def _numeric_texts(case: _Case) -> Iterator[Finding]:
    """Find texts compared as a whole that are numbers: 5, 5.0 and 05 are three texts."""
    for path, node in case.conditions:
        values = (node.value,) if isinstance(node.value, str) else node.value
        if node.field.type != Type.TEXT or node.op not in EQUALITIES or not isinstance(values, tuple):
            continue
        if not all(isinstance(one, str) and re.match(NUMERIC, one) for one in values):
            continue
        seen = case.column(node.field).drop_nulls().head(LOOKED_AT).cast(pl.String)
        numbers = int(seen.str.contains(NUMERIC).sum()) if len(seen) else 0
        if numbers >= NUMERIC_LEAST * len(seen) and len(seen):
            text = (
                f"{_share(numbers, len(seen))} of the values of {node.field.label} are numbers told as text, so that "
            )
            yield Finding(path, "numeric_text", f"{text}{values[0]} and {values[0]}.0 are different; make it a number.")


def _lifeless_scores(case: _Case) -> Iterator[Finding]:
    for path, node in case.conditions:
        kind, _, key = node.field.name.partition(".")
        if kind == "scores" and key.split(".")[0] not in case.facts.live:
            scored = case.frame.height - case.column(node.field).null_count()
            text = f"{scored:,} customers have one from before, nobody gets a new one."
            yield Finding(path, "no_live_model", f"{node.field.label} has no live model: {text}")


def _overlapping(case: _Case) -> Iterator[Finding]:
    """Find ranges of one field that overlap, where either is asked; and bands that are cut so."""
    for path, node in case.nodes:
        if isinstance(node, Group) and node.kind != "all":
            ranges = [
                (place, one) for place, one in steps(node, path) if isinstance(one, Condition) and one.op in RANGES
            ]
            for (first, one), (second, other) in itertools.combinations(ranges, 2):
                both = of_range(one).both(of_range(other)) if one.field == other.field else None
                if both is not None and not both.is_empty:
                    count = int((case.leaves.holds[first] & case.leaves.holds[second]).sum())
                    text = f"{in_words(one)} and {in_words(other)} overlap: {count:,} customers are in both."
                    yield Finding(second, "overlapping_bands", text)
        if isinstance(node, Condition) and node.field.name.endswith(".band"):
            bands = case.facts.bands.get(node.field.name.split(".")[1], [])
            lines = [(("from_percentile" in one), one.get("from", one.get("from_percentile"))) for one in bands]
            if lines != sorted(set(lines)) or len({is_share for is_share, _ in lines}) > 1:
                told = ", ".join(f"{one['name']} from {line}" for one, (_, line) in zip(bands, lines, strict=True))
                yield Finding(path, "overlapping_bands", f"The bands overlap, and the last that fits counts: {told}.")


def _too_slow(case: _Case) -> Iterator[Finding]:
    if case.facts.seconds > SLOW_SECONDS:
        took = f"{case.facts.seconds:.1f} seconds for {case.frame.height:,} customers"
        yield Finding("rule", "too_slow", f"This took {took}; a rule should take less than {SLOW_SECONDS:.0f}.")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2g} %"


def _length(cycle: timedelta) -> str:
    minutes = round(cycle.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


LINTS: tuple[Callable[[_Case], Iterator[Finding]], ...] = (
    _only_missing,
    _contradictions,
    _same_as_segment,
    _short_windows,
    _hardly_filled,
    _never_seen,
    _numeric_texts,
    _lifeless_scores,
    _overlapping,
    _too_slow,
)
