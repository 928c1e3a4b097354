"""Edges become decisions: once, with a reason, and by the arms that were drawn."""

from datetime import datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from django.core import mail

from campaigns import decide as deciding
from campaigns import deliver, looks
from campaigns.decide import decide, of
from campaigns.models import Campaign, Decision, Delivery, FrequencyCap, Programme, TriggerBaseline, TriggerState
from customers import consent, erasure
from customers.models import Consent, Customer, Event
from scoring.models import ModelVersion, ScoreRun, Target
from segments import membership
from segments.models import Membership, Segment
from tests.campaigns.people import (
    CALL_STEP,
    T0,
    campaign,
    customers,
    frame,
    no_changes,
    planned,
    score_trigger,
    segment_trigger,
)

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def target() -> Target:
    Programme.objects.create(holdout_share=0.0, cap_messages=2, cap_days=7)
    return Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )


def started(people: list[Customer], at: datetime = T0) -> None:
    """Let every campaign take its first, silent look while everybody is outside."""
    assert not decide(frame(people, 0.1, "start"), no_changes(), at)


def segment(key: str = "vip") -> Segment:
    rule = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}
    return Segment.objects.create(key=key, name=key, rule=rule, created_at=T0)


def live(target: Target, number: int = 1) -> ModelVersion:
    return ModelVersion.objects.create(
        target=target,
        number=number,
        state="live",
        learner="x",
        validated="in_folds",
        as_of=T0,
        created_at=T0,
        seed=0,
        customers=2,
        positives=1,
    )


def changes(of: Segment, people: list[Customer], kind: str) -> pl.DataFrame:
    """Let customers enter or leave a segment; give the frame of changes."""
    if kind == "entered":
        Membership.objects.bulk_create(
            Membership(segment=of, customer=one, bucket=one.bucket, since=T0, as_of=T0) for one in people
        )
    else:
        Membership.objects.filter(segment=of, customer__in=people).delete()
    rows = [(of.pk, one.pk, one.bucket, kind) for one in people]
    return pl.DataFrame(rows, schema=no_changes().schema, orient="row")


def test_a_score_that_rises_past_the_line_is_delivered_once_with_its_reason() -> None:
    people, winback = customers(5), campaign()
    started(people)
    assert decide(frame(people, [0.8, 0.7, 0.69, 0.1, None]), no_changes(), T0 + HOUR) == {"deliver": 2}
    decision = Decision.objects.get(customer=people[0])
    assert decision.reason == "The score lapse rose to 0.8; the line is 0.7."
    assert (decision.campaign, decision.round, decision.score, decision.arm) == (winback, 1, 0.8, "treated")
    assert (decision.cause, decision.probability, decision.as_of) == ("data", 1.0, T0 + HOUR)
    delivery = Delivery.objects.get(decision=decision)
    assert (delivery.action, delivery.channel, delivery.state, delivery.due_at) == (
        "email",
        "email",
        "planned",
        T0 + HOUR,
    )


def test_a_score_that_flaps_around_its_line_a_hundred_times_fires_once() -> None:
    people = customers(1)
    campaign(cooldown_days=0)
    started(people)
    for i in range(100):
        decide(frame(people, 0.75 if i % 2 == 0 else 0.65), no_changes(), T0 + (i + 1) * HOUR)
    assert Decision.objects.count() == 1


def test_a_score_that_came_back_below_leave_fires_again_with_the_next_round() -> None:
    people = customers(1)
    campaign(cooldown_days=0)
    started(people)
    for hour, score in enumerate([0.8, 0.5, 0.8], start=1):
        decide(frame(people, score), no_changes(), T0 + hour * HOUR)
    assert list(Decision.objects.order_by("round").values_list("round", flat=True)) == [1, 2]


