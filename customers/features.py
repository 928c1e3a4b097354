"""What is computed from a customer's events as of a time: every feature is one value with its meaning.

An expression speaks of one input, grouped by customer: the `events`, the completed `orders` among them, or the `lines`
of what was bought. Each has `age`, the time from the event to the as-of, and nothing later is in them; orders have
`gap`, the days since the customer's order before. An expression of `row` speaks of the customer's other features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl
from django.utils.text import slugify

from customers.models import Attribute, EventName

ORDER, REFUND = "Order Completed", "Order Refunded"
PAGE, PRODUCT = "Page Viewed", "Product Viewed"
SENT, CLICKED = "Email Sent", "Email Link Clicked"
# What we did ourselves does not show that a customer is active.
OURS = (SENT, "Email Bounced", "Call Made", "Offer Given", "Held Out", "Control Assigned")
WINDOWS = (7, 30, 90, 365)  # days
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
    ROW = "row"


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
    _events("emails_sent_90d", "E-mails we sent in 90 days", _is(SENT) & _within(90)),
    _events("email_clicks_90d", "Clicks in our e-mails in 90 days", _is(CLICKED) & _within(90)),
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


def build(
    people: pl.DataFrame, events: pl.LazyFrame, lines: pl.LazyFrame, as_of: datetime, features: Sequence[Feature]
) -> pl.DataFrame:
    """Give customer_id, has_events and every feature, for each row of `people` (customer_id, known_since), in order."""
    happened = known(events, as_of).select("customer_id", "name", "value", "age").collect()
    orders = happened.filter(_is(ORDER)).sort("customer_id", "age", descending=[False, True])
    is_next = pl.col("customer_id") == pl.col("customer_id").shift(1)
    orders = orders.with_columns(gap=pl.when(is_next).then(_days(pl.col("age").shift(1) - pl.col("age"))))
    bought = known(lines, as_of).filter(_is(ORDER), pl.col("quantity") > 0)
    first = [
        pl.col("age").max().alias("first_age"),
        pl.when(_is(REFUND)).then(VALUE.abs()).otherwise(0.0).sum().alias("returned"),
    ]
    row = people.lazy().with_columns(known_age=as_of.astimezone(UTC) - pl.col("known_since"))
    for source, table, also in (
        (Input.EVENTS, happened.lazy(), first),
        (Input.ORDERS, orders.lazy(), []),
        (Input.LINES, bought, []),
    ):
        wanted = [_typed(feature) for feature in features if feature.input is source]
        row = row.join(
            table.group_by("customer_id").agg(*wanted, *also), on="customer_id", how="left", maintain_order="left"
        )
    row = row.with_columns(pl.col(f.column).fill_null(f.empty) for f in features if f.empty is not None)
    row = row.with_columns(_typed(feature) for feature in features if feature.input is Input.ROW)
    has_events = pl.col("first_age").is_not_null().alias("has_events")
    return row.select("customer_id", has_events, *(_clean(feature) for feature in features)).collect()


def _typed(feature: Feature) -> pl.Expr:
    return feature.expression.cast(feature.dtype).alias(feature.column)


def _clean(feature: Feature) -> pl.Expr:
    """Give the feature without NaN and infinity: these are no value. The order of a sum must not show: 6 decimals."""
    column = pl.col(feature.column)
    if feature.dtype != pl.Float64:
        return column
    return pl.when(column.is_finite()).then(column.round(DECIMALS)).alias(feature.column)
