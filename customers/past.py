"""What is known of customers' past as of a time, as rows that features are computed from."""

import json
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from customers import bulk
from customers.rows import DAY_MICROSECONDS, Floats, Mask, Rows, numbered

ORDER, REFUND = "Order Completed", "Order Refunded"
PAGE, CALL = "Page Viewed", "Call Made"
REACHED = "reached"
VISIT_DAYS = 90  # how far back pages make visits
SILENCE = timedelta(minutes=30)
MINUTE_MICROSECONDS = 60_000_000


class Past(NamedTuple):
    """What there is of the customers' past: events, their order lines and their properties, as the lake gives them."""

    events: pl.LazyFrame
    lines: pl.LazyFrame
    properties: pl.LazyFrame


class Known:
    """What had happened and was known as of a time to each of `people` (customer_id, known_since), in their order.

    Nothing in it is later. Each kind of row is read when it is first asked for.
    """

    def __init__(self, people: pl.DataFrame, past: Past, as_of: datetime, zone: str) -> None:
        self.ids = people["customer_id"].to_numpy()
        self.as_of = pl.lit(as_of.astimezone(UTC), dtype=bulk.UTC_MICROSECONDS)
        self.past = past
        self.zone = zone
        since = people.select((self.as_of - pl.col("known_since")).dt.total_microseconds()).to_series()
        self.days_known: Floats = since.cast(pl.Float64).fill_null(np.nan).to_numpy() / DAY_MICROSECONDS
        self._named: dict[str, Rows] = {}

    @cached_property
    def events(self) -> Rows:
        """Give all events, with `name` as a number of 64 bits and `value`, 0 where there is none."""
        name = pl.col("name").cast(pl.String).hash()
        return self._rows(self.past.events, name=name, value=pl.col("value").fill_null(0.0))

    def named(self, *names: str) -> Rows:
        """Give the events with one of the names."""
        key = json.dumps(names)
        if key not in self._named:
            self._named[key] = self.events.where(self.is_named(self.events, names))
        return self._named[key]

    def unlike(self, names: tuple[str, ...]) -> Rows:
        """Give the events with none of the names."""
        return self.events.where(~self.is_named(self.events, names))

    def is_named(self, events: Rows, names: tuple[str, ...]) -> Mask:
        """Say which of the events have one of the names."""
        numbers = pl.Series(names, dtype=pl.String).hash().to_numpy()
        holds: Mask = events["name"] == numbers[0]
        for number in numbers[1:]:
            holds |= events["name"] == number
        return holds

    @cached_property
    def orders(self) -> Rows:
        """Give the completed orders, oldest first, with `day`, `hour` and `weekday` (0 is Monday) in the zone."""
        orders = self.named(ORDER).in_order()
        ages = pl.DataFrame({"age": orders.age}).select(at=self.as_of - pl.duration(microseconds="age"))
        local = ages["at"].dt.convert_time_zone(self.zone).dt.replace_time_zone(None).dt
        parts = (local.date().cast(pl.Int32), local.hour(), local.weekday())
        day, hour, weekday = (part.cast(pl.Int64).to_numpy() for part in parts)
        return orders.with_columns(day=day, hour=hour, weekday=weekday - 1)

    @cached_property
    def order_days(self) -> Rows:
        """Give the first order of each day of the zone."""
        orders = self.orders
        is_first = np.ones(len(orders.who), dtype=bool)
        is_first[1:] = (orders.who[1:] != orders.who[:-1]) | (orders["day"][1:] != orders["day"][:-1])
        return orders.where(is_first)

    @cached_property
    def gaps(self) -> Rows:
        """Give the orders that follow another, with the `days` between."""
        gap = self.orders.since_before()
        return self.orders.with_columns(days=gap / DAY_MICROSECONDS).where(gap >= 0)

    @cached_property
    def lines(self) -> Rows:
        """Give what was bought: `product`, and `discount` and what was `paid`, both 0 where the price is not known."""
        price = pl.col("price")
        bought = self.past.lines.filter(pl.col("name") == ORDER, pl.col("quantity") > 0)
        return self._rows(
            bought,
            product=pl.col("product_id"),
            discount=pl.when(price.is_not_null()).then(pl.col("discount").fill_null(0.0)).otherwise(0.0),
            paid=(pl.col("quantity") * price).fill_null(0.0),
        )

    @cached_property
    def pages(self) -> Rows:
        """Give the pages of the last days with the `minutes` since the visit's page before, 0 for its first."""
        pages = self.named(PAGE).within(VISIT_DAYS).in_order()
        silence = pages.since_before()
        follows = (silence >= 0) & (silence < SILENCE // timedelta(microseconds=1))
        minutes = np.where(follows, silence, 0) / MINUTE_MICROSECONDS
        return pages.with_columns(minutes=minutes, is_last=~np.append(follows[1:], False))

    @cached_property
    def visits(self) -> Rows:
        """Give the last page of each visit."""
        return self.pages.where(self.pages["is_last"])

    @cached_property
    def calls(self) -> Rows:
        """Give the calls that reached the customer."""
        calls = self.past.properties.filter(pl.col("name") == CALL)
        return self._rows(calls.filter(pl.col("properties").str.json_path_match("$.outcome") == REACHED))

    def _rows(self, table: pl.LazyFrame, **columns: pl.Expr) -> Rows:
        """Give those rows of a table that had happened and were known, of these people."""
        known = table.filter(pl.col("occurred_at") <= self.as_of, pl.col("known_at") <= self.as_of)
        age = (self.as_of - pl.col("occurred_at")).dt.total_microseconds()
        frame = known.select("customer_id", age=age, **columns).collect()
        who = numbered(self.ids, frame["customer_id"].to_numpy())
        rest = {name: frame[name].to_numpy() for name in columns}
        rows = Rows(len(self.ids), who, frame["age"].to_numpy(), **rest)
        return rows.where(who >= 0)
