"""What conditions on events and sequences mean: for whom of some people they hold, and what was found."""

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Some
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from customers.rows import Ints, Mask
from segments.rules.comparisons import holds
from segments.rules.event_fields import HOUR, LINE, PROPERTY, WEEKDAY
from segments.rules.event_rows import Source, Table, Tables, Wanted, read, telling
from segments.rules.measures import DECIMALS, MEASURES
from segments.rules.nodes import Condition, EventCondition, Field, Happening, Other, Sequence
from segments.rules.sequences import Moments, last_of
from segments.rules.windows import CUSTOMER, Moment, Span, happened

ORDERED = ("first", "last")
Meet = Callable[[pl.DataFrame, Some[Condition]], pl.Series]
EventNode = EventCondition | Sequence


class Answer(NamedTuple):
    """For whom a node holds, and what was found to compare, both in the order of the people."""

    holds: pl.Series
    found: pl.Series


class People(NamedTuple):
    """Customers by id, in their order, and the zones they live in: a mask over them for each."""

    ids: Ints
    zones: dict[str, Mask]


class Asked(NamedTuple):
    """Which events are meant: within a span, with the zone of the node and the one it is answered for."""

    of: Happening
    own: str
    zone: str
    span: Span


class Events:
    """Answers nodes on events; `meet` says which rows of a frame meet some conditions, `moment` gives a zone's."""

    def __init__(self, source: Source, people: People, moment: Callable[[str], Moment], meet: Meet) -> None:
        self.source = source
        self.people = people
        self.moment = moment
        self.meet = meet
        self.tables: dict[str, Tables] = {}
        self.told: dict[str, Table] = {}
        self.met: dict[Asked, Mask] = {}

    def answers(self, nodes: Some[EventNode]) -> list[Answer]:
        """Give the answer of every node; what they need is read at once."""
        as_of = self.moment("").as_of
        of_told = [node for node in nodes if _is_told(node)]
        others = [node for node in nodes if node not in of_told]
        self.told = telling(self.wanted(of_told), self.source, self.people.ids, as_of)
        self.tables = read(self.wanted(others), self.source, self.people.ids, as_of) if others else {}
        return [self.answer(node) for node in nodes]

    def ids(self, node: EventCondition) -> pl.Series:
        """Give the ids of the events that a node is about."""
        wanted = self.wanted([node])
        for one in wanted.values():
            one.is_ordered = True  # so that the ids are read
        self.tables = read(wanted, self.source, self.people.ids, self.moment("").as_of)
        table = self.tables[node.of.event].events
        who, mask = table.place[table.run], np.zeros(len(table.run), dtype=bool)
        everybody = {node.zone: np.ones(len(self.people.ids), dtype=bool)}
        for zone, mine in (self.people.zones if _is_local(node) else everybody).items():
            asked = Asked(node.of, node.zone, zone, self.span(node, self.moment(_zone(node.zone, zone))))
            mask |= self.meeting(asked) & (who >= 0) & mine[who]
        return table.frame["event_id"].filter(pl.Series(mask))

    def wanted(self, nodes: Some[EventNode]) -> dict[str, Wanted]:
        """Give what must be read of each event."""
        found: dict[str, Wanted] = {}
        for node in nodes:
            start = self.since(node)
            for of in happenings(node):
                want = found.setdefault(of.event, Wanted(start))
                want.since = None if want.since is None or start is None else min(want.since, start)
                want.fields |= fields_of(node) if isinstance(node, EventCondition) else _fields(of)
                want.has_lines |= asks_lines(node)
                want.is_ordered |= isinstance(node, EventCondition) and node.measure in ORDERED
        return found

    def since(self, node: EventNode) -> datetime | None:
        """Give the time from which on a node needs events, the earliest of all zones; None for ever."""
        zones = [*self.people.zones] if node.zone == CUSTOMER else [node.zone]
        starts = [self.span(node, self.moment(zone)).start for zone in zones or [""]]
        return min((start for start in starts if start is not None), default=None) if all(starts) else None

    def span(self, node: EventNode, moment: Moment) -> Span:
        return (
            MEASURES[node.measure].span(node, moment)
            if isinstance(node, EventCondition)
            else happened(node.within, moment)
        )

    def answer(self, node: EventNode) -> Answer:
        """Give the answer of one node; where it asks for the customers' own zone, zone by zone."""
        one = self.measured if isinstance(node, EventCondition) else self.in_order
        if not _is_local(node):
            return one(node, node.zone)  # type: ignore[arg-type]
        parts = {zone: one(node, zone) for zone in self.people.zones}  # type: ignore[arg-type]
        whole = one(node, "")  # type: ignore[arg-type]
        for zone, part in parts.items():
            mine = pl.Series(self.people.zones[zone])
            whole = Answer(part.holds.zip_with(mine, whole.holds), part.found.zip_with(mine, whole.found))
        return whole

    def measured(self, node: EventCondition, zone: str) -> Answer:
        """Give what a measure finds and whether it holds, with days and hours of a zone."""
        measure, moment = MEASURES[node.measure], self.moment(_zone(node.zone, zone))
        asked = Asked(node.of, node.zone, zone, measure.span(node, moment))
        if _is_told(node):
            table = self.told[node.of.event]
            mask = self.meeting_all(table, _about_event(node.of), asked)
        elif node.field is not None and node.field.group == LINE:
            table, mask = self.tables[node.of.event].lines, self.lines_meeting(asked)
        else:
            table, mask = self.tables[node.of.event].events, self.meeting(asked)
        table = self.with_clock(table, node.field, moment)
        rows = table.happened(mask, node.field.name if node.field else "", moment.as_of)
        found = measure.outcome(rows, node, moment).alias("found")
        if isinstance(node.compare, Condition):
            compare = replace(node.compare, zone=_zone(node.zone, zone))
            return Answer(self.meet(pl.DataFrame({compare.field.name: found}), [compare]), found)
        frame = pl.DataFrame({"found": found})
        return Answer(frame.select(measure.test(pl.col("found"), node, moment).fill_null(False)).to_series(), found)

    def in_order(self, node: Sequence, zone: str) -> Answer:
        """Give who did all steps in their order, and when she did the last."""
        moment = self.moment(_zone(node.zone, zone))
        span = happened(node.within, moment)
        moments = []
        for step in node.steps:
            table = self.tables[step.of.event].events
            rows = table.happened(self.meeting(Asked(step.of, node.zone, zone, span)), "", moment.as_of).rows
            moments.append(Moments(rows.who, -rows.age, step.is_not))
        last = last_of(moments, node.gap, len(self.people.ids))
        at = pl.DataFrame({"ago": last}).select(
            found=pl.lit(moment.as_of).dt.cast_time_unit("us") + pl.duration(microseconds="ago")
        )
        return Answer(at["found"].is_not_null(), at["found"])

    def meeting(self, asked: Asked) -> Mask:
        """Say which events of the span are meant."""
        if asked not in self.met:
            of, tables = asked.of, self.tables[asked.of.event]
            mask = self.meeting_all(tables.events, _about_event(of), asked)
            if _about_lines(of) or of.lines.compare is not None:
                mask = mask & _by_lines(tables, of, self.meeting_all(tables.lines, _about_lines(of), asked))
            self.met[asked] = mask
        return self.met[asked]

    def lines_meeting(self, asked: Asked) -> Mask:
        """Say which lines are meant: those that meet the conditions, of the events that are meant."""
        of, tables = asked.of, self.tables[asked.of.event]
        mask = self.meeting_all(tables.lines, _about_lines(of) if of.lines.kind != "none" else [], asked)
        if _about_event(of) or of.lines.kind != "any":
            events = tables.events.frame["event_id"].to_numpy()[self.meeting(asked)]
            mask = mask & np.isin(tables.lines.frame["event_id"].to_numpy(), events)
        return mask

    def meeting_all(self, table: Table, conditions: list[Condition], asked: Asked) -> Mask:
        """Say which rows of the span meet all conditions; no others are looked at."""
        inside = table.within(asked.span)
        if not conditions:
            return inside
        columns = {"occurred_at", *(field.name for one in conditions for field in _fields_of(one))} - CLOCK.keys()
        frame, resolved = table.frame.select(columns).filter(pl.Series(inside)), []
        for one in conditions:
            place = asked.zone if one.zone == CUSTOMER else one.zone or _zone(asked.own, asked.zone)
            if one.field.name in CLOCK:
                name = f"{one.field.name} {place}"
                if name not in frame.columns:
                    frame = frame.with_columns(CLOCK[one.field.name](self.moment(place).zone.key).alias(name))
                one = replace(one, field=replace(one.field, name=name))
            resolved.append(replace(one, zone=place))
        mask = np.zeros(len(inside), dtype=bool)
        mask[inside] = self.meet(frame, resolved).to_numpy()
        return mask

    def with_clock(self, table: Table, field: Field | None, moment: Moment) -> Table:
        """Give the table with the hour or weekday that is asked about."""
        if field is not None and field.name in CLOCK:
            table.frame = table.frame.with_columns(CLOCK[field.name](moment.zone.key).alias(field.name))
        return table


