"""Many ids are one parameter of a query, on a key, on a foreign key and through one."""

from datetime import UTC, datetime

import polars as pl
import pytest

from customers import bulk, ids
from customers.ids import among, held, near
from customers.models import Consent, Customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 1, 2, tzinfo=UTC)


def customer(name: str, bucket: int = 0) -> Customer:
    one = Customer.objects.create(external_id=name, bucket=bucket, seed=bucket, known_since=T)
    Consent.objects.create(customer=one, channel="email", topic="news", is_granted=True, source="test", since=T)
    return one


def test_only_the_named_ids_are_found() -> None:
    ann, bob, cid = customer("ann"), customer("bob"), customer("cid")
    assert set(Customer.objects.filter(among("pk", [ann.pk, cid.pk, 0]))) == {ann, cid}
    assert set(Customer.objects.exclude(among("id", pl.Series([ann.pk, cid.pk])))) == {bob}
    assert Consent.objects.get(among("customer_id", [bob.pk])).customer == bob
    assert Consent.objects.get(among("customer__id", (bob.pk,)), customer__bucket=0).customer == bob


def test_many_ids_that_are_close_together_are_found_with_those_between(monkeypatch: pytest.MonkeyPatch) -> None:
    one, *others = [customer(name) for name in ("ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida")]
    all_ids = pl.Series([one.pk, *(other.pk for other in others)])
    assert set(Customer.objects.filter(near("pk", all_ids[[0, 2]]))) == {one, others[1]}
    monkeypatch.setattr(ids, "FEW", 1)
    assert set(Customer.objects.filter(near("pk", all_ids[[0, 2]]))) == {one, others[0], others[1]}
    assert set(Customer.objects.filter(near("pk", all_ids[[0, 8]]))) == {one, others[-1]}


def test_none_is_one_of_none() -> None:
    customer("ann")
    assert not Customer.objects.filter(among("pk", ())).exists()
    assert bulk.read(Customer.objects.filter(among("pk", ())).values_list("pk"), {"id": pl.Int64}).is_empty()


def test_a_query_has_one_parameter_however_many_ids_there_are() -> None:
    ann = customer("ann")
    sql, params = Customer.objects.filter(among("pk", range(1, 100_000))).query.sql_with_params()
    assert len(params) == 1
    assert sql.count("%s") == 1
    rows = Customer.objects.filter(among("pk", range(ann.pk, ann.pk + 100_000)))
    assert bulk.read(rows.values_list("pk"), {"id": pl.Int64})["id"].to_list() == [ann.pk]


@pytest.mark.parametrize("ids", [(), (3,), (3, 5, 9), tuple(range(2, 200, 2))])
def test_rows_of_a_frame_are_the_named_ones_or_the_others(ids: tuple[int, ...]) -> None:
    stored = pl.LazyFrame({"customer_id": list(range(300))})
    assert stored.filter(held("customer_id", ids)).collect()["customer_id"].to_list() == list(ids)
    others = stored.filter(~held("customer_id", ids)).collect()["customer_id"].to_list()
    assert others == [one for one in range(300) if one not in ids]
