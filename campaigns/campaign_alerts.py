"""What somebody should mend about live campaigns: a trigger that can fire no more, messages that fail, silence."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.urls import reverse

from campaigns import triggers
from campaigns.models import Campaign, Decision, Delivery
from campaigns.trigger_kinds import HandTrigger, ScheduleTrigger, ScoreTrigger, SegmentTrigger, Trigger
from customers import alerts
from customers.alerts import Cause
from customers.models import Alert
from scoring.models import ModelVersion
from segments import fields
from segments.models import Segment
from segments.rules import Fields

PREFIX = "campaign.watch."
LAST = 50  # deliveries
MOST_FAILED = 0.2
RECENT = timedelta(days=14)
EXPECTED = 20  # decisions that cannot all fail to come by accident: one time in half a milliard (Poisson)
SOONEST, LATEST = timedelta(days=2), timedelta(days=28)
SENT, FAILED = Delivery.State.SENT, Delivery.State.FAILED


def tell(at: datetime) -> None:
    """Bring the inbox up to date about live campaigns. Safe to do twice."""
    known = fields.catalogue()
    live = Campaign.objects.filter(state=Campaign.State.LIVE).select_related("audience").order_by("pk")
    causes = [cause for campaign in live for cause in found(campaign, known, at)]
    for cause in causes:
        alerts.raise_(cause, at)
    alerts.settle_others(PREFIX, [cause.key for cause in causes], at)


def found(campaign: Campaign, known: Fields, at: datetime) -> Iterator[Cause]:
    """Give what is wrong with one live campaign."""
    try:
        trigger = triggers.parse(campaign.trigger, known)
    except triggers.TriggerError as error:
        yield _cause(campaign, "trigger", f"can fire no more: {error}.")
        return
    if reason := _blocked(trigger, campaign):
        yield _cause(campaign, "trigger", reason)
    elif _is_silent(trigger, campaign, at):
        foreseen = f"about {campaign.forecast:,.0f} a day were foreseen"
        yield _cause(campaign, "silent", f"has decided about nobody for long, and {foreseen}.")
    last = list(_ended(campaign, at)[:LAST])
    failed = last.count(FAILED)
    if len(last) == LAST and failed > MOST_FAILED * LAST:
        yield _cause(campaign, "failing", f"fails to deliver: {failed} of its last {LAST} messages failed.")


def _blocked(trigger: Trigger, campaign: Campaign) -> str:
    """Say why nobody can become due: its model was retired, or a segment is paused."""
    if isinstance(trigger, ScoreTrigger):
        live = ModelVersion.objects.filter(target__key=trigger.score, state=ModelVersion.State.LIVE)
        return "" if live.exists() else f"waits for the score {trigger.score}, of which no model version is live."
    segments = [campaign.audience] if campaign.audience else []
    if isinstance(trigger, SegmentTrigger):
        segments.append(Segment.objects.get(key=trigger.segment))
    paused = [one for one in segments if one.problem]
    return f"goes by the segment “{paused[0]}”, which is paused: {paused[0].problem}" if paused else ""


def _is_silent(trigger: Trigger, campaign: Campaign, at: datetime) -> bool:
    """Tell whether nobody was considered in the time in which EXPECTED were foreseen."""
    foreseen = (campaign.forecast or 0.0) * campaign.pilot_share
    if isinstance(trigger, ScheduleTrigger | HandTrigger) or foreseen <= 0 or campaign.launched_at is None:
        return False
    wait = max(SOONEST, timedelta(days=EXPECTED / foreseen))
    if wait > LATEST or campaign.launched_at > at - wait:
        return False
    recent = Decision.objects.filter(as_of__gt=at - wait, as_of__lte=at)
    return not recent.filter(campaign=campaign).exists()


def _ended(campaign: Campaign, at: datetime) -> "QuerySet[Delivery, str]":
    decided = {"decision__as_of__gt": at - RECENT}
    ended = Delivery.objects.filter(decision__campaign=campaign, state__in=(SENT, FAILED), **decided)
    return ended.order_by("-ended_at", "-pk").values_list("state", flat=True)


def _cause(campaign: Campaign, what: str, words: str) -> Cause:
    link = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    return Cause(
        f"{PREFIX}{campaign.key}.{what}", Alert.Kind.CAMPAIGN, f"“{campaign}” {words}", link, campaign.owner_id
    )
