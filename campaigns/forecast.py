"""How many customers a day a campaign is expected to reach, from what is stored; None where nothing is known.

The shares of holdout and control are taken off. A pilot's share, consent, caps and entry rules are not: it is what at
most is to be expected of the whole campaign.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.db.models import Min

from campaigns import programme, triggers
from campaigns.models import Campaign
from campaigns.trigger_kinds import (
    DateTrigger,
    EventTrigger,
    HandTrigger,
    ScheduleTrigger,
    ScoreTrigger,
    SegmentTrigger,
    Trigger,
)
from customers import history, snapshot
from customers.history import LakeError, Scope
from segments import fields
from segments.models import Membership, MembershipChange, Segment, SegmentVersion
from segments.rules.nodes import Happening

DAY = timedelta(days=1)
WINDOW = timedelta(days=28)
FEWEST_PLANNED = 1_000
YEAR = 365.25


class Forecast(NamedTuple):
    """So many a day, and what that rests on; no number where nothing is known."""

    a_day: float | None
    basis: str


def foresee(campaign: Campaign, at: datetime) -> Forecast:
    """Give the forecast of a campaign as of a time. Raises TriggerError for a trigger that cannot be used."""
    due = _treated(campaign, at)
    if due.a_day is None or campaign.most_a_day is None or due.a_day <= campaign.most_a_day:
        return due
    return Forecast(float(campaign.most_a_day), f"{due.basis} It takes at most {campaign.most_a_day:,} a day.")


def daily(campaign: Campaign, at: datetime) -> float | None:
    """Give how many customers a day come to be reached, those over the most a day included; None if nothing is known.

    It is what a brake compares with: a budget chooses among all of them later.
    """
    return _treated(campaign, at).a_day


def planned(campaign: Campaign) -> int | None:
    """Give for how many customers a read-out is planned: those foreseen for the first days; None: none are foreseen.

    Fewer than a thousand are not planned for: after its plan an interval narrows no more.
    """
    if campaign.forecast is None:
        return None
    with_control = campaign.forecast / (1.0 - campaign.control_share)
    return max(FEWEST_PLANNED, round(with_control * WINDOW.days))


def _treated(campaign: Campaign, at: datetime) -> Forecast:
    """Give who comes to be due and is not left alone."""
    try:
        due = _due(triggers.parse(campaign.trigger, fields.catalogue()), campaign, at)
    except LakeError:
        return Forecast(None, "Nothing is foreseen: the history cannot be read.")
    if due.a_day is None:
        return due
    treated = (1 - programme.current().holdout_share) * (1 - campaign.control_share)
    return Forecast(due.a_day * treated, due.basis)


def _due(trigger: Trigger, campaign: Campaign, at: datetime) -> Forecast:
    match trigger:
        case SegmentTrigger():
            return _of_segment(trigger, at)
        case ScoreTrigger():
            return _of_score(trigger, at)
        case EventTrigger():
            return _of_event(trigger, at)
        case DateTrigger():
            return _of_date(trigger, at)
        case ScheduleTrigger() | HandTrigger():
            return _of_audience(campaign.audience)


def _of_segment(trigger: SegmentTrigger, at: datetime) -> Forecast:
    """Count who entered or left; that the segment was first filled, or filled anew by another rule, is no edge."""
    segment = Segment.objects.get(key=trigger.segment)
    changes = MembershipChange.objects.filter(segment=segment, as_of__lte=at)
    first = changes.aggregate(first=Min("as_of"))["first"]
    since = at - WINDOW if first is None else max(first, at - WINDOW)
    if first is None or at - since < DAY:
        return Forecast(None, f"Nothing is foreseen: the segment {segment} was not looked at for a day yet.")
    new_rules = SegmentVersion.objects.filter(segment=segment, at__gt=since, at__lte=at).values_list("at", flat=True)
    filled = [changes.filter(as_of__gte=one).aggregate(first=Min("as_of"))["first"] for one in new_rules]
    kind = MembershipChange.Kind.LEFT if trigger.edge == "left" else MembershipChange.Kind.ENTERED
    many = changes.filter(kind=kind, as_of__gt=since).exclude(as_of__in=[one for one in filled if one]).count()
    moved = "left" if trigger.edge == "left" else "entered"
    days = (at - since) / DAY
    stayed = " Not all of them stay so long." if trigger.edge == "stays" else ""
    return Forecast(many / days, f"{many:,} customers {moved} the segment {segment} in {days:.0f} days.{stayed}")


def _of_score(trigger: ScoreTrigger, at: datetime) -> Forecast:
    """Count who crossed the line from one snapshot to another about a day later."""
    nothing = Forecast(None, f"Nothing is foreseen: the score {trigger.score} was not computed on two days yet.")
    last = snapshot.latest(at)
    before = snapshot.latest(last - DAY) if last else None
    if last is None or before is None:
        return nothing
    then, now = _inside(trigger, before), _inside(trigger, last)
    if then is None or now is None:
        return nothing
    both = then.join(now, on="customer_id", suffix="_now")
    many = both.filter(~pl.col("is_inside"), pl.col("is_inside_now")).height
    days = (last - before) / DAY
    return Forecast(
        many / days, f"The score {trigger.score} of {many:,} customers crossed the line in {days:.1f} days."
    )


def _inside(trigger: ScoreTrigger, as_of: datetime) -> pl.DataFrame | None:
    """Give whether each customer's score in a snapshot was beyond the line; none where there was no such score."""
    name = f"scores.{trigger.score}"
    frame = snapshot.load(as_of, columns=[name])
    if name not in frame.columns:
        return None
    frame = frame.filter(pl.col(name).is_not_null())
    value = pl.col(name).rank("max") * 100 / pl.len() if trigger.is_percentile else pl.col(name)
    beyond = value >= trigger.enter if trigger.direction == "above" else value <= trigger.enter
    return frame.select("customer_id", is_inside=beyond)


