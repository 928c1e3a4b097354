"""The story that the loop's tests judge: a shop comes in, is scored, cared for over some weeks, and answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from django.test import Client

from campaigns import cycle, feedback, launch, measure, offers, programme
from campaigns.calls import outcomes, queue, watch
from campaigns.models import CallTask, Campaign, Cycle, Decision, Delivery, Offer, TriggerState
from campaigns.report import Report
from customers import history
from customers.models import Event
from scoring import targets, training
from scoring.learners import AVERAGE
from scoring.models import ModelVersion, Score
from segments import definition
from segments.models import Membership, MembershipChange, Segment
from tests.loop import shop
from tests.loop.shop import LAUNCH, Shop

WEEK = timedelta(weeks=1)
WEEKS = 5  # of decisions after the first cycle, which only sets the base line
MEASURED = LAUNCH + (WEEKS + 2) * WEEK
REPORTED = MEASURED + timedelta(days=1)  # days are closed as a whole
BOUGHT_BY_OFFER = 0.6  # of those who got a code, so many buy because of it
QUIET_DAYS, REGULAR_ORDERS = 21, 6
SCORE = "no_order_completed_30d"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
WRITTEN: tuple[type[Model], ...] = (Score, Membership, MembershipChange, TriggerState, Decision, Delivery, Event)
Rows = dict[str, frozenset[tuple[Any, ...]]]  # by model
BOOK = {"hello": "<p>Hello, we have missed you.</p>", "offer": "<p>Your code is {{ offer.code }}.</p>"}


@dataclass
class World:
    """What happened, as seen from outside: the shop's own knowledge, and what the doors gave."""

    shop: Shop
    version: ModelVersion
    cycles: list[Cycle] = field(default_factory=list)
    mails: list[EmailMultiAlternatives] = field(default_factory=list)
    extra: list[tuple[str, datetime, float]] = field(default_factory=list)
    left: dict[str, datetime] = field(default_factory=dict)
    redeemed: set[str] = field(default_factory=set)
    reports: dict[str, Report] = field(default_factory=dict)
    before: Rows = field(default_factory=dict)
    after: Rows = field(default_factory=dict)

    def orders(self) -> pl.DataFrame:
        """Give all orders there were: the shop's own, and those that the offer brought about."""
        rows = [(who, f"extra-{i}", at, value) for i, (who, at, value) in enumerate(self.extra)]
        extra = pl.DataFrame(rows, schema=self.shop.orders.schema, orient="row")
        return pl.concat([self.shop.orders, extra])


def play(folder: Path, seed: int) -> World:
    """Let the story run, through the front doors, from two files to what the campaigns earned."""
    mail.outbox.clear()
    ours = shop.make(seed)
    people = ours.people
    people.write_csv(folder / "people.csv")
    load_people(folder / "people.csv")
    load_orders(ours.between(shop.START, LAUNCH), folder / "history.parquet")
    history.sync()
    target = targets.of_event("Order Completed", 30, True, LAUNCH)
    world = World(ours, training.train(target, LAUNCH, names=(AVERAGE,)))
    make_segments()
    make_campaigns()
    rng = np.random.default_rng(seed + 1)
    for week in range(WEEKS + 1):
        turn(world, folder, LAUNCH + week * WEEK)
        respond(world, LAUNCH + week * WEEK, rng)
    load_orders(coming(world, LAUNCH + WEEKS * WEEK, MEASURED), folder / "last.csv")
    world.reports = {one.key: measure.measure(one, REPORTED) for one in Campaign.objects.all()}
    world.cycles.append(cycle.run(MEASURED))
    world.before = stored()
    world.cycles.append(cycle.run(MEASURED))
    world.after = stored()
    world.mails = [one for one in mail.outbox if isinstance(one, EmailMultiAlternatives)]
    return world


def load_people(path: Path) -> None:
    call_command(
        "import_customers",
        str(path),
        id="customer",
        email="mail",
        phone="telephone",
        known_since="since",
        consent=["email:newsletter=mail_ok", "phone:calls=call_ok"],
        consent_source="the shop's own form",
        stdout=StringIO(),
    )


def load_orders(orders: pl.DataFrame, path: Path) -> None:
    """Write orders to a file and import it."""
    call_command(
        "import_events",
        str(shop.write(orders, path)),
        name="Order Completed",
        customer="customer",
        time="at",
        order="order",
        value="value",
        source="shop",
        stdout=StringIO(),
    )


def make_segments() -> None:
    """Save a segment by rules, one by the score, one by a percentile, and one of those whom an offer moved."""
    regular = {
        "event": "Order Completed",
        "count": {">=": REGULAR_ORDERS},
        "within": {"last": 365, "unit": "days"},
    }
    quiet = {"event": "Order Completed", "count": {"=": 0}, "within": {"last": QUIET_DAYS, "unit": "days"}}
    rules: dict[str, dict[str, Any]] = {
        "quiet-regulars": {"all": [regular, quiet]},
        "at-risk": {"field": f"scores.{SCORE}", "op": ">=", "value": 0.5},
        "top-spenders": {"field": "features.spend_30d", "op": "top_percent", "value": 15},
        "redeemers": {"event": "Offer Redeemed", "count": {">=": 1}},
    }
    for key, rule in rules.items():
        segment = Segment(key=key, name=key, rule={"version": 1, "rule": rule}, created_at=LAUNCH)
        definition.save(segment, None, LAUNCH)


