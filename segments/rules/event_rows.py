"""A customer's events as rows: read once for all nodes, and no more of them than the nodes need."""

import functools
import itertools
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from customers.models import Attribute
from customers.properties import told
from customers.rows import Ints, Mask, Rows, numbered
from segments.rules.event_fields import HOUR, LINE, OF_EVENT, PREFIX, PROPERTY, WEEKDAY
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
BASE = ("customer_id", "occurred_at")
NO_LINES = pl.DataFrame(schema=LINES)
AMOUNT = "amount"
MADE_OF = {AMOUNT: ("quantity", "price")}


@dataclass
class Wanted:
    """What is to be read of the events of one name: since when, and which fields of the events and of their lines.

    With `is_ordered` of two at the same time the order counts in which they were stored.
    """

    since: datetime | None
    fields: set[Field] = field(default_factory=set)
    has_lines: bool = False
    is_ordered: bool = False

    @property
    def properties(self) -> dict[str, Attribute.Type]:
        """The properties that are asked about, with their types."""
        found = sorted(one.name for one in self.fields if one.group == PROPERTY)
        types = {one.name: Attribute.Type(one.type) for one in self.fields}
        return {name.removeprefix(PREFIX): types[name] for name in found}

    def columns(self, *, of_lines: bool) -> list[str]:
        """The columns that are read for it, of the events or of their lines."""
        names = {one.name for one in self.fields if (one.group == LINE) == of_lines and one.group != PROPERTY}
        parts = {part for name in names - {HOUR, WEEKDAY} for part in MADE_OF.get(name, (name,))}
        if not of_lines and (self.has_lines or self.is_ordered or self.properties):
            parts.add("event_id")
        return sorted(parts)


class Kind(NamedTuple):
    """One kind of rows, and which columns of them are wanted of each event, since when."""

    key: str
    frame: pl.LazyFrame
    columns: dict[str, list[str]]
    since: dict[str, datetime | None]


@dataclass
class Memory:
    """Columns of events that were read, by kind and event, for as long as nothing they are made of changes."""

    columns: dict[tuple[str, str], dict[str, pl.Series]] = field(default_factory=dict)
    runs: dict[tuple[str, str], "Runs"] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def read(self, kind: Kind, as_of: datetime) -> dict[str, pl.DataFrame]:
        """Give the rows of each event; what was not read before is read, all of it."""
        return {name: self.rows(kind, name, columns, as_of) for name, columns in kind.columns.items()}

    def rows(self, kind: Kind, name: str, columns: list[str], as_of: datetime) -> pl.DataFrame:
        with self.lock:
            held = self.columns[kind.key, name] = self.columns.pop((kind.key, name), {})
            wanted = [*BASE, *columns]
            if absent := [column for column in wanted if column not in held]:
                rows = _scan(kind.frame, {name: absent}, {name: None}, as_of).collect()
                held.update({column: rows[column] for column in absent})
            return pl.DataFrame([held[column] for column in wanted])

    def made(self, key: tuple[str, str], name: str, make: Callable[[], pl.Series]) -> pl.Series:
        """Give what was made of the rows of a kind and event; it is made once."""
        with self.lock:
            held = self.columns.setdefault(key, {})
            if name not in held:
                held[name] = make()
            return held[name]

    def run(self, key: tuple[str, str], customers: pl.Series) -> "Runs":
        """Give the runs of the rows of a kind and event."""
        with self.lock:
            if key not in self.runs:
                self.runs[key] = Runs.of(customers)
            return self.runs[key]

    def forget(self, most_bytes: int) -> None:
        """Let go of the events that were not asked about for the longest time, so that no more is held."""
        with self.lock:
            sizes = {key: sum(one.estimated_size() for one in held.values()) for key, held in self.columns.items()}
            while len(sizes) > 1 and sum(sizes.values()) > most_bytes:
                oldest = next(iter(self.columns))
                del self.columns[oldest], sizes[oldest]
                self.runs.pop(oldest, None)


class Runs(NamedTuple):
    """Rows of a customer that stand together: the number of its run for each row, and of whom each run is."""

    run: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    ids: Ints

    @classmethod
    def of(cls, customers: pl.Series) -> "Runs":
        ids = customers.to_numpy()
        is_first = np.append(True, ids[1:] != ids[:-1]) if len(ids) else np.zeros(0, dtype=bool)
        return cls(np.cumsum(is_first, dtype=np.int32) - 1, ids[is_first])


