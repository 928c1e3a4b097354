"""Back-tests that were asked for, as rows, claimed by a token and a lease on the database's clock.

What pages and REST need of them, without what the work itself needs (campaigns.backtest.work). One runs at a time, so
that back-tests never take the workers from the cycles.
"""

from copy import copy
from datetime import datetime, timedelta

import polars as pl
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from campaigns import plan, triggers, variants
from campaigns.models import Backtest, Campaign
from campaigns.plan import PlanError
from campaigns.steps import StepError
from campaigns.triggers import EventTrigger, HandTrigger, ScheduleTrigger, ScoreTrigger, SegmentTrigger, Trigger
from customers import audit, history, leases
from customers.audit import Actor
from customers.history import Scope
from scoring.models import ModelVersion
from segments import fields, rulebook
from segments.definition import name_of

State = Backtest.State
OPEN = (State.WAITING, State.RUNNING)
LEASE = timedelta(minutes=10)  # longer than a day of a replay may take
DAYS = (30, 60, 90)
MOST_DAYS = 366
DAY = timedelta(days=1)
LONGEST = 300  # letters of a problem
LONGEST_TRIED = timedelta(days=1)  # of one whose workers are lost again and again
LOST = "Its workers were lost for a day. Is there enough memory? Ask for it again."


class BacktestError(ValueError):
    """A back-test that cannot be; the message begins with the place."""


class BacktestLost(Exception):
    """Somebody cancelled the back-test, or another worker holds it by now: what was done of it is dropped."""


def ask(campaign: Campaign, days: int, by: Actor, at: datetime) -> Backtest:
    """Give the back-test of a campaign's plan over the last days that waits or runs, or a new one.

    Raises BacktestError, and LakeError where the history cannot be read.
    """
    since = at - days * DAY
    refuse(campaign, since, at)
    with transaction.atomic():
        list(Campaign.objects.select_for_update(no_key=True).filter(pk=campaign.pk).values_list("pk"))
        same = Backtest.objects.filter(campaign=campaign, state__in=OPEN).order_by("pk").first()
        if same is not None:
            return same
        made = Backtest.objects.create(
            campaign=campaign,
            plan=plan.of(campaign),
            since=since,
            until=at,
            asked_at=at,
            asked_by=name_of(by)[:150],
            days=days,
        )
        audit.note(at, by, "back-test asked for", campaign.key, days=days)
    return made


