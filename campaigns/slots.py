"""Times at which a campaign acts on all it is for: by schedule, by hand, or because its pilot was widened.

A slot is a row; each bucket is decided about in a transaction of its own, under the bucket's lock. Whoever goes on with
a slot finds those who were decided about already, and leaves them alone.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns import allocate, decide, pilot, triggers
from campaigns.causes import HAND, TIME, WIDENED
from campaigns.launch import LaunchError, User, author_of, note
from campaigns.looks import alive_since, due, late, may_enter, with_states
from campaigns.models import Campaign, Decision, Slot
from campaigns.pilot import PEOPLE
from campaigns.triggers import HandTrigger, ScheduleTrigger, Slotted, Trigger
from customers import bulk
from customers.models import Customer
from segments import membership, rulebook
from segments.fields import catalogue

NO_VALUE = (pl.lit(None, pl.Float64).alias("value"), pl.lit(None, pl.Float64).alias("score"))
LONGEST = 31  # days from one time of a schedule to the next


def act(now: datetime) -> Counter[str]:
    """Do what has come to its time: make the slots of schedules, and decide about those that are due."""
    plan(now)
    return run(now)


def plan(now: datetime) -> list[Slot]:
    """Make the slots of live schedules whose time has come. Of times that were missed, only the last one is made up."""
    names = catalogue(consents=())
    made = []
    for campaign in Campaign.objects.filter(state=Campaign.State.LIVE, trigger__kind="schedule").order_by("pk"):
        trigger = triggers.readable(campaign.trigger, names)
        if not isinstance(trigger, ScheduleTrigger):
            continue
        at = last_time(trigger, now, ZoneInfo(settings.TIME_ZONE))
        if at > alive_since(campaign):
            slot, is_new = Slot.objects.get_or_create(campaign=campaign, at=at)
            made += [slot] if is_new else []
    return made


def last_time(trigger: ScheduleTrigger, now: datetime, zone: ZoneInfo) -> datetime:
    """Give the last time of a schedule up to now. A time that the clock skips is as long after midnight as it says; of
    one that comes twice it is the first.
    """
    today = now.astimezone(zone).date()
    days = (today - timedelta(days=back) for back in range(LONGEST + 1))
    times = (datetime.combine(day, trigger.at, zone).astimezone(UTC) for day in days if _is_day(trigger, day))
    return next(at for at in times if at <= now)


def upcoming(trigger: ScheduleTrigger, after: datetime, until: datetime, zone: ZoneInfo) -> list[datetime]:
    """Give the times of a schedule in (after, until], as `last_time` reads them."""
    first, last = (end.astimezone(zone).date() for end in (after, until))
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    times = (datetime.combine(day, trigger.at, zone).astimezone(UTC) for day in days if _is_day(trigger, day))
    return [at for at in times if after < at <= until]


def next_time(trigger: ScheduleTrigger, now: datetime, zone: ZoneInfo) -> datetime:
    """Give the first time of a schedule after now."""
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=ahead) for ahead in range(LONGEST + 1))
    times = (datetime.combine(day, trigger.at, zone).astimezone(UTC) for day in days if _is_day(trigger, day))
    return next(at for at in times if at > now)


def run(now: datetime) -> Counter[str]:
    """Decide about all whom the due slots of live campaigns are for; give the decisions by outcome.

    A slot whose campaign is not live, or whose audience cannot be found out, waits; and one that comes after another of
    its campaign waits for a later time than that was done at, so that every decision is of one slot.
    """
    counts: Counter[str] = Counter()
    names = catalogue(consents=())
    for slot in _next_ones(now):
        trigger = triggers.readable(slot.campaign.trigger, names)
        if trigger is None or not _is_answered(slot.campaign):
            continue
        Slot.objects.filter(Q(began_at=None) | Q(began_at__gt=now), pk=slot.pk).update(began_at=now)
        for bucket in range(settings.BUCKETS):
            counts.update(_decide(slot, trigger, bucket, now))
        going = Campaign.objects.filter(pk=slot.campaign_id, state=Campaign.State.LIVE)
        if going.exists():
            Slot.objects.filter(Q(done_at=None) | Q(done_at__lt=now), pk=slot.pk).update(done_at=now)
    if counts:
        allocate.allocate(now)
    return counts


def _next_ones(now: datetime) -> list[Slot]:
    """Give the first due slot of each live campaign that is through with the one before."""
    waiting = Slot.objects.filter(at__lte=now, done_at=None, campaign__state=Campaign.State.LIVE)
    just_done = Slot.objects.filter(campaign=OuterRef("campaign"), done_at__gte=now)
    free = waiting.filter(~Exists(just_done)).select_related("campaign__audience").order_by("at", "pk")
    first: dict[int, Slot] = {}
    for slot in free:
        first.setdefault(slot.campaign_id, slot)
    return list(first.values())


def decided(slot: Slot) -> "QuerySet[Decision]":
    """Give the decisions of a slot."""
    if slot.began_at is None:
        return Decision.objects.none()
    ours = Decision.objects.filter(
        campaign=slot.campaign_id, cause__in=_causes(slot.campaign), bucket__in=range(settings.BUCKETS)
    )
    until = {"as_of__lte": slot.done_at} if slot.done_at else {}
    return ours.filter(as_of__gte=slot.began_at, **until).order_by()


def slot_of(decision: Decision) -> Slot | None:
    """Give the slot that a decision was made for; none where an edge made it."""
    if decision.cause not in _causes(decision.campaign):
        return None
    began = Slot.objects.filter(campaign=decision.campaign_id, began_at__lte=decision.as_of)
    slot = began.order_by("-began_at", "-pk").first()
    return slot if slot and (slot.done_at is None or slot.done_at >= decision.as_of) else None


def _causes(campaign: Campaign) -> tuple[str, ...]:
    """Give the causes of decisions that slots made: a campaign that goes by edges has them of a wider pilot alone."""
    return (HAND, TIME, WIDENED) if campaign.trigger.get("kind") in ("schedule", "hand") else (WIDENED,)


def by_hand(campaign: Campaign, by: User, at: datetime) -> Slot:
    """Let a live campaign act on its whole audience now. Raises LaunchError."""
    trigger = triggers.readable(campaign.trigger, catalogue(consents=()))
    if not isinstance(trigger, HandTrigger):
        raise LaunchError("trigger.kind: only a campaign by hand is started by hand")
    with transaction.atomic():
        ours = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if ours.state != Campaign.State.LIVE:
            raise LaunchError(f"A {ours.state} campaign cannot be started; launch it first.")
        if Slot.objects.filter(campaign=ours, done_at=None).exists():
            raise LaunchError("It was started already and is still being decided about.")
        if not _is_answered(ours):
            raise LaunchError("audience: the segment is paused; mend its rule first")
        try:
            with transaction.atomic():
                slot = Slot.objects.create(campaign=ours, at=at, author_id=author_of(by))
        except IntegrityError as twice:
            raise LaunchError("It was started at this very time already.") from twice
        note("started by hand", ours, by, at, {})
    return slot


def _is_answered(campaign: Campaign) -> bool:
    return campaign.audience is None or campaign.audience.key not in rulebook.read().problems


def _is_day(trigger: ScheduleTrigger, day: date) -> bool:
    return {"day": True, "week": day.isoweekday() == trigger.on, "month": day.day == trigger.on}[trigger.every]


def _decide(slot: Slot, trigger: Trigger, bucket: int, now: datetime) -> Counter[str]:
    """Decide about one bucket, unless its campaign has been halted."""
    with transaction.atomic():
        membership.lock([bucket])
        campaign = Campaign.objects.select_related("audience").get(pk=slot.campaign_id)
        if campaign.state != Campaign.State.LIVE:
            return Counter()
        if isinstance(trigger, Slotted):
            return decide.of(campaign, of_audience(campaign, trigger, audience(campaign, bucket), slot.at, now), now)
        at = pl.lit(slot.at, bulk.UTC_MICROSECONDS)
        people = _outside(slot, bucket, now).with_columns(happened_at=at, fires=True, is_late=False)
        return decide.of(campaign, due(people), now)


def audience(campaign: Campaign, bucket: int | None = None) -> pl.DataFrame:
    """Give a campaign's audience, of one bucket or all: customer_id, bucket, seed."""
    members = Customer.objects.filter(memberships__segment=campaign.audience_id)
    members = members if bucket is None else members.filter(bucket=bucket)
    return bulk.read(members.order_by("pk").values_list("pk", "bucket", "seed"), PEOPLE)