def test_an_edge_within_the_cooldown_is_stored_and_does_not_fire() -> None:
    people = customers(1)
    campaign(cooldown_days=2)
    started(people)
    for hour, score in [(1, 0.8), (2, 0.5), (3, 0.8), (4, 0.5), (49, 0.8)]:
        decide(frame(people, score), no_changes(), T0 + hour * HOUR)
        assert TriggerState.objects.get().is_inside == (score == 0.8)
    times = Decision.objects.order_by("as_of").values_list("as_of", flat=True)
    assert list(times) == [T0 + HOUR, T0 + 49 * HOUR]


def test_the_same_pass_twice_writes_nothing_more() -> None:
    people = customers(20)
    campaign(control_share=0.5)
    started(people)
    decide(frame(people, 0.9), no_changes(), T0 + HOUR)

    def written() -> list[list[tuple[object, ...]]]:
        tables = (Decision, Delivery, TriggerState, TriggerBaseline, Event)
        return [sorted(table.objects.values_list(), key=str) for table in tables]

    before = written()
    assert len(before[0]) == 20
    assert not decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    assert written() == before


def test_the_first_look_at_a_campaign_fires_for_nobody() -> None:
    people = customers(3)
    campaign()
    assert not decide(frame(people, 0.9), no_changes(), T0)
    assert TriggerState.objects.filter(is_inside=True, round=0).count() == 3
    assert not decide(frame(people, 0.9), no_changes(), T0 + HOUR)


def test_a_customer_who_is_new_to_a_started_campaign_fires() -> None:
    people = customers(3)
    campaign()
    started(people)
    assert decide(frame(people[2:], 0.9), no_changes(), T0 + HOUR, is_whole=False) == {"deliver": 1}


@pytest.mark.parametrize("cause", ["import", "start"])
def test_an_edge_that_came_by_an_import_or_a_start_does_not_fire(cause: str) -> None:
    people = customers(2)
    campaign()
    started(people)
    assert not decide(frame(people, 0.9, cause), no_changes(), T0 + HOUR)
    assert not decide(frame(people, 0.9), no_changes(), T0 + 2 * HOUR)
    assert TriggerState.objects.filter(is_inside=True).count() == 2


@pytest.mark.parametrize(("cause", "asks_for_imports"), [("data", False), ("time", False), ("import", True)])
def test_an_edge_by_data_or_time_fires_and_an_import_where_it_is_asked_for(cause: str, asks_for_imports: bool) -> None:
    people = customers(1)
    campaign(fires_on_import=asks_for_imports)
    started(people)
    assert decide(frame(people, 0.9, cause), no_changes(), T0 + HOUR) == {"deliver": 1}
    assert Decision.objects.get().cause == cause


def test_an_edited_campaign_sets_its_states_in_silence() -> None:
    people, winback = customers(2), campaign()
    started(people)
    Campaign.objects.filter(pk=winback.pk).update(trigger=score_trigger(0.05, 0.04), version=2, trigger_version=2)
    assert not decide(frame(people, 0.1), no_changes(), T0 + HOUR)
    assert TriggerState.objects.filter(is_inside=True).count() == 2


def test_an_edited_rule_and_a_new_model_fire_for_nobody(target: Target) -> None:
    people, vip = customers(2), segment()
    campaign("rule", trigger=segment_trigger())
    campaign("model")
    started(people)
    Segment.objects.update(rule_version=2)
    live(target)
    assert not decide(frame(people, 0.9), changes(vip, people, "entered"), T0 + HOUR)
    assert TriggerState.objects.filter(is_inside=True).count() == 4


def test_a_part_of_a_bucket_waits_for_the_whole_before_a_campaign_starts() -> None:
    people = customers(4)
    campaign()
    decide(frame(people[:1], 0.9), no_changes(), T0, is_whole=False)
    assert not TriggerState.objects.exists()
    assert not TriggerBaseline.objects.exists()