class Source(NamedTuple):
    """Where events come from: lazily scanned, of some customers. Lines name their product and category."""

    events: pl.LazyFrame
    properties: pl.LazyFrame
    lines: pl.LazyFrame
    memory: Memory | None = None

    def read(self, wanted: Mapping[str, Wanted], as_of: datetime) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
        """Give the known events of every name that is wanted, and their lines, in one pass over each kind of file."""
        since = {name: want.since for name, want in wanted.items()}
        events = {name: want.columns(of_lines=False) for name, want in wanted.items()}
        lines = {name: ["event_id", *want.columns(of_lines=True)] for name, want in wanted.items() if want.has_lines}
        texts = {name: ["event_id", "properties"] for name, want in wanted.items() if want.properties}
        kinds = Kind("events", self.events, events, since), Kind("lines", self.lines, lines, since)
        if self.memory:
            return self.remembered(self.memory, wanted, kinds, as_of)
        of_events, of_lines, of_texts = _collected([*kinds, Kind("texts", self.properties, texts, since)], as_of)
        return {
            name: (_with_properties(of_events[name], of_texts.get(name), want), of_lines.get(name, NO_LINES))
            for name, want in wanted.items()
        }

    def telling(self, wanted: Mapping[str, Wanted], as_of: datetime) -> dict[str, pl.DataFrame]:
        """Give the known events of every name that tell any property, with those that are wanted."""
        order = {name: ["event_id"] if want.is_ordered else [] for name, want in wanted.items()}
        if self.memory:
            found = self.memory.read(Kind("texts", self.properties, order, dict.fromkeys(wanted)), as_of)
            for name, want in wanted.items():
                for one in want.fields - {*OF_EVENT}:
                    column = self.memory.made(
                        ("texts", name), one.name, functools.partial(self.typed, name, one, as_of)
                    )
                    found[name] = found[name].with_columns(column)
            return found
        columns = {name: [*more, "properties"] for name, more in order.items()}
        since = {name: want.since for name, want in wanted.items()}
        (texts,) = _collected([Kind("texts", self.properties, columns, since)], as_of)
        return {name: _typed(rows, wanted[name]) for name, rows in texts.items()}

    def typed(self, name: str, asked: Field, as_of: datetime) -> pl.Series:
        """Give one property of all events of a name that tell any."""
        (texts,) = _collected([Kind("texts", self.properties, {name: ["properties"]}, {name: None})], as_of)
        return _typed(texts[name], Wanted(None, {asked}))[asked.name]

    def runs(self, kind: str, name: str, rows: pl.DataFrame) -> Runs:
        """Give the runs of rows that were read."""
        if self.memory is None or not rows.height:
            return Runs.of(rows["customer_id"])
        return self.memory.run((kind, name), rows["customer_id"])

    def remembered(
        self, memory: Memory, wanted: Mapping[str, Wanted], kinds: tuple[Kind, Kind], as_of: datetime
    ) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
        """Give the same from memory; properties are read and typed one by one, and then held."""
        of_events, of_lines = (memory.read(kind, as_of) for kind in kinds)
        for name, want in wanted.items():
            for one in (each for each in want.fields if each.group == PROPERTY):
                column = memory.made(("events", name), one.name, functools.partial(self.told, name, one, as_of))
                of_events[name] = of_events[name].with_columns(column)
        return {name: (of_events[name], of_lines.get(name, NO_LINES)) for name in wanted}

    def told(self, name: str, asked: Field, as_of: datetime) -> pl.Series:
        """Give one property of all events of a name."""
        kinds = [
            Kind("events", self.events, {name: ["event_id"]}, {name: None}),
            Kind("texts", self.properties, {name: ["event_id", "properties"]}, {name: None}),
        ]
        events, texts = (found[name] for found in _collected(kinds, as_of))
        return _with_properties(events, texts, Wanted(None, {asked}))[asked.name]


