"""Customers with a random past, as frames and as rows of the database."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from customers import bulk, features
from customers.models import AttributeChange, Customer, Event, OrderLine, Product, Source

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 800
NAMES = (
    "Order Completed",
    "Order Refunded",
    "Page Viewed",
    "Product Viewed",
    "Email Sent",
    "Email Link Clicked",
    "Held Out",
    "Newsletter Opened",
    "Email Opened",
    "Unsubscribed",
    "Call Made",
    "Offer Given",
    "Control Assigned",
)
SHARES = (0.31, 0.08, 0.1, 0.1, 0.1, 0.05, 0.04, 0.05, 0.05, 0.03, 0.05, 0.02, 0.02)
TIME = bulk.UTC_MICROSECONDS


class History(NamedTuple):
    """People (customer_id, known_since), their events, lines and properties, as the lake gives them."""

    people: pl.DataFrame
    events: pl.DataFrame
    lines: pl.DataFrame
    properties: pl.DataFrame

    @property
    def past(self) -> features.Past:
        return features.Past(self.events.lazy(), self.lines.lazy(), self.properties.lazy())


def random_history(seed: int, customers: int = 25) -> History:
    """Give a past with ties, late news, missing values, odd signs and customers without any event."""
    rng = np.random.default_rng(seed)
    ids = np.arange(1, customers + 1)
    people = pl.DataFrame(
        {"customer_id": ids, "known_since": _times(rng, customers)}, schema_overrides={"known_since": TIME}
    )
    count = int(rng.integers(0, customers * 14))
    # The last customers have no events at all; times repeat, so that orders tie.
    moments = _times(rng, max(1, count // 2))
    occurred = [moments[int(i)] for i in rng.integers(0, len(moments), count)]
    late = [timedelta(days=float(days)) for days in rng.choice([0, 0, 0, 1, 40, 400], count)]
    value = [None if rng.random() < 0.1 else round(float(x), 2) for x in rng.gamma(2, 30, count) - 5]
    events = pl.DataFrame(
        {
            "customer_id": rng.choice(ids[: max(1, customers - 4)], count),
            "event_id": np.arange(1, count + 1),
            "name": rng.choice(NAMES, count, p=SHARES),
            "occurred_at": occurred,
            "known_at": [at + delay for at, delay in zip(occurred, late, strict=True)],
            "value": value,
        },
        schema={
            "customer_id": pl.Int64,
            "event_id": pl.Int64,
            "name": pl.String,
            "occurred_at": TIME,
            "known_at": TIME,
            "value": pl.Float64,
        },
    )
    events = pl.concat([events, _random_visits(rng, events)])
    return History(people, events, _random_lines(rng, events), _random_properties(rng, events))


def _random_visits(rng: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    """Give pages that follow some of the events, within a visit, on its edge or after it."""
    begun = [row for row in events.iter_rows(named=True) if rng.random() < 0.3]
    pages: list[tuple[int, int, str, datetime, datetime, None]] = []
    for row in begun:
        late = row["known_at"] - row["occurred_at"]
        at = row["occurred_at"]
        for minutes in rng.choice([0.0, 0.5, 7.0, 29.99, 30.0, 31.0], int(rng.integers(1, 6))):
            at += timedelta(minutes=float(minutes))
            pages.append((row["customer_id"], events.height + len(pages) + 1, "Page Viewed", at, at + late, None))
    return pl.DataFrame(pages, schema=events.schema, orient="row")


def _random_properties(rng: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    told = ['{"outcome": "reached"}', '{"outcome": "no_answer"}', '{"outcome": null}', "{}"]
    picked = pl.Series("properties", rng.choice(told, len(events)), dtype=pl.String)
    return events.select("customer_id", "event_id", "name", "occurred_at", "known_at").with_columns(picked)


def _times(rng: np.random.Generator, count: int) -> list[datetime]:
    """Give times of which some lie whole days apart, on the edges of windows."""
    whole = rng.integers(0, DAYS, count)
    exact = rng.random(count) < 0.4
    micro = np.where(exact, 0, rng.integers(0, 86_400_000_000, count))
    return [START + timedelta(days=int(d), microseconds=int(m)) for d, m in zip(whole, micro, strict=True)]


def _random_lines(rng: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    orders = events.filter(pl.col("name").is_in(["Order Completed", "Order Refunded", "Page Viewed"]))
    picked = (
        orders.sample(int(len(orders) * 1.5), with_replacement=True, seed=int(rng.integers(1_000)))
        if len(orders)
        else orders
    )
    count = len(picked)
    return picked.select("customer_id", "event_id", "name", "occurred_at", "known_at").with_columns(
        pl.Series("product_id", rng.integers(1, 12, count), dtype=pl.Int64),
        pl.Series("quantity", rng.choice([-1.0, 1.0, 2.0, 0.5], count), dtype=pl.Float64),
        pl.Series(
            "price", [None if rng.random() < 0.15 else float(p) for p in rng.gamma(2, 5, count)], dtype=pl.Float64
        ),
        pl.Series(
            "discount", [None if rng.random() < 0.5 else float(d) for d in rng.gamma(1, 2, count)], dtype=pl.Float64
        ),
    )


def add_customers(*external_ids: str, known_since: datetime = START, buckets: int = 4, **columns: str) -> list[int]:
    """Store customers, in turn in every bucket; give their ids."""
    rows = pl.DataFrame({"external_id": list(external_ids)}).with_columns(
        public_id="external_id",
        bucket=pl.int_range(pl.len()) % buckets,
        seed=pl.int_range(pl.len()),
        attributes=pl.lit("{}"),
        known_since=pl.lit(known_since, TIME),
        **{name: pl.lit(text) for name, text in columns.items()},
    )
    bulk.insert(Customer, rows)
    ids = dict(Customer.objects.values_list("external_id", "pk"))
    return [ids[external_id] for external_id in external_ids]


def add_events(events: pl.DataFrame, *, run: str = "a") -> None:
    """Store events (customer_id, name, occurred_at [, known_at, value, properties]); `run` keeps message ids apart."""
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "api"})
    defaults = {"known_at": pl.col("occurred_at"), "value": pl.lit(None, pl.Float64), "properties": pl.lit("{}")}
    added = {name: value for name, value in defaults.items() if name not in events.columns}
    rows = events.drop("event_id", strict=False).with_columns(
        source_id=pl.lit(source.pk), message_id=pl.format("{}-{}", pl.lit(run), pl.int_range(pl.len())), **added
    )
    bulk.insert(Event, rows)


def add_event(
    customer_id: int, name: str, at: datetime, *, known_at: datetime | None = None, value: float | None = None
) -> int:
    """Store one event; give its id."""
    run = f"{name}-{Event.objects.count()}"
    row = {
        "customer_id": [customer_id],
        "name": [name],
        "occurred_at": [at],
        "known_at": [known_at or at],
        "value": [value],
    }
    add_events(
        pl.DataFrame(row, schema_overrides={"occurred_at": TIME, "known_at": TIME, "value": pl.Float64}), run=run
    )
    return Event.objects.latest("pk").pk


def add_line(event_id: int, product: str, quantity: float, price: float, discount: float = 0.0) -> None:
    """Store one order line."""
    stored, _ = Product.objects.get_or_create(external_id=product)
    row = {
        "event_id": [event_id],
        "product_id": [stored.pk],
        "quantity": [quantity],
        "price": [price],
        "discount": [discount],
    }
    bulk.insert(OrderLine, pl.DataFrame(row))


def tell(customer_id: int, name: str, value: str | None, known_at: datetime) -> None:
    """Store one attribute change; `value` is JSON text."""
    row = {"customer_id": [customer_id], "name": [name], "value": [value], "known_at": [known_at]}
    bulk.insert(AttributeChange, pl.DataFrame(row, schema_overrides={"known_at": TIME, "value": pl.String}))
