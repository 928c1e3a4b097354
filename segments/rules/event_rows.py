"""A customer's events as rows: read once for all nodes, and no more of them than the nodes need."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from customers.models import Attribute
from customers.properties import told
from customers.rows import Ints, Mask, Rows, numbered
from segments.rules.event_fields import HOUR, LINE, PREFIX, PROPERTY, WEEKDAY
from segments.rules.measures import Happened
from segments.rules.nodes import Field
from segments.rules.windows import TICK, Span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
TIMES: dict[str, Any] = {
    "customer_id": pl.Int64,
    "event_id": pl.Int64,
    "name": pl.String,
    "occurred_at": TIME,
    "known_at": TIME,
}
EVENTS: dict[str, Any] = {**TIMES, "value": pl.Float64}
PROPERTIES: dict[str, Any] = {**TIMES, "properties": pl.String}
LINES: dict[str, Any] = {
    **TIMES,
    "product": pl.String,
    "category": pl.String,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "discount": pl.Float64,
}
AMOUNT = "amount"
MADE_OF = {AMOUNT: ("quantity", "price")}


@dataclass
class Wanted:
    """What is to be read of the events of one name: since when, and which fields of the events and of their lines."""

    since: datetime | None
    fields: set[Field] = field(default_factory=set)
    has_lines: bool = False

    @property
    def properties(self) -> dict[str, Attribute.Type]:
        """The properties that are asked about, with their types."""
        found = sorted(one.name for one in self.fields if one.group == PROPERTY)
        types = {one.name: Attribute.Type(one.type) for one in self.fields}
        return {name.removeprefix(PREFIX): types[name] for name in found}

    def columns(self, *, of_lines: bool) -> list[str]:
        """The columns that are read for it, of the events or of their lines."""
        names = {one.name for one in self.fields if (one.group == LINE) == of_lines and one.group != PROPERTY}
        return sorted({part for name in names - {HOUR, WEEKDAY} for part in MADE_OF.get(name, (name,))})


class Source(NamedTuple):
    """Where events come from: lazily scanned, of some customers. Lines name their product and category."""

    events: pl.LazyFrame
    properties: pl.LazyFrame
    lines: pl.LazyFrame


class Table:
    """Events of one name, or their lines, each of one of some people."""

    def __init__(self, frame: pl.DataFrame, people: Ints) -> None:
        who = numbered(people, frame["customer_id"].to_numpy())
        is_there = who >= 0
        if not is_there.all():
            frame, who = frame.filter(pl.Series(is_there)), who[is_there]
        self.frame = frame
        self.people = len(people)
        self.who = who
        self.at: Ints = frame["occurred_at"].to_physical().to_numpy()

    def within(self, span: Span) -> Mask:
        """Say which rows lie in a span."""
        before = self.at < microseconds(span.end)
        return before if span.start is None else before & (self.at >= microseconds(span.start))

    def happened(self, mask: Mask, asked: str, as_of: datetime) -> Happened:
        """Give the rows of a mask, with what they tell of a field; the customer where none is asked about."""
        index = np.flatnonzero(mask)
        rows = Rows(self.people, self.who[index], microseconds(as_of) - self.at[index])
        frame = self.frame.select(told=asked or "customer_id", order="event_id")[pl.Series(index)]
        return Happened(rows, frame["told"], frame["order"].to_numpy())


class Tables(NamedTuple):
    """The events of one name and their lines."""

    events: Table
    lines: Table


def read(wanted: Mapping[str, Wanted], source: Source, people: Ints, as_of: datetime) -> dict[str, Tables]:
    """Give the known events of every name that is wanted, in one pass over each kind of file."""
    events = {name: ["event_id", *want.columns(of_lines=False)] for name, want in wanted.items()}
    lines = {name: ["event_id", *want.columns(of_lines=True)] for name, want in wanted.items() if want.has_lines}
    texts = {name: ["event_id", "properties"] for name, want in wanted.items() if want.properties}
    scans = [
        _scan(frame, {name: wanted[name].since for name in columns}, columns, as_of)
        for frame, columns in zip(source, (events, texts, lines), strict=True)
    ]
    found_events, found_texts, found_lines = pl.collect_all(scans)
    return {
        name: Tables(
            Table(_with_properties(_of(found_events, name), _of(found_texts, name), want), people),
            Table(_with_amount(_of(found_lines, name)), people),
        )
        for name, want in wanted.items()
    }


def microseconds(instant: datetime) -> int:
    """Give an instant as the files count it."""
    return (instant - EPOCH) // TICK


def _scan(
    frame: pl.LazyFrame, since: Mapping[str, datetime | None], columns: Mapping[str, Iterable[str]], as_of: datetime
) -> pl.LazyFrame:
    """Give the rows of some names that had happened and were known, each since when it is wanted."""
    wanted = sorted({column for names in columns.values() for column in names})
    is_known = (pl.col("occurred_at") <= as_of) & (pl.col("known_at") <= as_of)
    is_named = pl.any_horizontal(pl.lit(False), *(_is_of(name, start) for name, start in since.items()))
    return frame.filter(is_named, is_known).select("customer_id", "name", "occurred_at", *wanted)


def _is_of(name: str, start: datetime | None) -> pl.Expr:
    is_of = pl.col("name") == name
    return is_of if start is None else is_of & (pl.col("occurred_at") >= start)


def _of(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.filter(pl.col("name") == name).drop("name")


def _with_properties(events: pl.DataFrame, texts: pl.DataFrame, want: Wanted) -> pl.DataFrame:
    types = want.properties
    if not types:
        return events
    columns = told(texts["properties"], types).rename({name: f"{PREFIX}{name}" for name in types})
    return events.join(texts.select("event_id").hstack(columns), on="event_id", how="left", maintain_order="left")


def _with_amount(lines: pl.DataFrame) -> pl.DataFrame:
    if not {"quantity", "price"} <= {*lines.columns}:
        return lines
    return lines.with_columns((pl.col("quantity") * pl.col("price")).alias(AMOUNT))