def test_a_pass_for_an_earlier_time_is_dropped_with_its_edges() -> None:
    people = customers(2)
    campaign()
    started(people)
    assert decide(frame(people[:1], 0.9), no_changes(), T0 + 3 * HOUR, is_whole=False) == {"deliver": 1}
    assert decide(frame(people, [0.1, 0.9]), no_changes(), T0 + 2 * HOUR) == {"deliver": 1}
    assert TriggerState.objects.get(customer=people[0]).is_inside
    assert not decide(frame(people[1:], 0.1), no_changes(), T0 + HOUR)
    assert TriggerState.objects.get(customer=people[1]).is_inside


def test_entering_and_leaving_a_segment_are_edges() -> None:
    people, vip = customers(3), segment()
    campaign("welcome", trigger=segment_trigger(edge="entered"))
    campaign("goodbye", trigger=segment_trigger(edge="left"))
    started(people)
    assert decide(frame(people, 0.1), changes(vip, people[:2], "entered"), T0 + HOUR) == {"deliver": 2}
    assert decide(frame(people, 0.1), changes(vip, people[:1], "left"), T0 + 2 * HOUR) == {"deliver": 1}
    assert set(Decision.objects.values_list("campaign__key", "customer", "reason")) == {
        ("welcome", people[0].pk, "Entered the segment vip."),
        ("welcome", people[1].pk, "Entered the segment vip."),
        ("goodbye", people[0].pk, "Left the segment vip."),
    }


def test_a_decision_names_the_model_that_its_score_came_from(target: Target) -> None:
    people, version = customers(2), live(target)
    run = ScoreRun.objects.create(as_of=T0, state="published", inputs="x", versions={str(target.pk): version.pk})
    campaign()
    started(people)
    version.state = "retired"
    version.save(update_fields=["state"])
    newer = live(target, 2)
    assert decide(frame(people, [0.9, 0.1]), no_changes(), T0 + HOUR) == {"deliver": 1}
    assert Decision.objects.get().model_version == version
    run.versions = {str(target.pk): newer.pk}
    run.save()
    assert not decide(frame(people, 0.9), no_changes(), T0 + 2 * HOUR)


def test_without_scores_everybody_stays_where_she_was() -> None:
    people = customers(2)
    campaign(cooldown_days=0)
    started(people)
    decide(frame(people, [0.9, 0.1]), no_changes(), T0 + HOUR)
    assert not decide(frame(people, 0.0).drop("scores.lapse"), no_changes(), T0 + 2 * HOUR)
    assert not decide(frame(people, [0.9, 0.1]), no_changes(), T0 + 3 * HOUR)


def test_a_percentile_that_falls_below_its_line_fires() -> None:
    people = customers(2)
    low = {"kind": "score", "score": "lapse", "of": "percentile", "direction": "below", "enter": 20, "leave": 30}
    campaign(trigger=low)
    started(people)
    ranked = frame(people, 0.3).with_columns(pl.Series("scores.lapse.percentile", [19.5, 25.0]))
    assert decide(ranked, no_changes(), T0 + HOUR) == {"deliver": 1}
    decision = Decision.objects.get()
    assert decision.reason == "The percentile of the score lapse fell to 19.5; the line is 20."
    assert decision.score == 0.3


def test_a_campaign_waits_while_its_segment_cannot_be_answered() -> None:
    people, vip = customers(2), segment()
    campaign(trigger=segment_trigger())
    rule = vip.rule
    Segment.objects.update(rule={"version": 1, "rule": {"field": "contry", "op": "is", "value": "DE"}}, rule_version=2)
    started(people)
    assert not TriggerBaseline.objects.exists()
    Segment.objects.update(rule=rule, rule_version=3)
    assert not decide(frame(people, 0.1), changes(vip, people, "entered"), T0 + HOUR)
    assert TriggerState.objects.filter(is_inside=True).count() == 2


