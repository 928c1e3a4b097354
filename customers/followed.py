"""What the lake follows: the rows of some tables in the order of their commits, read by the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
from django.db import connection, models
from django.db.models import F, JSONField, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from django.db.models.functions import NullIf

from customers import bulk
from customers.ahead import Ahead, Coming, Page, ahead
from customers.generations import Mark
from customers.ids import near
from customers.models import AttributeChange, Event, OrderLine
from customers.rows import Ints, numbered

FEW = 10_000  # rows whose buckets and events the database looks up; else the buckets of all customers are read once
ROUND = 250_000  # rows read from the database at a time

EVENT_TIMES: bulk.Schema = {
    "customer_id": pl.Int64,
    "event_id": pl.Int64,
    "name": pl.Categorical,
    "occurred_at": bulk.UTC_MICROSECONDS,
    "known_at": bulk.UTC_MICROSECONDS,
}
TABLES: dict[str, bulk.Schema] = {
    "events": {**EVENT_TIMES, "value": pl.Float64, "is_imported": pl.Boolean, "order_id": pl.String},
    "lines": {
        **EVENT_TIMES,
        "product_id": pl.Int64,
        "quantity": pl.Float64,
        "price": pl.Float64,
        "discount": pl.Float64,
    },
    # Names are text here: readers ask for one, and only text has the bounds by which they leave out the others' rows.
    "properties": {**EVENT_TIMES, "name": pl.String, "properties": pl.String},
    "attributes": {
        "customer_id": pl.Int64,
        "change_id": pl.Int64,
        "name": pl.String,
        "value": pl.String,
        "known_at": bulk.UTC_MICROSECONDS,
    },
}


@dataclass(frozen=True)
class Source:
    """A database table that is followed: where each column comes from, and the tables of the lake it feeds."""

    model: type[models.Model]
    columns: dict[str, str]
    tables: tuple[str, ...]
    absent: tuple[str, ...]  # columns that may lack values
    key: str  # the column of the row's own id
    bucket: str = "customer__bucket"

    @property
    def name(self) -> str:
        return self.tables[0]

    @property
    def schema(self) -> bulk.Schema:
        """What is read of it, in order."""
        types: bulk.Schema = {"of_import_id": pl.Int64}
        for table in self.tables:
            types |= TABLES[table]
        types["name"] = pl.Categorical  # few differ
        return {name: types[name] for name in self.columns}


# The most rows come first: their files are written while the others are read.
SOURCES = (
    Source(
        Event,
        {
            "customer_id": "customer_id",
            "event_id": "pk",
            "name": "name",
            "occurred_at": "occurred_at",
            "known_at": "known_at",
            "value": "value",
            "of_import_id": "of_import_id",
            "order_id": "order_id",
            "properties": "properties",
        },
        ("events", "properties"),
        absent=("value", "of_import_id", "order_id", "properties"),
        key="event_id",
    ),
    Source(
        OrderLine,
        {
            "customer_id": "event__customer_id",
            "event_id": "event_id",
            "name": "event__name",
            "occurred_at": "event__occurred_at",
            "known_at": "event__known_at",
            "product_id": "product_id",
            "quantity": "quantity",
            "price": "price",
            "discount": "discount",
        },
        ("lines",),
        absent=("price", "discount"),
        key="line_id",
        bucket="event__customer__bucket",
    ),
    Source(
        AttributeChange,
        {
            "customer_id": "customer_id",
            "change_id": "pk",
            "name": "name",
            "value": "value",
            "known_at": "known_at",
        },
        ("attributes",),
        absent=("value",),
        key="change_id",
    ),
)
EVENTS, LINES, _ = SOURCES
OF_EVENT = ("customer_id", "name", "occurred_at", "known_at")  # columns that a line has of its event


class Piece(NamedTuple):
    """Some rows of a source."""

    source: Source
    rows: pl.DataFrame


def newest(source: Source, mark: Mark, below: int | None) -> Mark | None:
    """Give the mark of the last row after `mark` that no open transaction can still precede; None where none is."""
    rows = source.model._default_manager.order_by("-stored_xact", "-pk")
    if below is None:
        rows = source.model._default_manager.filter(pk__gt=mark.id).order_by("-pk")
    else:
        rows = rows.filter(TupleGreaterThan(Tuple(F("stored_xact"), F("pk")), tuple(mark)), stored_xact__lt=below)
    found = rows.values_list("stored_xact", "pk").first()
    return found and Mark(*found)


def are_few(source: Source, mark: Mark, end: Mark) -> bool:
    """Give whether the rows after a mark, up to another, are so few that the database had better look things up."""
    return _between(source, mark, end)[: FEW + 1].count() <= FEW


def few(source: Source, mark: Mark, end: Mark) -> pl.DataFrame:
    """Give the rows after a mark, up to another, each with its bucket."""
    rows = _between(source, mark, end).values_list(*_asked(source), source.bucket)
    return bulk.read(rows, {**source.schema, "bucket": pl.Int64})


def many(source: Source, mark: Mark, end: Mark, lines: Mark | None = None) -> Iterator[Piece]:
    """Give the rows after a mark, up to another, by the page, in the order of their commits.

    With `lines` the source is all events, and after each page of them come its order lines, up to that mark: the
    database need not find the event of each.
    """
    with ahead() as reading:
        for page, beside in _pages(reading, source, mark, end, lines):
            rows = page.frame()
            yield Piece(source, rows)
            if beside is not None:
                yield Piece(LINES, _with_events(beside().frame(), rows))


def _pages(
    reading: Ahead, source: Source, mark: Mark, end: Mark, lines: Mark | None
) -> Iterator[tuple[Page, Coming | None]]:
    """Give each page, none empty, and what waits for the lines of its events. The next page is on its way by then."""
    most = FEW if source is LINES else ROUND  # for each line the database looks up the event
    page = _page(reading, source, mark, end, most)()
    while page.height:
        beside = None if lines is None else _lines_of(reading, page.numbers(source.key), lines)
        mark = Mark(page.greatest, int(page.numbers(source.key)[-1]))
        coming = _page(reading, source, mark, end, most)
        yield page, beside
        page = coming()


def _page(reading: Ahead, source: Source, mark: Mark, end: Mark, most: int) -> Coming:
    """Ask for the next rows after a mark."""
    order = ["stored_xact", "pk"] if connection.vendor == "postgresql" else ["pk"]
    rows = _between(source, mark, end).order_by(*order)[:most]
    key = [] if source.key in source.columns else ["pk"]
    schema: bulk.Schema = {**source.schema, source.key: pl.Int64}
    return reading.ask(rows.values_list(*_asked(source), *key, "stored_xact"), schema, source.absent)


def _lines_of(reading: Ahead, ids: Ints, end: Mark) -> Coming:
    """Ask for the lines, up to a mark, of some events; others may be among them."""
    schema = {name: dtype for name, dtype in LINES.schema.items() if name not in OF_EVENT}
    rows = _between(LINES, Mark(0, 0), end).filter(near("event_id", pl.Series(ids))).order_by("event_id", "pk")
    return reading.ask(rows.values_list(*schema, "stored_xact"), schema, LINES.absent)


def _with_events(lines: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Give the lines that belong to these events, with what they have of them."""
    place = numbered(events["event_id"].to_numpy(), lines["event_id"].to_numpy())
    is_theirs = place >= 0
    told = events.select(*OF_EVENT)[place[is_theirs]]
    return lines.filter(pl.Series(is_theirs)).hstack(told)


def _asked(source: Source) -> list[str | Combinable]:
    """Give what the database is asked for: properties only where there are any, which are costly to tell."""
    nothing = Value({}, JSONField())
    return [NullIf(name, nothing) if name == "properties" else name for name in source.columns.values()]


def _between(source: Source, mark: Mark, end: Mark) -> models.QuerySet[Any]:
    """Give the rows after a mark, up to another."""
    rows = source.model._default_manager.all()
    if connection.vendor != "postgresql":
        return rows.filter(pk__gt=mark.id, pk__lte=end.id)
    return rows.filter(TupleGreaterThan(Tuple(F("stored_xact"), F("pk")), tuple(mark)), stored_xact__lte=end.xact)
