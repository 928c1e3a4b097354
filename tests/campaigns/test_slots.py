"""By schedule or by hand a campaign acts on its whole audience: each once, whoever works on it."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.db.models import Model
from django.test import Client
from pytest_django import Settings

from campaigns import launch, slots
from campaigns.decide import decide
from campaigns.launch import LaunchError
from campaigns.models import Campaign, Decision, Delivery, Programme, Slot, TriggerState
from campaigns.triggers import ScheduleTrigger
from customers.models import AuditEntry, Customer
from scoring.models import Target
from segments.models import Membership, Segment
from tests.campaigns.people import T0, campaign, customers, frame, no_changes

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
DAILY = {"kind": "schedule", "every": "day", "at": "09:00"}
EVERY = Campaign.Entry.EVERY
door = pytest.mark.door
stored = pytest.mark.django_db


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "on", "clock", "now", "last"),
    [
        ("day", 1, "09:00", "2026-07-14T06:59", "2026-07-13T07:00"),
        ("day", 1, "09:00", "2026-07-14T07:00", "2026-07-14T07:00"),
        ("week", 1, "09:00", "2026-07-14T12:00", "2026-07-13T07:00"),
        ("week", 7, "09:00", "2026-07-14T12:00", "2026-07-12T07:00"),
        ("month", 28, "09:00", "2026-03-27T12:00", "2026-02-28T08:00"),
        ("month", 1, "09:00", "2026-03-31T12:00", "2026-03-01T08:00"),
        ("day", 1, "02:30", "2026-03-29T12:00", "2026-03-29T01:30"),
        ("day", 1, "02:30", "2026-10-25T12:00", "2026-10-25T00:30"),
        ("day", 1, "02:30", "2026-10-25T01:31", "2026-10-25T00:30"),
    ],
)
def test_a_schedule_goes_by_the_clock_on_the_wall(every: str, on: int, clock: str, now: str, last: str) -> None:
    trigger = ScheduleTrigger(every, on, datetime.strptime(clock, "%H:%M").time())  # noqa: DTZ007  a time of day
    assert slots.last_time(trigger, at(now), BERLIN) == at(last)


@pytest.fixture
def audience(settings: Settings) -> list[Customer]:
    """Give ten customers, eight of whom are in the segment vip; nobody is held out."""
    settings.BUCKETS, settings.TIME_ZONE = 4, "UTC"
    Programme.objects.create(holdout_share=0.0, cap_messages=100)
    made = customers(10)
    for one in made:
        one.bucket %= 4
    Customer.objects.bulk_update(made, ["bucket"])
    rule = {"version": 1, "rule": {"field": "country", "op": "has_value"}}
    vip = Segment.objects.create(key="vip", name="VIP", rule=rule, created_at=T0)
    for one in made[:8]:
        Membership.objects.create(segment=vip, customer=one, bucket=one.bucket, since=T0, as_of=T0)
    return made


def to_vips(trigger: dict[str, Any], **changes: Any) -> Campaign:
    return campaign("news", trigger=trigger, audience=Segment.objects.get(), **({"entry": EVERY} | changes))


@door
@stored
def test_a_schedule_acts_on_its_audience_each_time_and_once(audience: list[Customer]) -> None:
    to_vips(DAILY)
    assert slots.act(T0 + 20 * HOUR) == {}, "nine o'clock of the launch's day was before the launch"
    assert slots.act(T0 + 21 * HOUR) == {"deliver": 8}
    assert slots.act(T0 + 22 * HOUR) == slots.act(T0 + 44 * HOUR) == {}
    assert slots.act(T0 + 45 * HOUR) == {"deliver": 8}
    told = Decision.objects.filter(round=1).values_list("customer", "cause", "reason")
    reason = "In the audience when the schedule said 2026-03-02 09:00 UTC."
    assert set(told) == {(one.pk, "time", reason) for one in audience[:8]}
    assert Delivery.objects.filter(state="planned").count() == 16


@door
@stored
def test_times_that_were_missed_are_made_up_once_and_not_when_they_are_too_long_ago(audience: list[Customer]) -> None:
    to_vips(DAILY)
    assert slots.act(T0 + 5 * DAY) == {"deliver": 8}
    assert [slot.at for slot in Slot.objects.all()] == [at("2026-03-06T09:00")]
    slots.plan(T0 + 6 * DAY)
    assert slots.run(T0 + 8 * DAY) == {"ineligible": 8}
    assert set(Decision.objects.filter(round=2).values_list("reason", flat=True)) == {
        "It happened at 2026-03-07 09:00 UTC, more than 24 hours before this."
    }


@door
@stored
def test_who_rests_or_had_it_once_is_left_alone(audience: list[Customer]) -> None:
    to_vips(DAILY, entry="days", cooldown_days=2)
    assert slots.act(T0 + DAY) == {"deliver": 8}
    assert slots.act(T0 + 2 * DAY) == {}
    assert slots.act(T0 + 3 * DAY) == {"deliver": 8}
    Campaign.objects.update(entry="once")
    assert slots.act(T0 + 30 * DAY) == {}


@door
@stored
def test_a_campaign_by_hand_acts_when_somebody_says_so(audience: list[Customer]) -> None:
    ada, news = User.objects.create(username="ada"), to_vips({"kind": "hand"})
    assert slots.act(T0 + DAY) == {}
    slot = slots.by_hand(news, ada, T0 + DAY)
    assert slot.author == ada
    with pytest.raises(LaunchError, match="started already"):
        slots.by_hand(news, ada, T0 + DAY + HOUR)
    assert slots.run(T0 + DAY) == {"deliver": 8}
    assert set(Decision.objects.values_list("cause", flat=True)) == {"hand"}
    slots.by_hand(news, ada, T0 + 2 * DAY)
    assert AuditEntry.objects.filter(what="campaign started by hand", by=ada).count() == 2


@door
@stored
def test_only_a_live_campaign_by_hand_whose_audience_is_known_is_started(audience: list[Customer]) -> None:
    with pytest.raises(LaunchError, match="only a campaign by hand"):
        slots.by_hand(to_vips(DAILY), None, T0)
    Campaign.objects.update(trigger={"kind": "hand"}, state="paused")
    news = Campaign.objects.get()
    with pytest.raises(LaunchError, match="A paused campaign cannot be started"):
        slots.by_hand(news, None, T0)
    Campaign.objects.update(state="live")
    Segment.objects.update(rule={"version": 1, "rule": {"field": "no such field", "op": "is", "value": 1}})
    with pytest.raises(LaunchError, match="audience: the segment is paused"):
        slots.by_hand(news, None, T0)
    assert not Slot.objects.exists()


@door
@stored
def test_a_slot_that_broke_off_goes_on_where_it_was(audience: list[Customer], monkeypatch: pytest.MonkeyPatch) -> None:
    to_vips(DAILY)
    real = slots._decide

    def failing(slot: Slot, trigger: Any, bucket: int, now: datetime) -> Counter[str]:
        if bucket == 2:
            raise OSError("the disk is full")
        return real(slot, trigger, bucket, now)

    monkeypatch.setattr(slots, "_decide", failing)
    with pytest.raises(OSError, match="disk"):
        slots.act(T0 + DAY)
    there = Decision.objects.count()
    assert 0 < there < 8
    assert Slot.objects.get().done_at is None
    monkeypatch.setattr(slots, "_decide", real)
    assert slots.act(T0 + DAY + HOUR) == {"deliver": 8 - there}
    assert Decision.objects.count() == Delivery.objects.count() == 8
    assert Slot.objects.get().done_at == T0 + DAY + HOUR


@door
@stored
def test_a_slot_waits_while_its_campaign_is_paused_or_its_audience_cannot_be_found_out(
    audience: list[Customer],
) -> None:
    news = to_vips(DAILY)
    slots.plan(T0 + DAY)
    launch.pause(news, None, T0 + DAY)
    assert slots.run(T0 + DAY) == {}
    launch.resume(news, None, T0 + DAY)
    good = Segment.objects.get().rule
    Segment.objects.update(rule={"version": 1, "rule": {"field": "no such field", "op": "is", "value": 1}})
    assert slots.run(T0 + DAY) == {}
    assert Slot.objects.get().done_at is None
    Segment.objects.update(rule=good)
    assert slots.run(T0 + DAY + HOUR) == {"deliver": 8}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a SQLite test database lives in memory")
@door
@pytest.mark.django_db(transaction=True)
def test_of_two_workers_at_once_nobody_is_decided_about_twice(audience: list[Customer]) -> None:
    to_vips(DAILY)
    slots.plan(T0 + DAY)
    start, counts = threading.Barrier(3, timeout=60), list[Counter[str]]()

    def work(number: int) -> None:
        try:
            start.wait()
            counts.append(slots.run(T0 + DAY + number * timedelta(seconds=1)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(counts, Counter()) == {"deliver": 8}
    assert Decision.objects.count() == Delivery.objects.count() == 8


@door
@stored
def test_the_page_of_a_run_says_when_by_whom_and_what_was_decided(audience: list[Customer], client: Client) -> None:
    ada = User.objects.create_superuser("ada")
    news = to_vips({"kind": "hand"}, control_share=0.5)
    client.force_login(ada)
    assert "It has not acted on its audience yet." in page(client, news)
    first = slots.by_hand(news, ada, T0 + DAY)
    assert "It waits until the campaign is live" in page(client, first)
    counts = slots.run(T0 + DAY)
    assert set(counts) == {"deliver", "control"}
    told = page(client, first)
    assert "8 customers were considered." in told
    assert ">ada<" in told
    assert told.count("See them") == 2
    assert f"/admin/campaigns/slot/{first.pk}/change/" in page(client, news)
    list_ = f"/admin/campaigns/decision/?slot={first.pk}&outcome__exact=deliver"
    assert client.get(list_).content.decode().count("/admin/campaigns/decision/") >= counts["deliver"]
    assert f"/admin/campaigns/slot/{first.pk}/change/" in page(client, Decision.objects.all()[0])


@door
@stored
def test_every_decision_is_of_one_run(audience: list[Customer]) -> None:
    news = to_vips(DAILY)
    both = [Slot.objects.create(campaign=news, at=T0 + days * DAY) for days in (1, 2)]
    Campaign.objects.update(state="paused")
    assert slots.run(T0 + 3 * DAY) == {}
    Campaign.objects.update(state="live", lateness_hours=200)
    assert slots.run(T0 + 3 * DAY) == {"deliver": 8}
    assert slots.run(T0 + 3 * DAY) == {}, "the second waits for a later time than that of the first"
    assert slots.run(T0 + 3 * DAY + HOUR) == {"deliver": 8}
    found = [set(slots.decided(slot).values_list("pk", flat=True)) for slot in Slot.objects.order_by("at")]
    assert [len(one) for one in found] == [8, 8]
    assert not found[0] & found[1]
    assert {slots.slot_of(one) for one in Decision.objects.filter(pk__in=found[0])} == {both[0]}
    assert {slots.slot_of(one) for one in Decision.objects.filter(pk__in=found[1])} == {both[1]}


def page(client: Client, item: Model) -> str:
    name = item._meta.model_name
    return client.get(f"/admin/campaigns/{name}/{item.pk}/change/").content.decode()


@pytest.fixture
def piloted(audience: list[Customer]) -> Campaign:
    """Give a pilot of half the customers; all ten have crossed its line once."""
    Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    one = campaign(pilot_share=0.5)
    decide(frame(audience, 0.1, "start"), no_changes(), T0)
    decided = decide(frame(audience, 0.9), no_changes(), T0 + HOUR)
    assert set(decided) == {"deliver", "ineligible"}
    return one


@door
@stored
def test_a_wider_pilot_acts_on_those_who_match_only_if_that_is_asked_for(
    audience: list[Customer], piloted: Campaign
) -> None:
    outside = Decision.objects.filter(outcome="ineligible").count()
    decide(frame(audience[:1], 0.1), no_changes(), T0 + 2 * HOUR)
    back = Decision.objects.filter(outcome="ineligible", customer=audience[0]).count()
    waiting = launch.widen(piloted, 0.9, None, T0 + 2 * HOUR, fires_for_waiting=False)
    assert waiting <= outside - back
    assert slots.act(T0 + 3 * HOUR) == {}
    assert launch.widen(piloted, 1.0, None, T0 + 3 * HOUR, fires_for_waiting=True) == outside - back
    assert slots.act(T0 + 3 * HOUR) == {"deliver": outside - back}
    assert slots.act(T0 + 4 * HOUR) == {}
    late = Decision.objects.filter(round=2)
    assert set(slots.decided(Slot.objects.get())) == set(late)
    assert {slots.slot_of(one) for one in Decision.objects.filter(round=1)} == {None}
    assert {(one.cause, one.reason) for one in late} == {("widened", "Matched already when the pilot was widened.")}
    assert TriggerState.objects.filter(is_inside=True).count() == 9
    assert not decide(frame(audience[1:], 0.9), no_changes(), T0 + 5 * HOUR)


@door
@stored
def test_a_pilot_only_grows_and_only_of_a_launched_campaign(piloted: Campaign) -> None:
    for share in (0.5, 0.4, 1.1):
        with pytest.raises(LaunchError, match=r"pilot_share: expects more than 0\.5, up to 1"):
            launch.widen(piloted, share, None, T0, fires_for_waiting=False)
    Campaign.objects.update(state="stopped")
    with pytest.raises(LaunchError, match="has no pilot to widen"):
        launch.widen(piloted, 0.9, None, T0, fires_for_waiting=False)
    assert not AuditEntry.objects.exists()
