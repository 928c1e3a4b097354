"""What the proofs put into the tables by the program's own models; each runs in a process of the program."""

from datetime import UTC, datetime

import polars as pl

from campaigns import programme, schedule
from campaigns.models import Campaign, Decision, Delivery, Schedule
from customers.identity import bucket_of, seed_of
from customers.models import Consent, Customer
from tests.campaigns import people

KNOWN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2999, 1, 1, tzinfo=UTC)


def plan(count: str, name: str = "m") -> None:
    """Plan so many mails of a live campaign, each to a customer of its own, and not due before they are made so."""
    programme.current()
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
