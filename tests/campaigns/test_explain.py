"""Why a customer did or did not get something: one chain, and what would have to change."""

from datetime import time, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns import launch
from campaigns.explain import explain, sentences, why_not
from campaigns.models import (
    Campaign,
    Decision,
    Delivery,
    DeliveryAttempt,
    FrequencyCap,
    MailLink,
    Programme,
    Touch,
    TriggerBaseline,
    TriggerState,
)
from customers import consent
from customers.models import Customer, Event, Source
from scoring import ranking
from scoring.models import ModelVersion, Score, ScoreRun, Target
from segments import definition
from segments.models import Membership, Segment
from tests.campaigns import people
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def version() -> ModelVersion:
    Programme.objects.create(holdout_share=0.0)
    target = Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    return ModelVersion.objects.create(
        target=target,
        number=3,
        state="live",
        learner="x",
        validated="in_folds",
        as_of=T0,
        created_at=T0,
        live_since=T0,
        seed=0,
        customers=2,
        positives=1,
    )


def scored(customer: Customer, version: ModelVersion, value: float) -> None:
    run = ScoreRun.objects.create(as_of=T0, inputs="x", versions={str(version.target_id): version.pk})
    Score.objects.create(
        run=run, target=version.target, customer=customer, version=version, bucket=0, as_of=T0, value=value
    )
    ranking.rank(run)


def looked(campaign: Campaign, customer: Customer, **changes: Any) -> None:
    TriggerBaseline.objects.create(campaign=campaign, bucket=customer.bucket, campaign_version=1, as_of=T0)
    if changes:
        values = {"bucket": customer.bucket, "since": T0, "as_of": T0, "is_inside": True, **changes}
        TriggerState.objects.create(campaign=campaign, customer=customer, **values)


def told(customer: Customer, campaign: Campaign) -> str:
    return "\n".join(sentences(customer, campaign, T0 + HOUR))


def test_a_score_below_the_line_is_told_with_its_distance_and_its_version(version: ModelVersion) -> None:
    (ada,), campaign = people.customers(1), people.campaign()
    scored(ada, version, 0.652)
    looked(campaign, ada)
    chain = explain(ada, campaign, T0 + HOUR)
    said = "\n".join(chain.standing)
    assert "The score lapse is 0.652 as of 2026-03-01 12:00 UTC, by version 3, live since 2026-03-01 12:00 UTC" in said
    assert "the line is 0.7, and 0.6 on the way back" in said
    assert chain.to_change == ["To be due, the score lapse would have to rise to 0.7 (+0.048)."]
    assert "has been outside the line of “Winback” ever since its launch" in said
    assert chain.decisions == []


def test_a_score_inside_the_line_has_to_leave_it_and_come_back(version: ModelVersion) -> None:
    (ada,), campaign = people.customers(1), people.campaign()
    scored(ada, version, 0.8)
    looked(campaign, ada, round=2, fired_at=T0)
    chain = explain(ada, campaign, T0 + HOUR)
    assert "would have to fall past 0.6 (-0.2) and rise to 0.7 again" in chain.to_change[0]
    assert chain.to_change[1] == "No crossing fires again before 2026-03-31 12:00 UTC: once in 30 days."
    assert "The last crossing that fired was number 2, on 2026-03-01 12:00 UTC." in chain.standing


def test_a_segment_is_told_by_its_rule_and_the_nearest_change_that_leads_into_it() -> None:
    (ada,) = people.customers(1)
    rule = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}
    segment = definition.save(Segment(key="vip", name="Vip", rule=rule, created_at=T0), None, T0)
    campaign = people.campaign(trigger=people.segment_trigger())
    said = told(ada, campaign)
    assert "cannot be said" in said  # before the first full cycle
    Membership.objects.create(segment=segment, customer=ada, bucket=ada.bucket, since=T0, as_of=T0)
    assert "To be due, the customer would have to leave “Vip” and enter it again." in told(ada, campaign)


def test_everything_that_is_in_the_way_is_told_with_its_end(version: ModelVersion) -> None:
    (ada,) = people.customers(1)
    campaign = people.campaign()
    FrequencyCap.objects.create(channel="email", messages=1, days=3)
    people.planned(ada, people.campaign("other"), state=Delivery.State.SENT, began_at=T0)
    assert explain(ada, campaign, T0 + HOUR).to_change == ["There is room again from 2026-03-04 12:00 UTC on."]
    consent.withdraw(ada.pk, "email", "newsletter", "preference page", T0)
    consent.suppress("email", ada.email or "", "bounced", T0)
    chain = explain(ada, campaign, T0 + HOUR)
    said = "\n".join(chain.standing)
    assert "There is no consent for e-mail about “newsletter”. It was withdrawn on 2026-03-01 12:00 UTC" in said
    assert "The address for e-mail is closed since 2026-03-01 12:00 UTC: address does not exist." in said
    assert "The customer would have to agree to it." in chain.to_change
    Programme.objects.update(holdout_share=0.9999999, is_sending_stopped=True, stopped_why="A wrong price.")
    said = told(ada, campaign)
    assert "among the 100% whom all campaigns leave alone" in said
    assert "All sending is stopped since an unknown time. A wrong price." in said


