"""A preview counts on the latest snapshot with the same evaluation as membership."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from customers import bulk, snapshot
from customers.models import Attribute, Consent, Customer, EventName, Tombstone
from scoring import ranking
from scoring.models import ModelVersion, Score, ScoreRun, Target
from segments import membership
from segments.fields import catalogue
from segments.models import Membership, Segment
from segments.preview import NoSnapshot, preview
from segments.rules import RuleError, Type

AT = datetime(2026, 5, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOT_GERMAN = {"field": "country", "op": "is_not", "value": "DE"}
DOOR = [pytest.mark.door, pytest.mark.django_db]
TOP = {"version": 1, "rule": {"field": "features.spend_90d", "op": "top_percent", "value": 50}}


def stored_snapshot() -> pl.DataFrame:
    """Store a snapshot of four customers, one a bucket."""
    frame = pl.DataFrame(
        {
            "customer_id": [1, 2, 3, 4],
            "bucket": [0, 1, 2, 3],
            "seed": [1, 2, 3, 4],
            "external_id": ["a", "b", "c", "d"],
            "country": ["DE", "de", "AT", None],
            "features.spend_90d": [5.0, 1.0, 5.0, None],
            "reachable.email": [True, False, True, True],
            "reachable.phone": [False, False, True, False],
            "is_held_out": [True, False, False, False],
        }
    )
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), AT, bucket)
    return frame


def snapshot_with_scores(run_at: datetime) -> None:
    """Store scores of a run as of the snapshot's time in it, or, of another time, where the database has them."""
    target = Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=AT
    )
    version = ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner="x",
        validated="over_time",
        as_of=AT,
        created_at=AT,
        seed=1,
        customers=4,
        positives=1,
    )
    run = ScoreRun.objects.create(as_of=run_at, inputs="x", versions={str(target.pk): version.pk})
    values = [0.1, 0.2, 0.6, 0.9]
    frame = stored_snapshot().with_columns(pl.Series("scores.lapse", values if run_at == AT else [0.9, 0.9, 0.1, 0.1]))
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), AT, bucket)
    bulk.open_partition(Score, run.pk, [target.pk])
    rows = frame.select("customer_id", "bucket", value=pl.Series(values)).with_columns(
        run_id=pl.lit(run.pk, pl.Int64),
        target_id=pl.lit(target.pk, pl.Int64),
        version_id=pl.lit(version.pk, pl.Int64),
        as_of=pl.lit(run_at).cast(bulk.UTC_MICROSECONDS),
    )
    bulk.insert(Score, rows, partition=run.pk)
    ranking.rank(run)


