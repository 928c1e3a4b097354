"""What other programs are told is what happened: each move, crossing and decision, once."""

from datetime import timedelta

import polars as pl
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from campaigns import allocate
from campaigns.decide import decide
from campaigns.models import Decision, Programme, WebhookMessage
from campaigns.webhooks import notices, outbox
from customers.models import Customer
from scoring import ranking
from scoring.models import BandChange, Target
from segments import membership
from segments.models import MembershipChange, Segment
from tests.campaigns import turns
from tests.campaigns.people import campaign, customers, frame, no_changes
from tests.campaigns.webhooks.receivers import T0, bodies, moves, webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)
BOUGHT = {"event": "Order Completed", "count": {">=": 1}, "within": {"last": 2, "unit": "hours"}}
GERMAN = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}


def changed() -> list[tuple[str, str, str]]:
    rows = MembershipChange.objects.values_list("segment__key", "customer__external_id", "kind")
    return sorted(rows)


def placed(*countries: str) -> pl.DataFrame:
    """Store customers c0, c1, ... and give their frame."""
    made = customers(len(countries)) if not Customer.objects.exists() else list(Customer.objects.order_by("pk"))
    return frame(made, 0.1).with_columns(country=pl.Series(list(countries)))


def lapse() -> Target:
    return Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )


def test_each_move_over_full_and_small_cycles_is_told_once(people: list[Customer]) -> None:
    hook = webhook("crm", "segment.entered", "segment.left")
    turns.watch("fresh", BOUGHT)
    turns.turn(0)
    turns.buy(people[0], 0.5)
    turns.buy(people[1], 0.5)
    turns.turn_small(0.6)
    assert moves(hook) == [("fresh", "c0", "entered"), ("fresh", "c1", "entered")]
    turns.buy(people[2], 1.5)
    for hours in (1.6, 4):
        turns.turn_small(hours)
        turns.turn(hours + 0.1)
    assert moves(hook) == changed()
    assert len(changed()) == 6


def test_a_chunk_says_the_segment_the_time_and_ids_alone() -> None:
    webhook("crm", "segment.entered")
    Segment.objects.create(key="german", name="German", rule=GERMAN, created_at=T0)
    membership.refresh(placed("DE", "FR", "DE"), T0)
    [body] = bodies()
    body["data"]["customers"].sort(key=lambda one: one["id"])
    assert body == {
        "type": "segment.entered",
        "timestamp": "2026-03-01T12:00:00.000000Z",
        "data": {
            "segment": "german",
            "as_of": "2026-03-01T12:00:00.000000Z",
            "customers": [{"id": "c0"}, {"id": "c2"}],
        },
    }


def test_a_webhook_hears_of_its_kinds_and_segments_only() -> None:
    kinds = webhook("kinds", "segment.left")
    one = webhook("one", "segment.entered", "segment.left", segments=["french"])
    off = webhook("off", "segment.entered", state="disabled")
    french = {"version": 1, "rule": {"field": "country", "op": "is", "value": "FR"}}
    for key, rule in (("german", GERMAN), ("french", french)):
        Segment.objects.create(key=key, name=key, rule=rule, created_at=T0)
    membership.refresh(placed("DE", "FR"), T0)
    membership.refresh(placed("FR", "DE"), T0 + HOUR)
    assert moves(kinds) == [("french", "c1", "left"), ("german", "c0", "left")]
    assert moves(one) == [("french", "c0", "entered"), ("french", "c1", "entered"), ("french", "c1", "left")]
    assert bodies(off) == []


def test_ids_that_json_must_escape_arrive_as_they_are_and_every_body_is_small() -> None:
    webhook("crm", "segment.entered")
    Segment.objects.create(key="german", name="German", rule=GERMAN, created_at=T0)
    known = placed(*["DE"] * 120)
    strange = ['a"b\\c', "tab\there", "ünï/😀", "\u007f", "x" * 200, "\u0001" * 200]
    for who, external_id in zip(Customer.objects.order_by("pk"), strange, strict=False):
        Customer.objects.filter(pk=who.pk).update(external_id=external_id)
    rest = [
        Customer(pk=one.pk, external_id=f"{one.external_id}{'-' * 190}")
        for one in Customer.objects.filter(external_id__startswith="c")
    ]
    Customer.objects.bulk_update(rest, ["external_id"])
    membership.refresh(known, T0)
    texts = WebhookMessage.objects.values_list("body", flat=True)
    assert len(texts) > 1
    assert max(len(text.encode()) for text in texts) < outbox.MOST_BYTES
    assert {who for _, who, _ in moves()} == set(Customer.objects.values_list("external_id", flat=True))
    assert len(moves()) == 120