def _by_lines(tables: Tables, of: Happening, is_met: Mask) -> Mask:
    """Say which events have lines as asked; `is_met` says which lines meet the conditions."""
    ids = tables.events.frame["event_id"].to_numpy()
    lines = tables.lines.frame["event_id"].to_numpy()
    if of.lines.compare is None:
        has_met = np.isin(ids, lines[is_met])
        if of.lines.kind == "all":
            return has_met & ~np.isin(ids, lines[~is_met])
        return ~has_met if of.lines.kind == "none" else has_met
    what = pl.len() if of.lines.field is None else pl.col(of.lines.field.name).sum().round(DECIMALS)
    totals = tables.lines.frame.filter(pl.Series(is_met)).group_by("event_id").agg(found=what)
    frame = pl.DataFrame({"event_id": ids}).join(totals, on="event_id", how="left", maintain_order="left")
    return frame.select(holds(of.lines.compare, pl.col("found").fill_null(0))).to_series().to_numpy()


def happenings(node: EventNode) -> Iterator[Happening]:
    """Give which events a node is about."""
    if isinstance(node, EventCondition):
        yield node.of
    else:
        yield from (step.of for step in node.steps)


def zoned(node: Any) -> Iterator[Any]:
    """Give a node, and the conditions on its events: each has a zone."""
    yield node
    if isinstance(node, EventCondition | Sequence):
        yield from (one for of in happenings(node) for one in of.where)


