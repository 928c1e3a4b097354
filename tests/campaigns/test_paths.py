"""However a message comes about, it reaches nobody who has not allowed it, and no address that is closed."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import polars as pl
import pytest
from django.core import mail
from django.db import transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some
from pytest_django import Settings

from campaigns import allocate, brakes, claims, deliver, gate, launch, sending, slots, tracking, uncertain
from campaigns.decide import decide
from campaigns.models import CallTask, Campaign, Decision, Delivery, Programme
from customers import consent, events
from customers.models import Consent, Customer, Suppression
from scoring.models import Target
from segments.models import Membership, Segment
from tests.campaigns.people import (
    CALL_STEP,
    EMAIL_STEP,
    OFFER_STEP,
    T0,
    campaign,
    customers,
    frame,
    no_changes,
    offer,
    score_trigger,
    segment_trigger,
)
from tests.campaigns.turns import save, turn

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEPS = {"mail": EMAIL_STEP, "offer": OFFER_STEP, "call": CALL_STEP}
OTHER = {"email": "phone", "phone": "email"}
GRANTED = {"granted", "withdrawn before", "withdrawn between"}
WORDS = ("consent", "address", "phone number", "suppressed")
DELAY = {"when_limited": Campaign.Limited.DELAY}
Route = Iterator[datetime]


class Person(NamedTuple):
    """What one customer allows on one channel, before anything is decided about her, and between that and sending.

    The channel is also the name of the column of Customer that holds its address.
    """

    channel: str
    consent: str
    closed: str
    address: str


EVERYBODY = [
    Person(*one)
    for one in itertools.product(
        ("email", "phone"),
        ("none", *sorted(GRANTED), "granted between", "another topic", "another channel"),
        ("open", "before", "between", "the other channel"),
        ("own", "missing", "lost between", "shared"),
    )
]


SHARES = 5
NO_CAP = 100


class World:
    """Some customers, and for those who share an address the ones they share it with, who allow everything."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = people
        self.owners = customers(len(people), channels=())
        sharing = [number for number, one in enumerate(people) if one.address == "shared"]
        twins = customers(len(sharing), first=len(people))
        for number, twin in zip(sharing, twins, strict=True):
            column = people[number].channel
            setattr(twin, column, getattr(self.owners[number], column).upper())
        for number, one in enumerate(people):
            if one.address == "missing":
                setattr(self.owners[number], one.channel, None)
        self.all = [*self.owners, *twins]
        Customer.objects.bulk_update(self.all, ["email", "phone"])
        self._say(T0 - 2 * HOUR, granted=True, which=dict.fromkeys(GRANTED, "newsletter"))
        self._say(T0 - 2 * HOUR, granted=True, which={"another topic": "service", "another channel": "newsletter"})
        self._say(T0 - HOUR, granted=False, which={"withdrawn before": "newsletter"})
        self._close("before", T0 - HOUR)
        self._close("the other channel", T0 - HOUR)

    def change_their_minds(self, at: datetime) -> None:
        """Let happen what happens between deciding and sending."""
        self._say(at, granted=False, which={"withdrawn between": "newsletter"})
        self._say(at, granted=True, which={"granted between": "newsletter"})
        self._close("between", at)
        for channel in OTHER:
            lost = [own.pk for own, one in self if one.address == "lost between" and one.channel == channel]
            Customer.objects.filter(pk__in=lost).update(**{channel: None})

    def __iter__(self) -> Iterator[tuple[Customer, Person]]:
        return zip(self.owners, self.people, strict=True)

    def _say(self, at: datetime, *, granted: bool, which: dict[str, str]) -> None:
        rows = []
        for own, one in self:
            if one.consent in which:
                channel = OTHER[one.channel] if one.consent == "another channel" else one.channel
                rows.append((own.pk, channel, which[one.consent], granted, "a form"))
        consent.record(pl.DataFrame(rows, schema=consent.CHANGES, orient="row"), at)

    def _close(self, when: str, at: datetime) -> None:
        """Close addresses, in other letters than those they were stored in."""
        for own, one in self:
            channel = OTHER[one.channel] if when == "the other channel" else one.channel
            if one.closed == when and (address := getattr(own, channel)):
                consent.suppress(channel, f" {address.upper()}", "complained", at)


