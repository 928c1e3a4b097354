"""What is known of the fields and events a rule may name: how many have a value, which values, which properties.

Read from the latest snapshot and the lake, once a snapshot in each process. What could name a person is never a value.
"""

import functools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
from django.conf import settings

from customers import bulk, history, property_types, snapshot
from customers.generations import LakeError
from customers.history import Lake, Scope
from customers.models import Product
from customers.personal import PERSONAL_NAMES, PERSONAL_VALUES
from scoring import ranking
from segments.rules.nodes import Field, Type
from segments.rules.texts import folded

MOST_VALUES = 50  # of one field, those of the most customers
MOST_DIFFERENT = 2_000  # more different values are no list to pick from
FEW_DIFFERENT = 20  # up to here a field may have another value for everybody
PRODUCTS: bulk.Schema = {"product_id": pl.Int64, "product": pl.String, "category": pl.String}
WITH_VALUES = (Type.TEXT, Type.YES_NO, Type.LIST)


@dataclass(frozen=True)
class Count:
    """A value, and how many customers have it."""

    value: str | bool
    count: int


@dataclass(frozen=True)
class FieldFacts:
    """The share of customers with a value, 0 to 1, and the most frequent values."""

    share: float
    values: tuple[Count, ...] = ()


@dataclass(frozen=True)
class EventFacts:
    """How many events of a name there are, and their properties with the type and frequent values of each."""

    count: int
    properties: Mapping[str, Type]
    values: Mapping[str, tuple[Count, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What was found as of a time; empty before the first full cycle."""

    as_of: datetime | None
    customers: int
    fields: Mapping[str, FieldFacts]
    events: Mapping[str, EventFacts]
    bought: Mapping[str, tuple[Count, ...]] = field(default_factory=dict)


READING = threading.Lock()


def known(fields: Iterable[Field]) -> Known:
    """Give what is known of these fields, and of all events, as of the latest snapshot."""
    taken_at = snapshot.latest()
    with READING:  # whoever asks meanwhile waits for the one reading
        return _read(settings.LAKE_URL, taken_at, tuple(fields))


@functools.lru_cache(maxsize=2)
def _read(lake_url: str, taken_at: datetime | None, fields: tuple[Field, ...]) -> Known:
    lake = history.pin()
    events, bought = _events(lake), _bought(lake)
    if taken_at is None:
        return Known(None, 0, {}, events, bought)
    tally = _Tally({field.name: field for field in fields})
    run = ranking.published()
    for bucket in range(settings.BUCKETS):
        try:
            tally.add(ranking.place(snapshot.load(taken_at, bucket), run))
        except LakeError:  # nobody is in this bucket
            continue
    return Known(taken_at, tally.customers, tally.facts(), events, bought)


class _Tally:
    """Counts values bucket by bucket, so that no more than one is held."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = fields
        self.customers = 0
        self.filled: dict[str, int] = dict.fromkeys(fields, 0)
        self.values: dict[str, pl.DataFrame] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Count a bucket's customers."""
        self.customers += frame.height
        there = [name for name in self.fields if name in frame.columns]
        if there:
            counts = frame.select(pl.col(there).count()).row(0, named=True)
            self.filled |= {name: self.filled[name] + counts[name] for name in there}
        for name in there:
            if _has_list(self.fields[name]):
                self.count(name, frame[name])

    def count(self, name: str, column: pl.Series) -> None:
        """Add one column's values to those of the buckets before; there may be too many to go on."""
        before = self.values.get(name)
        if before is not None and before.height > MOST_DIFFERENT:
            return
        flat = column.explode() if isinstance(column.dtype, pl.List) else column
        found = flat.drop_nulls().alias("value").value_counts(name="count").cast({"count": pl.Int64})
        both = found if before is None else pl.concat([before, found])
        self.values[name] = both.group_by("value").agg(pl.col("count").sum())

    def facts(self) -> dict[str, FieldFacts]:
        """Give the share and the values of every field."""
        return {
            name: FieldFacts(filled / max(self.customers, 1), self.most_frequent(name, filled))
            for name, filled in self.filled.items()
        }

    def most_frequent(self, name: str, filled: int) -> tuple[Count, ...]:
        found = self.values.get(name)
        if found is None or found.height > max(FEW_DIFFERENT, min(MOST_DIFFERENT, filled // 2)):
            return ()
        return _first(found)


def _first(found: pl.DataFrame) -> tuple[Count, ...]:
    """Give the most frequent of values with their counts; none that could tell who somebody is."""
    if found.schema["value"] == pl.String:
        # Texts are compared without case: one entry stands for all ways of writing it.
        found = found.filter(~pl.col("value").str.contains(PERSONAL_VALUES)).sort("count", descending=True)
        one = pl.col("value").first(), pl.col("count").sum()
        found = found.group_by(folded(pl.col("value")).alias("key"), maintain_order=True).agg(*one)
    ordered = found.sort(["count", "value"], descending=[True, False]).head(MOST_VALUES)
    return tuple(Count(value, count) for value, count in ordered.select("value", "count").rows())


def _has_list(field: Field) -> bool:
    """Say whether a field has values to pick from that do not tell who somebody is."""
    if field.type == Type.YES_NO:
        return True
    return field.type in WITH_VALUES and not PERSONAL_NAMES.search(field.name.split(".", 1)[-1])


def _events(lake: Lake) -> dict[str, EventFacts]:
    counted = lake.events(Scope()).group_by("name").len().collect()
    counts = dict(counted.select(pl.col("name").cast(pl.String), "len").rows())
    return {name: EventFacts(count, _types(lake, name), _values(lake, name)) for name, count in sorted(counts.items())}


def _values(lake: Lake, name: str) -> dict[str, tuple[Count, ...]]:
    """Give the frequent values of an event's properties, of each only those of its kind."""
    found = {}
    for key, counts in property_types.values(lake, name).items():
        for kind, type_ in ((bool, pl.Boolean), (str, pl.String)):
            of_kind = {value: count for value, count in counts.items() if isinstance(value, kind)}
            if of_kind and len(of_kind) * 2 >= len(counts):
                columns = {"value": list(of_kind), "count": list(of_kind.values())}
                found[key] = _first(pl.DataFrame(columns, schema={"value": type_, "count": pl.Int64}))
    return found


def _bought(lake: Lake) -> dict[str, tuple[Count, ...]]:
    """Give the products and the categories of the most order lines."""
    counted = lake.lines(Scope()).group_by("product_id").agg(pl.len().cast(pl.Int64).alias("count")).collect()
    few = counted.sort("count", "product_id", descending=[True, False]).head(MOST_DIFFERENT)
    stored = Product.objects.filter(pk__in=few["product_id"].to_list()).values_list("pk", "external_id", "category")
    rows = few.join(bulk.read(stored, PRODUCTS), on="product_id")
    categories = rows.filter(pl.col("category") != "").group_by("category").agg(pl.col("count").sum())
    products = rows.sort("count", "product", descending=[True, False]).head(MOST_VALUES)
    return {
        "product": tuple(Count(value, count) for value, count in products.select("product", "count").rows()),
        "category": _first(categories.rename({"category": "value"})),
    }


def _types(lake: Lake, name: str) -> dict[str, Type]:
    return {key: Type(type_) for key, type_ in property_types.types(lake, name).items()}
