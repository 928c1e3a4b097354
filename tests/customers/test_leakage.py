"""Nothing that happened or became known after a time changes what is said as of that time."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from customers import features, history, snapshot
from customers.history import Scope
from customers.models import Attribute, Event, EventName
from tests.customers.histories import (
    DAYS,
    START,
    TIME,
    History,
    add_customers,
    add_events,
    add_line,
    random_history,
    tell,
)

MOMENTS = st.integers(0, DAYS).map(lambda days: START + timedelta(days=days))


def build(past: History, as_of: datetime) -> pl.DataFrame:
    return features.build(past.people, past.past, as_of, features.FEATURES, "Europe/Berlin")


def until(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    return rows.filter(pl.col("occurred_at") <= as_of, pl.col("known_at") <= as_of)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), as_of=MOMENTS)
def test_features_do_not_see_the_future(seed: int, as_of: datetime) -> None:
    past = random_history(seed)
    then = History(past.people, *(until(rows, as_of) for rows in past[1:]))
    assert_frame_equal(build(past, as_of), build(then, as_of))


@pytest.mark.door
@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_column_of_the_frame_sees_the_future(seed: int) -> None:
    as_of = START + timedelta(days=400)
    EventName.objects.create(name="Newsletter Opened", is_counted=True)
    Attribute.objects.create(name="plan", type="text")
    ids = add_customers(*(f"c{i}" for i in range(25)))
    real = pl.DataFrame({"old": range(1, 26), "customer_id": ids})
    events = random_history(seed).events.rename({"customer_id": "old"}).join(real, on="old").drop("old")
    then = until(events, as_of)
    add_events(then, run="then")
    add_line(Event.objects.latest("pk").pk, "tea", 1, 2, 1)
    tell(ids[0], "plan", '"gold"', as_of)
    history.sync()
    before = snapshot.take(Scope(), as_of)

    add_events(events.join(then, on="event_id", how="anti"), run="later")
    tick = timedelta(microseconds=1)
    late = pl.DataFrame({"customer_id": ids, "name": "Order Completed", "value": 9.0})
    late = late.with_columns(occurred_at=pl.lit(as_of, TIME), known_at=pl.lit(as_of + tick, TIME))
    add_events(late, run="known late")
    add_events(late.with_columns(occurred_at=pl.col("known_at")), run="happened late")
    add_line(Event.objects.latest("pk").pk, "coffee", 1, 2, 1)
    tell(ids[0], "plan", '"silver"', as_of + tick)
    tell(ids[1], "country", '"DE"', as_of + tick)
    assert history.sync() >= 50
    assert_frame_equal(snapshot.take(Scope(), as_of), before)
    assert not snapshot.take(Scope(), as_of + tick).drop("customer_id").equals(before.drop("customer_id"))
