"""What pauses a campaign by itself and asks: a run far over its forecast, mails that do harm.

Where several campaigns fail at the provider at once, all sending stops.
"""

from collections import Counter
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse

from campaigns import approval, campaign_alerts, sending, spikes
from campaigns.causes import START, WIDENED
from campaigns.channels import Result
from campaigns.models import Campaign, Cycle, Decision, Delivery, DeliveryAttempt
from campaigns.webhooks import notices
from customers import alerts, audit
from customers.audit import Actor
from customers.models import Alert, AuditEntry, Channel

TIMES = 3  # of the forecast
FEWEST = 50  # decisions in a day that are nothing to worry about
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LAST_ATTEMPTS = 2_000
ATTEMPTS = 20  # of a campaign in an hour, before it is judged
MOST_FAILED = 0.5
SEVERAL = 2  # campaigns that fail at once are not to blame themselves
HOLD = timedelta(days=7)  # decisions that a brake holds back are given up after this
PAUSED, WENT_ON = "campaign paused itself", "campaign goes on"
PREFIX = "campaign.brake."


class BrakeError(ValueError):
    """A campaign cannot go on; the sentence says why."""


def too_many(campaign: Campaign, going: int, as_of: datetime) -> str:
    """Say why `going` more decisions would be far over what was foreseen for a day; "" where they may go.

    Those who were asked for at the launch, or when its pilot was widened, are not counted (causes START, WIDENED). The
    campaign's row stays locked until the end of the transaction, so that buckets that are decided at once count each
    other.
    """
    if not going:
        return ""
    ours = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if ours.state == Campaign.State.PAUSED and ours.paused_why:
        return ours.paused_why
    if ours.forecast is None:
        return ""
    many = going + gone(ours, as_of)
    foreseen = ours.forecast * ours.pilot_share * _days(as_of)
    if many <= FEWEST or many <= TIMES * foreseen:
        return ""
    return f"{many:,} customers would get it, and about {foreseen:,.0f} were foreseen: more than {TIMES} times as many."


def _days(as_of: datetime) -> float:
    """Give for how many days edges came together: those since the last full cycle, at least one."""
    done = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE, as_of__lt=as_of)
    last = done.order_by("-as_of").values_list("as_of", flat=True).first()
    return max(1.0, (as_of - last) / DAY) if last else 1.0


def gone(campaign: Campaign, as_of: datetime) -> int:
    """Give how many decisions of the day before a time go out or are held back, those asked for at launch left out."""
    recent = Decision.objects.filter(as_of__gt=as_of - DAY, as_of__lte=as_of)
    going = recent.filter(campaign=campaign, outcome__in=(Decision.Outcome.DELIVER, Decision.Outcome.DEFERRED))
    return going.exclude(cause__in=(START, WIDENED)).count()


def pause(campaign: Campaign, why: str, at: datetime) -> bool:
    """Let a live campaign rest and ask: what it has planned waits for an answer. False: it was not live."""
    why = why[:300]
    with transaction.atomic():
        live = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.LIVE)
        if not live.update(state=Campaign.State.PAUSED, paused_why=why):
            return False
        campaign.state, campaign.paused_why = Campaign.State.PAUSED, why
        _hold(campaign, at)
        audit.note(at, None, PAUSED, campaign.key, why=why)
        notices.state_of(campaign, at)
        alerts.raise_(_cause(campaign), at)
    return True


def go_on(campaign: Campaign, by: Actor, at: datetime) -> int:
    """Let a campaign that paused itself proceed; what was held back goes out. Give how many. Raises BrakeError.

    The forecast is raised to what was seen, so that the same does not pause it again.
    """
    with transaction.atomic():
        ours = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if ours.state != Campaign.State.PAUSED or not ours.paused_why:
            raise BrakeError("This campaign did not pause itself.")
        if (need := approval.needed(ours)) and not need.is_met:
            raise BrakeError(need.sentence)
        why, seen = ours.paused_why, _seen(ours, at)
        if ours.forecast is not None:
            ours.forecast = max(ours.forecast, seen / ours.pilot_share)
        ours.state, ours.paused_why = Campaign.State.LIVE, ""
        ours.save(update_fields=["state", "paused_why", "forecast"])
        released = _release(ours, why, at)
        notices.state_of(ours, at)
        audit.note(at, by, WENT_ON, ours.key, why=why, released=released, forecast=ours.forecast)
        alerts.settle(f"{PREFIX}{ours.key}", at)
    campaign.refresh_from_db()
    return released