def test_held_out_and_control_customers_never_get_a_delivery_and_are_told_as_events() -> None:
    people = customers(400)
    Programme.objects.update(holdout_share=0.3)
    campaign(control_share=0.4)
    started(people)
    counts = decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    assert 90 <= counts["held_out"] <= 150
    assert 80 <= counts["control"] <= 145
    assert sum(counts.values()) == 400
    assert set(Delivery.objects.values_list("decision__outcome", flat=True)) == {"deliver"}
    assert Delivery.objects.count() == counts["deliver"]
    events = Event.objects.filter(name="Held Out")
    assert set(events.values_list("message_id", flat=True)) == set(
        Decision.objects.filter(outcome="held_out").values_list("public_id", flat=True)
    )
    assert Event.objects.filter(name="Control Assigned").count() == counts["control"]
    assert set(Event.objects.values_list("properties__campaign", flat=True)) == {Campaign.objects.get().key}


def test_the_draw_and_its_probability_tell_the_arm() -> None:
    people = customers(200)
    Programme.objects.update(holdout_share=0.2)
    campaign(control_share=0.25)
    started(people)
    decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    for arm, share in (("holdout", 0.2), ("control", 0.25)):
        drawn = Decision.objects.filter(arm=arm)
        assert {one.probability for one in drawn} == {share}
        assert all(one.draw < share for one in drawn)
    assert {one.probability for one in Decision.objects.filter(arm="treated")} == {0.75}


def test_who_cannot_be_contacted_is_suppressed_and_told_why() -> None:
    people = customers(4)
    Consent.objects.filter(customer=people[0]).update(is_granted=False)
    Customer.objects.filter(pk=people[1].pk).update(email=None)
    consent.suppress("email", people[2].email or "", "bounced", T0)
    campaign()
    started(people)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"suppressed": 3, "deliver": 1}
    assert [Decision.objects.get(customer=one).reason for one in people[:3]] == [
        "No consent for e-mail about newsletter.",
        "No address for e-mail.",
        "The address for e-mail is suppressed.",
    ]


def test_a_call_needs_consent_to_be_phoned() -> None:
    people = customers(2, channels=("email",))
    campaign(steps=[CALL_STEP])
    started(people)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"suppressed": 2}


def test_a_control_customer_is_control_even_if_no_message_could_reach_her() -> None:
    people = customers(50)
    Consent.objects.all().delete()
    campaign(control_share=0.5)
    started(people)
    counts = decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    assert set(counts) == {"control", "suppressed"}


def test_only_the_audience_is_eligible() -> None:
    people, vip = customers(3), segment()
    campaign(audience=vip)
    started(people)
    counts = decide(frame(people, 0.9), changes(vip, people[:1], "entered"), T0 + HOUR)
    assert counts == {"deliver": 1, "ineligible": 2}
    assert Decision.objects.get(customer=people[1]).reason == "Not in the segment vip."


def test_the_cap_counts_what_was_begun_lately_and_what_is_planned() -> None:
    people, other = customers(5), campaign("other", state="paused")
    for moment, state in ((T0 - 6 * 24 * HOUR, "sent"), (T0, "uncertain")):
        planned(people[0], other, due=moment, state=state, began_at=moment)
    planned(people[1], other, due=T0 - 8 * 24 * HOUR, state="sent", began_at=T0 - 8 * 24 * HOUR)
    planned(people[1], other, due=T0, state="sent", began_at=T0)
    for _ in range(2):
        planned(people[2], other)
        planned(people[3], other, state="failed", began_at=T0)
        planned(people[4], other, "call", state="sent", began_at=T0)
    campaign()
    started(people)
    decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    found = Decision.objects.filter(campaign__key="winback").order_by("customer").values_list("outcome", flat=True)
    assert list(found) == ["capped", "deliver", "capped", "deliver", "capped"]
    reason = Decision.objects.get(campaign__key="winback", customer=people[0]).reason
    assert reason == ("2 messages in 7 days, planned ones included; the cap is 2, with room from 2026-03-02 12:00 UTC.")


