"""What the proofs put into the tables by the program's own models; each runs in a process of the program."""

from datetime import UTC, datetime, timedelta

import polars as pl

from campaigns import cycle, launch, programme, schedule
from campaigns.models import Campaign, Decision, Delivery, Schedule
from customers import events
from customers.bulk import UTC_MICROSECONDS
from customers.events import ORDER_COMPLETED
from customers.identity import bucket_of, seed_of
from customers.models import Consent, Customer
from segments import definition
from segments.models import Segment
from tests.campaigns import people

KNOWN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2999, 1, 1, tzinfo=UTC)


def plan(count: str, name: str = "m") -> None:
    """Plan so many mails of a live campaign, each to a customer of its own, and not due before they are made so."""
    rules = programme.current()
    rules.holdout_share = 0.0
    rules.save(update_fields=["holdout_share"])
    for key in (schedule.FULL_CYCLE, schedule.SMALL_CYCLE):
        Schedule.objects.get_or_create(key=key, defaults={"every_seconds": 60, "next_at": LATER, "is_enabled": False})
    campaign = Campaign.objects.filter(key="prove").first() or people.campaign("prove")
    decisions = Decision.objects.bulk_create(
        Decision(
            campaign=campaign,
            customer=customer,
            round=1,
            bucket=customer.bucket,
            outcome=Decision.Outcome.DELIVER,
            reason="Planned for the proof.",
            cause="data",
            as_of=KNOWN,
            due_at=LATER,
            campaign_version=campaign.version,
            arm="treated",
            draw=0.5,
            probability=1.0,
        )
        for customer in customers(int(count), name)
    )
    Delivery.objects.bulk_create(
        Delivery(decision=one, customer_id=one.customer_id, action="email", channel="email", due_at=LATER)
        for one in decisions
    )


def customers(count: int, name: str) -> list[Customer]:
    """Make customers who consent to mail."""
    names = pl.Series([f"{name}{number}" for number in range(count)])
    seeds = seed_of(names)
    made = Customer.objects.bulk_create(
        Customer(
            external_id=external_id,
            seed=seed,
            bucket=bucket,
            email=f"{external_id}@example.test",
            attributes={},
            known_since=KNOWN,
        )
        for external_id, seed, bucket in zip(names, seeds, bucket_of(seeds), strict=True)
    )
    Consent.objects.bulk_create(
        Consent(customer=one, channel="email", topic="newsletter", is_granted=True, source="a form", since=KNOWN)
        for one in made
    )
    return made


def buyers(count: str) -> None:
    """Launch a campaign on entering a segment of those who have bought, and turn one cycle before anybody has."""
    rules = programme.current()
    rules.holdout_share = 0.0
    rules.save(update_fields=["holdout_share"])
    customers(int(count), "m")
    bought = {"version": 1, "rule": {"event": ORDER_COMPLETED, "count": {">=": 1}}}
    definition.save(Segment(key="buyers", name="Buyers", rule=bought, created_at=KNOWN), None, KNOWN)
    trigger = people.segment_trigger("buyers")
    campaign = people.campaign("prove", state=Campaign.State.DRAFT, trigger=trigger, created_at=KNOWN)
    launch.launch(campaign, None, KNOWN)
    cycle.run(KNOWN)


def buy(number: str, some: str) -> None:
    """Let the next customers buy, and begin a cycle for others to work on."""
    at = KNOWN + timedelta(days=int(number) + 1)
    first = int(number) * int(some)
    names = [f"m{one}" for one in range(first, first + int(some))]
    ids = Customer.objects.filter(external_id__in=names).values_list("pk", flat=True)
    bought = pl.DataFrame({"customer_id": list(ids)}, schema={"customer_id": pl.Int64}).with_columns(
        message_id=pl.format("order-{}", "customer_id"),
        name=pl.lit(ORDER_COMPLETED),
        occurred_at=pl.lit(at, dtype=UTC_MICROSECONDS),
        value=pl.lit(1.0),
    )
    events.record(bought, "shop", at)
    cycle.begin(at)