def watch(now: datetime) -> None:
    """Look at the last mails of every live campaign, and pause those that do harm; stop all where several fail.

    Safe to do twice.
    """
    for campaign in Campaign.objects.filter(state=Campaign.State.LIVE).order_by("pk"):
        if why := spikes.look(campaign, _last((WENT_ON, "campaign resumed"), campaign.key), now):
            pause(campaign, why, now)
    if failing := _failing(now):
        names = ", ".join(f"“{name}”" for name in failing)
        sending.stop(None, f"Most messages of several campaigns fail at the provider: {names}.", now)
    waiting = Campaign.objects.filter(state=Campaign.State.PAUSED).exclude(paused_why="")
    campaign_alerts.tell(now)
    alerts.settle_others(PREFIX, [f"{PREFIX}{key}" for key in waiting.values_list("key", flat=True)], now)


def _failing(now: datetime) -> list[str]:
    """Give the campaigns of whose last attempts most were refused or lost, where they are several."""
    since = max(now - HOUR, _last((sending.STARTED,), "programme") or now - HOUR)
    last = DeliveryAttempt.objects.order_by("-pk")[:LAST_ATTEMPTS]
    rows = last.values_list("delivery__decision__campaign__name", "result", "began_at", "delivery__channel")
    ended: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for name, result, began_at, channel in rows:
        if result and channel == Channel.EMAIL and since < began_at <= now:
            ended[name] += 1
            failed[name] += result in (Result.REFUSED, Result.UNCERTAIN)
    found = sorted(name for name in ended if ended[name] >= ATTEMPTS and failed[name] > MOST_FAILED * ended[name])
    return found if len(found) >= SEVERAL else []


def _last(what: tuple[str, ...], about: str) -> datetime | None:
    """Give when somebody last did this."""
    noted = AuditEntry.objects.filter(what__in=what, about=about)
    return noted.order_by("-pk").values_list("at", flat=True).first()


def _hold(campaign: Campaign, at: datetime) -> None:
    """Let planned deliveries wait: their decisions are deferred with the reason."""
    waiting = Delivery.objects.filter(decision__campaign=campaign, state=Delivery.State.PLANNED, due_at__lt=at + HOLD)
    Decision.objects.filter(campaign=campaign, deliveries__in=waiting).update(
        outcome=Decision.Outcome.DEFERRED, reason=campaign.paused_why, due_at=at + HOLD, expires_at=at + HOLD
    )
    Delivery.objects.filter(pk__in=waiting.values("pk")).update(due_at=at + HOLD)


def _release(campaign: Campaign, why: str, at: datetime) -> int:
    held = Decision.objects.filter(campaign=campaign, outcome=Decision.Outcome.DEFERRED, reason=why)
    waiting = Delivery.objects.filter(decision__in=held, state=Delivery.State.PLANNED)
    released = waiting.update(due_at=at)
    held.update(due_at=at)
    return released


def _seen(campaign: Campaign, at: datetime) -> int:
    """Give how many a day there were when it was paused."""
    held = Decision.objects.filter(campaign=campaign, outcome=Decision.Outcome.DEFERRED, reason=campaign.paused_why)
    last = held.order_by("-as_of").values_list("as_of", flat=True).first()
    return gone(campaign, last or at)


def _cause(campaign: Campaign) -> alerts.Cause:
    link = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    sentence = f"“{campaign}” paused itself: {campaign.paused_why} Let it go on, or stop it."
    return alerts.Cause(f"{PREFIX}{campaign.key}", Alert.Kind.CAMPAIGN, sentence, link, campaign.owner_id)