def test_a_decision_is_told_with_versions_delivery_touches_and_conversion(version: ModelVersion) -> None:
    (ada,), campaign = people.customers(1), people.campaign()
    delivery = people.planned(ada, campaign, state=Delivery.State.SENT, began_at=T0, ended_at=T0)
    Decision.objects.update(model_version=version, score=0.81, variant="b")
    DeliveryAttempt.objects.create(delivery=delivery, number=1, began_at=T0, result="accepted", receipt="250 Taken")
    link = MailLink.objects.create(sha256="0" * 64, url="https://shop.test")
    for kind, is_machine in (("open", False), ("click", False), ("open", True), ("open", None)):
        Touch.objects.create(delivery=delivery, kind=kind, at=T0, link=link, method="GET", is_machine=is_machine)
    shop = Source.objects.create(key="shop", name="Shop", kind="api")
    at = T0 + timedelta(days=2)
    Event.objects.create(customer=ada, source=shop, message_id="1", name="Order Completed", occurred_at=at, known_at=at)
    launch.edit(campaign, None, T0 + HOUR, name="Win them back")
    said = told(ada, campaign)
    assert "2026-03-01 12:00 UTC, crossing 1: deliver. The lapse score rose above 0.7." in said
    assert (
        "The campaign was at version 1 of 2026-03-01 12:00 UTC; it is at version 2 since 2026-03-01 13:00 UTC" in said
    )
    assert "The score was 0.810, by version 3 of lapse, trained on 2026-03-01 12:00 UTC." in said
    assert "The draw was 0.5000: arm treated, variant b, with a probability of 1.00." in said
    assert "E-mail: sent on 2026-03-01 12:00 UTC." in said
    assert "Attempt 1 on 2026-03-01 12:00 UTC: accepted. 250 Taken" in said
    assert "opened 1 times and clicked 1 times; machines came 1 times; 1 touches are not judged yet." in said
    assert "The goal, Order Completed, was reached on 2026-03-03 12:00 UTC." in said


def test_a_changed_rule_is_told_by_number_and_date() -> None:
    (ada,) = people.customers(1)
    rule = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}
    segment = definition.save(Segment(key="vip", name="Vip", rule=rule, created_at=T0), None, T0)
    campaign = people.campaign(trigger=people.segment_trigger())
    people.planned(ada, campaign)
    Decision.objects.update(rule_version=1)
    segment.rule = {"version": 1, "rule": {"field": "country", "op": "is", "value": "AT"}}
    definition.save(segment, None, T0 + HOUR)
    assert (
        "The rule of “Vip” was at version 1 of 2026-03-01 12:00 UTC; it is at version 2 since 2026-03-01 13:00 UTC."
    ) in told(ada, campaign)


def test_a_deferred_decision_tells_until_when_it_waits() -> None:
    (ada,), campaign = people.customers(1), people.campaign()
    people.planned(ada, campaign)
    Decision.objects.update(outcome="deferred", due_at=T0 + HOUR, expires_at=T0 + 3 * HOUR)
    assert "It waits until 2026-03-01 13:00 UTC, and is given up after 2026-03-01 15:00 UTC." in told(ada, campaign)


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ({"kind": "event", "event": "Order Completed"}, "c0 has no Order Completed yet."),
        ({"kind": "date", "field": "birth_date", "days": 0, "hour": 9}, "The birth_date is not known."),
        ({"kind": "schedule", "every": "day", "at": "09:00"}, "It has not acted yet."),
        ({"kind": "hand"}, "It has not acted yet."),
        ({"kind": "score", "score": "nope"}, 'The trigger cannot be used: trigger.score: there is no score "nope".'),
    ],
)
def test_every_kind_of_trigger_is_told(trigger: dict[str, Any], said: str) -> None:
    (ada,) = people.customers(1)
    assert said in told(ada, people.campaign(trigger=trigger))


def test_why_not_is_answered_for_every_live_campaign_also_without_a_decision() -> None:
    (ada, bob) = people.customers(2)
    live, sleeping = people.campaign(), people.campaign("asleep", state=Campaign.State.PAUSED)
    people.planned(bob, live)
    consent.withdraw(ada.pk, "email", "newsletter", "a call", T0)
    (of_ada,) = why_not(ada, T0)
    assert (of_ada.campaign, of_ada.decision) == (live, None)
    assert of_ada.sentence.startswith("There is no consent for e-mail about “newsletter”.")
    (of_bob,) = why_not(bob, T0)
    assert of_bob.decision is not None
    assert of_bob.sentence == "Nothing is in the way; the customer has not been due."
    assert "“Asleep” is paused: it decides about nobody." in told(ada, sleeping)


def test_the_command_names_what_is_unknown() -> None:
    people.customers(1)
    people.campaign()
    out = StringIO()
    call_command("explain", "c0", "winback", stdout=out)
    assert "“Winback” has decided nothing about c0." in out.getvalue()
    with pytest.raises(CommandError, match='no campaign "nope"; there are: winback'):
        call_command("explain", "c0", "nope")


def test_a_quiet_hour_is_told_with_its_end() -> None:
    (ada,), campaign = people.customers(1), people.campaign()
    Customer.objects.update(time_zone="Europe/Berlin")
    Programme.objects.update(quiet_from=time(12), quiet_until=time(20))
    ada.refresh_from_db()
    chain = explain(ada, campaign, T0)
    assert "It is quiet where c0 is." in chain.standing
    assert "A message may begin from 2026-03-01 19:00 UTC on." in chain.to_change
