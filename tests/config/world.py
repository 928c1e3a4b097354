"""A small world with a row in every table, for pages that show them."""

from datetime import UTC, datetime, time, timedelta

from django.contrib.auth.models import User

from campaigns.models import (
    CallTask,
    Campaign,
    Cycle,
    CycleTask,
    Decision,
    Delivery,
    DeliveryAttempt,
    Offer,
    OfferCode,
    Programme,
    Schedule,
)
from customers import history, snapshot
from customers.history import Scope
from customers.models import (
    Attribute,
    AttributeChange,
    AuditEntry,
    Consent,
    ConsentChange,
    Customer,
    Event,
    EventName,
    Import,
    OrderLine,
    Product,
    Quarantine,
    Source,
    Suppression,
)
from scoring import ranking
from scoring.models import Evaluation, ModelVersion, Score, ScoreRun, Target
from segments.models import Membership, MembershipChange, Segment, SegmentVersion

T = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
RULE = {
    "version": 1,
    "rule": {
        "all": [
            {"field": "country", "op": "any_of", "value": ["DE", "AT"]},
            {"event": "Order Completed", "count": {">=": 2}, "within": {"last": 90, "unit": "days"}},
        ]
    },
}
NAMES = ("Ada Lovelace", "Grace Hopper", "Mary Jackson", "Emmy Noether", "Sofja Kowalewskaja", "Hedy Lamarr")


