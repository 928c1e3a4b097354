"""The start of a campaign: what was answered on its page becomes a launch, and what follows is said with its time."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from campaigns import asking, launch, slots, start_fields, triggers
from campaigns.models import Campaign, Schedule
from campaigns.triggers import EventTrigger, HandTrigger, ScheduleTrigger
from customers.panels import Panel, lines, number, share, when
from segments.fields import catalogue

LAUNCHERS = 3  # are named


class Asked(NamedTuple):
    """What the page asks at the end: whether those who match already get it too, and a share to begin with."""

    also: bool
    share: float | None


def asked(answers: Mapping[str, str]) -> Asked:
    """Give what was answered by somebody who may launch a plan and not change it."""
    few = {start_fields.FEW: start_fields.PILOT, start_fields.ALL: 1.0}.get(answers.get("how_many", ""))
    return Asked(answers.get("whom") == start_fields.ALSO, few)


def start(campaign: Campaign, told: Asked, by: User, at: datetime) -> str:
    """Set a draft live as it was answered, and give a sentence about it. Raises LaunchError; then nothing is stored."""
    is_hand = campaign.trigger.get("kind") == "hand"
    with transaction.atomic():
        if told.share not in (None, campaign.pilot_share):
            launch.edit(campaign, by, at, pilot_share=told.share)
        matching = launch.launch(campaign, by, at, fires_on_start=told.also and not is_hand)
        if told.also and is_hand:
            slots.by_hand(campaign, by, at)
    whom = f" for {share(campaign.pilot_share)} of the customers" if campaign.pilot_share < 1 else ""
    return " ".join([f"{campaign.name} is live{whom}.", *_already(campaign, matching, also=told.also)])


def ask(campaign: Campaign, by: User, at: datetime) -> str:
    """Ask a second person to approve a plan, and give a sentence about it. Raises LaunchError."""
    asking.ask(campaign, by, at)
    return f"{campaign.name} waits for the approval of a second person. They were told; then it may be started."


def _already(campaign: Campaign, matching: int, *, also: bool) -> Iterator[str]:
    kind = campaign.trigger.get("kind")
    if kind == "hand":
        yield f"It begins now for {number(matching)} customers." if also else "Nobody gets it until you send it."
    elif kind not in ("event", "schedule"):
        does = "it acts on them in the next cycle" if also else "it acts when others come to match"
        yield f"{number(matching)} customers match already; {does}."


def what_next(campaign: Campaign, at: datetime) -> Panel:
    """Say what a campaign does next, and when."""
    return Panel("What happens next", lines(list(_next(campaign, at))))


def _next(campaign: Campaign, at: datetime) -> Iterator[str]:
    if campaign.state == Campaign.State.DRAFT:
        yield "Nothing, until it is started: it is a draft."
    elif campaign.state == Campaign.State.PAUSED:
        yield "Nothing, until it goes on: what comes about meanwhile never triggers it."
    elif campaign.state == Campaign.State.STOPPED:
        yield "Nothing more: it was stopped for good."
    else:
        yield from _of_live(campaign, at)


def _of_live(campaign: Campaign, at: datetime) -> Iterator[str]:
    trigger = triggers.readable(campaign.trigger, catalogue(consents=()))
    cycle = _cycle(at)
    match trigger:
        case None:
            yield "Nothing: what makes a customer due cannot be read any more. Edit the plan."
        case HandTrigger():
            yield "It waits for you: “Send now” begins it. Who gets it is decided within seconds then."
        case ScheduleTrigger():
            first = slots.next_time(trigger, at, ZoneInfo(settings.TIME_ZONE))
            yield f"It acts on its whole audience on {when(first)}."
        case EventTrigger():
            yield "Within seconds of what a customer does, it decides about her."
        case _ if campaign.fires_on_start:
            yield f"Those who match already are decided about in {cycle}."
            yield "From then on it acts within seconds of what customers do, and on what time brings, in every cycle."
        case _:
            yield f"Where everybody stands is set down in {cycle}; nobody gets it for that."
            yield "From then on it acts within seconds of what customers do, and on what time brings, in every cycle."
    yield "What is decided is sent within seconds, or when quiet hours and caps let it."


def _cycle(at: datetime) -> str:
    """Give when the next full cycle is."""
    row = Schedule.objects.filter(key=Schedule.Key.FULL_CYCLE).first()
    if row is None or not row.is_enabled:
        return "the next full cycle, which somebody must begin: none is scheduled"
    return f"the full cycle on {when(max(row.next_at, at))}"


def launchers() -> str:
    """Name some of those who may launch."""
    found = User.objects.with_perm("campaigns.launch_campaign", include_superusers=True).filter(is_active=True)
    names = [one.get_full_name() or one.username for one in found.order_by("username")[: LAUNCHERS + 1]]
    told = names[:LAUNCHERS]
    rest = " and others" if len(names) > LAUNCHERS else ""
    return f"{', '.join(told)}{rest}" if told else ""
