"""A campaign's life: launched once it can be read whole, edited, paused, resumed, stopped; each with an audit entry."""

import hashlib
import json
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns import (
    approval,
    barrier,
    cancel,
    contest_rules,
    forecast,
    in_flight,
    nameable,
    occurrences,
    pilot,
    plan,
    plan_words,
    sharing,
    standing,
    steps,
    triggers,
    variants,
    versions,
)
from campaigns.models import Campaign, Gateway, Slot, TriggerBaseline, Way
from campaigns.standing import Standing
from campaigns.triggers import ScoreTrigger, SegmentTrigger, Slotted, Trigger
from campaigns.waiting import count
from campaigns.webhooks import notices
from customers import audit, events
from scoring.models import ModelVersion, Target
from scoring.removal import USERS
from segments import fields, rulebook
from segments.definition import name_of
from segments.models import Segment

State = Campaign.State
FORESEEN_BY = {"trigger", "audience", "control_share"}
WHO = {"trigger", "audience", "topic", "control_share", "pilot_share"}
EDITABLE = (*plan.FIELDS, "owner")
User = audit.Actor
STOPPED = "The campaign was stopped for good."


class LaunchError(ValueError):
    """A campaign cannot do this; the sentence says why. Faults of its parts begin with their place."""


class InFlight(LaunchError):
    """What goes out is not changed while messages are handed over, unless that is asked for."""


class Unapproved(LaunchError):
    """A plan needs a second person first."""


class How(NamedTuple):
    """How a plan is changed: as what it is noted, what is said first of it, and whether also while it is sending."""

    what: str = "edited"
    said: tuple[str, ...] = ()
    while_sending: bool = False


def launch(campaign: Campaign, by: User, at: datetime, *, fires_on_start: bool = False) -> int:
    """Set a draft live; give how many customers match already. Raises LaunchError.

    It fires for none of these, unless that is asked for: then for whoever matches at its first look.
    """
    with transaction.atomic():
        hold(campaign)
        trigger = check(campaign)
        _move(campaign, State.DRAFT, State.LIVE, "launched")
        refuse_unapproved(campaign)
        _watch(campaign, trigger)
        events.name_campaign(campaign.key)
        occurrences.begin(campaign, at)
        campaign.launched_at, campaign.fires_on_start = at, fires_on_start
        campaign.forecast = forecast.daily(campaign, at)
        campaign.planned_customers = campaign.planned_customers or forecast.planned(campaign)
        campaign.save(update_fields=["launched_at", "fires_on_start", "forecast", "planned_customers"])
        versions.note(campaign, by, at, [versions.LAUNCHED])
        matching = waiting(campaign, at)
        counted = {"already_matching": matching, "fires_on_start": fires_on_start}
        notices.state_of(campaign, at)
        note("launched", campaign, by, at, {"version": campaign.version, **counted})
    return matching


def pause(campaign: Campaign, by: User, at: datetime) -> Standing:
    """Let a live campaign rest: it decides nothing, and what is planned is not begun. Raises LaunchError.

    Give what was under way at that moment.
    """
    with transaction.atomic():
        hold(campaign)
        _move(campaign, State.LIVE, State.PAUSED, "paused")
        under_way = standing.of(campaign)
        notices.state_of(campaign, at)
        note("paused", campaign, by, at, under_way._asdict())
    return under_way


def resume(campaign: Campaign, by: User, at: datetime) -> int:
    """Set a paused campaign live again; give how many match already. Edges during the pause never fire.

    One that paused itself is asked about: brakes.go_on lets it proceed.
    """
    with transaction.atomic():
        hold(campaign)
        trigger = check(campaign)
        if campaign.paused_why:
            raise LaunchError(f"It paused itself: {campaign.paused_why} Let it go on, or stop it for good.")
        refuse_unapproved(campaign)
        _move(campaign, State.PAUSED, State.LIVE, "resumed")
        _watch(campaign, trigger)
        TriggerBaseline.objects.filter(campaign=campaign).delete()
        occurrences.begin(campaign, at)
        _start_in_silence(campaign)
        matching = waiting(campaign, at)
        notices.state_of(campaign, at)
        note("resumed", campaign, by, at, {"already_matching": matching})
    return matching


def stop(campaign: Campaign, by: User, at: datetime) -> Standing:
    """End a campaign for good: what it has planned is cancelled. Raises LaunchError.

    Give what was under way at that moment; `planned` is how many were cancelled.
    """
    with transaction.atomic():
        hold(campaign)
        _move(campaign, campaign.state, State.STOPPED, "stopped")
        _watch(campaign, None)
        cancelled = cancel.planned(campaign, STOPPED, at)
        under_way = standing.of(campaign)._replace(planned=cancelled)
        notices.state_of(campaign, at)
        rest = {"claimed": under_way.claimed, "sending": under_way.sending}
        note("stopped", campaign, by, at, {"cancelled": cancelled, **rest})
    return under_way


