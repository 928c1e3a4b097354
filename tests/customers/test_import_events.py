"""import_events: every line is stored, repeated or refused with its place and reason."""

import gzip
import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command

from customers.models import Customer, Event, EventName, Import, OrderLine, Product, Quarantine, Source

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ORDERS = """order,who,when,sku,title,n,each,country,note
1,17850,2025-01-02 10:00:00,a,Lamp,2,1.50,NL,x
1,17850,2025-01-02 10:00:00,b,Desk,1,10,NL,x
1,17850,2025-01-02 10:00:00,b,Desk,1,10,NL,x
2,17850,2025-02-02 10:00:00,a,Lamp,-2,1.50,NL,
3,,2025-02-03 10:00:00,a,Lamp,1,1.50,NL,
4,12346,1493-05-04,a,Lamp,1,1.50,NL,
5,12346,2025-02-05,a,Lamp,one,1.50,NL,
6,12346,2025-02-06,a,Lamp,1,NaN,NL,
"""
ORDER_OPTIONS = {
    "name": "Order Completed",
    "customer": "who",
    "time": "when",
    "order": "order",
    "product": "sku",
    "quantity": "n",
    "price": "each",
    "value": "n*each",
    "product_name": "title",
    "property": ["country", "note"],
}


def load(path: Path, **options: Any) -> dict[str, Any]:
    """Run the command; give the counts of --json, and what was printed as `printed`."""
    out, counts = StringIO(), path.parent / "counts.json"
    call_command("import_events", str(path), json=str(counts), stdout=out, **options)
    return {**json.loads(counts.read_text()), "printed": out.getvalue()}


def orders(folder: Path, text: str = ORDERS) -> Path:
    path = folder / "orders.csv"
    path.write_text(text)
    return path


def test_lines_of_an_order_become_one_event_with_lines(tmp_path: Path) -> None:
    result = load(orders(tmp_path), **ORDER_OPTIONS)
    assert {name: result[name] for name in ("read", "stored", "repeated", "quarantined", "events", "customers")} == {
        "read": 8,
        "stored": 4,
        "repeated": 1,
        "quarantined": 3,
        "events": 3,
        "customers": 2,
    }
    first = Event.objects.get(message_id="1")
    assert (first.name, first.value, first.order_id, first.properties) == (
        "Order Completed",
        13.0,
        "1",
        {"country": "NL", "note": "x"},
    )
    assert first.occurred_at == first.known_at == datetime(2025, 1, 2, 10, tzinfo=UTC)
    assert set(first.lines.values_list("product__name", "quantity", "price")) == {
        ("Lamp", 2.0, 1.5),
        ("Desk", 1.0, 10.0),
    }
    assert first.customer.external_id == "17850"


def test_a_negative_sum_is_a_refund(tmp_path: Path) -> None:
    load(orders(tmp_path), **ORDER_OPTIONS)
    refund = Event.objects.get(message_id="2")
    assert (refund.name, refund.value) == ("Order Refunded", -3.0)
    assert not EventName.objects.filter(is_counted=True).exists()


def test_what_is_refused_names_line_column_and_reason(tmp_path: Path) -> None:
    result = load(orders(tmp_path), **ORDER_OPTIONS)
    assert result["reasons"] == {"who has no value": 1, "when is before 1900": 1, "n is not a number": 1}
    assert [str(refused) for refused in Quarantine.objects.order_by("line")] == [
        "line 6, who: has no value",
        "line 7, when: 1493-05-04 is before 1900",
        "line 8, n: one is not a number",
    ]
    assert Quarantine.objects.get(line=8).record["order"] == "5"
    assert "who has no value" in result["printed"]


def test_the_import_is_noted(tmp_path: Path) -> None:
    load(orders(tmp_path), **ORDER_OPTIONS)
    row = Import.objects.get()
    assert (row.state, row.read, row.stored, row.repeated, row.quarantined) == ("done", 8, 4, 1, 3)
    assert row.mapping["time"] == "when"
    assert Quarantine.objects.filter(of_import=row).count() == 3
    assert Event.objects.filter(of_import=row).count() == 3


def test_the_same_file_again_stores_nothing_and_quarantines_no_second_time(tmp_path: Path) -> None:
    load(orders(tmp_path), **ORDER_OPTIONS)
    again = load(orders(tmp_path), **ORDER_OPTIONS)
    assert (again["stored"], again["repeated"], again["quarantined"], again["events"]) == (0, 5, 3, 0)
    assert (Event.objects.count(), OrderLine.objects.count(), Quarantine.objects.count()) == (3, 4, 3)


def test_kept_duplicates_count_in_the_order(tmp_path: Path) -> None:
    assert load(orders(tmp_path), **ORDER_OPTIONS, keep_duplicates=True)["repeated"] == 0
    assert Event.objects.get(message_id="1").value == 23.0


def test_an_order_of_two_customers_is_refused_from_the_second_on(tmp_path: Path) -> None:
    text = "order,who,when,n\n1,ann,2025-01-01,1\n1,bob,2025-01-01,2\n"
    result = load(orders(tmp_path, text), name="Order Completed", customer="who", time="when", order="order", value="n")
    assert result["reasons"] == {"order is the order of another customer": 1}
    assert Event.objects.get().value == 1.0