def of_audience(
    campaign: Campaign, trigger: Slotted, members: pl.DataFrame, at: datetime, now: datetime
) -> pl.DataFrame:
    """Give who of an audience is due by the slot of a time: was not decided about for it yet, and may enter."""
    return of_known(campaign, trigger, with_states(campaign, members.with_columns(NO_VALUE), now), at, now)


def of_known(campaign: Campaign, trigger: Slotted, people: pl.DataFrame, at: datetime, now: datetime) -> pl.DataFrame:
    """Give what `of_audience` gives, of those with what the campaign remembers of them (looks.with_states)."""
    is_done = (pl.col("since") == at).fill_null(False)
    cause = pl.lit(HAND if isinstance(trigger, HandTrigger) else TIME)
    people = people.filter(~is_done, may_enter(campaign, now))
    people = people.with_columns(cause=cause, happened_at=pl.lit(at, bulk.UTC_MICROSECONDS), fires=True)
    return due(people.with_columns(is_late=late(campaign, now)))


def _outside(slot: Slot, bucket: int, now: datetime) -> pl.DataFrame:
    """Give who waited outside the pilot and is now within; that she was considered there starts no rest."""
    told = pilot.waiting(slot.campaign, slot.campaign.pilot_share, bucket)
    people = with_states(slot.campaign, told.with_columns(NO_VALUE), now)
    return people.with_columns(cause=pl.lit(WIDENED))
