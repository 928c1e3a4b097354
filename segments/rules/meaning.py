"""What a rule means: a Boolean column over a frame of customers.

A mask is one Polars expression. What an expression cannot see from a customer's row is joined on first: one column for
every distinct event node, folded texts, samples, and the masks of the segments a rule refers to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from customers.draws import draw
from customers.models import Attribute
from customers.rows import Mask
from customers.typed import typed
from segments.rules import derived, history
from segments.rules.dates import shifted
from segments.rules.event_meaning import Answer, EventNode, Events, People, zoned
from segments.rules.event_rows import EVENTS, LINES, PROPERTIES, Memory, Source
from segments.rules.groups import GROUPS
from segments.rules.needs import needs
from segments.rules.nodes import (
    Condition,
    EventCondition,
    Field,
    Group,
    Happening,
    History,
    Ids,
    Listed,
    Node,
    Other,
    Rule,
    RuleError,
    Sample,
    SegmentHistory,
    SegmentReference,
    Type,
    walk,
)
from segments.rules.nodes import Sequence as EventSequence
from segments.rules.operators import cut_key, operator
from segments.rules.segment_history import histories
from segments.rules.subjects import Cut, CutKey, Operator, Subject
from segments.rules.texts import FOLDED, each_once, folded_columns
from segments.rules.windows import CUSTOMER, Ever, Moment, zone_named

CHANGES: dict[str, Any] = {
    "customer_id": pl.Int64,
    "segment": pl.String,
    "kind": pl.String,
    "as_of": pl.Datetime("us", "UTC"),
}
TOLD: dict[str, Any] = {
    "customer_id": pl.Int64,
    "name": pl.String,
    "value": pl.String,
    "known_at": pl.Datetime("us", "UTC"),
}
DTYPES: dict[Type, Any] = {
    Type.TEXT: pl.String,
    Type.NUMBER: pl.Float64,
    Type.YES_NO: pl.Boolean,
    Type.DATE: pl.Datetime("us", "UTC"),
    Type.LIST: pl.List(pl.String),
}
UTC = ZoneInfo("UTC")
ZONE, OWN_ZONE = "time_zone", "zone:"
ROW = "row:"
SEGMENT = "segment:"
FEW = 100  # customers, of whom answering twice is quicker than finding out what is asked twice


class NeedsFullCycle(Exception):
    """A rule compares with all customers, and no full cycle has yet taken the cut."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        said = ", ".join(sorted(f"{node.field.label} {node.op}" for node in conditions))
        super().__init__(f"needs a full cycle: no cut-point yet for {said}")


def _nobody(key: str) -> pl.Series:
    return pl.Series(dtype=pl.Int64)


class Pins(NamedTuple):
    """The ids of the customers who are always in a segment, and of those who never are."""

    included: pl.Series
    excluded: pl.Series


@dataclass(frozen=True)
class Context:
    """What a rule is read against: the time, the events, the cut-points, the other segments, the default zone.

    `lists` gives the ids of the customers on the list of a segment, `pins` has those set by hand, both by its key.
    Events, their properties and lines, and the changes of memberships are scanned as far as a rule needs them,
    and where there is a memory, once.
    `attributes` are the changes of attributes, each value told as JSON text; `bands` those of the bands of scores,
    under the names of their fields; `earlier` has the scores of a week before. `pinned` keeps the files of the frames
    while they are read.
    """

    as_of: datetime
    events: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=EVENTS))
    cuts: Mapping[CutKey, Cut] = field(default_factory=dict)
    segments: Mapping[str, Rule] = field(default_factory=dict)
    zone: ZoneInfo = UTC
    lists: Callable[[str], pl.Series] = _nobody
    pins: Mapping[str, Pins] = field(default_factory=dict)
    attributes: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=TOLD))
    bands: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=TOLD))
    pinned: object = None
    properties: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=PROPERTIES))
    lines: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=LINES))
    changes: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=CHANGES))
    earlier: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema={"customer_id": pl.Int64}))
    memory: Memory | None = None

    def moment(self, zone: str) -> Moment:
        """Give the time and the zone of a condition, the default one for those of customers."""
        return Moment(self.as_of, ZoneInfo(zone) if zone and zone != CUSTOMER else self.zone)