def _is_told(node: EventNode) -> bool:
    """Say whether only events count that tell a property, and nothing but properties and the clock is asked."""
    if isinstance(node, Sequence) or node.of.lines.compare is not None:
        return False
    if any(field.group != PROPERTY and field.name not in CLOCK for field in fields_of(node)):
        return False
    has_told = any(
        one.field.group == PROPERTY and not one.is_missing_included and one.op != "no_value" for one in node.of.where
    )
    return has_told or (node.field is not None and node.field.group == PROPERTY)


def fields_of(node: EventNode) -> set[Field]:
    """Give everything a node asks about its events and their lines."""
    found = {node.field} if isinstance(node, EventCondition) and node.field else set()
    for of in happenings(node):
        found |= _fields(of)
    return found


def asks_lines(node: EventNode) -> bool:
    """Say whether a node asks about order lines."""
    lines = any(of.lines.compare is not None for of in happenings(node))
    return lines or any(field.group == LINE for field in fields_of(node))


def _fields(of: Happening) -> set[Field]:
    fields = {field for one in of.where for field in _fields_of(one)}
    return fields | {of.lines.field} if of.lines.field else fields


def _is_local(node: EventNode) -> bool:
    """Say whether a node asks for days or hours in the customers' own zones."""
    return any(one.zone == CUSTOMER for one in zoned(node))


def _zone(own: str, zone: str) -> str:
    return zone if own == CUSTOMER else own


def _fields_of(condition: Condition) -> list[Field]:
    other = [condition.value.field] if isinstance(condition.value, Other) else []
    return [condition.field, *other]


def _about_event(of: Happening) -> list[Condition]:
    return [one for one in of.where if one.field.group != LINE]


def _about_lines(of: Happening) -> list[Condition]:
    return [one for one in of.where if one.field.group == LINE]


def _local(zone: str) -> pl.Expr:
    return pl.col("occurred_at").dt.convert_time_zone(zone).dt.replace_time_zone(None)


CLOCK: dict[str, Callable[[str], pl.Expr]] = {
    HOUR: lambda zone: _local(zone).dt.hour().cast(pl.Float64),
    WEEKDAY: lambda zone: _local(zone).dt.weekday().cast(pl.Float64),
}
