"""What was decided about, sent to and computed of two customers, once they are one."""

from datetime import timedelta

import pytest
from django.db.models import Q

from campaigns.decide import decide
from campaigns.models import CallTask, Campaign, Decision, Delivery, OfferCode, Programme, TriggerState
from customers.merging import merge
from customers.models import Customer, Event
from scoring.models import BandChange, Score, Target
from segments.models import Membership, MembershipChange, Segment
from tests.campaigns.people import T0, campaign, customers, frame, no_changes, offer, planned
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)


def test_nothing_that_points_to_a_customer_is_left_behind() -> None:
    world.fill()
    kept, gone = Customer.objects.order_by("external_id")[:2]
    merge(kept.external_id, gone.external_id, T0)
    for relation in Customer._meta.related_objects:
        rows = relation.related_model._default_manager.filter(**{relation.field.name: gone.pk})
        assert not rows.exists(), relation.related_model


def test_decisions_keep_their_deliveries_and_are_numbered_after_those_of_the_kept_one() -> None:
    kept, gone = customers(2)
    one, other = campaign("one"), campaign("other")
    codes = offer()
    for who, of in ((kept, one), (kept, one), (gone, one), (gone, one), (gone, other)):
        delivery = planned(who, of, "call")
        CallTask.objects.create(delivery=delivery, customer=who, campaign=of, title=f"{who} {of.key}", due_at=T0)
        OfferCode.objects.create(
            offer=codes, delivery=delivery, customer=who, state="redeemed", code=f"X{delivery.pk}", valid_until=T0
        )
    before = set(Delivery.objects.values_list("pk", "decision", "call_task", "offer_code"))
    merge("c0", "c1", T0)
    rounds = Decision.objects.order_by("campaign__key", "round").values_list("campaign__key", "customer", "round")
    assert list(rounds) == [("one", kept.pk, number) for number in (1, 2, 3, 4)] + [("other", kept.pk, 1)]
    assert set(Decision.objects.values_list("bucket", flat=True)) == {kept.bucket}
    assert set(Delivery.objects.values_list("pk", "decision", "call_task", "offer_code")) == before
    assert set(CallTask.objects.values_list("customer", "delivery__customer")) == {(kept.pk, kept.pk)}


def state(of: Campaign, who: Customer, number: int, fired: int | None, *, inside: bool) -> None:
    TriggerState.objects.create(
        campaign=of,
        customer=who,
        bucket=who.bucket,
        is_inside=inside,
        since=T0,
        as_of=T0,
        round=number,
        fired_at=T0 + fired * HOUR if fired is not None else None,
    )


def test_edges_are_counted_on_and_the_last_of_either_is_rested_from() -> None:
    kept, gone = customers(2)
    first, second, third = campaign("first"), campaign("second"), campaign("third")
    state(first, kept, 1, 2, inside=False)
    state(first, gone, 2, 5, inside=True)
    state(second, gone, 1, 3, inside=True)
    state(third, kept, 1, 4, inside=True)
    state(third, gone, 0, None, inside=False)
    merge("c0", "c1", T0)
    states = TriggerState.objects.order_by("campaign__key")
    assert list(states.values_list("customer", "is_inside", "round", "fired_at")) == [
        (kept.pk, False, 3, T0 + 5 * HOUR),
        (kept.pk, False, 1, T0 + 3 * HOUR),
        (kept.pk, True, 1, T0 + 4 * HOUR),
    ]


def test_the_next_edge_of_the_kept_one_makes_a_decision_of_its_own() -> None:
    Programme.objects.create(holdout_share=0.0)
    Target.objects.create(key="lapse", label="Lapse", kind="no_event", event="x", horizon_days=9, created_at=T0)
    people = customers(2)
    campaign(cooldown_days=0)
    decide(frame(people, 0.1, "start"), no_changes(), T0)
    assert decide(frame(people, [0.1, 0.9]), no_changes(), T0 + HOUR) == {"deliver": 1}
    merge("c0", "c1", T0)
    assert not decide(frame(people[:1], 0.9, "merge"), no_changes(), T0 + 2 * HOUR)
    decide(frame(people[:1], 0.1), no_changes(), T0 + 3 * HOUR)
    assert decide(frame(people[:1], 0.9), no_changes(), T0 + 4 * HOUR) == {"deliver": 1}
    assert list(Decision.objects.order_by("round").values_list("customer", "round")) == [
        (people[0].pk, 1),
        (people[0].pk, 2),
    ]


def test_what_was_computed_of_the_one_who_went_is_forgotten() -> None:
    world.fill()
    segment = Segment.objects.all()[0]
    kept, gone = Customer.objects.filter(memberships__segment=segment).order_by("pk")[:2]
    either = Q(customer__in=(kept, gone))
    tables = (Score, BandChange, Membership, MembershipChange)
    before = {
        table: set(table._default_manager.filter(either & Q(customer=kept)).values_list("pk")) for table in tables
    }
    told = Event.objects.filter(either).count()
    merge(kept.external_id, gone.external_id, T0)
    for table, rows in before.items():
        assert set(table._default_manager.filter(either).values_list("pk")) == rows, table
    assert Event.objects.filter(customer=kept).count() == told
