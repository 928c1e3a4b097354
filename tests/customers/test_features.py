"""Every feature agrees with a slow second meaning, and its windows end where they say."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customers import bulk, features
from customers.models import EventName
from tests.customers.histories import DAYS, START, TIME, History, random_history
from tests.customers.slow_features import slow_features

COUNTED = {"newsletter_opened": "Newsletter Opened"}
ALL = [*features.FEATURES, *features.counted("Newsletter Opened", "newsletter_opened")]
AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
MOMENTS = st.builds(
    lambda days, micro: START + timedelta(days=days, microseconds=micro),
    st.integers(0, DAYS),
    st.sampled_from([0, 0, 1, 43_200_000_000]),
)


def build(history: History, as_of: datetime) -> pl.DataFrame:
    return features.build(history.people, history.past, as_of, ALL, "Europe/Berlin")


def past(*events: tuple[str, datetime, float | None]) -> History:
    """Give one customer with these events."""
    rows = [(1, i, name, at, at, value) for i, (name, at, value) in enumerate(events)]
    schema: bulk.Schema = {
        "customer_id": pl.Int64,
        "event_id": pl.Int64,
        "name": pl.String,
        "occurred_at": TIME,
        "known_at": TIME,
        "value": pl.Float64,
    }
    people = pl.DataFrame({"customer_id": [1], "known_since": [START]}, schema_overrides={"known_since": TIME})
    happened = pl.DataFrame(rows, schema=schema, orient="row")
    empty = random_history(0)
    return History(people, happened, empty.lines.clear(), empty.properties.clear())


def one(history: History, name: str, as_of: datetime = AS_OF) -> Any:
    return build(history, as_of)[f"features.{name}"][0]


def agree(got: Any, slow: Any) -> bool:
    if got is None or slow is None or isinstance(slow, str):
        return bool(got == slow)
    return math.isclose(got, slow, rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), as_of=MOMENTS)
def test_every_feature_agrees_with_the_slow_reference(seed: int, as_of: datetime) -> None:
    history = random_history(seed)
    expected = slow_features(history, as_of, COUNTED)
    for row in build(history, as_of).to_dicts():
        slow = expected[row["customer_id"]]
        assert set(slow) == {feature.name for feature in ALL}
        for name, value in slow.items():
            got = row[f"features.{name}"]
            assert agree(got, value), f"{name} of {row['customer_id']} as of {as_of}: {got}, slowly {value}"


def test_a_window_leaves_out_its_start_and_holds_its_end() -> None:
    week, tick = timedelta(days=7), timedelta(microseconds=1)
    at = [AS_OF - week, AS_OF - week + tick, AS_OF, AS_OF + tick]
    assert one(past(*(("Order Completed", moment, 1.0) for moment in at)), "orders_7d") == 2
    assert one(past(*(("Order Completed", moment, 1.0) for moment in at)), "orders") == 3


def test_a_customer_without_events_has_zeros_and_no_recency() -> None:
    row = build(past(), AS_OF).to_dicts()[0]
    assert (row["features.orders"], row["features.spend"], row["features.page_views_30d"]) == (0, 0.0, 0)
    assert row["features.recency_days"] is None
    assert row["features.gap_ratio"] is None
    assert row["features.tenure_days"] == (AS_OF - START).days
    assert not row["has_events"]


def test_the_spread_of_nearly_equal_gaps_does_not_cancel() -> None:
    first = datetime(1971, 1, 1, tzinfo=UTC)
    moments = [first, first + timedelta(days=5_000), first + timedelta(days=10_000, seconds=2)]
    seconds = one(past(*(("Order Completed", at, 1.0) for at in moments)), "gap_sd_days") * 86_400
    assert seconds == pytest.approx(math.sqrt(2), rel=0.05)  # days with 6 decimals; a one-pass sum is off by far more


def test_what_we_did_ourselves_is_not_activity() -> None:
    history = past(("Held Out", AS_OF, None), ("Email Sent", AS_OF, None), ("Email Link Clicked", AS_OF, None))
    assert one(history, "events_30d") == 1
    assert one(history, "emails_sent_90d") == 1


def test_what_we_did_and_left_undone_is_told_and_is_no_activity() -> None:
    long_ago = AS_OF - timedelta(days=60)
    history = past(("Call Made", long_ago, None), ("Offer Given", AS_OF, None), ("Control Assigned", AS_OF, None))
    assert (one(history, "calls_made_30d"), one(history, "calls_made_90d")) == (0, 1)
    assert (one(history, "offers_given_30d"), one(history, "left_alone_90d"), one(history, "events_30d")) == (1, 1, 0)


def test_no_feature_is_nan_or_infinite() -> None:
    history = past(("Order Completed", AS_OF, float("inf")), ("Order Completed", AS_OF, float("nan")))
    assert one(history, "spend") is None
    assert one(history, "gap_mean_days") == 0
    assert one(history, "gap_ratio") is None


def test_every_feature_says_what_it_is() -> None:
    assert 40 <= len(features.FEATURES) <= 60
    assert len({feature.name for feature in ALL}) == len(ALL)
    for feature in ALL:
        assert feature.label
        assert feature.unit
        assert feature.missing
        assert build(past(), AS_OF).schema[feature.column] == feature.dtype


def test_habits_are_read_on_the_clock_of_the_shop() -> None:
    friday_night = datetime(2025, 5, 30, 22, 30, tzinfo=UTC)  # Saturday, half past midnight in Berlin
    winter_evening = datetime(2025, 1, 8, 17, 15, tzinfo=UTC)  # Wednesday, a quarter past six
    history = past(*(("Order Completed", at, 1.0) for at in (friday_night, winter_evening)))
    assert one(history, "weekend_share") == 0.5
    assert one(history, "evening_share") == 0.5
    assert (one(history, "order_hour"), one(history, "order_weekday")) == (0, "Wednesday")
    again = past(*(("Order Completed", at, 1.0) for at in (winter_evening, friday_night, winter_evening)))
    assert (one(again, "order_hour"), one(again, "order_weekday")) == (18, "Wednesday")


def test_half_an_hour_of_silence_ends_a_visit() -> None:
    half, tick = timedelta(minutes=30), timedelta(microseconds=1)
    first = AS_OF - timedelta(days=1)
    together = past(("Page Viewed", first, None), ("Page Viewed", first + half - tick, None))
    apart = past(("Page Viewed", first, None), ("Page Viewed", first + half, None))
    assert (one(together, "visits_30d"), one(apart, "visits_30d")) == (1, 2)
    assert (one(together, "pages_per_visit_90d"), one(apart, "pages_per_visit_90d")) == (2.0, 1.0)
    assert one(together, "minutes_per_visit_90d") == pytest.approx(30.0)
    assert one(apart, "minutes_per_visit_90d") == 0.0
    assert one(past(), "minutes_per_visit_90d") is None


def test_engagement_counts_our_messages_and_the_answers() -> None:
    mails = [("Email Sent", AS_OF - timedelta(days=days), None) for days in (1, 40, 50, 200)]
    clicks = [("Email Link Clicked", AS_OF - timedelta(days=days), None) for days in (0, 45, 100)]
    history = past(*mails, *clicks, ("Email Opened", AS_OF, None), ("Call Made", AS_OF - timedelta(hours=12), None))
    assert (one(history, "emails_sent_30d"), one(history, "email_clicks_30d"), one(history, "email_opens_30d")) == (
        1,
        1,
        1,
    )
    assert one(history, "email_click_rate_90d") == pytest.approx(2 / 3)
    assert one(history, "message_recency_days") == 0.5
    assert one(past(*clicks), "email_click_rate_90d") is None
    assert one(past(*clicks), "message_recency_days") is None


@pytest.mark.door
@pytest.mark.django_db
def test_declared_event_names_are_counted_under_names_of_their_own() -> None:
    EventName.objects.create(name="Newsletter Opened", is_counted=True)
    EventName.objects.create(name="Seen once", is_counted=False)
    clash = EventName.objects.create(name="Orders", is_counted=True)
    foreign = EventName.objects.create(name="新聞", is_counted=True)
    names = [feature.name for feature in features.names()]
    assert len(set(names)) == len(names) == len(features.FEATURES) + 12
    assert {"newsletter_opened_7d", "newsletter_opened_365d"} <= set(names)
    assert f"orders_{clash.pk}_7d" in names
    assert f"event_{foreign.pk}_7d" in names
    assert not [name for name in names if name.startswith("seen_once")]


def test_the_order_of_the_events_does_not_show() -> None:
    """Float sums depend on their order, and the engine's threads choose it: the same history gives the same frame."""
    history = random_history(4)
    value = pl.col("value") * 0.1 + 0.01
    history = history._replace(events=history.events.with_columns(value))
    frames = [
        build(
            history._replace(
                events=history.events.sample(fraction=1.0, shuffle=True, seed=seed),
                lines=history.lines.sample(fraction=1.0, shuffle=True, seed=seed),
            ),
            AS_OF,
        )
        for seed in range(5)
    ]
    assert all(frame.equals(frames[0]) for frame in frames)