class TestPreview:
    pytestmark = DOOR

    def test_it_counts_the_matching_and_the_reachable(self) -> None:
        stored_snapshot()
        rule = {"version": 1, "rule": {"field": "country", "op": "any_of", "value": ["DE", "AT"]}}
        found = preview(rule, AT + timedelta(hours=1))
        assert (found.count, found.customers, found.share) == (3, 4, 0.75)
        assert found.reachable == {"email": 2, "phone": 1}
        assert found.sentence == "country is DE or AT"
        before = {"version": 1, "rule": {"field": "birth_date", "op": "before", "value": "2000-01-01"}}
        assert preview(before, AT).sentence == "birth date is before 2000-01-01 [until 2000-01-01 00:00 UTC]"
        assert found.as_of == AT
        assert found.columns == ["country"]
        assert [tuple(one.values()) for one in found.sample] == [("a", "DE"), ("b", "de"), ("c", "AT")]

    def test_it_counts_who_is_not_held_out(self) -> None:
        stored_snapshot()
        rule = {"version": 1, "rule": {"field": "country", "op": "has_value"}}
        assert (preview(rule, AT).count, preview(rule, AT).after_holdout) == (3, 2)

    def test_it_says_how_many_have_no_value_and_would_match_if_they_were_included(self) -> None:
        stored_snapshot()
        rule = {"version": 1, "rule": {"all": [NOT_GERMAN, {"field": "reachable.email", "op": "is_true"}]}}
        found = preview(rule, AT)
        assert (found.count, found.missing_would_add) == (1, {"rule.all[0]": 1})
        included = {**rule["rule"]["all"][0], "missing": "include"}  # type: ignore[index]
        found = preview({"version": 1, "rule": included}, AT)
        assert (found.count, found.missing_would_add) == (2, {})

    def test_a_switch_that_adds_nobody_is_not_mentioned(self) -> None:
        stored_snapshot()
        rule = {"version": 1, "rule": {"all": [NOT_GERMAN, {"field": "features.spend_90d", "op": ">", "value": 4}]}}
        assert preview(rule, AT).missing_would_add == {}

    def test_the_sample_shows_what_the_rule_asks(self) -> None:
        stored_snapshot()
        rule = {"version": 1, "rule": {"all": [{"field": "country", "op": "is", "value": "de"}, TOP["rule"]]}}
        assert preview(rule, AT).as_json()["sample"] == [
            {"external_id": "a", "country": "DE", "features.spend_90d": 5.0}
        ]

    def test_who_was_erased_is_gone_at_once(self) -> None:
        stored_snapshot()
        rule = {"version": 1, "rule": {"field": "country", "op": "is", "value": "de"}}
        assert preview(rule, AT).count == 2
        Tombstone.objects.create(customer_id=2, bucket=1, at=AT)
        assert [one["external_id"] for one in preview(rule, AT).sample] == ["a"]
        snapshot.rewrite({1: [2]})
        Tombstone.objects.update(rewritten_at=AT)
        found = preview(rule, AT)
        assert (found.count, found.customers) == (1, 3)

    def test_a_newer_snapshot_is_seen_at_once(self) -> None:
        frame = stored_snapshot()
        assert preview(TOP, AT).customers == 4
        for bucket in range(4):
            snapshot.store(frame.filter(pl.col("customer_id") < 3, pl.col("bucket") == bucket), AT + HOUR, bucket)
        found = preview(TOP, AT + HOUR)
        assert (found.customers, found.as_of) == (2, AT + HOUR)

    @pytest.mark.parametrize("run_at", [AT, AT + HOUR])
    def test_scores_are_those_of_the_published_run(self, run_at: datetime) -> None:
        snapshot_with_scores(run_at)
        for field, op, value, expected in [
            ("scores.lapse", ">", 0.5, ["c", "d"]),
            ("scores.lapse.percentile", "<=", 50, ["a", "b"]),
            ("scores.lapse.band", "is", "HIGH", ["d"]),
        ]:
            rule = {"version": 1, "rule": {"field": field, "op": op, "value": value}}
            assert [one["external_id"] for one in preview(rule, AT).sample] == expected
        both = [
            {"field": "scores.lapse", "op": "<", "value": 0.9},
            {"field": "scores.lapse.rank", "op": "<=", "value": 2},
        ]
        assert preview({"version": 1, "rule": {"all": both}}, AT).sample == [
            {"external_id": "c", "scores.lapse": 0.6, "scores.lapse.rank": 2}
        ]

    def test_it_tells_what_is_odd(self) -> None:
        frame = stored_snapshot()
        rich = {"field": "features.spend_90d", "op": ">", "value": 4}
        rule = {"version": 1, "rule": {"all": [{**NOT_GERMAN, "missing": "include"}, {"not": rich}]}}
        assert [(one["path"], one["kind"]) for one in preview(rule, AT).as_json()["lint"]] == [
            ("rule.all[0]", "missing_value"),
            ("rule.all[1].not", "missing_value"),
        ]
        many = pl.concat([frame] * 10).with_columns(customer_id=pl.int_range(1, 41), bucket=pl.int_range(40) % 4)
        for bucket in range(4):
            snapshot.store(many.filter(pl.col("bucket") == bucket), AT, bucket)
        segment = Segment.objects.create(key="rich", name="Rich", rule=TOP, created_at=AT, size=20)
        members = preview({"version": 1, "rule": rich}, AT)
        assert (members.count, members.lint) == (20, [])
        Membership.objects.bulk_create(
            Membership(segment=segment, customer_id=n, bucket=0, since=AT, as_of=AT) for n in range(1, 41)
        )
        (same,) = preview({"version": 1, "rule": rich}, AT).lint
        assert same.text == "These are the customers of segment 'rich': 20 here, 20 there, 100% the same."
        assert preview({"version": 1, "rule": rich}, AT, "rich").lint == []

    def test_its_sentence_tells_the_instants_of_windows(self) -> None:
        stored_snapshot()
        rule = {"version": 1, "rule": {"field": "birth_date", "op": "in_last", "value": {"n": 7, "unit": "days"}}}
        assert preview(rule, AT).sentence == (
            "birth date is in the last 7 days [2026-05-13 12:00 UTC to 2026-05-20 12:00 UTC]"
        )

    def test_it_gives_what_membership_will_give(self) -> None:
        frame = stored_snapshot()
        rows = [
            Customer(pk=pk, external_id=name, bucket=bucket, seed=1, known_since=AT)
            for pk, name, bucket in frame.select("customer_id", "external_id", "bucket").rows()
        ]
        Customer.objects.bulk_create(rows)
        found = preview(TOP, AT)
        Segment.objects.create(key="top", name="Top", rule=TOP, created_at=AT)
        membership.cut(AT, [frame])
        membership.refresh(frame, AT)
        assert found.count == Membership.objects.count() == 2

    def test_a_fault_is_said_as_when_saving(self) -> None:
        with pytest.raises(RuleError, match="rule: no field named 'contry'; did you mean 'country'"):
            preview({"version": 1, "rule": {"field": "contry", "op": "no_value"}}, AT)

    def test_before_the_first_full_cycle_it_says_so(self) -> None:
        with pytest.raises(NoSnapshot, match="run a full cycle first"):
            preview(TOP, AT)

    def test_the_catalogue_lists_what_there_is(self) -> None:
        Attribute.objects.create(name="plan", label="Plan", type="text")
        Attribute.objects.create(name="tags", type="list")
        Target.objects.create(
            key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=AT
        )
        EventName.objects.create(name="Signed Up")
        one = Customer.objects.create(external_id="a", bucket=0, seed=1, known_since=AT)
        Consent.objects.create(customer=one, channel="email", topic="news", is_granted=True, source="x", since=AT)
        rule = {"version": 1, "rule": {"segment": "a", "op": "in"}}
        Segment.objects.create(key="b", name="B", rule=rule, created_at=AT)
        found = catalogue()
        types = {name: field.type for name, field in found.fields.items()}
        assert (types["attributes.plan"], types["attributes.tags"]) == (Type.TEXT, Type.LIST)
        assert (types["scores.lapse"], types["scores.lapse.band"]) == (Type.NUMBER, Type.TEXT)
        assert (types["consent.email.news"], types["reachable.phone"]) == (Type.YES_NO, Type.YES_NO)
        assert (types["features.orders_90d"], types["birth_date"]) == (Type.NUMBER, Type.DATE)
        assert {"Signed Up", "Order Completed", "Email Link Clicked"} <= found.events
        assert found.segments == {"b": frozenset({"a"})}
