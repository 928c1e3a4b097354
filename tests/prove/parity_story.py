"""A small shop's weeks, told in a process of the program: it only writes what happens; others do the cycles' work."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
from django.contrib.auth import get_user_model
from django.db.models import F, QuerySet
from django.utils import timezone

from campaigns import cycle, feedback, offers, programme, schedule, unsubscribe
from campaigns.calls import outcomes, queue, watch
from campaigns.channels.email import message_id
from campaigns.models import CallTask, Cycle, Decision, Delivery, OfferCode, Schedule, TriggerState
from customers import history
from customers.models import Consent, Customer, Event
from scoring import targets, training
from scoring.learners import AVERAGE
from scoring.minimums import FEWEST_CUSTOMERS
from scoring.models import ModelVersion, Score
from segments.models import Membership, MembershipChange, Segment
from tests.loop import shop, story
from tests.loop.shop import LAUNCH
from tests.servers import wait_for

SEED = 23
AT_ODDS = ("delivery", "code")  # properties of events that are drawn at random
Rows = list[list[Any]]


def play(customers: str, weeks: str, folder: str) -> None:
    """Import, train, launch, then let the weeks pass; each cycle is done by whoever works here.

    Too few customers to train from are not scored.
    """
    ours = shop.make(SEED)
    people = ours.people.head(int(customers))
    orders = ours.orders.join(people.select("customer"), on="customer", how="semi", maintain_order="left")
    _silence_the_clock()
    people.write_csv(f"{folder}/people.csv")
    story.load_people(Path(folder, "people.csv"))
    _load(orders, shop.START, LAUNCH, Path(folder, "history.parquet"))
    history.sync()
    target = targets.of_event("Order Completed", 30, True, LAUNCH)
    if people.height >= FEWEST_CUSTOMERS:
        training.train(target, LAUNCH, names=(AVERAGE,))
    story.make_segments()
    story.make_campaigns()
    for week in range(int(weeks) + 1):
        at = LAUNCH + week * story.WEEK
        if week:
            _load(orders, at - story.WEEK, at, Path(folder, f"{week}.csv"))
        _turn(at)
        _answer(at)


def _load(orders: pl.DataFrame, after: datetime, until: datetime, path: Path) -> None:
    story.load_orders(orders.filter(pl.col("at") > after, pl.col("at") <= until), path)


def _silence_the_clock() -> None:
    """Let nothing begin by itself: the cycles are as of the story's own times."""
    for key in (schedule.FULL_CYCLE, schedule.SMALL_CYCLE, schedule.DELIVER):
        Schedule.objects.update_or_create(
            key=key, defaults={"every_seconds": 60, "next_at": LAUNCH, "is_enabled": False}
        )


def _turn(as_of: datetime) -> None:
    """Begin a cycle, and wait until others have ended it."""
    begun = cycle.begin(as_of)

    def is_over() -> bool:
        Schedule.objects.filter(key=schedule.RESUME, next_at__gt=timezone.now()).update(next_at=timezone.now())
        begun.refresh_from_db()
        return begun.state != Cycle.State.RUNNING

    wait_for(is_over, f"the {begun}", 240.0)


def _answer(as_of: datetime) -> None:
    """Let some redeem their code, some leave, some click, and an agent make every call."""
    reached = Delivery.objects.filter(state=Delivery.State.SENT, began_at=as_of).order_by("customer__external_id")
    later = as_of + timedelta(hours=3)
    for code in OfferCode.objects.filter(delivery__in=reached).order_by("delivery__customer__external_id")[::2]:
        offers.redeem(code.code, later)
    for number, delivery in enumerate(reached.filter(action=Delivery.Action.EMAIL)):
        if number % 4 == 0:
            link = unsubscribe.link(delivery.customer, delivery.decision.campaign.topic, delivery)
            unsubscribe.leave(unsubscribe.read(urlsplit(link).path.split("/")[2]), later)
        elif number % 3 == 0:
            said = {"event_type": "clicked", "timestamp": later.isoformat()}
            sent = message_id(delivery.public_id, programme.current().sender)
            feedback.receive("email", {**said, "message_id": sent}, later)
    agent, _ = get_user_model().objects.get_or_create(username="agent")
    watch.watch(later)
    clock = queue.Clock()
    for number, task in enumerate(queue.queue(agent, later).order_by("customer__external_id")):
        at = clock.next_allowed(task.customer, later)
        assert at is not None
        outcome = CallTask.Outcome.REACHED if number % 2 else CallTask.Outcome.NO_ANSWER
        outcomes.close(queue.claim(task, agent, at), agent, outcomes.Said(outcome), at)


def tables(path: str) -> None:
    """Write all that the story left, by names instead of ids, without what is drawn at random."""
    Path(path).write_text(json.dumps({name: sorted(rows, key=repr) for name, rows in _tables().items()}, default=str))


def _tables() -> dict[str, Rows]:
    who, plan = "customer__external_id", "campaign__key"
    decision = (f"decision__{plan}", who, "decision__round")
    return {
        "customers": _rows(Customer.objects, "external_id", "email", "phone", "bucket", "seed", "attributes"),
        "consents": _rows(Consent.objects, who, "channel", "topic", "is_granted", "source"),
        "events": [
            [*row, {key: value for key, value in told.items() if key not in AT_ODDS}]
            for *row, told in _rows(Event.objects, who, "name", "occurred_at", "value", "order_id", "properties")
        ],
        "model versions": _rows(ModelVersion.objects, "target__key", "number", "state", "learner", "features"),
        "scores": [
            [*row, round(value, 6)] for *row, value in _rows(Score.objects, who, "target__key", "as_of", "value")
        ],
        "segments": _rows(Segment.objects, "key", "size"),
        "memberships": _rows(Membership.objects, "segment__key", who, "since"),
        "membership changes": _rows(MembershipChange.objects, "segment__key", who, "kind", "as_of"),
        "trigger states": _rows(TriggerState.objects, plan, who, "is_inside", "since", "round", "fired_at"),
        "decisions": _rows(
            Decision.objects, plan, who, "round", "outcome", "reason", "cause", "as_of", "arm", "draw", "score"
        ),
        "deliveries": _rows(Delivery.objects, *decision, "step", "action", "state", "began_at", "attempts", "reason"),
        "offer codes": _rows(OfferCode.objects, f"delivery__{who}", "offer__key", "state", "valid_until"),
        "call tasks": _rows(CallTask.objects, who, "title", "state", "outcome", "due_at", "reasons", "expected_gain"),
        "cycles": _rows(Cycle.objects.annotate(new=F("summary__entered")), "kind", "state", "as_of", "new", "error"),
    }


def _rows(rows: Any, *columns: str) -> Rows:
    found: QuerySet[Any] = rows.values_list(*columns)
    return [list(row) for row in found]