def _of_event(trigger: EventTrigger, at: datetime) -> Forecast:
    """Count the days on which customers did it; whatever its conditions."""
    name = trigger.of.event
    happened = history.pin().events(Scope()).filter(pl.col("name") == name, pl.col("occurred_at") <= at)
    first = happened.select(pl.col("occurred_at").min()).collect().item()
    since = None if first is None else max(first, at - WINDOW)
    if since is None or at - since < DAY:
        return Forecast(None, f"Nothing is foreseen: {name} was not told of for a day yet.")
    recent = happened.filter(pl.col("occurred_at") > since)
    many = recent.select(pl.struct("customer_id", pl.col("occurred_at").dt.date()).n_unique()).collect().item()
    days = (at - since) / DAY
    asked = " Not all of them meet its conditions." if trigger.of != Happening(name) else ""
    return Forecast(many / days, f"{name} happened to {many:,} customers in {days:.0f} days, each day counted.{asked}")


def _of_date(trigger: DateTrigger, at: datetime) -> Forecast:
    """Count whose day it is: a share of a year, or of the next four weeks."""
    last = snapshot.latest(at)
    frame = snapshot.load(last, columns=[trigger.field]) if last else None
    name = trigger.field.removeprefix("attributes.")
    if frame is None or trigger.field not in frame.columns:
        return Forecast(None, f"Nothing is foreseen: {name} was not in a snapshot yet.")
    days = frame[trigger.field].cast(pl.Date, strict=False).drop_nulls()
    if trigger.is_yearly:
        return Forecast(len(days) / YEAR, f"{len(days):,} customers have a {name}, spread over the year.")
    acting = days + timedelta(days=trigger.days)
    many = int(acting.is_between(at.date(), (at + WINDOW).date(), closed="right").sum())
    return Forecast(many / WINDOW.days, f"Of {many:,} customers the day comes within {WINDOW.days} days.")


def _of_audience(audience: Segment | None) -> Forecast:
    """Count the audience: on a day on which it acts, it acts on all."""
    if audience is None:
        return Forecast(None, "Nothing is foreseen: there is no audience.")
    many = Membership.objects.filter(segment=audience).count()
    return Forecast(float(many), f"{many:,} customers are in the audience {audience}, on a day on which it acts.")
