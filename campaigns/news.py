"""What we learned since a cycle read, in the order of commits: by marks, never by times."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.db import connection, models
from django.db.models import F
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan, TupleLessThanOrEqual

from campaigns.eligibility import among
from campaigns.models import Cycle
from customers import bulk, history
from customers.history import Scope
from customers.ids import among as is_one_of
from customers.models import AttributeChange, Event, OrderLine
from segments.rules.event_rows import LINES

Marks = dict[str, list[int]]  # by what is followed: the transaction and id of the last row, in the order of commits
FOLLOWED: dict[str, type[models.Model]] = {"events": Event, "attributes": AttributeChange}
BEGIN: Marks = {name: [0, 0] for name in FOLLOWED}
AHEAD = timedelta(minutes=1)  # what is known so soon after a cycle's time waits for the next one
OCCURRED: bulk.Schema = {
    "customer_id": pl.Int64,
    "event_id": pl.Int64,
    "name": pl.String,
    "occurred_at": bulk.UTC_MICROSECONDS,
    "known_at": bulk.UTC_MICROSECONDS,
    "value": pl.Float64,
    "properties": pl.String,
    "imported_at": bulk.UTC_MICROSECONDS,
    "stored_xact": pl.Int64,
}
NOTHING = pl.DataFrame(schema=OCCURRED)


def newest() -> Marks:
    """Give the last event and attribute change that no open transaction can still precede."""
    below = bulk.committed_below()
    marks: Marks = {}
    for name, model in FOLLOWED.items():
        rows = model._default_manager.all() if below is None else model._default_manager.filter(stored_xact__lt=below)
        last = rows.order_by("-stored_xact", "-pk").values_list("stored_xact", "pk").first()
        marks[name] = list(last or (0, 0))
    return marks


def read_by(cycle: Cycle) -> Marks:
    """Give how far a cycle read."""
    return cycle.marks or {name: [0, 0] for name in FOLLOWED}


def learned(name: str, after: Marks, until: Marks) -> "models.QuerySet[Any]":
    """Give the rows after some marks, up to others."""
    rows = FOLLOWED[name]._default_manager.order_by()
    if connection.vendor == "sqlite":  # ids are the order of commits; by both columns it would read every row
        return rows.filter(pk__gt=after[name][1], pk__lte=until[name][1])
    place = Tuple(F("stored_xact"), F("pk"))
    return rows.filter(TupleGreaterThan(place, tuple(after[name])), TupleLessThanOrEqual(place, tuple(until[name])))


def known_by(after: Marks, until: Marks, as_of: datetime) -> Marks:
    """Give the marks up to which nothing became known just after a time: a cycle as of then does not see it yet, so
    the next one has to find it. What is dated further ahead holds nobody back.
    """
    found: Marks = {}
    for name in FOLLOWED:
        early = learned(name, after, until).filter(known_at__gt=as_of, known_at__lte=as_of + AHEAD)
        first = early.order_by("stored_xact", "pk").values_list("stored_xact", "pk").first()
        found[name] = _before(name, after, first) if first else until[name]
    return found


def _before(name: str, after: Marks, first: tuple[int, int]) -> list[int]:
    """Give the mark of the last row before another, but none before `after`."""
    rows = FOLLOWED[name]._default_manager.all()
    if connection.vendor == "sqlite":
        rows = rows.filter(pk__lt=first[1], pk__gt=after[name][1])
    else:
        place = Tuple(F("stored_xact"), F("pk"))
        rows = rows.filter(TupleLessThan(place, first), TupleGreaterThan(place, tuple(after[name])))
    last = rows.order_by("-stored_xact", "-pk").values_list("stored_xact", "pk").first()
    return list(last) if last else after[name]


def occurred(cycle: Cycle, people: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Give the events of some names and people that this cycle reads and no full cycle before it had read.

    At some of them small cycles have looked. `imported_at` is when the import that brought an event began.
    """
    wanted = sorted(names)
    done = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE, marks__isnull=False, pk__lt=cycle.pk)
    last = done.order_by("-pk").first()
    if last is None or not wanted or people.is_empty():
        return NOTHING
    return _told(learned("events", read_by(last), read_by(cycle)).filter(among(people), name__in=wanted))


def lately(name: str, after: datetime, until: datetime) -> pl.DataFrame:
    """Give the events of a name in (after, until], known by then: those in the lake, and what was stored since."""
    read = Cycle.objects.filter(marks__isnull=False, state=Cycle.State.DONE).order_by("-pk").first()
    happened = history.pin().events(Scope()).filter(pl.col("name") == name, pl.col("occurred_at") > after)
    ids = happened.filter(pl.col("occurred_at") <= until).select("event_id").collect()["event_id"]
    stored = Event.objects.filter(is_one_of("pk", ids))
    newer = learned("events", read_by(read) if read else BEGIN, newest())
    found = [_told(rows.filter(name=name, occurred_at__gt=after, occurred_at__lte=until)) for rows in (stored, newer)]
    return pl.concat(found).filter(pl.col("known_at") <= until).unique("event_id", maintain_order=True)


def _told(rows: "models.QuerySet[Any]") -> pl.DataFrame:
    columns = {"event_id": "pk", "imported_at": "of_import__started_at"}
    return bulk.read(rows.values_list(*(columns.get(name, name) for name in OCCURRED)), OCCURRED)


def read_as_of(times: pl.Series) -> pl.DataFrame:
    """Give how far the cycles as of some times read events: as_of, read_xact, read_id."""
    schema: bulk.Schema = {"as_of": bulk.UTC_MICROSECONDS, "read_xact": pl.Int64, "read_id": pl.Int64}
    cycles = Cycle.objects.filter(as_of__in=times.drop_nulls().unique().to_list(), marks__isnull=False)
    rows = [(cycle.as_of, *read_by(cycle)["events"]) for cycle in cycles.order_by("pk")]
    return pl.DataFrame(rows, schema=schema, orient="row").unique("as_of", keep="last")


def lines(events: pl.Series) -> pl.DataFrame:
    """Give the order lines of some events, as rules ask about them."""
    columns = {
        "customer_id": "event__customer_id",
        "name": "event__name",
        "occurred_at": "event__occurred_at",
        "known_at": "event__known_at",
        "product": "product__external_id",
        "category": "product__category",
    }
    rows = OrderLine.objects.filter(event_id__in=events.to_list())
    found = bulk.read(rows.values_list(*(columns.get(name, name) for name in LINES)), LINES)
    return found.with_columns(pl.col("category").replace("", None))  # a blank category is no value