def three(trigger: dict[str, Any], name: str = "", **changes: Any) -> list[Campaign]:
    """Make a live campaign of each action, with an offer of its own: a customer gets one code of an offer."""
    key = name or trigger["kind"]
    offer(key)
    steps = {**STEPS, "offer": {**OFFER_STEP, "offer": key}}
    return [campaign(f"{key}-{action}", trigger=trigger, steps=[step], **changes) for action, step in steps.items()]


def crossing(world: World, **changes: Any) -> list[Campaign]:
    """Let everybody's score cross the line of three campaigns."""
    made = three(score_trigger(), **changes)
    decide(frame(world.all, 0.1, "start"), no_changes(), T0)
    decide(frame(world.all, 0.9), no_changes(), T0 + HOUR)
    return made


def vips(world: World) -> Segment:
    """Give a segment that has everybody."""
    rule = {"version": 1, "rule": {"field": "country", "op": "has_value"}}
    vip = Segment.objects.create(key="vip", name="VIP", rule=rule, created_at=T0)
    Membership.objects.bulk_create(
        Membership(segment=vip, customer=one, bucket=one.bucket, since=T0, as_of=T0) for one in world.all
    )
    return vip


def rest_until_three(world: World) -> None:
    """Let nobody be written to from eleven to three o'clock."""
    Programme.objects.update(quiet_from=time(11), quiet_until=time(15))


# Each path gives when people change their minds, and when the messages are due.


def by_score(world: World) -> Route:
    crossing(world)
    yield T0 + HOUR
    yield T0 + 2 * HOUR


def by_cycles(world: World) -> Route:
    """Everybody enters a segment, leaves one, has been in one for a day, and orders."""
    order_all(customers(1, channels=(), first=10_000), -9)  # from now on there is such an event
    ordered = {"event": "Order Completed", "count": {">=": 1}}
    save(Segment(key="buyers", name="Buyers", created_at=T0), ordered)
    save(Segment(key="strangers", name="Strangers", created_at=T0), {"not": ordered})
    save(Segment(key="few", name="Few orders", created_at=T0), {"not": ordered | {"count": {">=": 99}}})
    three(segment_trigger("buyers"), "entered")
    three(segment_trigger("strangers", "left"), "left")
    three({**segment_trigger("few", "stays"), "days": 1}, "stays")
    three({"kind": "event", "event": "Order Completed"})
    turn(0)
    order_all(world.all, 24.2)
    sending.stop(None, "A cycle sends at once what it decides.", T0)
    turn(25)
    yield T0 + 25 * HOUR
    sending.start(None, T0 + 26 * HOUR)
    yield T0 + 26 * HOUR


def order_all(who: Sequence[Customer], hours: float) -> None:
    at = T0 + hours * HOUR
    rows = [(one.pk, f"order-{one.pk}", "Order Completed", at) for one in who]
    schema = ["customer_id", "message_id", "name", "occurred_at"]
    events.record(pl.DataFrame(rows, schema=schema, orient="row"), "shop", at)


def by_date(world: World) -> Route:
    three({"kind": "date", "field": "birth_date", "hour": 13, "yearly": True}, launched_at=T0 - DAY)
    seen = frame(world.all, 0.1, "time").with_columns(birth_date=pl.lit(date(1990, 3, 1)), time_zone=pl.lit("UTC"))
    decide(seen, no_changes(), T0)
    decide(seen, no_changes(), T0 + HOUR)
    yield T0 + HOUR
    yield T0 + 2 * HOUR


def by_schedule(world: World) -> Route:
    three({"kind": "schedule", "every": "day", "at": "09:00"}, audience=vips(world))
    slots.act(T0 + 21 * HOUR)
    yield T0 + 21 * HOUR
    yield T0 + 22 * HOUR


