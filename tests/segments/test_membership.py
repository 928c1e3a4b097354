"""Memberships follow the rules: only differences are written, and running twice changes nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from customers import bulk, history
from customers.models import Attribute, Customer, Event, EventName, Source
from segments import membership
from segments.models import Cut, Membership, MembershipChange, Segment

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AS_OF = datetime(2026, 5, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GERMAN = {"field": "country", "op": "is", "value": "DE"}
BUYER = {"event": "Order Completed", "count": {">=": 2}, "within": {"last": 30, "unit": "days"}}
TOP = {"field": "features.spend_90d", "op": "top_percent", "value": 50}


def segment(key: str, node: Any) -> Segment:
    return Segment.objects.create(key=key, name=key, rule={"version": 1, "rule": node}, created_at=AS_OF)


def people(*countries: str | None, spend: Sequence[float] | None = None) -> pl.DataFrame:
    """Store customers c-0, c-1, ... and give their frame."""
    rows = [
        Customer(external_id=f"c-{i}", bucket=i % 2, seed=i, country=country, known_since=AS_OF)
        for i, country in enumerate(countries)
    ]
    Customer.objects.bulk_create(rows)
    ids = dict(Customer.objects.values_list("external_id", "pk"))
    return pl.DataFrame(
        {
            "customer_id": [ids[row.external_id] for row in rows],
            "bucket": [row.bucket for row in rows],
            "seed": [row.seed for row in rows],
            "external_id": [row.external_id for row in rows],
            "country": list(countries),
            "features.spend_90d": [float(one) for one in (spend or [0] * len(rows))],
        },
        schema_overrides={"country": pl.String},
    )


def moved(frame: pl.DataFrame, **countries: str | None) -> pl.DataFrame:
    """Give the frame with other countries, by external id with an underscore."""
    told = {name.replace("_", "-"): country for name, country in countries.items()}
    new = [told.get(who, was) for who, was in frame.select("external_id", "country").rows()]
    return frame.with_columns(country=pl.Series(new, dtype=pl.String))


def members(key: str) -> list[str]:
    return sorted(Membership.objects.filter(segment__key=key).values_list("customer__external_id", flat=True))


def changes() -> list[tuple[str, str, str]]:
    rows = MembershipChange.objects.order_by("pk").values_list("segment__key", "customer__external_id", "kind")
    return sorted(rows)


def named(found: pl.DataFrame) -> list[tuple[str, str]]:
    who = dict(Customer.objects.values_list("pk", "external_id"))
    return sorted((who[pk], kind) for pk, kind in found.select("customer_id", "kind").rows())


def test_those_who_match_become_members() -> None:
    segment("german", GERMAN)
    found = membership.refresh(people("DE", "AT", "de", None), AS_OF)
    assert members("german") == ["c-0", "c-2"]
    assert named(found) == [("c-0", "entered"), ("c-2", "entered")]
    assert found.schema == pl.Schema(membership.CHANGES)
    row = Membership.objects.get(customer__external_id="c-0")
    assert (row.bucket, row.since, row.as_of) == (0, AS_OF, AS_OF)


def test_running_twice_writes_nothing_the_second_time() -> None:
    segment("german", GERMAN)
    frame = people("DE", "AT")
    membership.refresh(frame, AS_OF)
    before = list(Membership.objects.values()), list(MembershipChange.objects.values())
    assert membership.refresh(frame, AS_OF).is_empty()
    assert membership.refresh(frame, AS_OF + HOUR).is_empty()
    assert (list(Membership.objects.values()), list(MembershipChange.objects.values())) == before


def test_leavers_are_removed() -> None:
    segment("german", GERMAN)
    frame = people("DE", "DE", "AT")
    membership.refresh(frame, AS_OF)
    found = membership.refresh(moved(frame, c_0="AT", c_2="DE"), AS_OF + HOUR)
    assert named(found) == [("c-0", "left"), ("c-2", "entered")]
    assert members("german") == ["c-1", "c-2"]
    assert ("german", "c-0", "left") in changes()
    assert Membership.objects.get(customer__external_id="c-1").since == AS_OF


def test_a_changed_rule_or_field_shows_in_the_next_refresh() -> None:
    gold = {"field": "attributes.plan", "op": "is", "value": "gold"}
    Attribute.objects.create(name="plan", type=Attribute.Type.TEXT)
    german, rich = segment("german", GERMAN), segment("rich", gold)
    frame = people("DE", "AT").with_columns(pl.Series("attributes.plan", ["gold", "basic"]))
    membership.refresh(frame, AS_OF)
    Segment.objects.filter(pk=german.pk).update(rule={"version": 1, "rule": {**GERMAN, "value": "AT"}})
    Attribute.objects.update(type=Attribute.Type.NUMBER)
    membership.refresh(frame, AS_OF + HOUR)
    rich.refresh_from_db()
    assert members("german") == ["c-1"]
    assert rich.problem.startswith("rule.op: no operator 'is' for number")
    Attribute.objects.update(type=Attribute.Type.TEXT)
    membership.refresh(frame, AS_OF + 2 * HOUR)
    rich.refresh_from_db()
    assert rich.problem == ""
    Segment.objects.filter(key="german").delete()
    Segment.objects.filter(pk=rich.pk).update(rule={"version": 1, "rule": {"segment": "german", "op": "in"}})
    membership.refresh(frame, AS_OF + 3 * HOUR)
    rich.refresh_from_db()
    assert rich.problem.startswith("rule: no segment named 'german'")


def test_a_small_frame_never_removes_others() -> None:
    segment("german", GERMAN)
    frame = people("DE", "DE", "DE", "DE")
    membership.refresh(frame, AS_OF)
    membership.refresh(moved(frame, c_0="AT").head(1), AS_OF + HOUR)
    assert members("german") == ["c-1", "c-2", "c-3"]


def test_a_large_frame_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "FEW", 1)
    segment("german", GERMAN)
    frame = people("DE", "DE", "DE", "DE")
    membership.refresh(frame, AS_OF)
    membership.refresh(moved(frame, c_0="AT").head(2), AS_OF + HOUR)
    assert members("german") == ["c-1", "c-2", "c-3"]


def test_an_older_as_of_is_dropped() -> None:
    segment("german", GERMAN)
    frame = people("DE", "AT", "DE")
    membership.refresh(frame, AS_OF)
    newer = moved(frame, c_0="AT", c_1="DE")
    membership.refresh(newer, AS_OF + 2 * HOUR)
    found = membership.refresh(moved(frame, c_2="AT"), AS_OF + HOUR)
    # c-0 left and c-1 entered later than that; only c-2, of whom nothing later is known, leaves.
    assert named(found) == [("c-2", "left")]
    assert members("german") == ["c-1"]


def test_the_same_time_with_other_facts_replaces_the_change() -> None:
    segment("german", GERMAN)
    frame = people("DE")
    membership.refresh(frame, AS_OF)
    assert named(membership.refresh(moved(frame, c_0="AT"), AS_OF)) == [("c-0", "left")]
    assert members("german") == []
    assert changes() == [("german", "c-0", "left")]


def test_a_segment_refers_to_another_by_its_rule() -> None:
    segment("abroad", {"segment": "german", "op": "not_in"})
    segment("german", GERMAN)
    segment("both", {"all": [{"segment": "abroad", "op": "in"}, {"segment": "german", "op": "in"}]})
    membership.refresh(people("DE", "AT", None), AS_OF)
    assert (members("german"), members("abroad"), members("both")) == (["c-0"], ["c-1", "c-2"], [])


def order(frame: pl.DataFrame, who: int, number: int, at: datetime) -> None:
    source, _ = Source.objects.get_or_create(key="shop", name="Shop", kind="api")
    EventName.objects.get_or_create(name="Order Completed")
    Event.objects.create(
        customer_id=frame["customer_id"][who],
        source=source,
        message_id=f"{who}-{number}",
        name="Order Completed",
        occurred_at=at,
        known_at=at,
        value=5.0,
    )


def test_time_alone_moves_members() -> None:
    segment("buyer", BUYER)
    frame = people("DE", "AT")
    order(frame, 0, 1, AS_OF - timedelta(days=29))
    order(frame, 0, 2, AS_OF - timedelta(days=2))
    order(frame, 1, 1, AS_OF - timedelta(days=2))
    history.sync()
    assert named(membership.refresh(frame, AS_OF)) == [("c-0", "entered")]
    assert named(membership.refresh(frame, AS_OF + timedelta(days=1))) == [("c-0", "left")]


def test_a_top_percent_uses_the_cut_of_everybody_with_ties_in() -> None:
    top = segment("top", TOP)
    frame = people("DE", "DE", "DE", "DE", spend=[1, 2, 2, 3])
    assert membership.refresh(frame, AS_OF).is_empty()
    membership.finish(AS_OF)
    top.refresh_from_db()
    assert (top.as_of, top.problem) == (None, "needs a full cycle: it compares with all customers")
    membership.cut(AS_OF, [frame.head(2), frame.tail(2)])
    assert Cut.objects.get().low == 2.0
    membership.refresh(frame.head(2), AS_OF)
    assert members("top") == ["c-1"]
    membership.refresh(frame, AS_OF)
    assert members("top") == ["c-1", "c-2", "c-3"]
    membership.finish(AS_OF)
    top.refresh_from_db()
    assert (top.as_of, top.size, top.problem) == (AS_OF, 3, "")


def test_a_cut_of_nobody_lets_nobody_in() -> None:
    segment("top", TOP)
    frame = people("DE")
    membership.cut(AS_OF, [frame.with_columns(pl.lit(None, pl.Float64).alias("features.spend_90d"))])
    assert membership.refresh(frame, AS_OF).is_empty()


def test_an_older_cut_never_replaces_a_newer_one() -> None:
    segment("top", TOP)
    frame = people("DE", "DE", spend=[1, 5])
    membership.cut(AS_OF, [frame])
    membership.cut(AS_OF - HOUR, [frame.head(1)])
    assert Cut.objects.get().low == 5.0


def test_a_segment_that_cannot_be_answered_keeps_its_members_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    broken, other = segment("german", GERMAN), segment("other", {"segment": "german", "op": "in"})
    frame = people("DE", "AT")
    membership.refresh(frame, AS_OF)
    Segment.objects.filter(pk=broken.pk).update(rule={"version": 1, "rule": {**GERMAN, "field": "contry"}})
    assert membership.refresh(moved(frame, c_0="AT"), AS_OF + HOUR).is_empty()
    assert members("german") == members("other") == ["c-0"]
    assert caplog.text.count("Segment german keeps its members: rule: no field named 'contry'") == 1
    membership.refresh(frame, AS_OF + HOUR)
    membership.finish(AS_OF + HOUR)
    assert caplog.text.count("Segment german keeps") == 1, "each of a hundred buckets would say the same"
    broken.refresh_from_db()
    other.refresh_from_db()
    assert broken.problem == "rule: no field named 'contry'; did you mean 'country'?"
    assert other.problem.startswith("refers to segment 'german', which cannot be answered")


def test_finish_notes_size_and_time_of_every_segment() -> None:
    german, empty = segment("german", GERMAN), segment("empty", {**GERMAN, "value": "XX"})
    membership.refresh(people("DE", "DE"), AS_OF)
    membership.finish(AS_OF)
    membership.finish(AS_OF - HOUR)
    german.refresh_from_db()
    empty.refresh_from_db()
    assert (german.size, german.as_of, empty.size, empty.as_of) == (2, AS_OF, 0, AS_OF)


def test_changes_follow_each_other_in_the_order_of_commits() -> None:
    segment("german", GERMAN)
    frame = people("DE")
    membership.refresh(frame, AS_OF)
    membership.refresh(moved(frame, c_0="AT"), AS_OF + HOUR)
    membership.refresh(frame, AS_OF + 2 * HOUR)
    rows = MembershipChange.objects.order_by("stored_xact", "pk").values_list("kind", "as_of")
    assert list(rows) == [("entered", AS_OF), ("left", AS_OF + HOUR), ("entered", AS_OF + 2 * HOUR)]


def test_no_customers_and_no_segments_are_no_trouble() -> None:
    frame = people("DE")
    assert membership.refresh(frame, AS_OF).is_empty()
    segment("german", GERMAN)
    assert membership.refresh(frame.head(0), AS_OF).is_empty()
    assert bulk.read(Membership.objects.values_list("customer_id"), {"customer_id": pl.Int64}).is_empty()
