"""Customers, campaigns and frames for the tests of campaigns."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from campaigns.models import Campaign, Decision, Delivery, Offer
from customers.identity import bucket_of, seed_of
from customers.models import Consent, Customer
from scoring.models import ModelVersion, Target

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMAIL_STEP = {"action": "email", "subject": "Hello", "body": "<p>We miss you.</p>"}
CALL_STEP = {"action": "call", "title": "Ask how it goes", "talking_points": "The last order."}
OFFER_STEP = {"action": "offer", "offer": "ten", "subject": "For you", "body": "<p>{{ offer.code }}</p>"}


def score_trigger(enter: float = 0.7, leave: float = 0.6, score: str = "lapse") -> dict[str, Any]:
    return {"kind": "score", "score": score, "direction": "above", "enter": enter, "leave": leave}


def segment_trigger(segment: str = "vip", edge: str = "entered") -> dict[str, Any]:
    return {"kind": "segment", "segment": segment, "edge": edge}


def customers(
    count: int, *, topic: str = "newsletter", channels: tuple[str, ...] = ("email", "phone"), first: int = 0
) -> list[Customer]:
    """Make customers c0, c1, ... who can be reached by e-mail and phone and consent to `channels` for one topic."""
    seeds = seed_of(pl.Series([f"c{first + i}" for i in range(count)], dtype=pl.String))
    made = Customer.objects.bulk_create(
        Customer(
            external_id=f"c{i}",
            seed=seed,
            bucket=bucket,
            email=f"c{i}@example.test",
            phone=f"+4930{i:07d}",
            first_name=f"First{i}",
            attributes={},
            known_since=T0,
        )
        for i, (seed, bucket) in enumerate(zip(seeds, bucket_of(seeds), strict=True), start=first)
    )
    Consent.objects.bulk_create(
        Consent(customer=one, channel=channel, topic=topic, is_granted=True, source="a form", since=T0)
        for one in made
        for channel in channels
    )
    return made


def campaign(key: str = "winback", **changes: Any) -> Campaign:
    """Make a live campaign that mails on the lapse score, without a control group; `changes` sets other fields."""
    values: dict[str, Any] = {
        "name": key.title(),
        "state": Campaign.State.LIVE,
        "trigger": score_trigger(),
        "steps": [EMAIL_STEP],
        "control_share": 0.0,
        "cooldown_days": 30,
        "created_at": T0,
        "launched_at": T0,
    }
    return Campaign.objects.create(key=key, **(values | changes))


def lapse_model() -> ModelVersion:
    """Make the score that campaigns here go by, with a live model."""
    target = Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    known: dict[str, Any] = {"learner": "x", "validated": "in_folds", "seed": 0, "customers": 2, "positives": 1}
    return ModelVersion.objects.create(target=target, number=1, state="live", as_of=T0, created_at=T0, **known)


def offer(key: str = "ten") -> Offer:
    return Offer.objects.create(key=key, name="Ten off", value=10.0)


def frame(people: list[Customer], scores: float | list[float | None], cause: str = "data") -> pl.DataFrame:
    """Give the scored frame of some customers, all with one score or each with their own."""
    values = scores if isinstance(scores, list) else [scores] * len(people)
    return pl.DataFrame(
        {
            "customer_id": [one.pk for one in people],
            "bucket": [one.bucket for one in people],
            "seed": [one.seed for one in people],
            "external_id": [one.external_id for one in people],
            "scores.lapse": values,
            "cause": [cause] * len(people),
        },
        schema={
            "customer_id": pl.Int64,
            "bucket": pl.Int64,
            "seed": pl.Int64,
            "external_id": pl.String,
            "scores.lapse": pl.Float64,
            "cause": pl.String,
        },
    )


def no_changes() -> pl.DataFrame:
    """Give an empty frame of membership changes."""
    return pl.DataFrame(schema={"segment_id": pl.Int64, "customer_id": pl.Int64, "bucket": pl.Int64, "kind": pl.String})


def planned(customer: Customer, of: Campaign, action: str = "email", *, due: datetime = T0, **changes: Any) -> Delivery:
    """Make a decision to deliver and its planned delivery."""
    number = Decision.objects.filter(campaign=of, customer=customer).count() + 1
    decision = Decision.objects.create(
        campaign=of,
        customer=customer,
        round=number,
        bucket=customer.bucket,
        outcome=Decision.Outcome.DELIVER,
        reason="The lapse score rose above 0.7.",
        cause="data",
        as_of=due,
        due_at=due,
        campaign_version=of.version,
        arm="treated",
        draw=0.5,
        probability=1.0,
    )
    channel = {"call": "phone", "email": "email", "offer": "email", "sms": "sms", "push": "push"}.get(action, "data")
    return Delivery.objects.create(
        decision=decision, customer=customer, action=action, channel=channel, due_at=due, **changes
    )