def make_campaigns() -> None:
    """Launch an e-mail on a score crossing, an offer on a segment's entry, and a call on another's.

    Where no model is live there is no score to cross: the e-mail then goes at once to those who become quiet.
    """
    rules = programme.current()
    rules.holdout_share = 0.1
    rules.save(update_fields=["holdout_share"])
    Offer.objects.create(key="come-back", name="Come back", value=5.0, valid_days=21)
    crossing: dict[str, Any] = {"kind": "score", "score": SCORE, "direction": "above", "enter": 0.5, "leave": 0.4}
    if not ModelVersion.objects.filter(target__key=SCORE, state=ModelVersion.State.LIVE).exists():
        crossing = {"kind": "segment", "segment": "quiet-regulars", "edge": "entered"}
    entry = {"kind": "segment", "segment": "quiet-regulars", "edge": "entered"}
    best = {"kind": "segment", "segment": "top-spenders", "edge": "entered"}
    plans: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
        ("win-back", "newsletter", crossing, {"action": "email", "subject": "Hello", "body": BOOK["hello"]}),
        (
            "come-back-offer",
            "newsletter",
            entry,
            {"action": "offer", "offer": "come-back", "subject": "For you", "body": BOOK["offer"]},
        ),
        ("thank-by-phone", "calls", best, {"action": "call", "title": "Say thank you", "talking_points": "The plan."}),
    ]
    for key, topic, trigger, step in plans:
        one = Campaign.objects.create(
            key=key,
            name=key,
            topic=topic,
            trigger=trigger,
            steps=[step],
            control_share=0.4,
            cooldown_days=14,
            fires_on_import=True,
            created_at=LAUNCH,
        )
        launch.launch(one, None, LAUNCH)


def turn(world: World, folder: Path, as_of: datetime) -> None:
    """Import what was bought since the cycle before, and turn the loop."""
    if as_of > LAUNCH:
        load_orders(coming(world, as_of - WEEK, as_of), folder / f"{as_of:%Y-%m-%d}.csv")
    world.cycles.append(cycle.run(as_of))


def coming(world: World, after: datetime, until: datetime) -> pl.DataFrame:
    return world.orders().filter(pl.col("at") > after, pl.col("at") <= until)


def respond(world: World, as_of: datetime, rng: np.random.Generator) -> None:
    """Let those who were reached at a time answer: some buy with their code, some leave, some talk on the phone."""
    reached = Delivery.objects.filter(state=Delivery.State.SENT, began_at=as_of).order_by("customer__external_id")
    buy(world, as_of, reached.filter(action=Delivery.Action.OFFER), rng)
    read_mails(world, as_of, reached.filter(action=Delivery.Action.EMAIL))
    talk(as_of)


def buy(world: World, as_of: datetime, reached: Iterable[Delivery], rng: np.random.Generator) -> None:
    """Let the planted share of those who got a code buy within the week, and redeem it."""
    for delivery in reached:
        moved, days, value = rng.random(), rng.uniform(0.5, 6.0), float(rng.gamma(4.0, 10.0))
        if moved < BOUGHT_BY_OFFER:
            at = as_of + timedelta(days=days)
            offers.redeem(delivery.offer_code.code, at)
            world.extra.append((delivery.customer.external_id, at, round(value, 2)))
            world.redeemed.add(delivery.customer.external_id)


def read_mails(world: World, as_of: datetime, reached: Iterable[Delivery]) -> None:
    """Let every fourth reader leave by the link of the mail, and every third of the others click."""
    sent = {str(one.extra_headers["Message-ID"]): one for one in mail.outbox}
    client = Client(enforce_csrf_checks=True)
    for number, delivery in enumerate(reached):
        message_id = f"<{delivery.public_id}@example.test>"
        if number % 4 == 0:
            link = str(sent[message_id].extra_headers["List-Unsubscribe"]).strip("<>")
            client.post(urlsplit(link).path, ONE_CLICK)
            world.left[delivery.customer.external_id] = as_of
        elif number % 3 == 0:
            at = as_of + timedelta(hours=3)
            report = {"event_type": "clicked", "message_id": message_id, "timestamp": at.isoformat()}
            feedback.receive("email", report)


def talk(as_of: datetime) -> None:
    """Let an agent make every call that is due, each at an hour of the customer's, and one in two reach her."""
    agent, _ = get_user_model().objects.get_or_create(username="agent")
    watch.watch(as_of)
    clock = queue.Clock()
    for number, task in enumerate(list(queue.queue(agent, as_of))):
        at = clock.next_allowed(task.customer, as_of + timedelta(hours=1))
        assert at is not None
        outcome = CallTask.Outcome.REACHED if number % 2 else CallTask.Outcome.NO_ANSWER
        outcomes.close(queue.claim(task, agent, at), agent, outcomes.Said(outcome), at + timedelta(minutes=5))


def stored() -> Rows:
    """Give all rows that a cycle may write about customers, as the database holds them."""
    with connection.cursor() as cursor:
        return {model.__name__: _rows(cursor, model._meta.db_table) for model in WRITTEN}


def _rows(cursor: CursorWrapper, table: str) -> frozenset[tuple[Any, ...]]:
    cursor.execute(f"SELECT * FROM {table}")
    return frozenset(cursor.fetchall())
