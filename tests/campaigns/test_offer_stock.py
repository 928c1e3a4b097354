"""A code is reserved with the decision, there are never more than the stock, and a customer has one of an offer."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns import allocate, cancel, deliver, explain_limits, offers
from campaigns.decide import decide
from campaigns.models import Campaign, Decision, Delivery, DeliveryAttempt, Offer, OfferCode, Programme
from customers.models import Customer
from scoring.models import Target
from segments import membership
from segments.models import Segment
from tests.campaigns.people import EMAIL_STEP, OFFER_STEP, T0, campaign, customers, frame, no_changes, planned

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def world() -> list[Customer]:
    Programme.objects.create(holdout_share=0.0, cap_messages=9, cap_days=7)
    Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    return customers(6)


def offer(**changes: Any) -> Offer:
    return Offer.objects.create(**({"key": "ten", "name": "Ten off", "value": 10.0} | changes))


def pool(*codes: str, **changes: Any) -> Offer:
    made = offer(codes_from="pool", **changes)
    OfferCode.objects.bulk_create(OfferCode(offer=made, code=code, state="free") for code in codes)
    return made


def due(people: list[Customer], scores: list[float | None] | float = 0.9) -> dict[str, int]:
    """Let everybody cross the line at T0; nobody has been looked at before."""
    decide(frame(people, 0.1, "start"), no_changes(), T0 - HOUR)
    return dict(decide(frame(people, scores), no_changes(), T0))


def reasons() -> set[str]:
    return set(Decision.objects.exclude(outcome="deliver").values_list("reason", flat=True))


def test_codes_are_reserved_with_the_decision_and_given_when_the_mail_is_sent(world: list[Customer]) -> None:
    offer()
    campaign(steps=[OFFER_STEP])
    assert due(world) == {"deliver": 6}
    reserved = OfferCode.objects.order_by("delivery_id")
    assert [one.customer_id for one in reserved] == list(
        Delivery.objects.order_by("pk").values_list("customer", flat=True)
    )
    assert {(one.state, one.valid_until, one.given_at) for one in reserved} == {("reserved", None, None)}
    before = {one.delivery_id: one.code for one in reserved}
    deliver.deliver(T0 + DAY)
    after = list(OfferCode.objects.all())
    assert {one.delivery_id: one.code for one in after} == before
    assert {(one.state, one.given_at, one.valid_until) for one in after} == {("given", T0 + DAY, T0 + 15 * DAY)}


def test_only_the_variant_with_the_offer_reserves(world: list[Customer]) -> None:
    offer()
    campaign(steps=[EMAIL_STEP], variants=[{"key": "b", "share": 0.5, "step": OFFER_STEP}])
    due(world)
    with_offer = set(Decision.objects.filter(variant="b").values_list("customer", flat=True))
    assert 0 < len(with_offer) < 6
    assert set(OfferCode.objects.values_list("customer", flat=True)) == with_offer


def test_a_stock_goes_to_the_best_and_the_others_are_told_why(world: list[Customer]) -> None:
    offer(stock=4)
    campaign(steps=[OFFER_STEP])
    assert due(world, [0.71, 0.76, 0.72, 0.75, 0.73, 0.74]) == {"deferred": 6}
    assert allocate.allocate(T0) == {"deliver": 4, "over_budget": 2}
    best = Decision.objects.filter(outcome="deliver").order_by("-score")
    assert list(best.values_list("score", flat=True)) == [0.76, 0.75, 0.74, 0.73]
    assert set(OfferCode.objects.values_list("delivery__decision", flat=True)) == {one.pk for one in best}
    assert reasons() == {
        "Number 5 of 6 by score. 4 of 4 codes of the offer “Ten off” are taken.",
        "Number 6 of 6 by score. 4 of 4 codes of the offer “Ten off” are taken.",
    }


def test_a_budget_below_the_stock_leaves_codes(world: list[Customer]) -> None:
    offer(stock=4)
    campaign(steps=[OFFER_STEP], budget=3.0, message_cost=1.0)
    due(world)
    assert allocate.allocate(T0) == {"deliver": 3, "over_budget": 3}
    assert OfferCode.objects.count() == 3


def test_a_campaign_that_waits_waits_for_a_code(world: list[Customer]) -> None:
    made = offer(stock=5)
    campaign(steps=[OFFER_STEP], when_limited="delay", delay_hours=24)
    due(world)
    assert allocate.allocate(T0) == {"deliver": 5, "deferred": 1}
    waiting = Decision.objects.get(outcome="deferred")
    assert waiting.due_at == T0 + HOUR
    assert waiting.reason.endswith("Waits until 2026-03-01 13:00 UTC: 5 of 5 codes of the offer “Ten off” are taken.")
    Offer.objects.filter(pk=made.pk).update(stock=6)
    assert not allocate.allocate(T0 + HOUR / 2)
    assert allocate.allocate(T0 + HOUR) == {"deliver": 1}
    assert OfferCode.objects.filter(state="reserved").count() == 6


def test_a_list_of_codes_is_given_out_once_each_until_it_is_empty(world: list[Customer]) -> None:
    pool("AAA-1", "BBB-2", "CCC-3")
    campaign(steps=[OFFER_STEP])
    due(world)
    assert allocate.allocate(T0) == {"deliver": 3, "over_budget": 3}
    assert {one.endswith("3 of 3 codes of the offer “Ten off” are taken.") for one in reasons()} == {True}
    assert set(OfferCode.objects.values_list("code", "state")) == {
        ("AAA-1", "reserved"),
        ("BBB-2", "reserved"),
        ("CCC-3", "reserved"),
    }
    assert OfferCode.objects.values("customer").distinct().count() == 3


def test_two_campaigns_of_one_offer_share_its_stock(world: list[Customer]) -> None:
    offer(stock=4)
    campaign("first", steps=[OFFER_STEP], priority=1)
    assert due(world[:3]) == {"deferred": 3}
    Campaign.objects.update(state="paused")
    campaign("second", steps=[OFFER_STEP], priority=2)
    due(world[3:])
    Campaign.objects.update(state="live")
    allocate.allocate(T0)
    assert OfferCode.objects.count() == Delivery.objects.count() == 4


def test_who_has_a_good_code_or_has_used_one_gets_no_other(world: list[Customer]) -> None:
    made = offer()
    theirs = campaign("before", state="stopped")
    for person, state, until in zip(
        world, ("reserved", "given", "redeemed", "given", "released"), (None, DAY, -DAY, -DAY, DAY), strict=False
    ):
        OfferCode.objects.create(
            offer=made,
            customer=person,
            delivery=planned(person, theirs, state="sent", began_at=T0 - DAY),
            code=f"X{person.pk}",
            state=state,
            valid_until=T0 + until if until else None,
        )
    campaign(steps=[OFFER_STEP])
    assert due(world) == {"deliver": 3, "ineligible": 3}
    assert reasons() == {
        "The customer has a code that is still good of the offer “Ten off”.",
        "The customer has redeemed a code of the offer “Ten off”.",
    }
    new = OfferCode.objects.filter(delivery__decision__campaign__key="winback")
    assert set(new.values_list("customer", flat=True)) == {one.pk for one in world[3:]}
    assert OfferCode.objects.get(code=f"X{world[3].pk}").state == "lapsed"


def test_two_campaigns_of_one_pass_give_a_customer_one_code(world: list[Customer]) -> None:
    offer()
    campaign("first", steps=[OFFER_STEP], priority=1)
    campaign("second", steps=[OFFER_STEP], priority=2)
    assert due(world) == {"deliver": 6, "ineligible": 6}
    assert reasons() == {"Another campaign gives a code of the offer “Ten off” just now."}
    assert OfferCode.objects.count() == 6


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"starts_at": T0 + HOUR}, "The offer “Ten off” begins on 01 March 2026, 13:00."),
        ({"ends_at": T0}, "The offer “Ten off” ended on 01 March 2026, 12:00."),
    ],
)
def test_an_offer_is_given_between_its_start_and_its_end(
    world: list[Customer], changes: dict[str, Any], reason: str
) -> None:
    offer(**changes)
    campaign(steps=[OFFER_STEP])
    assert due(world) == {"ineligible": 6}
    assert reasons() == {reason}
    assert not OfferCode.objects.exists()


def test_only_members_of_its_audience_may_have_it(world: list[Customer]) -> None:
    vip = Segment.objects.create(key="vip", name="VIP", rule={}, created_at=T0)
    told = frame(world, 0.9).select("customer_id", "bucket")
    membership.put(vip, told, told["customer_id"] == world[0].pk, T0)
    offer(audience=vip)
    campaign(steps=[OFFER_STEP])
    assert due(world) == {"deliver": 1, "ineligible": 5}
    assert reasons() == {"Not in the segment VIP, which the offer “Ten off” is for."}
    membership.put(vip, told, told["customer_id"] == 0, T0)
    deliver.deliver(T0)
    assert Delivery.objects.get().reason == "Not in the segment VIP, which the offer “Ten off” is for."
    assert OfferCode.objects.get().state == "released"


def test_no_code_outlives_its_offer_and_none_goes_out_after_its_end(world: list[Customer]) -> None:
    offer(ends_at=T0 + 2 * DAY)
    campaign(steps=[OFFER_STEP])
    due(world[:1])
    deliver.deliver(T0 + DAY)
    assert OfferCode.objects.get().valid_until == T0 + 2 * DAY
    late = planned(world[1], Campaign.objects.get(), "offer")
    deliver.deliver(T0 + 3 * DAY)
    late.refresh_from_db()
    assert (late.state, late.reason) == ("cancelled", "The offer “Ten off” ended on 03 March 2026, 12:00.")


def test_what_was_decided_without_a_code_gets_one_at_the_gate_while_there_are_any(world: list[Customer]) -> None:
    offer(stock=2)
    one = campaign(steps=[OFFER_STEP])
    for person in world[:3]:
        planned(person, one, "offer")
    deliver.deliver(T0)
    assert sorted(Delivery.objects.values_list("state", "reason")) == [
        ("cancelled", "2 of 2 codes of the offer “Ten off” are taken."),
        ("sent", ""),
        ("sent", ""),
    ]
    assert OfferCode.objects.filter(state="given", valid_until=T0 + 14 * DAY).count() == 2


def test_at_the_gate_too_a_customer_has_one(world: list[Customer]) -> None:
    pool("AAA-1", "BBB-2", "CCC-3")
    one, other = campaign(steps=[OFFER_STEP]), campaign("other", steps=[OFFER_STEP])
    planned(world[0], one, "offer")
    planned(world[0], other, "offer")
    deliver.deliver(T0)
    assert sorted(Delivery.objects.values_list("state", "reason")) == [
        ("cancelled", "The customer has a code that is still good of the offer “Ten off”."),
        ("sent", ""),
    ]
    assert OfferCode.objects.filter(state="free").count() == 2


def test_what_is_cancelled_gives_codes_nobody_has_seen_back_to_the_list(world: list[Customer]) -> None:
    pool("AAA-1", "BBB-2", "CCC-3")
    one = campaign(steps=[OFFER_STEP])
    due(world[:3])
    allocate.allocate(T0)
    seen, refused = Delivery.objects.order_by("pk")[:2]
    DeliveryAttempt.objects.create(delivery=seen, number=1, began_at=T0, result="uncertain")
    DeliveryAttempt.objects.create(delivery=refused, number=1, began_at=T0, result="refused")
    cancel.planned(one, "Stopped.", T0)
    states = OfferCode.objects.order_by("code").values_list("state", "customer_id", "delivery_id")
    assert sorted(state for state, _, _ in states) == ["free", "free", "released"]
    assert not any(customer or delivery for state, customer, delivery in states if state == "free")
    assert OfferCode.objects.get(state="released").delivery_id == seen.pk


def test_a_released_code_leaves_the_stock_to_others(world: list[Customer]) -> None:
    made = offer(stock=6)
    one = campaign(steps=[OFFER_STEP])
    due(world)
    allocate.allocate(T0)
    assert offers.stocks([made])["ten"].left == 0
    cancel.planned(one, "Stopped.", T0)
    assert offers.stocks([made])["ten"].left == 6


def test_the_explanation_names_the_offer_and_its_stock(world: list[Customer]) -> None:
    offer(stock=1)
    one = campaign(steps=[OFFER_STEP])
    due(world[:1])
    allocate.allocate(T0)
    said = [[found.is_so for found in explain_limits.obstacles(who, one, T0)] for who in world[:2]]
    none_left = "1 of 1 codes of the offer “Ten off” are taken."
    assert said == [["The customer has a code that is still good of the offer “Ten off”.", none_left], [none_left]]