def refuse(campaign: Campaign, since: datetime, until: datetime) -> Trigger:
    """Give the trigger of a campaign that can be acted out in a time. Raises BacktestError, LakeError."""
    if not 1 <= (until - since) / DAY <= MOST_DAYS:
        raise BacktestError(f"days: expects a whole number from 1 to {MOST_DAYS}")
    trigger = _trigger(campaign)
    lake = history.pin()
    first = lake.events(Scope()).select(pl.col("occurred_at").min()).collect().item()
    if first is None:
        raise BacktestError("days: there is no event yet; a back-test needs a history")
    if since < first:
        many = max(0, (until - first) // DAY)
        raise BacktestError(
            f"days: the first event is of {first:%Y-%m-%d %H:%M} UTC; the history has {many:,} whole days"
        )
    if campaign.goal_days * DAY > until - first:
        many = (until - first) // DAY
        raise BacktestError(
            f"goal_days: {campaign.goal_days} days are longer than the history, which has {many:,} days"
        )
    if isinstance(trigger, EventTrigger):
        name = trigger.of.event
        happened = lake.events(Scope()).filter(pl.col("name") == name, pl.col("occurred_at") <= until).head(1)
        if happened.collect().is_empty():
            raise BacktestError(f"trigger.event: {name} never happened, so it would have made nobody due")
    return trigger


def plan_of(asked: Backtest) -> Campaign:
    """Give the campaign with its plan as it stood when the back-test was asked for; not to be stored."""
    found = copy(asked.campaign)
    try:
        values = plan.put(asked.plan)
    except PlanError as gone:
        raise BacktestError(str(gone)) from gone
    for name, value in values.items():
        setattr(found, name, value)
    found.state, found.fires_on_start = Campaign.State.LIVE, False
    return found


def cancel(asked: Backtest, by: Actor, at: datetime) -> bool:
    """End a back-test that waits or runs; False where it has ended already."""
    ended = Backtest.objects.filter(pk=asked.pk, state__in=OPEN)
    if not ended.update(state=State.CANCELLED, **leases.FREE, ended_at=at, working=None):
        return False
    audit.note(at, by, "back-test cancelled", asked.campaign.key)
    return True


def latest(campaign: Campaign) -> Backtest | None:
    """Give the last back-test of a campaign that was asked for."""
    return Backtest.objects.filter(campaign=campaign).defer("working").order_by("-asked_at", "-pk").first()


def claim() -> Backtest | None:
    """Claim the oldest back-test that nobody holds; None where there is none, or one is worked on."""
    with transaction.atomic():
        if Backtest.objects.filter(state=State.RUNNING, lease_until__gt=Now()).exists():
            return None
        lapsed = Q(state=State.RUNNING, lease_until__lte=Now())
        Backtest.objects.filter(lapsed, asked_at__lte=Now() - LONGEST_TRIED).update(
            state=State.FAILED, problem=LOST, **leases.FREE, ended_at=Now(), working=None
        )
        free = Backtest.objects.filter(lapsed | Q(state=State.WAITING)).order_by("asked_at", "pk")
        asked = free.select_for_update(skip_locked=True, of=("self",)).select_related("campaign").first()
        if asked is None:
            return None
        Backtest.objects.filter(pk=asked.pk).update(**leases.taken(LEASE))
    asked.refresh_from_db()
    return asked


def tell(asked: Backtest, days_done: int, working: bytes | None = None) -> None:
    """Store how far a claimed back-test is, and hold it longer. Raises BacktestLost."""
    kept = {} if working is None else {"working": working}
    if not leases.held(asked).update(days_done=days_done, lease_until=Now() + LEASE, **kept):
        raise BacktestLost(f"The back-test of {asked} is held by somebody else, or was cancelled.")


def finish(asked: Backtest, result: dict[str, object], at: datetime) -> None:
    """Store what a claimed back-test found."""
    leases.held(asked).update(
        state=State.DONE, result=result, **leases.FREE, ended_at=at, working=None, days_done=asked.days
    )


def fail(asked: Backtest, problem: str, at: datetime) -> None:
    """Store why a claimed back-test cannot be."""
    leases.held(asked).update(state=State.FAILED, problem=problem[:LONGEST], **leases.FREE, ended_at=at, working=None)


def _trigger(campaign: Campaign) -> Trigger:
    """Give the trigger of a plan that can be read whole, and acted out. Raises BacktestError."""
    try:
        trigger = triggers.parse(campaign.trigger, fields.catalogue())
        variants.parse(campaign)
    except (triggers.TriggerError, StepError) as refused:
        raise BacktestError(str(refused)) from refused
    if isinstance(trigger, HandTrigger):
        raise BacktestError(
            "trigger.kind: by hand cannot be acted out: nobody knows when somebody would have started it"
        )
    if isinstance(trigger, ScheduleTrigger) and campaign.audience is None:
        raise BacktestError("audience: is missing; by schedule a campaign acts on a whole segment")
    if isinstance(trigger, ScoreTrigger):
        was_live = Q(live_since__isnull=False) | Q(state=ModelVersion.State.LIVE)
        if not ModelVersion.objects.filter(was_live, target__key=trigger.score).exists():
            raise BacktestError(f"trigger.score: no model of the score {trigger.score} was ever live")
    named = {"trigger.segment": trigger.segment} if isinstance(trigger, SegmentTrigger) else {}
    named |= {"audience": campaign.audience.key} if campaign.audience else {}
    book = rulebook.read() if named else None
    for place, key in named.items():
        if book and key in book.paused:
            raise BacktestError(f"{place}: the segment {key} is paused: {book.problems[key]}")
    return trigger
