"""Kept sums are those of counting everything anew, whatever came late, was undone, or was changed."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from polars.testing import assert_frame_equal

from campaigns import assigned, kept_sums, measure
from campaigns.models import Campaign, Decision, Delivery, Offer, OfferCode, ReportState
from customers import erasure, merging
from customers.models import Customer, Event, EventName, Source
from tests.campaigns.people import T0, campaign, customers

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
B = {"key": "b", "share": 0.5, "step": {"action": "email", "subject": "B", "body": "B"}}
ARMS = [
    ("holdout", "", 0.1),
    ("control", "", 0.2),
    ("treated", "main", 0.4),
    ("treated", "b", 0.4),
    ("outside", "", 0.5),
]
NAMES = ("Order Completed", "Email Link Clicked", "Unsubscribed", "Email Marked as Spam", "Page Viewed")


def decide(of: Campaign, people: list[Customer], day: int, rng: np.random.Generator, number: int = 1) -> None:
    """Let chance decide for these customers on a day; what goes to the treated was sent an hour later."""
    made = []
    for one in people:
        arm, variant, probability = ARMS[rng.integers(len(ARMS))]
        made.append(
            Decision(
                campaign=of,
                customer=one,
                round=number,
                bucket=one.bucket,
                outcome="deliver" if arm == "treated" and rng.random() < 0.8 else "suppressed",
                reason="x",
                cause="data",
                as_of=T0 + day * DAY + timedelta(minutes=int(rng.integers(600))),
                due_at=T0,
                campaign_version=1 + day // 9,
                arm=arm,
                draw=0.5,
                probability=probability,
                variant=variant,
                score=rng.random(),
            )
        )
    Decision.objects.bulk_create(made)
    sent = Decision.objects.filter(campaign=of, round=number, customer__in=people, outcome="deliver")
    Delivery.objects.bulk_create(
        Delivery(
            decision=one,
            customer=one.customer,
            action="email",
            channel="email",
            due_at=one.as_of,
            state="sent",
            began_at=one.as_of + timedelta(hours=1),
        )
        for one in sent
    )


def happen(of: Campaign, days: tuple[int, int], known: int, count: int, rng: np.random.Generator) -> None:
    """Let customers do things on some days, which come in on the day `known`."""
    source, _ = Source.objects.get_or_create(key="shop", name="Shop", kind="api")
    ids = list(Customer.objects.values_list("pk", flat=True))
    mails = dict(Delivery.objects.filter(decision__campaign=of).values_list("customer", "public_id"))
    first = Event.objects.count()
    rows = []
    for i in range(count):
        who, name = int(rng.choice(ids)), str(rng.choice(NAMES, p=[0.5, 0.2, 0.1, 0.1, 0.1]))
        at = T0 + int(rng.integers(days[0] * 24, days[1] * 24)) * timedelta(hours=1)
        told = {"delivery": mails.get(who, "none"), "tag": str(rng.choice(["top", "end"]))}
        rows.append(
            Event(
                customer_id=who,
                source=source,
                message_id=f"m{first + i}-{known}",
                name=name,
                occurred_at=at,
                known_at=max(at, T0 + known * DAY),
                value=round(float(rng.gamma(2, 10)), 2) if rng.random() < 0.9 else None,
                properties=told,
            )
        )
    Event.objects.bulk_create(rows)
    if connection.vendor == "postgresql":  # as the column's default has it for rows that are stored in sets
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE customers_event SET stored_xact = pg_current_xact_id()::text::bigint WHERE stored_xact = 0"
            )


def assert_kept_as_counted(plan: assigned.Plan, as_of: datetime) -> None:
    kept, anew = kept_sums.kept(kept_sums.refresh(plan, as_of)).counted, assigned.count(plan, as_of)
    for one, other, keys in ((kept.sums, anew.sums, list(assigned.KEYS)), (kept.tags, anew.tags, ["day", "tag"])):
        assert_frame_equal(one.sort(keys), other.sort(keys), check_column_order=False, check_dtypes=False, rel_tol=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_up_is_what_counting_anew_gives(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days close, events come late and from long ago, customers merge and are erased, and the goal is changed."""
    monkeypatch.setattr(kept_sums, "WHOLE_EVERY", 100 * DAY)
    rng = np.random.default_rng(seed)
    one, people = campaign(goal_days=4, message_cost=0.2, margin=0.4, variants=[B]), customers(90)
    happen(one, (-6, 0), 0, 60, rng)
    for day in range(10):
        here = [each for each in people if Customer.objects.filter(pk=each.pk).exists()]
        decide(one, here[8 * day : 8 * day + 8], day, rng)
        decide(one, here[: 2 * day], day, rng, number=100 * (1 + day))
        happen(one, (day, day + 1), day + 1, 40, rng)
        if day == 4:
            merging.merge("c3", "c30", T0 + day * DAY)
        if day == 6:
            erasure.erase("c5", T0 + day * DAY, "asked")
        if day == 7:
            happen(one, (-8, 2), day + 1, 30, rng)
        if day == 9:
            erasure.erase("c2", T0 + day * DAY, "asked")
            merging.merge("c12", "c1", T0 + day * DAY)
        if day == 8:
            one.goal_days = 6
            one.save()
        for plan in (assigned.plan_of(one), assigned.plan_of_programme()):
            assert_kept_as_counted(plan, T0 + (day + 1) * DAY)
    assert ReportState.objects.count() == 2
    counted = assigned.count(assigned.plan_of(one), T0 + 10 * DAY).sums
    assert counted["customers"].sum() > 50
    for name in ("converted", "did_both", "clicked", "unsubscribed", "complained", "messages"):
        assert counted[name].sum() > 0, name