def test_what_is_rolled_back_was_never_told() -> None:
    webhook("crm", "segment.entered")
    Segment.objects.create(key="german", name="German", rule=GERMAN, created_at=T0)
    known = placed("DE", "DE")
    with transaction.atomic():
        membership.refresh(known, T0)
        assert len(moves()) == 2
        transaction.set_rollback(True)
    assert (moves(), changed()) == ([], [])
    membership.refresh(known, T0)
    membership.refresh(known, T0)
    assert moves() == changed()
    assert len(moves()) == 2


def test_a_change_of_band_is_told_once_however_often_it_is_noted() -> None:
    hook = webhook("crm", "score.crossed")
    first, second = customers(2)
    target = lapse()
    before = pl.DataFrame({"target_id": [target.pk] * 2, "customer_id": [first.pk, second.pk], "band": ["low", "high"]})
    after = before.with_columns(band=pl.Series(["high", "high"]))
    for _ in range(2):
        ranking.note(before, after, T0)
    assert BandChange.objects.count() == 1
    assert [body["data"] for body in bodies(hook)] == [
        {
            "score": "lapse",
            "as_of": "2026-03-01T12:00:00.000000Z",
            "customers": [{"id": "c0", "band_before": "low", "band": "high"}],
        }
    ]


def test_every_decision_is_told_with_its_outcome_and_again_when_it_was_chosen() -> None:
    hook = webhook("crm", "decision.made")
    Programme.objects.create(holdout_share=0.0)
    lapse()
    campaign(most_a_day=1)
    known = customers(2)
    decide(frame(known, 0.1), no_changes(), T0)
    decide(frame(known, [0.9, 0.8]), no_changes(), T0 + HOUR)
    told = [
        (body["data"]["campaign"], one["id"], one["outcome"])
        for body in bodies(hook)
        for one in body["data"]["customers"]
    ]
    assert told == [("winback", "c0", "deferred"), ("winback", "c1", "deferred")]
    allocate.allocate(T0 + HOUR)
    last = bodies(hook)[-1]["data"]["customers"]
    stored = Decision.objects.exclude(outcome="deferred").order_by("pk")
    assert [(one["id"], one["decision"], one["outcome"]) for one in last] == [
        (one.customer.external_id, one.public_id, one.outcome) for one in stored
    ]
    assert "deliver" in {one["outcome"] for one in last}


def test_a_single_notice_goes_to_whoever_wants_it() -> None:
    first, _ = webhook("one", "offer.redeemed"), webhook("two", "campaign.state")
    notices.tell("offer.redeemed", {"customer": "c1", "offer": "ten"}, T0)
    [body] = bodies()
    assert body == {
        "type": "offer.redeemed",
        "timestamp": "2026-03-01T12:00:00.000000Z",
        "data": {"customer": "c1", "offer": "ten"},
    }
    assert WebhookMessage.objects.get().webhook == first


def test_a_body_that_is_too_large_is_refused() -> None:
    webhook("one", "offer.redeemed")
    with pytest.raises(outbox.TooLarge, match="is larger than other programs are sent: 20,000 at most"):
        notices.tell("offer.redeemed", {"customer": "x" * 20_000}, T0)


def test_without_a_webhook_one_small_question_is_all_that_it_costs() -> None:
    Segment.objects.create(key="german", name="German", rule=GERMAN, created_at=T0)
    known = placed("DE", "DE")
    changes = membership.refresh(known, T0)
    with CaptureQueriesContext(connection) as asked:
        notices.memberships(changes, T0)
        notices.memberships(changes.clear(), T0)
    assert len(asked) == 1