class Answers(NamedTuple):
    """For whom nodes hold; and what was `found` to compare where a customer's row does not say it: her events."""

    holds: Mapping[Node, pl.Series]
    found: Mapping[Node, pl.Series]


def mask(rule: Rule, frame: pl.DataFrame, context: Context) -> pl.Series:
    """Give which customers of the frame a rule holds for; raises NeedsFullCycle where a cut-point is missing."""
    return masks({"": rule}, frame, context).to_series()


def masks(rules: Mapping[str, Rule], frame: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Give one Boolean column a rule, under its key, for the frame's customers in their order.

    Segments that the rules refer to are read from the rules themselves, else from the context.
    """
    compiler = _compiled(rules, frame, context)
    return compiler.frame.select(pl.col(f"{SEGMENT}{key}").alias(key) for key in rules)


def answers(nodes: Iterable[Node], frame: pl.DataFrame, context: Context) -> Answers:
    """Give for which customers of the frame each node holds; raises NeedsFullCycle where a cut-point is missing."""
    asked = list(dict.fromkeys(nodes))
    compiler = _compiled({f"node:{n}": Rule(node) for n, node in enumerate(asked)}, frame, context)
    return Answers(
        {node: compiler.frame[f"{SEGMENT}node:{n}"] for n, node in enumerate(asked)},
        {node: compiler.frame[name] for node, name in compiler.joined.items()},
    )


def events_meant(of: Happening, people: pl.DataFrame, context: Context) -> pl.Series:
    """Give the ids of those events of some people, of the context's, that meet all conditions."""
    node = EventCondition(of, "count", Ever())
    if ZONE not in people.columns:
        people = people.with_columns(pl.lit(None, pl.String).alias(ZONE))
    compiler = _Compiler(context, people)
    who = People(people["customer_id"].to_numpy(), compiler.zones([node]))
    source = Source(context.events, context.properties, context.lines)
    return Events(source, who, context.moment, compiler.meet).ids(node)


def missing_cuts(rule: Rule, context: Context) -> frozenset[Condition]:
    """Give the conditions of a rule, and of the segments it refers to, that have no cut-point yet."""
    everything = [one for level in in_levels({"": rule}, context.segments) for one in level.values()]
    return frozenset(node for one in everything for node in needs(one).cuts if cut_key(node) not in context.cuts)


def in_levels(rules: Mapping[str, Rule], others: Mapping[str, Rule]) -> list[dict[str, Rule]]:
    """Give the rules and what they refer to, so that each refers only to levels before its own."""
    everything = {**others, **rules}
    depths: dict[str, int] = {}

    def depth(key: str) -> int:
        if key not in everything:
            raise RuleError("rule", f"refers to segment '{key}', which cannot be answered")
        if key not in depths:
            depths[key] = 1 + max((depth(other) for other in needs(everything[key]).segments), default=-1)
        return depths[key]

    levels: list[dict[str, Rule]] = [{} for _ in range(1 + max((depth(key) for key in rules), default=-1))]
    for key, level in depths.items():
        levels[level][key] = everything[key]
    return levels


def _compiled(rules: Mapping[str, Rule], frame: pl.DataFrame, context: Context) -> "_Compiler":
    """Give a compiler whose frame has a Boolean column for every rule and every segment that one refers to."""
    levels = in_levels(rules, context.segments)
    everything = {key: rule for level in levels for key, rule in level.items()}
    nodes = list(dict.fromkeys(node for rule in everything.values() for node in walk(rule.root)))
    frame = with_made(frame, nodes, context)
    compiler = _Compiler(context, _with_columns(frame, nodes))
    compiler.prepare(nodes)
    for level in levels:
        columns = [compiler.answer(key, rule).alias(f"{SEGMENT}{key}") for key, rule in level.items()]
        if frame.height <= FEW:
            compiler.frame = compiler.frame.with_columns(columns)
        else:
            compiler.frame = compiler.frame.lazy().with_columns(columns).collect()  # what two rules ask is asked once
    return compiler


class _Compiler:
    """Nodes to expressions over one prepared frame."""

    def __init__(self, context: Context, frame: pl.DataFrame) -> None:
        self.context = context
        self.frame = frame
        self.joined: dict[Node, str] = {}
        self.answered: dict[Node, str] = {}

    def prepare(self, nodes: list[Node]) -> None:
        """Join on what the expressions of these nodes need beyond the customer's row."""
        conditions = [node for node in nodes if isinstance(node, Condition)]
        cuts = [node for node in conditions if operator(node).cut_point]
        if without := [node for node in cuts if cut_key(node) not in self.context.cuts]:
            raise NeedsFullCycle(without)
        absent = [name for name in folded_fields(nodes) if f"{FOLDED}{name}" not in self.frame.columns]
        if absent:
            self.frame = self.frame.hstack(folded_columns(self.frame, absent))
        self.answer_slow([node for node in conditions if operator(node).is_slow])
        histories = [node for node in nodes if isinstance(node, History)]
        self.join_histories(histories)
        local = [node for node in conditions if node.zone == CUSTOMER and node.field.type == Type.DATE]
        self.answer_by_zone([*local, *(node for node in histories if node.zone == CUSTOMER)])
        samples = [node for node in nodes if isinstance(node, Sample)]
        self.joined |= {node: f"sample:{i}" for i, node in enumerate(samples)}
        self.frame = self.frame.hstack(
            [pl.Series(self.joined[node], draw(self.frame["seed"], node.salt)) for node in samples]
        )
        self.join_events([node for node in nodes if isinstance(node, EventCondition | EventSequence)])
        self.join_moves([node for node in nodes if isinstance(node, SegmentHistory)])

    def answer_slow(self, nodes: list[Condition]) -> None:
        """Join on the answers that are found by looking at each different text once."""
        self.answered |= {node: f"text:{i}" for i, node in enumerate(nodes)}
        for node in nodes:
            found = each_once(self.frame[self.column(node, node.field)], partial(self.of_texts, node))
            self.frame = self.frame.with_columns(found.alias(self.answered[node]))

    def of_texts(self, node: Condition, texts: pl.Series) -> pl.Series:
        found = texts.to_frame(self.column(node, node.field)).select(self.compared(node, ""))
        return found.to_series()

    def join_histories(self, nodes: list[History]) -> None:
        """Join on what each customer's history of a field says."""
        self.joined |= {node: f"history:{i}" for i, node in enumerate(nodes)}
        for told_as in dict.fromkeys(node.field.told_as for node in nodes):
            same = [node for node in nodes if node.field.told_as == told_as]
            rows = self.told(same[0].field)
            for node in same:
                found = self.from_history(node, rows).rename({"found": self.joined[node]})
                self.frame = self.frame.join(found, on="customer_id", how="left", maintain_order="left")

    def told(self, field: Field) -> pl.DataFrame:
        """Give what was known of a field by now: customer_id, its value and known_at."""
        source = self.context.bands if field.is_band else self.context.attributes
        is_known = (pl.col("name") == field.told_as) & (pl.col("known_at") <= self.context.as_of)
        rows = source.filter(is_known).select("customer_id", "value", "known_at").collect()
        if field.is_band:
            return rows
        values = each_once(rows["value"], lambda texts: typed(texts, Attribute.Type(field.type)))
        is_day = self.frame.schema[field.name] == pl.Date
        return rows.with_columns(value=values.dt.date() if is_day else values)

    def from_history(self, node: History, rows: pl.DataFrame) -> pl.DataFrame:
        if node.zone != CUSTOMER:
            return history.outcome(node, rows, self.context.moment(node.zone))
        parts = [history.outcome(node, rows.clear(), self.context.moment(""))]
        local = rows.join(self.frame.select("customer_id", ZONE), on="customer_id")
        for (zone,), part in local.partition_by(ZONE, as_dict=True, include_key=False).items():
            parts.append(history.outcome(node, part, self.context.moment(self.place(zone))))
        return pl.concat(parts)

    def answer_by_zone(self, nodes: Sequence[Condition | History]) -> None:
        """Join on the answers that are read in each customer's own zone, zone by zone."""
        if not nodes:
            return
        self.answered |= {node: f"local:{i}" for i, node in enumerate(nodes)}
        columns = {self.column(node, field) for node in nodes for field in _fields_of(node)}
        columns |= {self.joined[node] for node in nodes if node in self.joined}
        rows = self.frame.select(pl.col(ZONE).alias(OWN_ZONE), *sorted(columns)).with_row_index(ROW)
        parts = [rows.clear().select(ROW, *(pl.lit(None, pl.Boolean).alias(self.answered[node]) for node in nodes))]
        parts += [
            part.select(ROW, *(self.compared(node, self.place(zone)).alias(self.answered[node]) for node in nodes))
            for (zone,), part in rows.partition_by(OWN_ZONE, as_dict=True).items()
        ]
        self.frame = self.frame.hstack(pl.concat(parts).sort(ROW).drop(ROW))

    def place(self, zone: str | None) -> str:
        """Give the name of a customer's zone, the default one for who has none that exists."""
        return zone if zone and zone_named(zone) else self.context.zone.key

    def join_events(self, nodes: list[EventNode]) -> None:
        """Join on what was found of these nodes, and for whom they hold."""
        if not nodes:
            return
        people = People(self.frame["customer_id"].to_numpy(), self.zones(nodes))
        source = Source(self.context.events, self.context.properties, self.context.lines, self.context.memory)
        self.join(nodes, Events(source, people, self.context.moment, self.meet).answers(nodes))

    def join_moves(self, nodes: list[SegmentHistory]) -> None:
        """Join on when the customers entered or left segments."""
        if not nodes:
            return
        people = People(self.frame["customer_id"].to_numpy(), self.zones(nodes))
        self.join(nodes, histories(nodes, self.context.changes, people, self.context.moment))

    def join(self, nodes: Sequence[Node], answers: list[Answer]) -> None:
        names = [f"event:{len(self.answered) + i}" for i in range(len(nodes))]
        self.joined |= dict(zip(nodes, names, strict=True))
        self.answered |= {node: f"{name}:holds" for node, name in zip(nodes, names, strict=True)}
        columns = [
            (one.found.alias(name), one.holds.alias(f"{name}:holds")) for one, name in zip(answers, names, strict=True)
        ]
        self.frame = self.frame.with_columns(column for both in columns for column in both)

    def zones(self, nodes: Sequence[Node]) -> dict[str, Mask]:
        """Give who lives in which zone, where one of the nodes asks for it."""
        if not any(one.zone == CUSTOMER for node in nodes for one in zoned(node)):
            return {}
        places = self.frame[ZONE].unique().to_list()
        names = self.frame[ZONE].replace_strict(places, [self.place(one) for one in places], return_dtype=pl.String)
        return {name: (names == name).to_numpy() for name in names.unique().to_list()}

    def meet(self, rows: pl.DataFrame, conditions: Sequence[Condition]) -> pl.Series:
        """Say which rows, of events or of anything else, meet all conditions."""
        compiler = _Compiler(self.context, _with_columns(rows, list(conditions)))
        compiler.prepare(list(conditions))
        return compiler.frame.select(pl.all_horizontal(map(compiler.expression, conditions))).to_series()

    def answer(self, key: str, rule: Rule) -> pl.Expr:
        """Give who is in a segment: what was pinned by hand goes before the rule."""
        holds = self.expression(rule.root)
        if key not in self.context.pins:
            return holds
        ids, pins = pl.col("customer_id"), self.context.pins[key]
        return (holds | ids.is_in(pins.included.implode())) & ~ids.is_in(pins.excluded.implode())

    def expression(self, node: Node) -> pl.Expr:
        """Give where a node holds: true or false, never null."""
        return MEANINGS[type(node)](self, node)

    def group(self, node: Group) -> pl.Expr:
        return GROUPS[node.kind].meaning([self.expression(child) for child in node.nodes], node.number)

    def condition(self, node: Condition | History) -> pl.Expr:
        """Give the answer that was joined on, or else what the columns say; no value is false, unless asked for."""
        answer = pl.col(self.answered[node]) if node in self.answered else self.compared(node, node.zone)
        if isinstance(node, History):
            return answer.fill_null(node.is_missing_included)
        holds = answer.fill_null(False)
        if not node.is_missing_included:
            return holds
        return pl.any_horizontal(holds, *(pl.col(self.column(node, field)).is_null() for field in _fields_of(node)))

    def compared(self, node: Condition | History, zone: str) -> pl.Expr:
        """Give where a field compares as asked, in a zone; null where it has no value."""
        moment, subject = self.context.moment(zone), self.subject(node, node.field)
        if isinstance(node, History):
            return history.holds(node, pl.col(self.joined[node]), subject, moment)
        row = operator(node)
        if not isinstance(node.value, Other):
            return row.meaning(subject, self.value(node, row), moment)
        other = shifted(self.subject(node, node.value.field), node.value.offset_days, moment)
        assert row.against is not None
        return pl.when(other.column.is_not_null()).then(row.against(subject, other, moment))

    def subject(self, node: Condition | History, field: Field) -> Subject:
        return Subject(pl.col(self.column(node, field)), self.frame[field.name].dtype == pl.Date)

    def column(self, node: Condition | History, field: Field) -> str:
        return f"{FOLDED}{field.name}" if is_folded(node) else field.name

    def value(self, node: Condition, row: Operator) -> Any:
        """Give what a condition compares with, as its meaning takes it."""
        if row.cut_point:
            return self.context.cuts[cut_key(node)]
        return row.fold(node.value) if row.fold and is_folded(node) else node.value

    def found(self, node: Node) -> pl.Expr:
        """Give the answer that was joined on."""
        return pl.col(self.answered[node])

    def segment(self, node: SegmentReference) -> pl.Expr:
        inside = pl.col(f"{SEGMENT}{node.key}")
        return inside if node.is_in else ~inside

    def sample(self, node: Sample) -> pl.Expr:
        return pl.col(self.joined[node]) * 100 < node.percent

    def ids(self, node: Ids) -> pl.Expr:
        return pl.col("external_id").is_in(pl.Series(node.ids).implode()).fill_null(False)

    def listed(self, node: Listed) -> pl.Expr:
        return pl.col("customer_id").is_in(self.context.lists(node.key).implode())


MEANINGS: dict[type, Callable[[_Compiler, Any], pl.Expr]] = {
    Group: _Compiler.group,
    Condition: _Compiler.condition,
    History: _Compiler.condition,
    EventCondition: _Compiler.found,
    EventSequence: _Compiler.found,
    SegmentHistory: _Compiler.found,
    SegmentReference: _Compiler.segment,
    Sample: _Compiler.sample,
    Ids: _Compiler.ids,
    Listed: _Compiler.listed,
}


def with_made(frame: pl.DataFrame, nodes: Iterable[Node], context: Context) -> pl.DataFrame:
    """Give the frame with the fields that are made when they are asked for."""
    fields = [field for node in nodes for field in _fields_of(node)]
    return derived.made(frame, fields, context.properties, context.earlier, context.as_of)


def _with_columns(frame: pl.DataFrame, nodes: list[Node]) -> pl.DataFrame:
    """Give the frame with an empty column for every field that nobody has a value of."""
    asked = {field.name: field for node in nodes for field in _fields_of(node)}
    types = {name: DTYPES[field.type] for name, field in asked.items()}
    types |= {ZONE: pl.String} if any(getattr(node, "zone", "") == CUSTOMER for node in nodes) else {}
    missing = [pl.lit(None, type).alias(name) for name, type in types.items() if name not in frame.columns]
    return frame.with_columns(missing) if missing else frame


def is_folded(node: Node) -> bool:
    """Say whether a node compares folded texts."""
    if isinstance(node, History):
        return node.field.type in (Type.TEXT, Type.LIST) and not node.is_exact
    return isinstance(node, Condition) and operator(node).fold is not None and not node.is_exact


def _fields_of(node: Node) -> list[Field]:
    """Give the field that a node asks for, and the other that it is compared with."""
    if isinstance(node, Condition) and isinstance(node.value, Other):
        return [node.field, node.value.field]
    return [node.field] if isinstance(node, Condition | History) else []


def folded_fields(nodes: Iterable[Node]) -> list[str]:
    """Give the fields of which nodes compare folded texts: a frame may bring `folded:<field>`."""
    return list(dict.fromkeys(field.name for node in nodes if is_folded(node) for field in _fields_of(node)))
