"""Campaigns are launched whole or refused with the place; every change of their life is on record."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from campaigns import standing
from campaigns.decide import decide
from campaigns.launch import STOPPED, LaunchError, edit, launch, pause, resume, stop, waiting
from campaigns.models import Campaign, Decision, Delivery, Programme, TriggerState
from campaigns.reconcile import reconcile
from customers.models import AuditEntry
from scoring import ranking
from scoring.models import ModelVersion, Score, ScoreRun, Target
from segments import definition
from segments.fields import catalogue
from segments.models import Membership, Segment
from tests.campaigns.people import (
    OFFER_STEP,
    T0,
    campaign,
    customers,
    frame,
    no_changes,
    offer,
    planned,
    score_trigger,
    segment_trigger,
)

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)
RULE = {"version": 1, "rule": {"field": "country", "op": "has_value"}}


@pytest.fixture(autouse=True)
def version() -> ModelVersion:
    Programme.objects.create(holdout_share=0.0)
    target = Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    return ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner="x",
        validated="in_folds",
        as_of=T0,
        created_at=T0,
        seed=0,
        customers=2,
        positives=1,
    )


def draft(**changes: Any) -> Campaign:
    return campaign(state=Campaign.State.DRAFT, launched_at=None, **changes)


def scored(version: ModelVersion, values: list[float]) -> None:
    run = ScoreRun.objects.create(as_of=T0, inputs="x", versions={str(version.target_id): version.pk})
    Score.objects.bulk_create(
        Score(
            run=run,
            target=version.target,
            customer=one,
            version=version,
            bucket=one.bucket,
            as_of=T0,
            value=value,
        )
        for one, value in zip(customers(len(values)), values, strict=True)
    )
    ranking.rank(run)


def test_a_launch_sets_a_draft_live_and_is_on_record(version: ModelVersion) -> None:
    scored(version, [0.7, 0.9, 0.69])
    user, winback = User.objects.create(username="ada"), draft()
    assert launch(winback, user, T0) == 2
    winback.refresh_from_db()
    assert (winback.state, winback.launched_at) == ("live", T0)
    assert {"campaigns.winback.state", "campaigns.winback.last_sent"} <= catalogue().fields.keys()
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.at, entry.what, entry.about) == (user, T0, "campaign launched", "winback")
    assert entry.detail == {"version": 1, "already_matching": 2, "fires_on_start": False}


def test_a_launch_may_ask_to_fire_for_those_who_match_already_and_only_for_these(version: ModelVersion) -> None:
    people, one = customers(3), draft()
    launch(one, None, T0, fires_on_start=True)
    assert AuditEntry.objects.get().detail["fires_on_start"]
    assert decide(frame(people, [0.8, 0.9, 0.5], "import"), no_changes(), T0) == {"deliver": 2}
    decided = Decision.objects.values_list("customer", "cause", "round", "reason")
    reason = "Matched already when the campaign began."
    assert set(decided) == {(each.pk, "start", 1, reason) for each in people[:2]}
    assert not decide(frame(people, [0.8, 0.9, 0.9], "import"), no_changes(), T0 + HOUR)


def test_a_launch_for_those_inside_waits_for_the_whole_bucket(version: ModelVersion) -> None:
    people, one = customers(2), draft()
    launch(one, None, T0, fires_on_start=True)
    assert not decide(frame(people, 0.9), no_changes(), T0, is_whole=False)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 2}


def test_a_launch_for_those_inside_a_segment(version: ModelVersion) -> None:
    people = customers(3)
    vip = Segment.objects.create(key="vip", name="VIP", rule=RULE, created_at=T0)
    for one in people[:2]:
        Membership.objects.create(segment=vip, customer=one, bucket=one.bucket, since=T0, as_of=T0)
    for edge in ("entered", "left"):
        launch(draft(key=edge, trigger=segment_trigger(edge=edge)), None, T0, fires_on_start=True)
    assert decide(frame(people, 0.1), no_changes(), T0) == {"deliver": 2}
    assert set(Decision.objects.values_list("campaign__key", flat=True)) == {"entered"}


@pytest.mark.parametrize("change", ["edited", "resumed"])
def test_what_a_launch_asked_for_ends_with_an_edit_and_with_a_pause(version: ModelVersion, change: str) -> None:
    people, one = customers(2), draft()
    launch(one, None, T0, fires_on_start=True)
    if change == "edited":
        edit(one, None, T0, trigger=score_trigger(0.05, 0.04))
    else:
        pause(one, None, T0)
        resume(one, None, T0)
    assert not decide(frame(people, 0.9), no_changes(), T0)
    assert TriggerState.objects.filter(is_inside=True).count() == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trigger": score_trigger(score="laps")}, 'trigger.score: there is no score "laps"'),
        ({"trigger": score_trigger() | {"enter": None}}, "trigger.enter: expects a number, got nothing"),
        ({"trigger": segment_trigger("vips")}, 'trigger.segment: there is no segment "vips"'),
        ({"steps": []}, "steps: expects exactly one step, got 0"),
        ({"steps": [OFFER_STEP]}, "steps[0].offer: there is no offer 'ten'"),
    ],
)
def test_a_plan_that_cannot_be_read_is_refused_with_its_place(changes: dict[str, Any], message: str) -> None:
    one = draft(**changes)
    with pytest.raises(LaunchError) as refused:
        launch(one, None, T0)
    assert str(refused.value) == message
    one.refresh_from_db()
    assert one.state == "draft"
    assert not AuditEntry.objects.exists()


def test_an_offer_that_exists_can_be_launched() -> None:
    offer()
    launch(draft(steps=[OFFER_STEP]), None, T0)
    assert Campaign.objects.get().state == "live"


def test_only_a_draft_is_launched_and_a_stopped_campaign_stays_stopped() -> None:
    one = draft()
    launch(one, None, T0)
    with pytest.raises(LaunchError, match="A live campaign cannot be launched"):
        launch(one, None, T0)
    stop(one, None, T0)
    for act, word in ((launch, "launched"), (pause, "paused"), (resume, "resumed"), (stop, "stopped")):
        with pytest.raises(LaunchError, match=f"A stopped campaign cannot be {word}"):
            act(one, None, T0)
    with pytest.raises(LaunchError, match="A stopped campaign cannot be edited"):
        edit(one, None, T0, name="Again")


def test_edges_during_a_pause_never_fire() -> None:
    people, one = customers(2), campaign()
    decide(frame(people, 0.1), no_changes(), T0)
    pause(one, None, T0)
    assert not decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    resume(one, None, T0)
    assert not decide(frame(people, [0.9, 0.1]), no_changes(), T0 + 2 * HOUR)
    assert decide(frame(people, 0.9), no_changes(), T0 + 3 * HOUR) == {"deliver": 1}
    assert [entry.what for entry in AuditEntry.objects.order_by("id")] == ["campaign paused", "campaign resumed"]


def test_an_edit_of_a_live_campaign_is_a_new_version_that_fires_for_nobody() -> None:
    people, one = customers(2), campaign()
    decide(frame(people, 0.5), no_changes(), T0)
    edit(one, None, T0, trigger=score_trigger(0.4, 0.3))
    assert Campaign.objects.get().version == 2
    assert not decide(frame(people, 0.5), no_changes(), T0 + HOUR)
    assert TriggerState.objects.filter(is_inside=True).count() == 2
    assert AuditEntry.objects.get().detail == {"version": 2, "fields": ["trigger"]}


def test_an_edit_is_checked_and_a_draft_keeps_its_version() -> None:
    one = campaign()
    with pytest.raises(LaunchError, match=r"trigger\.kind: expects"):
        edit(one, None, T0, trigger={})
    with pytest.raises(LaunchError, match="version: cannot be edited"):
        edit(one, None, T0, version=7)
    stored = Campaign.objects.get()
    assert (stored.version, stored.trigger) == (1, score_trigger())
    assert edit(draft(key="other"), None, T0, name="Other").version == 1


def test_waiting_counts_by_percentile_and_membership(version: ModelVersion) -> None:
    scored(version, [0.1, 0.2, 0.9])
    low = {"kind": "score", "score": "lapse", "of": "percentile", "direction": "below", "enter": 67, "leave": 70}
    assert waiting(draft(key="low", trigger=low)) == 2
    vip = Segment.objects.create(key="vip", name="VIP", rule={}, created_at=T0)
    for one in customers_of(version):
        Membership.objects.create(segment=vip, customer_id=one, bucket=0, since=T0, as_of=T0)
    assert waiting(draft(key="in", trigger=segment_trigger())) == 3
    assert waiting(draft(key="out", trigger=segment_trigger(edge="left"))) == 0


def customers_of(version: ModelVersion) -> list[int]:
    return list(Score.objects.filter(version=version).values_list("customer_id", flat=True))


def test_a_segment_that_a_launched_campaign_watches_is_neither_deleted_nor_renamed() -> None:
    vip = definition.save(Segment(key="vip", name="VIP", rule=RULE, created_at=T0), None, T0)
    winback = campaign(state=Campaign.State.DRAFT, trigger=segment_trigger("vip"))
    launch(winback, None, T0)
    with pytest.raises(definition.SegmentInUse, match="campaign Winback"):
        definition.delete(vip)
    vip.key = "best"
    with pytest.raises(definition.SegmentInUse, match="campaign Winback"):
        definition.save(vip, None, T0)
    stop(winback, None, T0)
    vip.refresh_from_db()
    definition.delete(vip)
    assert not Segment.objects.exists()


def test_a_campaign_that_is_stopped_cancels_what_it_planned_and_gives_up_what_it_deferred() -> None:
    one, other, (ada, bob) = campaign(), campaign("other"), customers(2)
    sent = planned(ada, one, state=Delivery.State.SENT)
    waiting, deferred, kept = planned(ada, one), planned(bob, one), planned(bob, other)
    Decision.objects.filter(pk=deferred.decision_id).update(outcome=Decision.Outcome.DEFERRED)
    stop(one, None, T0)
    ended = dict(Delivery.objects.values_list("pk", "state"))
    assert ended == {sent.pk: "sent", waiting.pk: "cancelled", deferred.pk: "cancelled", kept.pk: "planned"}
    deferred.decision.refresh_from_db()
    assert (deferred.decision.outcome, deferred.decision.reason) == ("ineligible", STOPPED)
    assert reconcile(one, T0).is_done
    assert AuditEntry.objects.get(what="campaign stopped").detail == {"cancelled": 2, "claimed": 0, "sending": 0}


def test_a_score_without_a_live_model_or_a_paused_segment_is_not_launched(version: ModelVersion) -> None:
    ModelVersion.objects.update(state=ModelVersion.State.RETIRED)
    with pytest.raises(LaunchError, match=r"trigger\.score: the score lapse has no live model"):
        launch(draft(), None, T0)
    lost = {"version": 1, "rule": {"field": "attributes.gone", "op": "is", "value": "x"}}
    vip = Segment.objects.create(key="vip", name="VIP", rule=lost, created_at=T0)
    with pytest.raises(LaunchError, match=r"trigger\.segment: the segment vip is paused: rule: no field named"):
        launch(draft(key="in", trigger=segment_trigger()), None, T0)
    with pytest.raises(LaunchError, match="audience: the segment vip is paused"):
        launch(draft(key="to", trigger={"kind": "hand"}, audience=vip), None, T0)
    with pytest.raises(LaunchError, match="audience: is missing"):
        launch(draft(key="none", trigger={"kind": "hand"}), None, T0)


def test_who_stays_in_a_segment_is_due_when_the_days_are_over(version: ModelVersion) -> None:
    people = customers(3)
    vip = Segment.objects.create(key="vip", name="VIP", rule=RULE, created_at=T0)
    for each, days in zip(people, (30, 29, 1), strict=True):
        since = T0 - timedelta(days=days)
        Membership.objects.create(segment=vip, customer=each, bucket=each.bucket, since=since, as_of=since)
    stays = {"kind": "segment", "segment": "vip", "edge": "stays", "days": 30}
    one = draft(trigger=stays)
    assert waiting(one, T0) == 1
    launch(one, None, T0)
    assert not decide(frame(people, 0.1), no_changes(), T0)
    assert not decide(frame(people, 0.1), no_changes(), T0 + HOUR)
    assert decide(frame(people, 0.1, "import"), no_changes(), T0 + 24 * HOUR) == {"deliver": 1}
    assert set(Decision.objects.values_list("customer", "cause", "reason")) == {
        (people[1].pk, "time", "Has been in the segment vip for 30 days.")
    }


def test_a_campaign_whose_trigger_names_what_is_gone_stands_still_and_the_others_go_on() -> None:
    people = customers(2)
    campaign("lost", trigger=score_trigger(score="gone"), priority=1)
    campaign()
    assert not decide(frame(people, 0.1), no_changes(), T0)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 2}
    assert set(Decision.objects.values_list("campaign__key", flat=True)) == {"winback"}


@pytest.mark.parametrize(("act", "planned_then"), [(pause, 2), (stop, 2)])
def test_what_is_under_way_is_counted_at_the_very_moment(act: Any, planned_then: int) -> None:
    one, people = campaign(), customers(5)
    for each, state in zip(people, ("planned", "planned", "claimed", "sending", "sent"), strict=True):
        planned(each, one, state=state)
    planned(people[0], campaign("other"))
    under_way = act(one, None, T0)
    assert under_way == (planned_then, 1, 1)
    detail = AuditEntry.objects.get().detail
    assert (detail["claimed"], detail["sending"]) == (1, 1)


@pytest.mark.parametrize(
    ("now", "paused", "stopped"),
    [
        ((0, 0, 0), "Nothing was planned.", "Nothing was planned."),
        ((1, 0, 0), "1 planned: what comes due before it is resumed is given up", "1 planned is cancelled."),
        ((9, 3, 0), "12 planned, 3 of them taken up by a worker:", "9 planned are cancelled. 3 that a worker"),
        ((0, 0, 1), "1 is being sent right now and cannot be called back.", "1 is being sent right now"),
    ],
)
def test_what_becomes_of_it_is_said(now: tuple[int, int, int], paused: str, stopped: str) -> None:
    assert paused in standing.paused(standing.Standing(*now))
    assert stopped in standing.stopped(standing.Standing(*now))
