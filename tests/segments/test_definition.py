"""Saving a segment keeps its versions; what is wrong or in use is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from django.contrib.auth.models import User

from customers import snapshot
from segments import definition
from segments.models import Cut, Segment, SegmentVersion
from segments.rules import RuleError

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AT = datetime(2026, 5, 20, 12, tzinfo=UTC)
GERMAN = {"field": "country", "op": "is", "value": "DE"}
TOP = {"field": "features.spend_90d", "op": "top_percent", "value": 50}


def saved(key: str, node: Any, by: User | None = None) -> Segment:
    return definition.save(Segment(key=key, name=key.title(), rule={"version": 1, "rule": node}), by, AT)


def test_a_new_segment_is_stored_with_its_first_version() -> None:
    by = User.objects.create_user("mia")
    segment = saved("german", GERMAN, by)
    segment.refresh_from_db()
    assert (segment.created_at, segment.created_by, segment.rule_version) == (AT, by, 1)
    version = SegmentVersion.objects.get()
    assert (version.number, version.rule, version.at, version.by) == (1, segment.rule, AT, by)


def test_only_a_changed_rule_is_a_new_version() -> None:
    segment = saved("german", GERMAN)
    segment.name = "Germans"
    definition.save(segment, None, AT + timedelta(hours=1))
    segment.rule = {"version": 1, "rule": {**GERMAN, "missing": "include"}}
    definition.save(segment, None, AT + timedelta(hours=2))
    segment.refresh_from_db()
    assert (segment.name, segment.rule_version) == ("Germans", 2)
    assert list(SegmentVersion.objects.order_by("number").values_list("number", "at")) == [
        (1, AT),
        (2, AT + timedelta(hours=2)),
    ]


def test_a_rule_with_a_misspelt_field_is_refused_and_nothing_is_stored() -> None:
    with pytest.raises(RuleError, match="rule: no field named 'contry'; did you mean 'country'"):
        saved("german", {**GERMAN, "field": "contry"})
    assert not Segment.objects.exists()


def test_segments_may_not_refer_to_each_other_in_a_circle() -> None:
    first = saved("first", GERMAN)
    saved("second", {"segment": "first", "op": "in"})
    first.rule = {"version": 1, "rule": {"any": [GERMAN, {"segment": "second", "op": "in"}]}}
    with pytest.raises(RuleError, match="segment 'first' would depend on itself: first → second → first"):
        definition.save(first, None, AT)
    with pytest.raises(RuleError, match="segment 'own' would depend on itself: own → own"):
        saved("own", {"segment": "own", "op": "in"})


def test_a_segment_in_use_is_not_deleted_and_the_refusal_names_the_users() -> None:
    german = saved("german", GERMAN)
    abroad = saved("abroad", {"not": {"segment": "german", "op": "in"}})
    with pytest.raises(definition.SegmentInUse, match="Segment 'german' is used by segment Abroad"):
        definition.delete(german)
    german.key = "deutsch"
    with pytest.raises(definition.SegmentInUse, match="is used by segment Abroad"):
        definition.save(german, None, AT)
    definition.delete(abroad)
    german.refresh_from_db()
    definition.delete(german)
    assert not Segment.objects.exists()


def test_saving_takes_the_cut_from_the_latest_snapshot() -> None:
    spend = pl.DataFrame({"customer_id": [1, 2, 3, 4], "features.spend_90d": [1.0, 2.0, 3.0, None]})
    for bucket in range(4):
        snapshot.store(spend[bucket : bucket + 1], AT, bucket)
    saved("top", TOP)
    cut = Cut.objects.get()
    assert (cut.field, cut.op, cut.value, cut.low, cut.high) == ("features.spend_90d", "top_percent", "50.0", 2.0, None)
    assert (cut.customers, cut.as_of) == (3, AT)


def test_before_the_first_snapshot_a_percentile_can_be_saved() -> None:
    assert saved("top", TOP).pk
    assert not Cut.objects.exists()