def edit(campaign: Campaign, by: User, at: datetime, *, while_sending: bool = False, **changes: Any) -> Campaign:
    """Change a campaign's plan; see `change`."""
    return change(campaign, by, at, changes, How(while_sending=while_sending))


def change(campaign: Campaign, by: User, at: datetime, changes: Mapping[str, Any], how: How) -> Campaign:
    """Change a campaign's plan; one that was launched gets a new version, in the same commit.

    Where its trigger is another, its states are set anew in silence. No message begins meanwhile: each goes out by the
    version before or by the new one. Raises LaunchError for what cannot be edited, and, unless it is a draft, for a
    plan that could not be launched, that needs a second person, or whose messages are just being handed over.
    """
    for name in sorted(changes.keys() - set(EDITABLE)):
        raise LaunchError(f"{name}: cannot be edited")
    with transaction.atomic():
        hold(campaign)
        if campaign.state == State.STOPPED:
            raise LaunchError("A stopped campaign cannot be edited.")
        before, digest = plan.of(campaign), plan.digest(campaign)
        for name, value in changes.items():
            setattr(campaign, name, value)
        changed = plan.differing(before, plan.of(campaign))
        if campaign.state != State.DRAFT:
            trigger = check(campaign)
            _refuse_sudden(campaign, changed, digest, how)
            _renew(campaign, changed, trigger, at)
        campaign.edited_by = name_of(by)[:150] if changed else campaign.edited_by
        campaign.save(update_fields=[*changes, "edited_by"])
        if campaign.state != State.DRAFT and changed:
            versions.note(campaign, by, at, [*how.said, *plan_words.compared(before, plan.of(campaign))])
        approval.forget(campaign, at)
        note(how.what, campaign, by, at, {"version": campaign.version, "fields": sorted(changes)})
    return campaign


def _refuse_sudden(campaign: Campaign, changed: Collection[str], digest: str, how: How) -> None:
    """Raise LaunchError for a change that comes while messages go out, or that a second person has to see first."""
    if not how.while_sending and plan.GOES_OUT & set(changed):
        refused = in_flight.refusal(in_flight.count(campaign))
        if refused:
            raise InFlight(refused)
    if campaign.state == State.LIVE and plan.digest(campaign) != digest:
        refuse_unapproved(campaign)


def _renew(campaign: Campaign, changed: Collection[str], trigger: Trigger, at: datetime) -> None:
    """Begin a new version of a plan that was launched."""
    if not changed:
        return
    campaign.version += 1
    sharing.note_edit(campaign, changed, at)
    if FORESEEN_BY & set(changed):
        campaign.forecast = forecast.daily(campaign, at)
    if "trigger" in changed:
        campaign.trigger_version = campaign.version
        occurrences.begin(campaign, at)
    if WHO & set(changed):
        _start_in_silence(campaign)
    _watch(campaign, trigger)
    campaign.save(update_fields=["version", "compared_since", "forecast", "trigger_version"])


def widen(campaign: Campaign, share: float, by: User, at: datetime, *, fires_for_waiting: bool) -> int:
    """Let a pilot take in more customers, as a new version; give how many of them match already. Raises LaunchError.

    Each stays in the arm and variant she was drawn into. Those who match are decided about only if that is asked for;
    else they stay as they are until their next edge.
    """
    with transaction.atomic():
        hold(campaign)
        if not campaign.pilot_share < share <= 1.0:
            raise LaunchError(f"pilot_share: expects more than {campaign.pilot_share:g}, up to 1, got {share:g}")
        if campaign.state not in (State.LIVE, State.PAUSED):
            raise LaunchError(f"A {campaign.state} campaign has no pilot to widen.")
        before, was = plan.of(campaign), campaign.pilot_share
        campaign.pilot_share = share
        if campaign.state == State.LIVE:
            refuse_unapproved(campaign)
        campaign.version += 1
        campaign.edited_by = name_of(by)[:150]
        campaign.save(update_fields=["pilot_share", "version", "edited_by"])
        versions.note(campaign, by, at, plan_words.compared(before, plan.of(campaign)))
        matching = pilot.waiting(campaign, share).height
        if matching and fires_for_waiting:
            Slot.objects.create(campaign=campaign, at=at, author_id=author_of(by))
        approval.forget(campaign, at)
        detail = {"from": was, "to": share, "fires_for_waiting": fires_for_waiting, "version": campaign.version}
        note("pilot widened", campaign, by, at, {**detail, "already_matching": matching})
    return matching


def refuse_unapproved(campaign: Campaign) -> None:
    """Raise Unapproved for a plan that needs a second person and has no yes of one."""
    need = approval.needed(campaign)
    if need and not need.is_met:
        raise Unapproved(need.sentence)


