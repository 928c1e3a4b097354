"""What rules ask of the past, from where it is kept. Nothing is read that no rule asks for."""

import threading
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
from django.db.models import Count, Max

from customers import bulk, history
from customers.history import Lake, Scope
from customers.models import Product, Tombstone
from scoring import bands, earlier
from segments.models import MembershipChange
from segments.rules import Context, Rule, needs
from segments.rules.event_rows import LINES, Memory
from segments.rules.meaning import CHANGES, in_levels

MOST_BYTES = 1 << 29  # of events in memory
PRODUCTS: bulk.Schema = {"product_id": pl.Int64, "product": pl.String, "category": pl.String}


def known(context: Context, rules: Iterable[Rule], scope: Scope) -> Context:
    """Give the context with the past that these rules, and those they refer to, ask of the scope's customers."""
    named = {str(number): rule for number, rule in enumerate(rules)}
    asked = [needs(rule) for level in in_levels(named, context.segments) for rule in level.values()]
    told = {name for one in asked for name in one.told}
    of_scores = {name for name in told if name.startswith("scores.")}
    if of_scores:
        context = replace(context, bands=bands.told(scope, of_scores).lazy())
    if scores := {name for one in asked for name in one.earlier}:
        context = replace(context, earlier=earlier.week_before(context.as_of, scores, scope))
    if moves := {key for one in asked for key in one.moves}:
        context = replace(context, changes=_changes(moves, scope).lazy())
    if not any(one.events for one in asked) and told == of_scores:
        return context
    lake = history.pin()
    context = replace(context, attributes=lake.attributes(scope), events=lake.events(scope), pinned=lake)
    if any(one.has_properties for one in asked):
        context = replace(context, properties=lake.properties(scope))
    return replace(context, lines=_lines(lake, scope)) if any(one.has_lines for one in asked) else context


def remembered(context: Context) -> Context:
    """Give the context with a memory of events: what is read of all customers is read once in this process."""
    if not isinstance(context.pinned, Lake):
        return context
    return replace(context, memory=MEMORIES.of(context.pinned, context.as_of))


class Memories:
    """The memory of the time that was asked about last; it holds while the files say the same of that time.

    Files that came since then and tell nothing that was known then change nothing.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.as_of: datetime | None = None
        self.erased: tuple[object, ...] = ()
        self.files: frozenset[Path] = frozenset()
        self.memory = Memory()

    def of(self, lake: Lake, as_of: datetime) -> Memory:
        """Give the memory of a time."""
        files = frozenset(path for table in ("events", "properties", "lines") for path in lake.files(table))
        erased = tuple(Tombstone.objects.aggregate(Count("pk"), Max("at")).values())
        with self.lock:
            telling = frozenset(path for path in files if history.tells(path, as_of))
            if (self.as_of, self.erased, self.files) != (as_of, erased, telling):
                self.as_of, self.erased, self.files, self.memory = as_of, erased, telling, Memory()
            self.memory.forget(MOST_BYTES)
            return self.memory


MEMORIES = Memories()


def _lines(lake: Lake, scope: Scope) -> pl.LazyFrame:
    """Give the order lines of the scope's customers with the names and categories of what they are of."""
    rows = bulk.read(Product.objects.values_list("pk", "external_id", "category"), PRODUCTS)
    products = rows.with_columns(pl.col("category").replace("", None)).lazy()  # a blank category is no value
    return lake.lines(scope).join(products, on="product_id", how="left", maintain_order="left").select(*LINES)


def _changes(segments: Collection[str], scope: Scope) -> pl.DataFrame:
    """Give when the scope's customers entered and left some segments."""
    rows = MembershipChange.objects.filter(segment__key__in=segments)
    if scope.buckets is not None:
        rows = rows.filter(bucket__in=scope.buckets)
    if scope.ids is not None:
        rows = rows.filter(customer__in=scope.ids)
    return bulk.read(rows.values_list("customer_id", "segment__key", "kind", "as_of"), CHANGES)
