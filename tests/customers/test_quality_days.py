"""The values of all fields, counted once a day, and of every file as it comes in."""

import random
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from customers import history, quality_days, snapshot
from customers.history import Scope
from customers.models import Attribute, Event, FieldQuality, Import, Source
from tests.customers.histories import add_customers, add_events, add_line, tell

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


def take(as_of: datetime) -> None:
    """Store the snapshot of a time, as a cycle does."""
    history.sync()
    frame = snapshot.take(Scope(), as_of)
    for bucket in range(settings.BUCKETS):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), as_of, bucket)


def imported(folder: Path, first: int, ages: list[str]) -> Import:
    """Import a file of customers with their ages, numbered from `first`."""
    lines = [
        f"{first + n};{'nobody' if age == 'oldest' else f'c{n}@example.test'};{age};DE" for n, age in enumerate(ages)
    ]
    path = folder / f"people-{first}.csv"
    path.write_text("\n".join(["id;E-mail;Age In Years;country", *lines]) + "\n")
    call_command("import_customers", str(path), id="id", email="E-mail", stdout=StringIO())
    return Import.objects.latest("pk")


def ages(seed: int, many: int, mean: float = 40.0) -> list[str]:
    draw = random.Random(seed)
    return [f"{draw.gauss(mean, 10):.1f}" for _ in range(many)]


def of(field: str, of_import: Import | None = None) -> FieldQuality:
    return FieldQuality.objects.filter(field=field, of_import=of_import).latest("pk")


def test_a_file_is_compared_with_those_before_it(tmp_path: Path) -> None:
    imported(tmp_path, 1000, ages(1, 300))
    clean = imported(tmp_path, 2000, ages(2, 200))
    assert of("attributes.Age In Years", clean).drift["moved"] == "no"
    faulty = imported(tmp_path, 4000, [*ages(3, 120, 400.0), *[""] * 78, "old", "oldest"])
    found = of("attributes.Age In Years", faulty)
    assert found.drift["moved"] == "strong"
    assert found.drift["has_fallen"]
    assert (found.figures["rows"], found.figures["filled"], found.figures["unfit"]) == (199, 121, 1)
    assert of("country", faulty).figures["filled"] == 198
    assert of("email", faulty).figures["unfit"] == 1


def test_all_fields_are_counted_once_a_day_and_after_a_file() -> None:
    now = timezone.now()
    people = add_customers(*(f"c{n}" for n in range(8)), email="a@example.test")
    Attribute.objects.create(name="seats", label="Seats", type="number")
    Attribute.objects.create(name="surname", type="text")
    for n, customer in enumerate(people[:6]):
        tell(customer, "seats", f"{n}", now - 40 * DAY)
        tell(customer, "surname", '"Smith"', now - 40 * DAY)
    tell(people[6], "seats", '"many"', now - 3 * DAY)
    tell(people[5], "seats", '"mended"', now - 3 * DAY)
    tell(people[5], "seats", "5", now - 2 * DAY)
    assert not quality_days.count(now)  # there is no snapshot yet
    take(now)
    assert quality_days.count(now)
    assert not quality_days.count(now)
    seats = of("attributes.seats")
    assert (seats.label, seats.kind, seats.newest) == ("Seats", "number", now - 2 * DAY)
    assert (seats.figures["rows"], seats.figures["filled"], seats.figures["unfit"]) == (8, 7, 1)
    assert seats.figures["quartiles"][2] == 2.5
    assert of("email").figures["filled"] == 8
    assert of("attributes.surname").figures["top"] == []
    later = now + timedelta(minutes=1)
    started = {"kind": "customers", "file_name": "a.csv", "sha256": "0", "started_at": now, "state": "done"}
    Import.objects.create(**started, finished_at=later, source_id=source())
    take(later)
    assert quality_days.count(later)
    assert FieldQuality.objects.filter(field="country").count() == 1


def source() -> int:
    return Source.objects.create(key="file", name="File", kind="import").pk


def test_the_events_of_a_week_are_counted_by_name() -> None:
    now = timezone.now()
    (ann,) = add_customers("ann")
    times = [now - DAY] * 30 + [now - 20 * DAY] * 5
    values = [*[10.0 + n for n in range(28)], 9_000.0, None, *[7.0] * 5]
    rows = {"customer_id": [ann] * 35, "name": ["Order Completed"] * 35, "occurred_at": times, "value": values}
    add_events(pl.DataFrame(rows, schema_overrides={"occurred_at": pl.Datetime("us", "UTC")}))
    add_line(Event.objects.filter(value=10.0).get().pk, "tea", 1, 2, 0)
    take(now)
    quality_days.count(now)
    value = of("events.Order Completed.value").figures
    assert (value["rows"], value["filled"], value["above"]) == (30, 29, 1)
    product = of("events.Order Completed.product").figures
    assert (product["filled"], product["top"]) == (1, [["tea", 1]])
    assert of("events.Order Completed.time").newest == now - DAY
    assert not FieldQuality.objects.filter(field="events.Order Completed.order").exists()
    take(now + 9 * DAY)
    quality_days.count(now + 9 * DAY)
    silent = of("events.Order Completed.value")
    assert (silent.figures["rows"], silent.drift["rows_before"], silent.newest) == (0, 30, now - DAY)


def test_a_week_later_the_values_are_compared_with_those_of_then() -> None:
    now = timezone.now()
    people = add_customers(*(f"c{n}" for n in range(300)))
    for n, customer in enumerate(people):
        tell(customer, "country", '"DE"' if n % 2 else '"AT"', now - 30 * DAY)
    take(now - 9 * DAY)
    quality_days.count(now - 9 * DAY)
    assert of("country").drift == {}
    for customer in people[:150]:
        tell(customer, "country", '"FR"', now - DAY)
    for customer in people[150:220]:
        tell(customer, "country", "null", now - DAY)
    take(now)
    quality_days.count(now)
    found = of("country").drift
    assert found["moved"] == "strong"
    assert found["has_fallen"]