def test_of_several_campaigns_the_one_that_goes_first_takes_the_room_below_the_cap() -> None:
    people = customers(2)
    Programme.objects.update(cap_messages=1)
    campaign("second", priority=20)
    campaign("first", priority=10)
    started(people)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 2, "capped": 2}
    assert set(Delivery.objects.values_list("decision__campaign__key", flat=True)) == {"first"}


def test_campaigns_that_are_not_live_decide_nothing() -> None:
    people = customers(1)
    for state in ("draft", "paused", "stopped"):
        campaign(state, state=state)
    started(people)
    assert not decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    assert not TriggerState.objects.exists()


def test_a_decision_that_another_pass_made_first_stays_the_only_one() -> None:
    people, winback = customers(1), campaign()
    started(people)
    first = planned(people[0], winback)
    assert not decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    assert Delivery.objects.get() == first


def outcomes(key: str) -> list[str]:
    found = Decision.objects.filter(campaign__key=key).order_by("customer")
    return list(found.values_list("outcome", flat=True))


@pytest.mark.parametrize(
    ("when_limited", "outcome", "state"), [("drop", "capped", "cancelled"), ("delay", "deferred", "planned")]
)
def test_a_campaign_that_goes_first_takes_the_place_of_what_a_later_one_planned(
    when_limited: str, outcome: str, state: str
) -> None:
    people = customers(3)
    Programme.objects.update(cap_messages=1)
    later = campaign("later", priority=20, state="paused", when_limited=when_limited, name="Later")
    begun = planned(people[1], later, priority=20, state="claimed")
    for person in people[::2]:
        planned(person, later, priority=20)
    campaign("first", priority=10, name="First")
    started(people)
    assert decide(frame(people, [0.9, 0.9, 0.1]), no_changes(), T0 + HOUR) == {"deliver": 1, "capped": 1}
    gone = Delivery.objects.get(decision__campaign=later, customer=people[0])
    assert (gone.state, gone.decision.outcome) == (state, outcome)
    why = 'Gave way to the campaign "First" of priority 10, which takes the last room below a cap.'
    assert gone.decision.reason.endswith(why)
    assert outcomes("later") == [outcome, "deliver", "deliver"]
    begun.refresh_from_db()
    assert begun.state == "claimed"


def test_a_campaign_of_the_same_priority_takes_no_place() -> None:
    people = customers(1)
    Programme.objects.update(cap_messages=1)
    planned(people[0], campaign("other", state="paused"))
    campaign()
    started(people)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"capped": 1}


def test_what_waits_takes_no_room_from_anybody() -> None:
    people = customers(1)
    Programme.objects.update(cap_messages=1)
    other = planned(people[0], campaign("other", state="paused"), due=T0 + 9 * HOUR)
    Decision.objects.filter(pk=other.decision_id).update(outcome="deferred")
    campaign()
    started(people)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 1}


def test_in_quiet_hours_a_message_is_left_or_planned_for_the_morning() -> None:
    people = customers(2)
    Programme.objects.update(quiet_from=time(21), quiet_until=time(8))
    Customer.objects.filter(pk=people[0].pk).update(time_zone="Asia/Tokyo")  # ten in the evening
    Customer.objects.filter(pk=people[1].pk).update(country="DE")
    campaign("leaves")
    campaign("waits", when_limited="delay", topic="newsletter")
    started(people)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 2, "ineligible": 1, "deferred": 1}
    waits = Decision.objects.get(outcome="deferred")
    assert (waits.due_at, waits.expires_at) == (T0 + 11 * HOUR, T0 + 73 * HOUR)
    assert waits.deliveries.get().due_at == waits.due_at
    assert waits.reason == (
        "The score lapse rose to 0.9; the line is 0.7. Waits until 2026-03-01 23:00 UTC: "
        "Quiet hours where the customer is, or may be."
    )


