"""Fields made of the past: what a campaign did with a customer, and how her score moved in a week."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from customers import events, history, snapshot
from customers.models import CampaignName
from scoring import ranking
from scoring.models import ScoreRun, Target
from segments import membership
from segments.preview import preview
from segments.rules import Context, Field, Fields, Type, mask, needs, parse
from segments.rules.event_rows import PROPERTIES
from tests.segments.test_membership import members, people, segment

AS_OF = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DOOR = [pytest.mark.door, pytest.mark.django_db]
NAMES: list[tuple[str, Type]] = [
    ("campaigns.win-back.state", Type.TEXT),
    ("campaigns.win-back.variant", Type.TEXT),
    ("campaigns.win-back.last_sent", Type.DATE),
    ("campaigns.other.state", Type.TEXT),
    ("scores.lapse", Type.NUMBER),
    ("scores.lapse.change_7d", Type.NUMBER),
]
FIELDS = Fields({name: Field(name, name, type, "x") for name, type in NAMES})
Told = tuple[int, str, datetime, dict[str, Any]]


def found(node: Any, *told: Told, known_at: datetime | None = None, **more: Any) -> list[int]:
    """Give for which of the customers 1 to 5 a rule holds, of whom these events tell."""
    rows = [(who, i, name, at, known_at or at, json.dumps(given)) for i, (who, name, at, given) in enumerate(told)]
    context = Context(AS_OF, properties=pl.LazyFrame(rows, PROPERTIES, orient="row"), **more)
    frame = pl.DataFrame({"customer_id": [1, 2, 3, 4, 5], "scores.lapse": [0.5, 0.5, 0.5, None, 0.3]})
    holds = mask(parse({"version": 1, "rule": node}, FIELDS), frame, context)
    return frame.filter(holds)["customer_id"].to_list()


def asked(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def test_the_state_of_a_campaign_is_what_last_happened() -> None:
    ours, other = {"campaign": "win-back"}, {"campaign": "other", "note": "win-back"}
    told: list[Told] = [
        (1, "Email Sent", AS_OF - 2 * DAY, ours),
        (1, "Email Opened", AS_OF - DAY, ours),
        (2, "Email Opened", AS_OF - 2 * DAY, ours),
        (2, "Email Sent", AS_OF - DAY, ours),
        (3, "Control Assigned", AS_OF, ours),
        (4, "Email Sent", AS_OF, other),
        (5, "Email Sent", AS_OF + DAY, ours),
    ]
    state = "campaigns.win-back.state"
    assert found(asked(state, "is", "opened"), *told) == [1]
    assert found(asked(state, "is", "Sent"), *told) == [2]
    assert found(asked(state, "is_not", "sent"), *told) == [1, 3]
    assert found(asked(state, "no_value"), *told) == [4, 5]
    assert found(asked("campaigns.other.state", "is", "sent"), *told) == [4]
    assert found(asked(state, "has_value"), *told, known_at=AS_OF + DAY) == []


def test_of_two_things_at_one_time_the_answer_counts() -> None:
    ours = {"campaign": "win-back"}
    told: list[Told] = [(1, "Email Link Clicked", AS_OF, ours), (1, "Email Sent", AS_OF, ours)]
    assert found(asked("campaigns.win-back.state", "is", "clicked"), *told) == [1]


def test_the_variant_of_a_campaign_is_the_last_one_she_was_given() -> None:
    told: list[Told] = [
        (1, "Email Sent", AS_OF - 2 * DAY, {"campaign": "win-back", "variant": "a"}),
        (1, "Email Sent", AS_OF - DAY, {"campaign": "win-back", "variant": "b"}),
        (1, "Email Opened", AS_OF, {"campaign": "win-back"}),
        (2, "Call Made", AS_OF - DAY, {"campaign": "win-back", "variant": "a"}),
        (3, "Email Sent", AS_OF - DAY, {"campaign": "win-back"}),
        (4, "Email Sent", AS_OF - DAY, {"campaign": "other", "variant": "a"}),
    ]
    variant = "campaigns.win-back.variant"
    assert found(asked(variant, "is", "b"), *told) == [1]
    assert found(asked(variant, "is", "a"), *told) == [2]
    assert found(asked(variant, "no_value"), *told) == [3, 4, 5]


def test_the_last_time_a_campaign_wrote_or_called() -> None:
    ours = {"campaign": "win-back"}
    told: list[Told] = [
        (1, "Email Sent", AS_OF - 40 * DAY, ours),
        (1, "Call Made", AS_OF - 2 * DAY, ours),
        (2, "Email Sent", AS_OF - 40 * DAY, ours),
        (2, "Email Opened", AS_OF - DAY, ours),
        (3, "Control Assigned", AS_OF, ours),
    ]
    week = {"n": 7, "unit": "days"}
    assert found(asked("campaigns.win-back.last_sent", "in_last", week), *told) == [1]
    assert found(asked("campaigns.win-back.last_sent", "not_in_last", week), *told) == [2]


def test_the_change_of_a_score_needs_both() -> None:
    before = pl.LazyFrame({"customer_id": [5, 1, 2, 4], "scores.lapse": [0.1, 0.2, 0.7, 0.5]})
    change = "scores.lapse.change_7d"
    assert found(asked(change, ">=", 0.2), earlier=before) == [1, 5]
    assert found(asked(change, "=", 0.3), earlier=before) == [1]
    assert found(asked(change, "<", 0), earlier=before) == [2]
    assert found(asked(change, "no_value"), earlier=before) == [3, 4]
    assert found(asked(change, "no_value")) == [1, 2, 3, 4, 5]


def test_a_rule_needs_what_its_fields_are_made_of() -> None:
    rule = parse({"version": 1, "rule": asked("scores.lapse.change_7d", ">", 0)}, FIELDS)
    assert needs(rule).columns == {"scores.lapse.change_7d", "scores.lapse"}
    assert needs(rule).earlier == {"scores.lapse"}
    rule = parse({"version": 1, "rule": asked("campaigns.win-back.state", "is", "sent")}, FIELDS)
    assert {"Email Sent", "Control Assigned"} <= needs(rule).events
    assert needs(rule).has_properties


class TestDoor:
    pytestmark = DOOR

    def test_members_are_found_by_what_a_campaign_did(self) -> None:
        events.name_campaign("win-back")
        events.name_campaign("win-back")
        assert CampaignName.objects.count() == 1
        segment("mailed", asked("campaigns.win-back.last_sent", "in_last", {"n": 7, "unit": "days"}))
        segment("alone", asked("campaigns.win-back.state", "any_of", ["control", "held out"]))
        frame = people("DE", "DE", "DE")
        rows = [(0, "Email Sent", 1), (1, "Email Sent", 30), (2, "Control Assigned", 1)]
        told = pl.DataFrame(
            {
                "customer_id": [frame["customer_id"][who] for who, _, _ in rows],
                "message_id": [str(who) for who, _, _ in rows],
                "name": [name for _, name, _ in rows],
                "occurred_at": [AS_OF - ago * DAY for _, _, ago in rows],
                "properties": ['{"campaign": "win-back"}'] * 3,
            }
        )
        events.record(told, "campaigns", AS_OF)
        history.sync()
        membership.refresh(frame, AS_OF)
        assert (members("mailed"), members("alone")) == (["c-0"], ["c-2"])
        membership.refresh(frame, AS_OF + 7 * DAY)
        assert members("mailed") == []

    def test_a_score_is_compared_with_the_snapshot_of_a_week_before(self) -> None:
        Target.objects.create(key="lapse", label="Lapse", kind="event", event="x", horizon_days=30, created_at=AS_OF)
        segment("rising", asked("scores.lapse.change_7d", ">", 0.1))
        frame = people("DE", "DE", "DE").with_columns(pl.Series("scores.lapse", [0.5, 0.5, 0.5]))
        for ago, scores in ((20, [0.5] * 3), (8, [0.4, 0.1, None]), (6, [0.1, 0.5, 0.1]), (0, [0.5] * 3)):
            then = frame.with_columns(pl.Series("scores.lapse", scores), bucket=pl.Series([0, 1, 2]))
            for bucket in range(4):
                snapshot.store(then.filter(pl.col("bucket") == bucket), AS_OF - ago * DAY, bucket)
        ranking.rank(ScoreRun.objects.create(as_of=AS_OF, inputs="x"), [frame])
        membership.refresh(frame.with_columns(bucket=pl.Series([0, 1, 2])), AS_OF)
        assert members("rising") == ["c-1"]
        found = preview({"version": 1, "rule": asked("scores.lapse.change_7d", "has_value")}, AS_OF + 30 * DAY)
        assert (found.customers, found.count) == (3, 2)
        changes = {one["external_id"]: one["scores.lapse.change_7d"] for one in found.sample}
        assert changes == {"c-0": 0.1, "c-1": 0.4}

    def test_without_an_old_snapshot_a_change_is_not_known(self) -> None:
        Target.objects.create(key="lapse", label="Lapse", kind="event", event="x", horizon_days=30, created_at=AS_OF)
        segment("known", asked("scores.lapse.change_7d", "has_value"))
        frame = people("DE").with_columns(pl.Series("scores.lapse", [0.5]))
        membership.refresh(frame, AS_OF)
        assert members("known") == []