def test_the_value_of_a_whole_line_gives_the_price_of_one(tmp_path: Path) -> None:
    text = "o,who,when,sku,n,paid,off,coupon\n1,a,2025-01-01,x,4,10,1,0.5\n1,a,2025-01-01,y,0,0,,\n"
    options = {"customer": "who", "time": "when", "order": "o", "product": "sku", "quantity": "n", "value": "paid"}
    load(orders(tmp_path, text), name="Order Completed", discount=["off", "coupon"], **options)
    line = OrderLine.objects.get(product__external_id="x")
    assert (line.price, line.discount) == (2.5, 1.5)
    assert OrderLine.objects.get(product__external_id="y").price is None


CLICKS = "who,when,what,page\na,2025-01-01,Click,home\na,2025-01-01,Click,home\nb,2025-01-02,View,\n"


def test_lines_without_an_order_are_events_of_their_own(tmp_path: Path) -> None:
    options = {"name_column": "what", "customer": "who", "time": "when", "property": ["page"]}
    assert load(orders(tmp_path, CLICKS), **options)["repeated"] == 1
    assert load(orders(tmp_path, CLICKS), **options)["stored"] == 0
    assert set(Event.objects.values_list("name", "customer__external_id")) == {("Click", "a"), ("View", "b")}
    assert Event.objects.get(name="View").properties == {}
    assert EventName.objects.filter(is_counted=True).count() == 2


def test_kept_duplicates_are_events_of_their_own_and_still_repeat(tmp_path: Path) -> None:
    options = {"name_column": "what", "customer": "who", "time": "when", "keep_duplicates": True}
    assert load(orders(tmp_path, CLICKS), **options)["events"] == 3
    assert load(orders(tmp_path, CLICKS), **options)["events"] == 0


def test_a_file_grown_at_its_end_stores_only_the_new_lines(tmp_path: Path) -> None:
    options = {"name": "Click", "customer": "who", "time": "when"}
    load(orders(tmp_path, CLICKS), **options)
    assert load(orders(tmp_path, CLICKS + "c,2025-01-03,Click,\n"), **options)["stored"] == 1


def test_lines_with_an_id_repeat_by_it(tmp_path: Path) -> None:
    text = "id,who,when\n1,a,2025-01-01\n1,a,2025-01-09\n2,a,2025-01-02\n"
    result = load(orders(tmp_path, text), name="Click", customer="who", time="when", id="id")
    assert (result["stored"], result["repeated"]) == (2, 1)


def test_known_since_a_date_never_goes_before_the_event(tmp_path: Path) -> None:
    load(orders(tmp_path, CLICKS), name="Click", customer="who", time="when", known_since="2025-01-02")
    assert {e.known_at.date().isoformat() for e in Event.objects.all()} == {"2025-01-02"}


def test_a_dry_run_counts_and_stores_nothing(tmp_path: Path) -> None:
    result = load(orders(tmp_path), **ORDER_OPTIONS, dry_run=True)
    assert (result["stored"], result["repeated"], result["quarantined"]) == (4, 1, 3)
    for model in (Event, Customer, Quarantine, Import, Source, Product):
        assert not model._default_manager.exists()


def test_parquet_ids_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    when = [datetime(2025, 1, 1), datetime(2025, 1, 2), datetime(2025, 1, 3)]  # noqa: DTZ001  a file knows no zone
    pl.DataFrame({"who": [17850.0, None, 12346.0], "when": when, "n": [1.0, 2.0, float("nan")]}).write_parquet(path)
    result = load(path, name="Click", customer="who", time="when", value="n")
    assert (result["stored"], result["quarantined"]) == (2, 1)
    assert set(Event.objects.values_list("customer__external_id", "value")) == {("17850", 1.0), ("12346", None)}


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(CommandError) as caught:
        load(path, **{"name": "Click", "customer": "who", "time": "when", **options})
    assert not Event.objects.exists()
    assert not Import.objects.filter(state="running").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"who,when\n", "has a header and no lines"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20, "is a program"),
        (bytes(range(256)) * 20, "is a binary file"),
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"PAR1 not really", "cannot be read"),
        (b"PK\x03\x04 not really", "cannot be read"),
        (gzip.compress(b"who,when\na,2025-01-01\n" * 99, mtime=0)[:40], "is a damaged gzip file"),
        (b'{"who": "a"\n{', "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(tmp_path: Path, body: bytes, said: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(body)
    message = refused(path)
    assert said in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nothing.csv")


def test_a_misspelt_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    assert 'There is no column "whom"; did you mean "who"?' in refused(orders(tmp_path), customer="whom")


def test_a_column_is_found_whatever_its_case(tmp_path: Path) -> None:
    assert load(orders(tmp_path, CLICKS), name="Click", customer="WHO", time="When")["stored"] == 2


def test_a_name_is_needed_and_only_one(tmp_path: Path) -> None:
    assert "either --name or --name-column" in refused(orders(tmp_path), name=None)
    assert "--order needs --name" in refused(orders(tmp_path), name=None, name_column="sku", order="order")


def test_a_file_of_refused_lines_ends_in_an_error(tmp_path: Path) -> None:
    path = orders(tmp_path, "who,when\n,2025-01-01\n")
    assert refused(path) == "Nothing could be stored: every line was refused."
    assert Quarantine.objects.count() == 1


def test_a_line_with_too_many_values_is_refused_and_a_short_one_has_no_value(tmp_path: Path) -> None:
    text = 'who,when,page\na,2025-01-01,x,y\n"b\nb",2025-01-02\n\nc,2025-01-03,z,\n,2025-01-04,z\n'
    result = load(orders(tmp_path, text), name="Click", customer="who", time="when")
    assert (result["read"], result["stored"]) == (4, 2)
    assert [str(row) for row in Quarantine.objects.order_by("line")] == [
        "line 2, : has more values than there are columns",
        "line 7, who: has no value",
    ]
