"""A file of customers that is read and stored in parts says what it says as a whole."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import call_command
from django.db import connection

from customers import in_parts, ingest, merging
from customers.models import (
    AttributeChange,
    Consent,
    Customer,
    FieldQuality,
    Identity,
    Import,
    Merge,
    Quarantine,
)
from tests.customers.people import make_customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AT = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = "id;email;country;joined;tags;seats;phone;news;seen"
# Days that read either way, and one far below that does not; a list by its bars, and one with a comma; ids, of which
# some come again, one is known as another's, one has none.
LINES = [
    "1.0;ann@example.test;GB;03/04/2024;a|b;3;+4930111.0;yes;01/02/2025",
    "2.0;bob@example.test;DE;05/06/2024;c;4;;no;02/03/2025",
    "3.0;cyd@example.test;;;;;;;04/02/2025",
    "1.0;;FR;04/04/2024;b;5;;no;01/02/2025",
    "1.0;ann@example.test;GB;03/04/2024;a|b;3;+4930111.0;yes;01/02/2025",
    ";nobody@example.test;GB;;;1;;yes;03/02/2025",
    "4.0;no address;GB;;;1;;yes;03/02/2025",
    "5.0;eve@example.test;GB;25/12/2024;d, e|f;many;;yes;28/02/2025",
    "6.0;ada@example.test;GB;;;8;;yes;01/03/2025",
    "2.0;bob@example.test;AT;;;;;maybe;02/03/2025",
    "7.0;late@example.test;NL;11/12/2024;;9;;yes;02/03/2025",
]


def load(folder: Path, lines: list[str] = LINES) -> dict[str, Any]:
    """Run the command; give the counts that it writes, without the time it took."""
    path, counts = folder / "people.csv", folder / "counts.json"
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    told = {
        "id": "id",
        "email": "email",
        "phone": "phone",
        "known_since": "seen",
        "attribute": ["joined:date", "tags:list"],
    }
    consents = {"consent": ["email:news=news"], "consent_source": "till"}
    call_command("import_customers", str(path), json=str(counts), stdout=StringIO(), **told, **consents)
    said: dict[str, Any] = json.loads(counts.read_text())
    return {name: value for name, value in said.items() if name != "seconds"}


def all_that_is_stored() -> dict[str, list[Any]]:
    """Give what there is by names that do not depend on the order in which numbers were drawn."""
    who = "customer__external_id"
    people = Customer.objects.order_by("external_id")
    changes = AttributeChange.objects.order_by(who, "name", "known_at", "pk")
    told = FieldQuality.objects.order_by("field")
    return {
        "people": list(people.values_list("external_id", "email", "phone", "country", "attributes", "known_since")),
        "changes": list(changes.values_list(who, "name", "value", "known_at")),
        "consents": list(Consent.objects.order_by(who).values_list(who, "channel", "topic", "is_granted", "source")),
        "identities": list(Identity.objects.order_by("value").values_list("value", who)),
        "refused": list(Quarantine.objects.order_by("pk").values_list("line", "column", "reason", "record")),
        "quality": list(told.values_list("field", "label", "kind", "figures")),
    }


@pytest.fixture
def merged() -> None:
    """Give a customer that two ids name."""
    make_customer("1", known_since=AT)
    make_customer("6", known_since=AT)
    merging.merge("1", "6", AT)


@pytest.mark.usefixtures("merged")
@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_file_says_in_parts_what_it_says_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    whole = load(tmp_path)
    expected = all_that_is_stored()
    assert len(expected["refused"]) == 3
    _forget()
    monkeypatch.setitem(in_parts.CUSTOMERS, connection.vendor, lines)
    assert load(tmp_path) == whole
    assert all_that_is_stored() == expected


@pytest.mark.usefixtures("merged")
def test_a_file_that_comes_again_in_parts_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreeing = [*LINES[:3], *LINES[4:8], *LINES[9:]]
    load(tmp_path, agreeing)
    first = all_that_is_stored()
    monkeypatch.setitem(in_parts.CUSTOMERS, connection.vendor, 2)
    again = load(tmp_path, agreeing)
    assert (again["customers"], again["stored"]) == (0, 0)
    assert {**all_that_is_stored(), "quality": []} == {**first, "quality": []}


def test_an_import_that_is_killed_between_parts_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path)
    expected = all_that_is_stored()
    _forget()
    monkeypatch.setitem(in_parts.CUSTOMERS, connection.vendor, 2)
    store, parts = ingest.store, list[int]()

    def killed(records: ingest.Records, *told: Any, **named: Any) -> ingest.Result:
        parts.append(records.read)
        if len(parts) == 3:
            raise KeyboardInterrupt
        return store(records, *told, **named)

    with monkeypatch.context() as patched:
        patched.setattr(ingest, "store", killed)
        with pytest.raises(KeyboardInterrupt):
            load(tmp_path)
    there = Customer.objects.count()
    assert 0 < there < len(expected["people"])
    assert not Quarantine.objects.exists()
    assert load(tmp_path)["customers"] == len(expected["people"]) - there
    assert {**all_that_is_stored(), "quality": []} == {**expected, "quality": []}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer, and its test database is in memory")
@pytest.mark.django_db(transaction=True)
def test_parts_that_are_stored_side_by_side_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load(tmp_path)
    expected = all_that_is_stored()
    _forget()
    monkeypatch.setitem(in_parts.CUSTOMERS, connection.vendor, 1)
    assert load(tmp_path) == whole
    assert all_that_is_stored() == expected


def test_all_lines_of_a_customer_are_in_one_part() -> None:
    names = pl.Series(["a", "b", None, "c", "a", "d", None, "e"])
    known = pl.Series([None, 7, None, 8, None, 7, None, 9])
    assert in_parts.parts_of(names, known, 2).to_list() == [0, 0, 1, 1, 0, 0, 2, 2]
    assert in_parts.parts_of(names, known, 1).n_unique() == 6


def _forget() -> None:
    """Leave of what imports brought only the customer that two ids name."""
    for table in (AttributeChange, Consent, FieldQuality, Quarantine, Import):
        table.objects.all().delete()
    kept = set(Merge.objects.values_list("customer", flat=True))
    Customer.objects.exclude(pk__in=kept).delete()
    Customer.objects.update(email=None, phone=None, country=None, attributes={}, known_since=AT, told_by=None)