class Table:
    """Events of one name, or their lines, each of one of some people.

    Rows of a customer stand together: where she is among the people is looked up once for each such run of rows.
    """

    def __init__(self, frame: pl.DataFrame, runs: Runs, people: Ints) -> None:
        self.frame = frame
        self.people = len(people)
        self.at: Ints = frame["occurred_at"].to_physical().to_numpy()
        self.run = runs.run
        self.place = numbered(people, runs.ids)

    def within(self, span: Span) -> Mask:
        """Say which rows lie in a span."""
        before = self.at < microseconds(span.end)
        return before if span.start is None else before & (self.at >= microseconds(span.start))

    def happened(self, mask: Mask, asked: str, as_of: datetime) -> Happened:
        """Give the rows of a mask, with what they tell of a field, if one is asked about."""
        index = np.flatnonzero(mask)
        who = self.place[self.run[index]]
        if len(who) and who.min() < 0:
            index, who = index[who >= 0], who[who >= 0]
        rows = Rows(self.people, who, microseconds(as_of) - self.at[index])
        if not asked:
            return Happened(rows, pl.Series(dtype=pl.Null), np.empty(0, dtype=np.int64))
        order = self.frame["event_id"].to_numpy()[index] if "event_id" in self.frame.columns else index
        return Happened(rows, self.frame[asked].gather(pl.Series(index)), order)


class Tables(NamedTuple):
    """The events of one name and their lines."""

    events: Table
    lines: Table


def read(wanted: Mapping[str, Wanted], source: Source, people: Ints, as_of: datetime) -> dict[str, Tables]:
    """Give the known events of every name that is wanted."""
    return {
        name: Tables(
            Table(events, source.runs("events", name, events), people),
            Table(_with_amount(lines), source.runs("lines", name, lines), people),
        )
        for name, (events, lines) in source.read(wanted, as_of).items()
    }


def telling(wanted: Mapping[str, Wanted], source: Source, people: Ints, as_of: datetime) -> dict[str, Table]:
    """Give the known events of every name that tell any property: the others need not be read."""
    found = source.telling(wanted, as_of) if wanted else {}
    return {name: Table(rows, source.runs("texts", name, rows), people) for name, rows in found.items()}


def microseconds(instant: datetime) -> int:
    """Give an instant as the files count it."""
    return (instant - EPOCH) // TICK


def _collected(kinds: Sequence[Kind], as_of: datetime) -> list[dict[str, pl.DataFrame]]:
    """Give the rows of each event, kind by kind, all read at once."""
    asked = [kind for kind in kinds if kind.columns]
    frames = pl.collect_all([_scan(kind.frame, kind.columns, kind.since, as_of) for kind in asked])
    found = {
        kind.key: {name: _of(frame, name) if len(kind.columns) > 1 else frame for name in kind.columns}
        for kind, frame in zip(asked, frames, strict=True)
    }
    return [found.get(kind.key, {}) for kind in kinds]


def _scan(
    frame: pl.LazyFrame, columns: Mapping[str, list[str]], since: Mapping[str, datetime | None], as_of: datetime
) -> pl.LazyFrame:
    """Give the rows of some names that had happened and were known, each since when it is wanted."""
    wanted = dict.fromkeys([*BASE, *(["name"] if len(columns) > 1 else []), *itertools.chain(*columns.values())])
    is_known = (pl.col("occurred_at") <= as_of) & (pl.col("known_at") <= as_of)
    is_named = functools.reduce(operator.or_, (_is_of(name, since[name]) for name in columns))
    return frame.filter(is_named, is_known).select(*wanted)


def _of(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.filter(pl.col("name") == name).drop("name")


def _is_of(name: str, start: datetime | None) -> pl.Expr:
    is_of = pl.col("name") == name
    return is_of if start is None else is_of & (pl.col("occurred_at") >= start)


def _with_properties(events: pl.DataFrame, texts: pl.DataFrame | None, want: Wanted) -> pl.DataFrame:
    types = want.properties
    if not types or texts is None:
        return events
    columns = _typed(texts.select("event_id", "properties"), want)
    return events.join(columns, on="event_id", how="left", maintain_order="left")


def _typed(texts: pl.DataFrame, want: Wanted) -> pl.DataFrame:
    """Give the properties that are wanted in place of their texts."""
    types = want.properties
    columns = told(texts["properties"], types).rename({name: f"{PREFIX}{name}" for name in types})
    return texts.drop("properties").hstack(columns)


def _with_amount(lines: pl.DataFrame) -> pl.DataFrame:
    if not {"quantity", "price"} <= {*lines.columns}:
        return lines
    return lines.with_columns((pl.col("quantity") * pl.col("price")).alias(AMOUNT))
