"""Events of our own program are stored once, with their names noted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from customers import events
from customers.models import Event, EventName, Source
from tests.customers.people import make_customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 1, 1, 12, tzinfo=UTC)


def made(*message_ids: str, **columns: Any) -> pl.DataFrame:
    customer = columns.pop("customer", None) or make_customer(f"c{message_ids[0]}")
    constant = {"customer_id": customer.pk, "name": "Email Sent", "occurred_at": T, **columns}
    return pl.DataFrame({"message_id": message_ids}).with_columns(
        pl.lit(value).alias(key) for key, value in constant.items()
    )


def test_events_are_recorded_with_what_they_say() -> None:
    assert events.record(made("1", value=2.5, order_id="o", properties='{"campaign": "x"}'), "campaigns", T) == 1
    event = Event.objects.get()
    assert (event.name, event.occurred_at, event.known_at, event.value, event.order_id) == (
        "Email Sent",
        T,
        T,
        2.5,
        "o",
    )
    assert event.properties == {"campaign": "x"}
    assert event.source == Source.objects.get(key="campaigns", kind=Source.Kind.CAMPAIGNS)


def test_a_repeated_message_is_dropped_within_its_source_only() -> None:
    customer = make_customer("a")
    assert events.record(made("1", "1", "2", customer=customer), "campaigns", T) == 2
    assert events.record(made("2", "3", customer=customer), "campaigns", T) == 1
    assert events.record(made("2", customer=customer), "other", T) == 1


def test_nothing_is_known_before_it_occurred() -> None:
    events.record(made("1", occurred_at=T + timedelta(hours=1)), "campaigns", T)
    assert Event.objects.get().known_at == T + timedelta(hours=1)


def test_an_empty_frame_records_nothing() -> None:
    assert events.record(made("1").clear(), "campaigns", T) == 0


def test_the_first_twelve_names_count_but_orders_and_assignments_do_not() -> None:
    customer = make_customer("a")
    names = ["Order Completed", "Held Out", *(f"Name {i:02}" for i in range(14))]
    rows = pl.concat([made(str(i), customer=customer, name=name) for i, name in enumerate(names)])
    events.record(rows, "campaigns", T)
    assert EventName.objects.count() == 16
    counted = EventName.objects.filter(is_counted=True).values_list("name", flat=True)
    assert sorted(counted) == [f"Name {i:02}" for i in range(12)]
    events.record(made("99", customer=customer, name="One More"), "campaigns", T)
    assert not EventName.objects.get(name="One More").is_counted
