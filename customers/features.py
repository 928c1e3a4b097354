"""What is computed from a customer's events as of a time: every feature is one value with its meaning.

An expression speaks of one input, grouped by customer: the `events`, the completed `orders` among them, the `lines` of
what was bought, the `pages` seen in 90 days, or the `calls` that reached them. Each has `age`, the time from the event
to the as-of, and nothing later is in them. Orders have `gap`, the days since the customer's order before, and `hour`
and `weekday` (Monday is 1) on the clock of the shop. Pages make visits, which end with 30 minutes of silence: `is_last`
of its visit, `minutes` since the visit's page before. An expression of `row` speaks of the customer's other features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import polars as pl
from django.utils.text import slugify

from customers.models import Attribute, EventName

ORDER, REFUND = "Order Completed", "Order Refunded"
PAGE, PRODUCT = "Page Viewed", "Product Viewed"
SENT, OPENED, CLICKED, LEFT = "Email Sent", "Email Opened", "Email Link Clicked", "Unsubscribed"
CALL, REACHED = "Call Made", "reached"
# What we did ourselves does not show that a customer is active.
OURS = (SENT, "Email Delivered", "Email Bounced", CALL, "Offer Given", "Held Out", "Control Assigned")
WINDOWS = (7, 30, 90, 365)  # days
VISIT_DAYS = 90  # how far back pages make visits
SILENCE = timedelta(minutes=30)
EVENING = 18  # the hour it begins
SATURDAY = 6
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PREFIX = "features."
DECIMALS = 6
DAY_MICROSECONDS = 86_400_000_000
ZERO = "Never missing: none is 0."

DataType = type[pl.DataType]


class Input(StrEnum):
    """What a feature's expression speaks of."""

    EVENTS = "events"
    ORDERS = "orders"
    LINES = "lines"
    PAGES = "pages"
    CALLS = "calls"
    ROW = "row"


class Past(NamedTuple):
    """What is known of the customers' past: events, their order lines and their properties, as the lake gives them."""

    events: pl.LazyFrame
    lines: pl.LazyFrame
    properties: pl.LazyFrame


@dataclass(frozen=True)
class Feature:
    """One feature. `missing` says what no value means; `empty` is the value where the input has no rows."""

    name: str
    label: str
    unit: str
    missing: str
    input: Input
    expression: pl.Expr = field(compare=False, repr=False)
    dtype: DataType = pl.Float64
    empty: int | None = None
    type: Attribute.Type = Attribute.Type.NUMBER

    @property
    def column(self) -> str:
        """The column of the frame, which is the name of the rule field."""
        return PREFIX + self.name