def by_hand(world: World) -> Route:
    for one in three({"kind": "hand"}, audience=vips(world)):
        slots.by_hand(one, None, T0)
    slots.run(T0)
    yield T0
    yield T0 + HOUR


def at_the_launch(world: World) -> Route:
    vips(world)
    for one in three(segment_trigger(), state=Campaign.State.DRAFT, launched_at=None):
        launch.launch(one, None, T0, fires_on_start=True)
    decide(frame(world.all, 0.1), no_changes(), T0)
    yield T0
    yield T0 + HOUR


def by_a_wider_pilot(world: World) -> Route:
    for one in crossing(world, pilot_share=0.5):
        launch.widen(one, 1.0, None, T0 + HOUR, fires_for_waiting=True)
    slots.act(T0 + 2 * HOUR)
    yield T0 + 2 * HOUR
    yield T0 + 3 * HOUR


def planned_anew(world: World) -> Route:
    """All that may begin has begun, the worker is lost, and somebody says that nothing arrived."""
    crossing(world)
    for channel in OTHER:
        gate.pass_(claims.take(channel, "lost", T0 + HOUR, 10_000), "lost", T0 + HOUR)
    Delivery.objects.filter(token="lost").update(lease_until=T0 - 400 * DAY)
    deliver.sweep(T0 + 2 * HOUR)
    yield T0 + 2 * HOUR
    if doubtful := list(uncertain.waiting().values_list("pk", flat=True)):
        uncertain.resolve(doubtful, None, T0 + 3 * HOUR, "The log has nothing.", arrived=False)
    yield T0 + 3 * HOUR


def after_a_brake(world: World) -> Route:
    made = crossing(world, forecast=0.001)
    going = set(Decision.objects.filter(outcome__in=("deliver", "deferred")).values_list("campaign", flat=True))
    assert dict(Campaign.objects.values_list("pk", "state")) == {
        one.pk: "paused" if one.pk in going else "live" for one in made
    }
    yield T0 + 2 * HOUR
    for one in made:
        if one.pk in going:
            brakes.go_on(one, None, T0 + 3 * HOUR)
    yield T0 + 3 * HOUR


def decided_to_wait(world: World) -> Route:
    rest_until_three(world)
    crossing(world, **DELAY)
    yield T0 + 2 * HOUR
    yield T0 + 4 * HOUR


def made_to_wait_at_the_gate(world: World) -> Route:
    crossing(world, **DELAY)
    rest_until_three(world)
    assert "sent" not in deliver.deliver(T0 + HOUR)
    yield T0 + 2 * HOUR
    yield T0 + 4 * HOUR


def out_of_a_budget(world: World) -> Route:
    crossing(world, most_a_day=10_000)
    yield T0 + 2 * HOUR
    allocate.allocate(T0 + 2 * HOUR)
    yield T0 + 3 * HOUR


PATHS: tuple[Callable[[World], Route], ...] = (
    by_score,
    by_cycles,
    by_date,
    by_schedule,
    by_hand,
    at_the_launch,
    by_a_wider_pilot,
    planned_anew,
    after_a_brake,
    decided_to_wait,
    made_to_wait_at_the_gate,
    out_of_a_budget,
)


class Reach(NamedTuple):
    """A way to a customer, and the address it leads to."""

    customer_id: int
    channel: str


def allowed() -> set[Reach]:
    """Give whom each channel may reach now, read from the tables one by one."""
    closed = set(Suppression.objects.values_list("channel", "address_hash"))
    granted = Consent.objects.filter(topic="newsletter", is_granted=True)
    found = set()
    for pk, channel, email, phone in granted.values_list("customer", "channel", "customer__email", "customer__phone"):
        address = (email if channel == "email" else phone) or ""
        digest = sha256(f"{channel}:{address.strip().lower()}".encode()).hexdigest()
        if address and (channel, digest) not in closed:
            found.add(Reach(pk, channel))
    return found


