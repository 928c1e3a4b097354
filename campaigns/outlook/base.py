"""How many of people like these reach the goal anyway: of those who matched on a past day, within its days after."""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings
from django.db.models import Min

from campaigns import dates, programme
from campaigns.models import Campaign
from campaigns.outlook.shapes import Base
from campaigns.stats import ENOUGH
from campaigns.triggers import DateTrigger, EventTrigger, ScoreTrigger, SegmentTrigger, Trigger
from customers import bulk, history, snapshot
from customers.history import Scope
from segments.models import Membership, MembershipChange, Segment

STARTS: bulk.Schema = {"customer_id": pl.Int64, "start": bulk.UTC_MICROSECONDS}
BEFORE = timedelta(days=28)  # in which events and dates are looked for
Kind = MembershipChange.Kind


class Like(NamedTuple):
    """Comparable customers, each with the time from which her goal counted; or none, and why."""

    people: pl.DataFrame
    basis: str


def of(campaign: Campaign, trigger: Trigger, as_of: datetime) -> Base:
    """Give the base rate of a campaign's goal. Raises LakeError."""
    day = as_of - timedelta(days=campaign.goal_days)
    like = _like(campaign, trigger, day)
    many = like.people.height
    if many < ENOUGH:
        return Base(many, None, None, like.basis)
    goals = _goals(like.people, campaign, as_of)
    converted = goals.height
    told = f"{converted:,} of {many:,} {like.basis} did it within {campaign.goal_days} days."
    if not converted:
        return Base(many, None, None, f"{told} So nothing can be reckoned yet.")
    margin = campaign.margin if campaign.margin is not None else programme.current().margin
    worth = float(goals["value"].sum()) / converted * margin
    return Base(many, converted / many, worth or None, told)


def _like(campaign: Campaign, trigger: Trigger, day: datetime) -> Like:
    match trigger:
        case ScoreTrigger():
            return _scored(trigger, day)
        case SegmentTrigger():
            segment = Segment.objects.get(key=trigger.segment)
            return _left(segment, day) if trigger.edge == "left" else _members(segment, day)
        case EventTrigger():
            return _did(trigger, day)
        case DateTrigger():
            return _dated(trigger, day)
    assert campaign.audience is not None  # without one it cannot be launched
    return _members(campaign.audience, day)


def _scored(trigger: ScoreTrigger, day: datetime) -> Like:
    """Give whose score was beyond the line in the last snapshot up to the day."""
    taken = snapshot.latest(day)
    name = f"scores.{trigger.score}"
    told = snapshot.load(taken, None, [name]) if taken else None
    if taken is None or told is None or name not in told.columns:
        return _nobody(f"The score {trigger.score} was not computed before {day:%Y-%m-%d}")
    told = told.filter(pl.col(name).is_not_null())
    value = pl.col(name).rank("max") * 100 / pl.len() if trigger.is_percentile else pl.col(name)
    beyond = value >= trigger.enter if trigger.direction == "above" else value <= trigger.enter
    return _from(told.filter(beyond), taken, f"whose score was beyond the line on {taken:%Y-%m-%d}")


def _members(segment: Segment, day: datetime) -> Like:
    """Give who was in a segment on the day: those who are now, less who entered since, and who left since."""
    changes = MembershipChange.objects.filter(segment=segment)
    first = changes.aggregate(first=Min("as_of"))["first"]
    if first is None or first > day:
        return _nobody(f"The segment {segment} was not looked at before {day:%Y-%m-%d}")
    schema: bulk.Schema = {"customer_id": pl.Int64, "kind": pl.String}
    since = bulk.read(changes.filter(as_of__gt=day).order_by("as_of", "pk").values_list(*schema), schema)
    undone = since.unique("customer_id", keep="first", maintain_order=True)
    now = bulk.read(Membership.objects.filter(segment=segment).values_list("customer_id"), {"customer_id": pl.Int64})
    stayed = now.join(undone, on="customer_id", how="anti")
    left = undone.filter(pl.col("kind") == Kind.LEFT).select("customer_id")
    return _from(pl.concat([stayed, left]), day, f"who were in the segment {segment} on {day:%Y-%m-%d}")


def _left(segment: Segment, day: datetime) -> Like:
    """Give who left a segment in the weeks up to the day."""
    changes = MembershipChange.objects.filter(segment=segment, as_of__gt=day - BEFORE, as_of__lte=day)
    rows = bulk.read(changes.filter(kind=Kind.LEFT).order_by("as_of").values_list("customer_id", "as_of"), STARTS)
    people = rows.unique("customer_id", keep="last", maintain_order=True)
    return Like(people, _said(people, f"who left the segment {segment} in the four weeks before {day:%Y-%m-%d}"))


def _did(trigger: EventTrigger, day: datetime) -> Like:
    """Give to whom it happened in the weeks up to the day, from the last time on; whatever its conditions."""
    events = history.pin().events(Scope()).filter(pl.col("name") == trigger.of.event)
    events = events.filter(pl.col("occurred_at") > day - BEFORE, pl.col("occurred_at") <= day)
    people = events.group_by("customer_id").agg(start=pl.col("occurred_at").max()).collect()
    return Like(people, _said(people, f"with {trigger.of.event} in the four weeks before {day:%Y-%m-%d}"))


def _dated(trigger: DateTrigger, day: datetime) -> Like:
    """Give whose hour came in the weeks up to the day."""
    taken = snapshot.latest()
    if taken is None:
        return _nobody("There is no snapshot yet")
    told = snapshot.load(taken, None, [trigger.field, dates.ZONE])
    at = dates.moments(told, trigger, day - BEFORE, day, ZoneInfo(settings.TIME_ZONE))
    people = told.select("customer_id").with_columns(at.alias("start")).drop_nulls()
    return Like(people, _said(people, f"whose hour came in the four weeks before {day:%Y-%m-%d}"))


def _from(people: pl.DataFrame, day: datetime, words: str) -> Like:
    started = people.select("customer_id", start=pl.lit(day, bulk.UTC_MICROSECONDS))
    return Like(started, _said(started, words))


def _said(people: pl.DataFrame, words: str) -> str:
    """Name comparable customers; where they are too few, say so."""
    if people.height < ENOUGH:
        return f"How many reach the goal anyway is not known: there were {people.height:,} customers {words}."
    return f"customers {words}"


def _nobody(why: str) -> Like:
    return Like(pl.DataFrame(schema=STARTS), f"How many reach the goal anyway is not known: {why[0].lower()}{why[1:]}.")


def _goals(people: pl.DataFrame, campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    """Give who reached the goal within its days, and the value of what she did."""
    first, last = people["start"].min(), people["start"].max()
    days = pl.duration(days=campaign.goal_days)
    events = (
        history.pin()
        .events(Scope())
        .filter(
            pl.col("name") == campaign.goal_event,
            pl.col("occurred_at") > first,
            pl.col("occurred_at") <= pl.lit(last) + days,
            pl.col("known_at") <= as_of,
        )
    )
    reached = events.select("customer_id", "occurred_at", "value").collect().join(people, on="customer_id")
    start = pl.col("start")
    reached = reached.filter(pl.col("occurred_at") > start, pl.col("occurred_at") <= start + days)
    return reached.group_by("customer_id").agg(pl.col("value").sum())
