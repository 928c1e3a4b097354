"""Each customer's frame changed for a cause: what she did, an import, time alone, or the very first look."""

from datetime import datetime, timedelta

import pytest

from campaigns import causes, eligibility
from campaigns.models import Cycle
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


def told(customer: Customer, known: datetime, by: Import | None = None) -> None:
    AttributeChange.objects.create(customer=customer, name="plan", value="gold", known_at=known, of_import=by)


def test_an_attribute_is_an_import_only_where_the_import_itself_brought_it() -> None:
    people = customers(4)
    this = ran("customers", T0 + HOUR / 2)
    told(people[0], T0 + HOUR / 2, by=this)
    told(people[1], T0 + HOUR / 2)
    told(people[2], T0 + HOUR / 2, by=this)
    told(people[2], NOW)
    assert found(people) == ["import", "data", "data", "time"]


def test_an_attribute_that_an_import_dates_back_is_an_import() -> None:
    people = customers(2)
    told(people[0], T0 - 300 * HOUR, by=ran("customers", T0 + HOUR / 2))
    told(people[1], T0 - 300 * HOUR, by=ran("customers", T0 - HOUR))
    assert found(people) == ["import", "time"]


def test_whoever_an_import_made_or_gave_an_address_is_an_import() -> None:
    people = customers(3)
    for one, imported_at in zip(people, (T0 + HOUR / 2, T0 - HOUR), strict=False):
        Customer.objects.filter(pk=one.pk).update(told_by=ran("customers", imported_at))
    assert found(people) == ["import", "time", "time"]


def test_an_import_is_news_by_when_the_last_cycle_ran_not_by_what_it_was_as_of() -> None:
    people, long_after = customers(2), T0 + 5000 * HOUR
    Cycle.objects.create(kind="full", state="done", as_of=T0, started_at=long_after)
    for one, imported_at in zip(people, (long_after - HOUR, long_after + HOUR), strict=True):
        happened(one, T0 - HOUR, by=ran("events", imported_at))
    assert found(people) == ["time", "import"]


def test_an_import_that_was_killed_is_not_news_for_ever() -> None:
    people = customers(2)
    for one, began in zip(people, (T0 - HOUR, T0 - 25 * HOUR), strict=True):
        happened(one, T0 - 300 * HOUR, by=ran("events", began))
    Import.objects.update(finished_at=None)
    assert found(people) == ["import", "time"]


def test_a_crowd_is_answered_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    people = customers(12)
    this = ran("customers", T0 + HOUR / 2)
    for i, one in enumerate(people):
        told(one, T0 + HOUR / 2, by=this if i % 2 else None)
        happened(one, T0 - HOUR, by=this if i % 3 else None)
    few = found(people)
    for module in (causes, eligibility):
        monkeypatch.setattr(module, "FEW", 2)
    assert found(people) == few
    assert set(few) == {"data", "import"}


def test_without_a_time_before_all_is_a_start() -> None:
    people = customers(2)
    happened(people[0], NOW)
    assert found(people, before=None) == ["start", "start"]