def reached() -> Counter[tuple[Reach, int]]:
    """Give whom messages reached, and of which campaign, from what left the house."""
    found = []
    for message in mail.outbox:
        public_id = message.extra_headers["Message-ID"].strip("<>").partition("@")[0]
        of = Delivery.objects.values_list("customer", "customer__email", "decision__campaign").get(public_id=public_id)
        assert message.recipients() == [of[1]]
        found.append((Reach(of[0], "email"), of[2]))
    calls = CallTask.objects.values_list("customer", "delivery__customer", "delivery__decision__campaign")
    for who, owner, campaign_id in calls:
        assert who == owner
        found.append((Reach(who, "phone"), campaign_id))
    return Counter(found)


def unexplained(got: set[tuple[Reach, int]], world: World) -> list[tuple[int, str, str]]:
    """Give who was not reached by a campaign and of whom no row says that consent or address was missing."""
    told = {}
    for one in Decision.objects.order_by("round").prefetch_related("deliveries"):
        (delivery,) = one.deliveries.all() or [None]
        is_open = one.outcome == Decision.Outcome.DELIVER
        said = delivery.reason if delivery and delivery.state == "cancelled" else "" if is_open else one.reason
        told[one.customer_id, one.campaign_id] = said
    missing = []
    for of in Campaign.objects.all():
        channel = "phone" if of.steps == [CALL_STEP] else "email"
        for customer in world.all:
            said = told.get((customer.pk, of.pk), "nothing was decided")
            if (Reach(customer.pk, channel), of.pk) not in got and not any(word in said for word in WORDS):
                missing.append((customer.pk, of.key, said))
    return missing


def walk(path: Callable[[World], Route], people: Sequence[Person], cap: int = NO_CAP) -> None:
    """Send by one path, and hold what left the house against what is allowed."""
    mail.outbox.clear()
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0, "cap_messages": cap})
    Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    world = World(people)
    before = allowed()
    moves = path(world)
    world.change_their_minds(next(moves))
    due = next(moves)
    deliver.deliver(due)
    now, got = allowed(), reached()
    assert {reach for reach, _ in got} <= now
    assert set(got.values()) <= {1}
    assert max(Counter(reach for reach, _ in got).values(), default=0) <= cap
    if cap < NO_CAP:
        return
    channels = {of.pk: "phone" if of.steps == [CALL_STEP] else "email" for of in Campaign.objects.all()}
    wanted = {(reach, of) for reach in before & now for of, channel in channels.items() if channel == reach.channel}
    assert wanted <= got.keys()
    assert unexplained(set(got), world) == []


@pytest.fixture(autouse=True)
def house(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give one bucket, one zone, and a brake for few."""
    settings.BUCKETS, settings.TIME_ZONE = 1, "UTC"
    monkeypatch.setattr(brakes, "FEWEST", 0)


@given(
    path=some.sampled_from([path for path in PATHS if path != by_cycles]),
    people=some.lists(some.sampled_from(EVERYBODY), min_size=1, max_size=8),
    cap=some.sampled_from([1, NO_CAP]),
)
@hypothesis_settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_path_leads_to_who_did_not_allow_it(
    settings: Settings, tmp_path: Path, path: Callable[[World], Route], people: list[Person], cap: int
) -> None:
    """Whatever a few customers allow, whichever path is gone, and whatever the cap."""
    settings.LAKE_URL = str(tmp_path / uuid4().hex)
    tracking.id_of.cache_clear()
    tracking.url_of.cache_clear()
    with transaction.atomic():
        walk(path, people, cap)
        transaction.set_rollback(True)


@pytest.mark.long
@pytest.mark.parametrize("path", PATHS)
def test_no_path_of_all_leads_to_who_did_not_allow_it(path: Callable[[World], Route]) -> None:
    """Every fifth of everybody goes a path, beginning elsewhere on each: so all values meet all paths."""
    walk(path, EVERYBODY[PATHS.index(path) % SHARES :: SHARES])


@pytest.mark.long
def test_who_gets_mails_of_several_offers_at_once_gets_them_all() -> None:
    walk(by_cycles, EVERYBODY[::67])