def test_caps_of_channels_and_topics_hold_beside_that_of_the_programme() -> None:
    people = customers(2)
    Programme.objects.update(cap_messages=9)
    FrequencyCap.objects.create(channel="email", topic="newsletter", messages=1, days=30)
    sent = campaign("sent", state="paused")
    planned(people[0], sent, state="sent", began_at=T0 - 20 * 24 * HOUR)
    planned(people[1], sent, "call", state="sent", began_at=T0)
    campaign()
    started(people)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 1, "capped": 1}
    assert Decision.objects.get(outcome="capped").reason == (
        "1 e-mail about newsletter in 30 days, planned ones included; the cap is 1, with room from "
        "2026-03-11 12:00 UTC."
    )


def test_the_treated_get_the_step_of_their_variant() -> None:
    people = customers(60)
    offer = {"action": "offer", "offer": "ten", "subject": "For you", "body": "<p>{{ offer.code }}</p>"}
    campaign(variants=[{"key": "b", "share": 0.4, "step": offer}], control_share=0.2)
    started(people)
    decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    found = Delivery.objects.values_list("decision__variant", "action", "decision__probability")
    assert {(key, action, round(chance, 9)) for key, action, chance in found} == {
        ("main", "email", 0.48),
        ("b", "offer", 0.32),
    }
    assert set(Decision.objects.filter(arm="control").values_list("variant", "probability")) == {("", 0.2)}


def test_outside_the_pilot_nobody_is_treated_and_nobody_is_control() -> None:
    people = customers(200)
    campaign(pilot_share=0.25, control_share=0.5)
    started(people)
    counts = decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    assert 30 <= counts["deliver"] + counts["control"] <= 70
    outside = Decision.objects.filter(outcome="ineligible")
    assert set(outside.values_list("arm", "reason", "probability")) == {("outside", "Outside the pilot of 25%.", 0.75)}


def due(people: list[Customer], before: int = 0) -> pl.DataFrame:
    """Give customers who are due by hand, having been so some times before."""
    nothing = pl.lit(None, pl.Float64)
    moment = pl.lit(None, pl.Datetime("us", "UTC"))
    told = frame(people, 0.9).with_columns(
        cause=pl.lit("hand"), value=nothing, score=nothing, happened_at=moment, fired_at=moment, is_late=pl.lit(False)
    )
    told = told.with_columns(round=pl.lit(before, pl.Int64), fires=pl.lit(True), is_inside=pl.lit(True))
    return looks.due(told)


def test_a_due_frame_of_any_making_is_decided_once_a_round() -> None:
    people, vip = customers(3), segment()
    told = frame(people, 0.9).with_columns(pl.Series("country", ["DE", "DE", "FR"]))
    assert membership.refresh(told, T0).height == 2
    winback = campaign(trigger={"kind": "hand"}, audience=vip)
    assert of(winback, due(people), T0) == {"deliver": 2, "ineligible": 1}
    assert not of(winback, due(people), T0)
    later = T0 + HOUR
    assert of(winback, due(people, 1), later) == {"deliver": 2, "ineligible": 1}
    assert set(TriggerState.objects.values_list("round", "fired_at")) == {(2, T0 + HOUR)}
    assert not of(winback, due([]), T0)


def test_what_is_decided_about_somebody_while_she_is_erased_is_not_sent_and_goes_with_the_next_rewrite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people, write = customers(2), deciding._write
    campaign()
    started(people)

    def erased_first(*args: Any) -> Any:
        erasure.erase(people[0].external_id, T0, "She asked for it.")
        return write(*args)

    monkeypatch.setattr(deciding, "_write", erased_first)
    assert decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 2}
    deliver.deliver(T0 + HOUR)
    assert [message.to for message in mail.outbox] == [[people[1].email]]
    erasure.rewrite(T0 + HOUR)
    for model in (Decision, Delivery, TriggerState):
        assert list(model.objects.values_list("customer_id", flat=True)) == [people[1].pk]