def test_closed_days_are_not_counted_again_until_something_reaches_them() -> None:
    rng = np.random.default_rng(3)
    one, people = campaign(goal_days=2), customers(20)
    decide(one, people, 0, rng)
    plan = assigned.plan_of(one)
    kept_sums.refresh(plan, T0 + 10 * DAY)
    first = set(ReportState.objects.get().sums.values_list("pk", flat=True))
    kept_sums.refresh(plan, T0 + 10 * DAY + timedelta(hours=2))
    assert set(ReportState.objects.get().sums.values_list("pk", flat=True)) == first
    happen(one, (0, 2), 10, 60, rng)
    kept_sums.refresh(plan, T0 + 10 * DAY + timedelta(hours=3))
    assert not set(ReportState.objects.get().sums.values_list("pk", flat=True)) & first
    assert_kept_as_counted(plan, T0 + 10 * DAY + timedelta(hours=4))


def test_a_large_campaign_is_read_from_what_is_kept_and_says_as_of_when() -> None:
    rng = np.random.default_rng(4)
    one, people = campaign(goal_days=2), customers(20)
    EventName.objects.create(name=one.goal_event)
    decide(one, people[:10], 0, rng)
    plan = assigned.plan_of(one)
    before = kept_sums.of(plan, T0 + DAY, at_once=5)
    decide(one, people[10:], 1, rng)
    later = kept_sums.of(plan, T0 + 2 * DAY, at_once=5)
    assert later.counted_at == before.counted_at == T0 + DAY
    assert_frame_equal(later.counted.sums, before.counted.sums)
    small = kept_sums.of(plan, T0 + 2 * DAY)
    assert small.counted_at == T0 + 2 * DAY
    assert small.counted.sums["customers"].sum() > later.counted.sums["customers"].sum()
    one.goal_event = "Page Viewed"
    assert kept_sums.of(assigned.plan_of(one), T0 + 2 * DAY, at_once=5).counted_at == T0 + 2 * DAY


def test_the_schedule_counts_what_is_an_hour_old_and_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_sums, "AT_ONCE", 5)
    rng = np.random.default_rng(4)
    one, small, people = campaign(), campaign("small"), customers(20)
    decide(one, people, 0, rng)
    decide(small, people[:3], 0, rng)
    for hours in (1.0, 1.5, 2.5):
        kept_sums.keep(T0 + DAY + hours * timedelta(hours=1))
    states = dict(ReportState.objects.values_list("key", "as_of"))
    last = T0 + DAY + timedelta(hours=2.5)
    assert states == {f"campaign {one.pk}": last, "programme": last}


def test_margin_is_what_was_earned_on_orders_less_messages_and_offers() -> None:
    one = campaign(margin=0.5, message_cost=0.25)
    who = customers(1)[0]
    decide(one, [who], 0, np.random.default_rng(0))
    Decision.objects.update(arm="treated", variant="", probability=1.0, as_of=T0)
    Delivery.objects.all().delete()
    decision = Decision.objects.get()
    sent = [
        Delivery.objects.create(
            decision=decision,
            customer=who,
            step=step,
            action="offer",
            channel="email",
            due_at=T0,
            state=state,
            began_at=T0 + days * DAY,
        )
        for step, (state, days) in enumerate([("sent", 0), ("sent", 3), ("failed", 1), ("sent", 15)])
    ]
    offer = Offer.objects.create(key="tenth", name="A tenth", value=10.0, is_percent=True)
    OfferCode.objects.create(
        offer=offer,
        customer=who,
        delivery=sent[0],
        code="A",
        state="redeemed",
        redeemed_at=T0 + DAY,
        order_value=80.0,
    )
    source = Source.objects.create(key="shop", name="Shop", kind="api")
    for i, (days, value) in enumerate([(1, 80.0), (2, 20.0), (15, 500.0), (-1, 7.0)]):
        at = T0 + days * DAY
        Event.objects.create(
            customer=who,
            source=source,
            message_id=str(i),
            name=one.goal_event,
            occurred_at=at,
            known_at=at,
            value=value,
        )
    report = measure.measure(one, T0 + 20 * DAY)
    assert report.treated.value.total == 100.0
    assert report.treated.cost == pytest.approx(2 * 0.25 + 8.0)
    assert report.treated.margin.total == pytest.approx(0.5 * 100.0 - 8.5)
    assert report.treated.valued.covariate.before.total == 7.0
    assert report.treated.messages == 2
