"""What is computed from a customer's events as of a time: every feature is one value with its meaning.

A feature is computed for all customers at once, from the rows of their past (`past.Known`) and what these amount to
for each (`rows.Rows`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
from django.utils.text import slugify

from customers.models import Attribute, EventName
from customers.past import CALL, PAGE, REFUND, VISIT_DAYS, Known
from customers.past import Past as Past
from customers.rows import DAY_MICROSECONDS, Column, Floats, Rows, share

PRODUCT = "Product Viewed"
SENT, OPENED, CLICKED, LEFT = "Email Sent", "Email Opened", "Email Link Clicked", "Unsubscribed"
# What we did ourselves does not show that a customer is active.
OFFER, HELD_OUT, CONTROL = "Offer Given", "Held Out", "Control Assigned"
OURS = (SENT, "Email Delivered", "Email Bounced", CALL, OFFER, HELD_OUT, CONTROL)
CONTACTS = (SENT, CALL, "Offer Given")  # whoever has none of these in a time was left alone by us
WINDOWS = (7, 30, 90, 365)  # days
EVENING = 18  # the hour it begins
SATURDAY = 5
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PREFIX = "features."
DECIMALS = 6
ZERO = "Never missing: none is 0."

DataType = type[pl.DataType]
Value = Callable[[Known], Column]


@dataclass(frozen=True)
class Feature:
    """One feature: `value` computes it for all people, NaN where there is none; `missing` says what that means."""

    name: str
    label: str
    unit: str
    missing: str
    value: Value = field(compare=False, repr=False)
    dtype: DataType = pl.Float64
    words: tuple[str, ...] = ()
    type: Attribute.Type = Attribute.Type.NUMBER

    @property
    def column(self) -> str:
        """The column of the frame, which is the name of the rule field."""
        return PREFIX + self.name


def _orders(days: int) -> Feature:
    return Feature(
        f"orders_{days}d",
        f"Orders in {days} days",
        "orders",
        ZERO,
        lambda past: past.orders.within(days).count(),
        pl.Int64,
    )


def _spend(days: int) -> Feature:
    return Feature(
        f"spend_{days}d",
        f"Spent in {days} days, before returns",
        "money",
        ZERO,
        lambda past: past.orders.within(days).total("value"),
    )


def _events(name: str, label: str, rows: Callable[[Known], Rows]) -> Feature:
    return Feature(name, label, "events", ZERO, lambda past: rows(past).count(), pl.Int64)


def _named(name: str, label: str, event_name: str, days: int) -> Feature:
    """Give the count of one event name in a window, as `<name>_<n>d`."""
    rows = f"{name}_{days}d", f"{label} in {days} days"
    return _events(*rows, lambda past: past.named(event_name).within(days))


def _visits(days: int) -> Feature:
    return Feature(
        f"visits_{days}d",
        f"Visits in {days} days",
        "visits",
        ZERO,
        lambda past: past.visits.within(days).count(),
        pl.Int64,
    )


def _habit(name: str, label: str, column: str, least: int) -> Feature:
    def value(past: Known) -> Floats:
        return share(past.orders.where(past.orders[column] >= least).count(), past.orders.count())

    return Feature(name, label, "share", "Never ordered.", value)


def _tenure(past: Known) -> Floats:
    return np.fmax(past.events.days_since_first(), past.days_known)


def _spend_trend(past: Known) -> Floats:
    half_year, quarter = past.orders.within(180), past.orders.within(90)
    before = half_year.where(half_year.age >= 90 * DAY_MICROSECONDS)
    return share(quarter.total("value"), before.total("value"))


def _gap_ratio(past: Known) -> Floats:
    return share(past.orders.days_since_last(), past.gaps.mean("days"))


def _discount_share(past: Known) -> Floats:
    discount = past.lines.total("discount")
    return share(discount, past.lines.total("paid") + discount)


def _return_share(past: Known) -> Floats:
    returns = past.named(REFUND)
    returned = returns.with_columns(value=np.abs(returns["value"])).total("value")
    return share(returned, past.orders.total("value"))


def _activity(past: Known) -> Rows:
    events = past.events.within(30)
    return events.where(~past.is_named(events, OURS))


def _click_rate(past: Known) -> Floats:
    clicks, sent = (past.named(name).within(90).count() for name in (CLICKED, SENT))
    return share(clicks, sent)


FEATURES: tuple[Feature, ...] = (
    Feature("tenure_days", "Days since the first event or since known", "days", "Never missing.", _tenure),
    Feature(
        "recency_days",
        "Days since the last order",
        "days",
        "Never ordered.",
        lambda past: past.orders.days_since_last(),
    ),
    Feature("orders", "Orders ever", "orders", ZERO, lambda past: past.orders.count(), pl.Int64),
    *(_orders(n) for n in WINDOWS),
    Feature(
        "first_order_days",
        "Days since the first order",
        "days",
        "Never ordered.",
        lambda past: past.orders.days_since_first(),
    ),
    Feature("order_days", "Days with an order, ever", "days", ZERO, lambda past: past.order_days.count(), pl.Int64),
    Feature("spend", "Spent ever, before returns", "money", ZERO, lambda past: past.orders.total("value")),
    *(_spend(n) for n in WINDOWS),
    Feature(
        "order_value_mean",
        "Average order value",
        "money",
        "Never ordered.",
        lambda past: past.orders.mean("value"),
    ),
    Feature(
        "spend_trend_90d",
        "Spent in 90 days, against the 90 days before",
        "ratio",
        "Nothing spent in the 90 days before.",
        _spend_trend,
    ),
    Feature(
        "gap_mean_days",
        "Usual gap between orders",
        "days",
        "Fewer than 2 orders.",
        lambda past: past.gaps.mean("days"),
    ),
    Feature(
        "gap_sd_days",
        "Spread of the gaps between orders",
        "days",
        "Fewer than 3 orders.",
        lambda past: past.gaps.spread("days"),
    ),
    Feature(
        "gap_ratio",
        "Days since the last order, against the usual gap",
        "ratio",
        "Fewer than 2 orders, or all at one time.",
        _gap_ratio,
    ),
    Feature(
        "discount_share",
        "Share of discounts in what was bought",
        "share",
        # A line without a price has no value that a discount could be a share of.
        "Nothing bought with a known price.",
        _discount_share,
    ),
    Feature(
        "products",
        "Different products bought",
        "products",
        ZERO,
        lambda past: past.lines.distinct("product"),
        pl.Int64,
    ),
    _events("returns", "Returns ever", lambda past: past.named(REFUND)),
    Feature("return_share", "Value returned, against what was spent", "share", "Nothing spent.", _return_share),
    *(_named("page_views", "Pages viewed", PAGE, n) for n in (30, 90)),
    *(_named("product_views", "Products viewed", PRODUCT, n) for n in (30, 90)),
    _events("events_30d", "Anything they did in 30 days", _activity),
    Feature(
        "gap_median_days",
        "Gap between orders, half of them shorter",
        "days",
        "Fewer than 2 orders.",
        lambda past: past.gaps.median("days"),
    ),
    Feature(
        "order_hour",
        "Hour of the day with most orders, the earliest of several",
        "hour, 0 to 23",
        "Never ordered.",
        lambda past: past.orders.most("hour", 24),
        pl.Int64,
    ),
    Feature(
        "order_weekday",
        "Day of the week with most orders, the first of several",
        "day",
        "Never ordered.",
        lambda past: past.orders.most("weekday", 7),
        pl.String,
        words=WEEKDAYS,
        type=Attribute.Type.TEXT,
    ),
    _habit("weekend_share", "Share of orders on Saturday and Sunday", "weekday", SATURDAY),
    _habit("evening_share", "Share of orders from 18 to 24 o'clock", "hour", EVENING),
    *(_visits(n) for n in (30, VISIT_DAYS)),
    Feature(
        "pages_per_visit_90d",
        "Pages a visit in 90 days",
        "pages",
        "No visit in 90 days.",
        lambda past: share(past.pages.count(), past.visits.count()),
    ),
    Feature(
        "minutes_per_visit_90d",
        "Minutes a visit in 90 days, from its first page to its last",
        "minutes",
        "No visit in 90 days.",
        lambda past: share(past.pages.total("minutes"), past.visits.count()),
    ),
    Feature(
        "visit_recency_days",
        "Days since the last visit",
        "days",
        "Never visited.",
        lambda past: past.named(PAGE).days_since_last(),
    ),
    *(_named("emails_sent", "E-mails we sent", SENT, n) for n in (30, 90)),
    *(_named("email_opens", "Our e-mails opened", OPENED, n) for n in (30, 90)),
    *(_named("email_clicks", "Clicks in our e-mails", CLICKED, n) for n in (30, 90)),
    Feature(
        "email_click_rate_90d",
        "Clicks for each e-mail we sent, in 90 days",
        "ratio",
        "No e-mail sent in 90 days.",
        _click_rate,
    ),
    # What we did, or left undone on purpose: without it a campaign that works would make those it saves look safe.
    *(_named("calls_made", "Calls we made", CALL, n) for n in (30, 90)),
    *(_named("offers_given", "Offers we gave", OFFER, n) for n in (30, 90)),
    _events(
        "left_alone_90d",
        "Times we left them alone on purpose, to measure campaigns, in 90 days",
        lambda past: past.named(HELD_OUT, CONTROL).within(90),
    ),
    Feature(
        "message_recency_days",
        "Days since our last e-mail or call",
        "days",
        "No message yet.",
        lambda past: past.named(SENT, CALL).days_since_last(),
    ),
    _events("unsubscribes", "Unsubscribed, times ever", lambda past: past.named(LEFT)),
    Feature(
        "calls_reached",
        "Calls that reached them, ever",
        "calls",
        ZERO,
        lambda past: past.calls.count(),
        pl.Int64,
    ),
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
    return [_named(slug, event_name, event_name, n) for n in WINDOWS]


def build(people: pl.DataFrame, past: Past, as_of: datetime, features: Sequence[Feature], zone: str) -> pl.DataFrame:
    """Give customer_id, has_events and every feature, for each row of `people` (customer_id, known_since), in order.

    Hours and weekdays are those of the time zone.
    """
    return of(Known(people, past, as_of, zone), features)


def of(known: Known, features: Sequence[Feature]) -> pl.DataFrame:
    """Give what `build` gives, from what is known of the past."""
    columns = {feature.column: feature.value(known) for feature in features}
    found = pl.DataFrame({"customer_id": known.ids}).with_columns(
        pl.Series("has_events", known.events.count() > 0),
        *(pl.Series(name, column) for name, column in columns.items()),
    )
    return found.select("customer_id", "has_events", *(_clean(feature) for feature in features))


def _clean(feature: Feature) -> pl.Expr:
    """Give the feature without NaN and infinity: these are no value. The order of a sum must not show: 6 decimals."""
    column = pl.col(feature.column)
    if feature.dtype == pl.Float64:
        return pl.when(column.is_finite()).then(column.round(DECIMALS)).alias(feature.column)
    if feature.words:
        return column.cast(pl.Int64, strict=False).replace_strict(
            dict(enumerate(feature.words)), return_dtype=pl.String
        )
    return column.cast(feature.dtype, strict=False)