def fill(size: int = 6) -> None:
    """Store `size` customers with everything that belongs to them."""
    people = customers(size)
    histories(people)
    version = model()
    scores(people, version)
    segment = segment_with(people[: size // 2])
    campaigns(people, segment, version)
    operation()


def customers(size: int) -> list[Customer]:
    rows = []
    for n in range(size):
        first, last = NAMES[n % len(NAMES)].split()
        rows.append(
            Customer(
                external_id=f"c-{n:04}",
                public_id=f"public-{n:04}",
                bucket=n % 4,
                seed=n,
                email=f"{first.lower()}.{n}@example.test",
                phone=f"+49301234{n:04}" if n % 3 else None,
                first_name=first,
                last_name=last,
                country=("DE", "AT", "CH")[n % 3],
                city="Vienna" if n % 3 == 1 else None,
                attributes={"plan": "gold", "newsletter": True, "interests": ["books", "music"]},
                known_since=T - timedelta(days=400),
            ),
        )
    return Customer.objects.bulk_create(rows)


def histories(people: list[Customer]) -> None:
    shop = Source.objects.create(key="shop", name="The shop", kind=Source.Kind.IMPORT)
    file = Import.objects.create(
        kind="events",
        state="done",
        file_name="orders.csv",
        sha256="0" * 64,
        source=shop,
        read=600,
        stored=598,
        quarantined=2,
        started_at=T - timedelta(hours=2),
        finished_at=T - timedelta(hours=1),
    )
    for line in (17, 230):
        Quarantine.objects.create(
            source=shop,
            of_import=file,
            line=line,
            column="date",
            reason="1493-01-01 is not a date of our time",
            received_at=T,
        )
    Attribute.objects.create(name="plan", label="Plan", type="text")
    EventName.objects.create(name="Order Completed", is_counted=True)
    book = Product.objects.create(external_id="p-1", name="A book", category="Books")
    for n, person in enumerate(people):
        AttributeChange.objects.create(customer=person, name="plan", value="gold", known_at=T - timedelta(days=90))
        Consent.objects.create(
            customer=person,
            channel="email",
            topic="newsletter",
            is_granted=n % 4 != 3,
            source="form",
            since=T,
        )
        ConsentChange.objects.create(
            customer=person,
            channel="email",
            topic="newsletter",
            is_granted=True,
            source="form",
            at=T - timedelta(days=99),
        )
        for k in range(3):
            at = T - timedelta(days=20 * k + n)
            order = Event.objects.create(
                customer=person,
                source=shop,
                of_import=file,
                message_id=f"{person.pk}-{k}",
                name="Order Completed",
                occurred_at=at,
                known_at=at,
                order_id=f"o-{person.pk}-{k}",
                value=19.5 + 10 * k,
                currency="EUR",
            )
            OrderLine.objects.create(event=order, product=book, quantity=k + 1, price=9.75)
    Suppression.objects.create(channel="email", address_hash="f" * 64, hint="x…@example.test", reason="bounced", at=T)


def model() -> ModelVersion:
    target = Target.objects.create(
        key="lapse",
        label="No order within 60 days",
        kind="no_event",
        event="Order Completed",
        horizon_days=60,
        created_at=T,
    )
    version = ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        reason="Better than recency alone.",
        learner="average",
        validated="over_time",
        as_of=T,
        created_at=T,
        seed=0,
        features=["features.orders_90d", "country"],
        customers=1200,
        positives=480,
        threshold=0.5,
        bands=[{"name": "low", "from": 0.0}, {"name": "high", "from": 0.7}],
    )
    for learner, auc in (("average", 0.81), ("recency", 0.74), ("base rate", 0.5)):
        figures = {
            name: {"value": auc, "low": auc - 0.02, "high": auc + 0.02} for name in ("auc", "average_precision", "f1")
        }
        figures |= {name: {"value": 0.12, "low": 0.1, "high": 0.14} for name in ("brier", "ece")}
        figures |= {name: {"value": 2.1, "low": 1.9, "high": 2.4} for name in ("lift",)}
        curves = {
            "reliability": [
                {"predicted": x / 10 + 0.05, "observed": min(1.0, x / 10 + 0.03), "customers": 120} for x in range(10)
            ],
            "gains": [{"share": x / 20, "captured": (x / 20) ** 0.6} for x in range(21)],
        }
        Evaluation.objects.create(
            version=version,
            learner=learner,
            customers=1200,
            positives=480,
            figures=figures,
            curves=curves,
        )
    Evaluation.objects.create(
        version=version,
        learner="average",
        origin=T - timedelta(days=60),
        customers=600,
        positives=240,
        figures={"auc": {"value": 0.8, "low": 0.77, "high": 0.83}},
    )
    return version


def scores(people: list[Customer], version: ModelVersion) -> None:
    versions = {str(version.target_id): version.pk}
    scored_at = {str(version.target_id): T.isoformat()}
    run = ScoreRun.objects.create(as_of=T, inputs="x", versions=versions, scored_at=scored_at)
    for n, person in enumerate(people):
        value = round(0.95 - 0.9 * n / len(people), 6)
        Score.objects.create(
            run=run,
            target=version.target,
            customer=person,
            version=version,
            bucket=person.bucket,
            as_of=T,
            value=value,
        )
    ranking.rank(run)


def segment_with(people: list[Customer]) -> Segment:
    segment = Segment.objects.create(
        key="regulars",
        name="Regulars in DE and AT",
        rule=RULE,
        created_at=T,
        as_of=T,
        size=len(people),
        public_id="segment-1",
    )
    SegmentVersion.objects.create(segment=segment, number=1, rule=RULE, at=T)
    for person in people:
        Membership.objects.create(segment=segment, customer=person, bucket=person.bucket, since=T, as_of=T)
        MembershipChange.objects.create(segment=segment, customer=person, bucket=person.bucket, kind="entered", as_of=T)
    return segment


def campaigns(people: list[Customer], segment: Segment, version: ModelVersion) -> None:
    Programme.objects.create()
    offer = Offer.objects.create(key="ten", name="Ten percent", value=10, is_percent=True)
    body = "Hello {{ customer.first_name | default: 'there' }},\n\nwe miss you. Your code: {{ offer.code }}"
    mail = Campaign.objects.create(
        key="win-back",
        name="Win them back",
        state="live",
        audience=segment,
        created_at=T,
        launched_at=T,
        public_id="campaign-1",
        trigger={"kind": "score", "score": "lapse", "direction": "above", "enter": 0.7, "leave": 0.6},
        steps=[{"action": "offer", "offer": "ten", "subject": "We miss you", "body": body}],
    )
    call = Campaign.objects.create(
        key="call-them",
        name="Call the best",
        state="live",
        created_at=T,
        launched_at=T,
        trigger={"kind": "segment", "segment": "regulars", "edge": "entered"},
        steps=[{"action": "call", "title": "Say thank you", "talking_points": "Ask how it went."}],
    )
    outcomes = ("deliver", "deliver", "deliver", "control", "held_out", "capped")
    arms = {"control": "control", "held_out": "holdout"}
    for n, person in enumerate(people):
        for campaign in (mail, call):
            outcome = outcomes[n % len(outcomes)]
            decision = Decision.objects.create(
                campaign=campaign,
                customer=person,
                round=1,
                bucket=person.bucket,
                outcome=outcome,
                reason="The score rose above 0.7.",
                cause="data",
                as_of=T,
                due_at=T,
                campaign_version=1,
                rule_version=1,
                model_version=version,
                score=0.8,
                arm=arms.get(outcome, "treated"),
                draw=0.5,
                probability=0.9,
            )
            if outcome == "deliver":
                deliver(decision, campaign == call, offer)


def deliver(decision: Decision, is_call: bool, offer: Offer) -> None:
    delivery = Delivery.objects.create(
        decision=decision,
        customer=decision.customer,
        action="call" if is_call else "offer",
        channel="phone" if is_call else "email",
        state="sent",
        due_at=T,
        began_at=T,
        ended_at=T,
        attempts=1,
    )
    DeliveryAttempt.objects.create(delivery=delivery, number=1, began_at=T, ended_at=T, result="sent", receipt="250 OK")
    if is_call:
        CallTask.objects.create(
            delivery=delivery,
            customer=decision.customer,
            campaign=decision.campaign,
            title=f"Say thank you to {decision.customer.first_name}",
            talking_points="Ask how it went.\nOffer help before a discount.",
            reasons=["5 orders in 90 days", "last order 12 days ago"],
            expected_gain=12.5,
            due_at=T,
        )
    else:
        OfferCode.objects.create(
            offer=offer,
            delivery=delivery,
            customer=decision.customer,
            code=f"TEN-{delivery.pk:06}",
            state="redeemed",
            valid_until=T + timedelta(days=14),
        )


def operation() -> None:
    cycle = Cycle.objects.create(
        kind="full",
        state="done",
        stage="done",
        as_of=T,
        started_at=T,
        finished_at=T + timedelta(seconds=7.4),
        summary={
            "customers": 60,
            "events": 180,
            "scored": 60,
            "entered": 30,
            "left": 0,
            "decisions": {"deliver": 30, "control": 10},
        },
    )
    for bucket in range(4):
        CycleTask.objects.create(cycle=cycle, stage="score", bucket=bucket, state="done", attempts=1, seconds=0.4)
    Schedule.objects.create(key="full-cycle", every_seconds=3600, next_at=T + timedelta(hours=1), last_at=T)
    AuditEntry.objects.create(at=T, by=User.objects.first(), what="campaign launched", about="win-back")


def take_snapshot() -> None:
    """Store the snapshot of everybody as of T, as a full cycle does, with the countries that were told before."""
    told = [
        AttributeChange(customer=one, name="country", value=one.country, known_at=T - timedelta(days=90))
        for one in Customer.objects.all()
    ]
    AttributeChange.objects.bulk_create(told)
    history.sync()
    for bucket in range(4):
        snapshot.store(snapshot.take(Scope(bucket=bucket), T), T, bucket)


def allow_calls(person: Customer) -> None:
    """Let a customer be called, at any hour, and nobody be left alone."""
    always = {"calling_from": time.min, "calling_until": time.max, "holdout_share": 0.0}
    Programme.objects.update_or_create(pk=1, defaults=always)
    Consent.objects.create(
        customer=person,
        channel="phone",
        topic="newsletter",
        is_granted=True,
        source="form",
        since=T,
    )
    Customer.objects.filter(pk=person.pk).update(phone="+4930123456", country="DE", time_zone="Europe/Berlin")