def check(campaign: Campaign) -> Trigger:
    """Give the trigger of a campaign that can be used; else raise LaunchError, which begins with the place."""
    trigger = _trigger(campaign)
    _refuse_unusable(campaign, trigger)
    known = replace(nameable.known(), assets=nameable.pictures(), products=nameable.shown(campaign))
    try:
        variants.check_ready(campaign, known)
        contest_rules.check(campaign)
        _refuse_uncarried(variants.parse(campaign)[0].step)
    except steps.StepError as refused:
        raise LaunchError(str(refused)) from refused
    return trigger


def as_stored(campaign: Campaign) -> Campaign:
    """Give a plan as one that is stored: a new one has the number that none has, and so nothing of its own yet."""
    if campaign.pk is not None:
        return campaign
    plan = copy(campaign)
    plan.pk = 0
    return plan


def edition(campaign: Campaign) -> str:
    """Give what changes whenever the plan or the state of a campaign does: of a plan that is read, then changed."""
    names = (*(name for name in EDITABLE if name not in ("audience", "owner")), "audience_id", "state", "version")
    told = json.dumps([getattr(campaign, name) for name in names], sort_keys=True, default=str)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def waiting(campaign: Campaign, at: datetime | None = None) -> int:
    """Give how many customers match already at a time, or as of the latest snapshot. Raises LaunchError."""
    return count(campaign, _trigger(campaign), at)


def _trigger(campaign: Campaign) -> Trigger:
    try:
        return triggers.parse(campaign.trigger, fields.catalogue())
    except triggers.TriggerError as refused:
        raise LaunchError(str(refused)) from refused


def _refuse_unusable(campaign: Campaign, trigger: Trigger) -> None:
    """Raise LaunchError where nobody could become due: no live model, a paused segment, no audience to act on."""
    if isinstance(trigger, ScoreTrigger):
        live = ModelVersion.objects.filter(target__key=trigger.score, state=ModelVersion.State.LIVE)
        if not live.exists():
            raise LaunchError(f"trigger.score: the score {trigger.score} has no live model; train or promote one first")
    if isinstance(trigger, Slotted) and campaign.audience is None:
        raise LaunchError("audience: is missing; by schedule or by hand a campaign acts on a whole segment")
    named = {"trigger.segment": trigger.segment} if isinstance(trigger, SegmentTrigger) else {}
    named |= {"audience": campaign.audience.key} if campaign.audience else {}
    book = rulebook.read() if named else None
    for place, key in named.items():
        if book and key in book.paused:
            raise LaunchError(f"{place}: the segment {key} is paused: {book.problems[key]}")


def _refuse_uncarried(step: steps.Step) -> None:
    """Raise LaunchError for a message that no gateway carries."""
    way = step.channel
    if way in (Way.SMS, Way.PUSH) and not Gateway.objects.filter(channel=way).exists():
        raise LaunchError(f"steps[0].action: no gateway carries {way.label}; choose one on the page of the programme")


def _watch(campaign: Campaign, trigger: Trigger | None) -> None:
    """Let the database protect the segment that a launched campaign's trigger names."""
    key = trigger.segment if isinstance(trigger, SegmentTrigger) else None
    campaign.watched = Segment.objects.filter(key=key).first() if key else None
    campaign.save(update_fields=["watched"])


def _start_in_silence(campaign: Campaign) -> None:
    """Take back what was asked at the launch: it was asked for the plan, and the count, of then."""
    campaign.fires_on_start = False
    campaign.save(update_fields=["fires_on_start"])


def hold(campaign: Campaign) -> None:
    """Let nobody else change a campaign, and none of its messages begin, until the commit; and read it anew."""
    barrier.change(campaign)
    try:
        rows = Campaign.objects.select_for_update(of=("self",), no_key=True).select_related("audience")
        campaign.refresh_from_db(from_queryset=rows)
    except Campaign.DoesNotExist as error:
        raise LaunchError("The campaign was deleted.") from error


def _move(campaign: Campaign, before: str, after: str, what: str) -> None:
    """Change the state only if it is still what it was."""
    moved = before != after and Campaign.objects.filter(pk=campaign.pk, state=before).update(state=after)
    if not moved:
        state = Campaign.objects.values_list("state", flat=True).get(pk=campaign.pk)
        raise LaunchError(f"A {state} campaign cannot be {what}.")
    campaign.state = after


def note(what: str, campaign: Campaign, by: User, at: datetime, detail: dict[str, Any] | None = None) -> None:
    """Store who did what with a campaign."""
    audit.note(at, by, f"campaign {what}", campaign.key, **(detail or {}))


def author_of(by: User) -> int | None:
    """Give the id of the person who did it; none where the program or a key did."""
    return by.pk if isinstance(by, AbstractBaseUser) else None


def users_of_scores(target: Target) -> list[str]:
    """Name the campaigns that a target's scores trigger."""
    due = Campaign.objects.filter(trigger__kind="score", trigger__score=target.key).order_by("name")
    return [f"campaign {name}" for name in due.values_list("name", flat=True)]


USERS.append(users_of_scores)