def _days(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_microseconds() / DAY_MICROSECONDS


def _within(days: int) -> pl.Expr:
    """Hold for what lies in (as_of - days, as_of]."""
    return pl.col("age") < timedelta(days=days)


def _is(name: str) -> pl.Expr:
    return pl.col("name") == name


def _total(amount: pl.Expr, where: pl.Expr) -> pl.Expr:
    return pl.when(where).then(amount).otherwise(0.0).sum()


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Give part / whole; no value where the whole is not above 0."""
    return pl.when(whole > 0).then(part / whole)


def _of(name: str) -> pl.Expr:
    return pl.col(PREFIX + name)


def _orders(name: str, label: str, count: pl.Expr) -> Feature:
    return Feature(name, label, "orders", ZERO, Input.ORDERS, count, pl.Int64, 0)


def _money(name: str, label: str, total: pl.Expr) -> Feature:
    return Feature(name, label, "money", ZERO, Input.ORDERS, total, empty=0)


def _events(name: str, label: str, where: pl.Expr) -> Feature:
    return Feature(name, label, "events", ZERO, Input.EVENTS, where.sum(), pl.Int64, 0)


def _visits(days: int) -> Feature:
    count = (pl.col("is_last") & _within(days)).sum()
    return Feature(f"visits_{days}d", f"Visits in {days} days", "visits", ZERO, Input.PAGES, count, pl.Int64, 0)


def _habit(name: str, label: str, where: pl.Expr) -> Feature:
    return Feature(name, label, "share", "Never ordered.", Input.ORDERS, where.mean())


def _most(name: str, times: str) -> pl.Expr:
    """Give the number, below 32, that comes most often, the lowest of several; `times` says how often each comes.

    The mode of a group costs twice as much.
    """
    return 31 - (pl.col(times).cast(pl.Int64) * 32 + 31 - pl.col(name)).max() % 32


def _days_since(where: pl.Expr) -> pl.Expr:
    return _days(pl.when(where).then(pl.col("age")).min())


VALUE = pl.col("value").fill_null(0.0)
DISCOUNT = pl.col("discount").fill_null(0.0)
# A line without a price has no value that a discount could be a share of.
IS_PRICED = pl.col("price").is_not_null()
DISCOUNTED = _total(DISCOUNT, IS_PRICED)
PAID = _total(pl.col("quantity") * pl.col("price"), IS_PRICED)
SPEND_90D = _total(VALUE, _within(90))
SPEND_90D_BEFORE = _total(VALUE, ~_within(90) & _within(180))

FEATURES: tuple[Feature, ...] = (
    Feature(
        "tenure_days",
        "Days since the first event or since known",
        "days",
        "Never missing.",
        Input.ROW,
        _days(pl.max_horizontal("first_age", "known_age")),
    ),
    Feature(
        "recency_days", "Days since the last order", "days", "Never ordered.", Input.ORDERS, _days(pl.col("age").min())
    ),
    _orders("orders", "Orders ever", pl.len()),
    *(_orders(f"orders_{n}d", f"Orders in {n} days", _within(n).sum()) for n in WINDOWS),
    _money("spend", "Spent ever, before returns", VALUE.sum()),
    *(_money(f"spend_{n}d", f"Spent in {n} days, before returns", _total(VALUE, _within(n))) for n in WINDOWS),
    Feature("order_value_mean", "Average order value", "money", "Never ordered.", Input.ORDERS, VALUE.mean()),
    Feature(
        "spend_trend_90d",
        "Spent in 90 days, against the 90 days before",
        "ratio",
        "Nothing spent in the 90 days before.",
        Input.ORDERS,
        _share(SPEND_90D, SPEND_90D_BEFORE),
    ),
    Feature(
        "gap_mean_days", "Usual gap between orders", "days", "Fewer than 2 orders.", Input.ORDERS, pl.col("gap").mean()
    ),
    Feature(
        "gap_sd_days",
        "Spread of the gaps between orders",
        "days",
        "Fewer than 3 orders.",
        Input.ORDERS,
        pl.col("gap").std(),
    ),
    Feature(
        "gap_ratio",
        "Days since the last order, against the usual gap",
        "ratio",
        "Fewer than 2 orders, or all at one time.",
        Input.ROW,
        _share(_of("recency_days"), _of("gap_mean_days")),
    ),
    Feature(
        "discount_share",
        "Share of discounts in what was bought",
        "share",
        "Nothing bought with a known price.",
        Input.LINES,
        _share(DISCOUNTED, PAID + DISCOUNTED),
    ),
    Feature(
        "products",
        "Different products bought",
        "products",
        ZERO,
        Input.LINES,
        pl.col("product_id").n_unique(),
        pl.Int64,
        0,
    ),
    _events("returns", "Returns ever", _is(REFUND)),
    Feature(
        "return_share",
        "Value returned, against what was spent",
        "share",
        "Nothing spent.",
        Input.ROW,
        _share(pl.col("returned"), _of("spend")),
    ),
    *(_events(f"page_views_{n}d", f"Pages viewed in {n} days", _is(PAGE) & _within(n)) for n in (30, 90)),
    *(_events(f"product_views_{n}d", f"Products viewed in {n} days", _is(PRODUCT) & _within(n)) for n in (30, 90)),
    _events("events_30d", "Anything they did in 30 days", ~pl.col("name").is_in(OURS) & _within(30)),
    Feature(
        "gap_median_days",
        "Gap between orders, half of them shorter",
        "days",
        "Fewer than 2 orders.",
        Input.ORDERS,
        pl.col("gap").median(),
    ),
    Feature(
        "order_hour",
        "Hour of the day with most orders, the earliest of several",
        "hour, 0 to 23",
        "Never ordered.",
        Input.ORDERS,
        _most("hour", "in_hour"),
        pl.Int64,
    ),
    Feature(
        "order_weekday",
        "Day of the week with most orders, the first of several",
        "day",
        "Never ordered.",
        Input.ROW,
        pl.col("weekday").replace_strict(dict(enumerate(WEEKDAYS, 1)), return_dtype=pl.String),
        pl.String,
        type=Attribute.Type.TEXT,
    ),
    _habit("weekend_share", "Share of orders on Saturday and Sunday", pl.col("weekday") >= SATURDAY),
    _habit("evening_share", "Share of orders from 18 to 24 o'clock", pl.col("hour") >= EVENING),
    *(_visits(n) for n in (30, VISIT_DAYS)),
    Feature(
        "pages_per_visit_90d",
        "Pages a visit in 90 days",
        "pages",
        "No visit in 90 days.",
        Input.PAGES,
        _share(pl.len(), pl.col("is_last").sum()),
    ),
    Feature(
        "minutes_per_visit_90d",
        "Minutes a visit in 90 days, from its first page to its last",
        "minutes",
        "No visit in 90 days.",
        Input.PAGES,
        _share(pl.col("minutes").sum(), pl.col("is_last").sum()),
    ),
    Feature(
        "visit_recency_days",
        "Days since the last visit",
        "days",
        "Never visited.",
        Input.EVENTS,
        _days_since(_is(PAGE)),
    ),
    *(_events(f"emails_sent_{n}d", f"E-mails we sent in {n} days", _is(SENT) & _within(n)) for n in (30, 90)),
    *(_events(f"email_opens_{n}d", f"Our e-mails opened in {n} days", _is(OPENED) & _within(n)) for n in (30, 90)),
    *(_events(f"email_clicks_{n}d", f"Clicks in our e-mails in {n} days", _is(CLICKED) & _within(n)) for n in (30, 90)),
    Feature(
        "email_click_rate_90d",
        "Clicks for each e-mail we sent, in 90 days",
        "ratio",
        "No e-mail sent in 90 days.",
        Input.ROW,
        _share(_of("email_clicks_90d"), _of("emails_sent_90d")),
    ),
    Feature(
        "message_recency_days",
        "Days since our last e-mail or call",
        "days",
        "No message yet.",
        Input.EVENTS,
        _days_since(_is(SENT) | _is(CALL)),
    ),
    _events("unsubscribes", "Unsubscribed, times ever", _is(LEFT)),
    Feature("calls_reached", "Calls that reached them, ever", "calls", ZERO, Input.CALLS, pl.len(), pl.Int64, 0),
)


def names() -> list[Feature]:
    """Give all features: FEATURES, and the counts of every event name that is declared as counted."""
    taken = {feature.name for feature in FEATURES}
    features = list(FEATURES)
    for pk, name in EventName.objects.filter(is_counted=True).order_by("pk").values_list("pk", "name"):
        slug = slugify(name).replace("-", "_") or "event"
        if any(f"{slug}_{days}d" in taken for days in WINDOWS) or slug == "event":
            slug = f"{slug}_{pk}"
        counts = counted(name, slug)
        taken |= {feature.name for feature in counts}
        features += counts
    return features


def counted(event_name: str, slug: str) -> list[Feature]:
    """Give the counts of one event name in 7, 30, 90 and 365 days, as `<slug>_<n>d`."""
    return [_events(f"{slug}_{n}d", f"{event_name} in {n} days", _is(event_name) & _within(n)) for n in WINDOWS]


def known(rows: pl.LazyFrame, as_of: datetime) -> pl.LazyFrame:
    """Give the rows that had happened and were known as of the time, with their `age`."""
    at = pl.lit(as_of.astimezone(UTC), dtype=pl.Datetime("us", "UTC"))
    return rows.filter(pl.col("occurred_at") <= at, pl.col("known_at") <= at).with_columns(
        age=at - pl.col("occurred_at")
    )


def build(people: pl.DataFrame, past: Past, as_of: datetime, features: Sequence[Feature], zone: str) -> pl.DataFrame:
    """Give customer_id, has_events and every feature, for each row of `people` (customer_id, known_since), in order.

    Hours and weekdays are those of the time zone.
    """
    happened = known(past.events, as_of).select("customer_id", "name", "value", "age").collect()
    first = [
        pl.col("age").max().alias("first_age"),
        pl.when(_is(REFUND)).then(VALUE.abs()).otherwise(0.0).sum().alias("returned"),
    ]
    row = people.lazy().with_columns(known_age=as_of.astimezone(UTC) - pl.col("known_since"))
    for source, table, also in (
        (Input.EVENTS, happened.lazy(), first),
        (Input.ORDERS, _ordered(happened, as_of, zone), [_most("weekday", "on_weekday").alias("weekday")]),
        (Input.LINES, known(past.lines, as_of).filter(_is(ORDER), pl.col("quantity") > 0), []),
        (Input.PAGES, _paged(happened), []),
        (Input.CALLS, _reached(past.properties, as_of), []),
    ):
        wanted = [_typed(feature) for feature in features if feature.input is source]
        row = row.join(
            table.group_by("customer_id").agg(*wanted, *also), on="customer_id", how="left", maintain_order="left"
        )
    row = row.with_columns(pl.col(f.column).fill_null(f.empty) for f in features if f.empty is not None)
    row = row.with_columns(_typed(feature) for feature in features if feature.input is Input.ROW)
    has_events = pl.col("first_age").is_not_null().alias("has_events")
    return row.select("customer_id", has_events, *(_clean(feature) for feature in features)).collect()


def _ordered(happened: pl.DataFrame, as_of: datetime, zone: str) -> pl.LazyFrame:
    """Give the orders with their gap, and the hour and weekday they were made, which come so many times."""
    orders = happened.filter(_is(ORDER)).sort("customer_id", "age", descending=[False, True]).lazy()
    at = pl.lit(as_of.astimezone(UTC), dtype=pl.Datetime("us", "UTC")) - pl.col("age")
    orders = orders.with_columns(
        gap=pl.when(_is_next()).then(_days(pl.col("age").shift(1) - pl.col("age"))),
        local=at.dt.convert_time_zone(zone).dt.replace_time_zone(None),
    )
    orders = orders.with_columns(hour=pl.col("local").dt.hour(), weekday=pl.col("local").dt.weekday())
    return orders.with_columns(
        in_hour=pl.len().over("customer_id", "hour"), on_weekday=pl.len().over("customer_id", "weekday")
    )


def _paged(happened: pl.DataFrame) -> pl.LazyFrame:
    """Give the pages of the last days, each with whether a visit ends with it and its minutes since the one before."""
    pages = happened.lazy().filter(_is(PAGE), _within(VISIT_DAYS)).select("customer_id", "age")
    silence = pl.col("age").shift(1) - pl.col("age")
    pages = pages.sort("customer_id", "age", descending=[False, True]).with_columns(
        silence=pl.when(_is_next() & (silence < SILENCE)).then(silence)
    )
    return pages.with_columns(
        is_last=pl.col("silence").shift(-1).is_null(),
        minutes=(_days(pl.col("silence")) * 1_440).fill_null(0.0),
    )


def _reached(properties: pl.LazyFrame, as_of: datetime) -> pl.LazyFrame:
    calls = known(properties.filter(_is(CALL)), as_of)
    return calls.filter(pl.col("properties").str.json_path_match("$.outcome") == REACHED).select("customer_id", "age")


def _is_next() -> pl.Expr:
    """Hold for a row of the same customer as the row before."""
    return pl.col("customer_id") == pl.col("customer_id").shift(1)


def _typed(feature: Feature) -> pl.Expr:
    return feature.expression.cast(feature.dtype).alias(feature.column)


def _clean(feature: Feature) -> pl.Expr:
    """Give the feature without NaN and infinity: these are no value. The order of a sum must not show: 6 decimals."""
    column = pl.col(feature.column)
    if feature.dtype != pl.Float64:
        return column
    return pl.when(column.is_finite()).then(column.round(DECIMALS)).alias(feature.column)
