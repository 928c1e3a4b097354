"""Each customer's frame changed for a cause: what she did, an import, time alone, or the very first look."""

from datetime import datetime, timedelta

import pytest

from campaigns import causes
from customers import history
from customers.models import AttributeChange, Customer, Event, Import, Source
from tests.campaigns.people import T0, customers, frame

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)
NOW = T0 + HOUR


def happened(customer: Customer, at: datetime, known: datetime | None = None, by: Import | None = None) -> None:
    source, _ = Source.objects.get_or_create(key="shop", name="Shop", kind="api")
    Event.objects.create(
        customer=customer,
        source=source,
        of_import=by,
        message_id=str(Event.objects.count()),
        name="Order Completed",
        occurred_at=at,
        known_at=known or at,
    )


def ran(kind: str, at: datetime) -> Import:
    source, _ = Source.objects.get_or_create(key="file", name="File", kind="import")
    return Import.objects.create(
        kind=kind, state="done", file_name="x.csv", sha256="", source=source, started_at=at, finished_at=at
    )


def found(people: list[Customer], before: datetime | None = T0) -> list[str]:
    history.sync()
    return causes.attach(frame(people, 0.5).drop("cause"), before, NOW, history.pin())["cause"].to_list()


def test_an_event_in_between_is_data_and_none_is_time() -> None:
    people = customers(5)
    happened(people[0], T0 + timedelta(microseconds=1))
    happened(people[1], NOW)
    happened(people[2], T0)
    happened(people[3], NOW + HOUR)
    assert found(people) == ["data", "data", "time", "time", "time"]


def test_an_event_that_became_known_late_is_data_when_it_is_known() -> None:
    people = customers(2)
    happened(people[0], T0 - 30 * HOUR, known=NOW)
    happened(people[1], NOW, known=NOW + HOUR)
    assert found(people) == ["data", "time"]


def test_events_of_imports_alone_are_an_import_whenever_they_happened() -> None:
    people = customers(3)
    this = ran("events", T0 + HOUR / 2)
    happened(people[0], T0 + HOUR / 2, by=this)
    happened(people[1], T0 - 300 * HOUR, by=this)
    happened(people[2], T0 - 300 * HOUR, by=this)
    happened(people[2], NOW)
    assert found(people) == ["import", "import", "data"]


def test_the_events_of_an_earlier_import_are_not_news() -> None:
    people = customers(1)
    happened(people[0], T0 - 300 * HOUR, by=ran("events", T0 - HOUR))
    assert found(people) == ["time"]


@pytest.mark.parametrize(("imported_at", "cause"), [(T0 + HOUR / 2, "import"), (T0 - HOUR, "data")])
def test_an_attribute_that_changed_is_data_unless_an_import_of_customers_ran(imported_at: datetime, cause: str) -> None:
    people = customers(2)
    ran("customers", imported_at)
    AttributeChange.objects.create(customer=people[0], name="plan", value="gold", known_at=T0 + HOUR / 2)
    assert found(people) == [cause, "time"]


def test_without_a_time_before_all_is_a_start() -> None:
    people = customers(2)
    happened(people[0], NOW)
    assert found(people, before=None) == ["start", "start"]
