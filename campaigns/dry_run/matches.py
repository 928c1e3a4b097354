"""Who matches a campaign now, on the newest stored facts, and whom of these it may consider."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings

from campaigns import dates, edges, news, slots
from campaigns.causes import DATA
from campaigns.decide import NO_CHANGES
from campaigns.looks import Edges, View, view
from campaigns.models import Campaign
from campaigns.triggers import (
    Dated,
    DateTrigger,
    EventTrigger,
    HandTrigger,
    ScheduleTrigger,
    ScoreTrigger,
    SegmentTrigger,
    Slotted,
    Trigger,
)
from customers import bulk, snapshot
from customers.ids import among
from customers.models import Customer
from scoring import ranking
from scoring.models import Score, Target
from scoring.ranking import MILLION, Order
from segments.models import Membership

PEOPLE: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64, "seed": pl.Int64}
NOBODY = pl.DataFrame(schema=PEOPLE)
SEEDS: bulk.Schema = {"customer_id": pl.Int64, "seed": pl.Int64}
HALF: float = 0.5 / MILLION  # scores are stored in whole millionths


class Matches(NamedTuple):
    """Who matches a campaign: the pass over them, whom it may consider, and what "now" means for its trigger."""

    trigger: Trigger
    seen: View
    edges: Edges
    matching: int
    facts_as_of: datetime | None
    means: str


class _Found(NamedTuple):
    """Those who match, with the columns that their trigger compares, as of when, and the events they match by."""

    people: pl.DataFrame
    facts_as_of: datetime | None
    happened: pl.DataFrame = news.NOTHING


def now(campaign: Campaign, trigger: Trigger, as_of: datetime) -> Matches:
    """Give who matches, and fires as at a launch that acts on those who match already."""
    found = _found(campaign, trigger, as_of)
    people = found.people.sort("customer_id").with_columns(cause=pl.lit(DATA))
    seen = replace(view(people, NO_CHANGES, as_of, is_whole=True, happened=found.happened), begins=True)
    told = _edges(seen, campaign, trigger)
    # What an event's conditions ask is known of those whom its edges tell alone.
    matching = told.states.height if isinstance(trigger, Dated) else people.height
    return Matches(trigger, seen, told, matching, found.facts_as_of, means(campaign, trigger))


def means(campaign: Campaign, trigger: Trigger) -> str:
    """Say what "now" means for a trigger."""
    match trigger:
        case ScoreTrigger():
            who = "all whose newest score is beyond the line"
        case SegmentTrigger(edge="left"):
            who = "nobody: who left the segment before it began is not known to it"
        case SegmentTrigger(edge="stays"):
            who = f"all who have been in the segment for {trigger.days} days or longer"
        case SegmentTrigger():
            who = "all who are in the segment"
        case EventTrigger():
            who = f"all to whom it happened in the last {campaign.lateness_hours} hours"
        case DateTrigger():
            who = f"all whose hour came in the last {campaign.lateness_hours} hours"
        case HandTrigger():
            who = "the whole audience, as if somebody started it at this moment"
        case ScheduleTrigger():
            who = "the whole audience, as if the time of its schedule came at this moment"
    return f"Now means {who}."


def _edges(seen: View, campaign: Campaign, trigger: Trigger) -> Edges:
    if seen.frame.is_empty():
        return edges.NO_EDGES
    if isinstance(trigger, Slotted):
        due = slots.of_audience(campaign, trigger, seen.frame, seen.as_of, seen.as_of)
        return Edges(pl.DataFrame(), due, pl.DataFrame())
    return edges.find(seen, campaign, trigger)


def _found(campaign: Campaign, trigger: Trigger, as_of: datetime) -> _Found:
    match trigger:
        case ScoreTrigger():
            return _beyond(trigger)
        case SegmentTrigger():
            return _members(trigger, as_of)
        case EventTrigger():
            return _happened(campaign, trigger, as_of)
        case DateTrigger():
            return _dated(campaign, trigger, as_of)
    return _Found(slots.audience(campaign), snapshot.latest())


def _beyond(trigger: ScoreTrigger) -> _Found:
    """Give whose score of the published run, as last written, is beyond the line, and where it stands among all."""
    run = ranking.published()
    target = Target.objects.filter(key=trigger.score).first()
    if run is None or target is None:
        return _Found(NOBODY, None)
    is_above = trigger.direction == "above"
    line: float | None = trigger.enter
    if trigger.is_percentile:
        line = _value_at(ranking.orders_of(run, [target.pk]).get(target.pk), trigger.enter, is_above=is_above)
    if line is None:
        return _Found(NOBODY, run.as_of)
    beyond = {"value__gte": line} if is_above else {"value__lte": line}
    rows = Score.objects.filter(run=run, target=target, **beyond).values_list("customer_id", "bucket", "value")
    schema: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64, f"scores.{trigger.score}": pl.Float64}
    return _Found(ranking.place(_with_seeds(bulk.read_columns(rows, schema)), run), run.as_of)


def _value_at(order: Order | None, percentile: float, *, is_above: bool) -> float | None:
    """Give the value from which on scores have at least, or at most, a percentile; None where no score has."""
    many = order.beyond(percentile, is_above=is_above) if order else 0
    if order is None or not many:
        return None
    at = float(order.millionths[-many] if is_above else order.millionths[many - 1])
    line: float = at / MILLION + (-HALF if is_above else HALF)
    return line


def _members(trigger: SegmentTrigger, as_of: datetime) -> _Found:
    if not trigger.fires_inside:
        return _Found(NOBODY, snapshot.latest())
    rows = Membership.objects.filter(segment__key=trigger.segment)
    if trigger.edge == "stays":
        rows = rows.filter(since__lte=as_of - timedelta(days=trigger.days))
    found = bulk.read_columns(rows.values_list("customer_id", "bucket"), {"customer_id": pl.Int64, "bucket": pl.Int64})
    return _Found(_with_seeds(found), snapshot.latest())


def _with_seeds(people: pl.DataFrame) -> pl.DataFrame:
    """Add what each customer draws by, which never changes: of the latest snapshot, of new customers as stored."""
    taken = snapshot.latest()
    known = snapshot.load(taken, None, ["seed"]).select("customer_id", "seed") if taken else NOBODY.select(*SEEDS)
    told = people.join(known, on="customer_id", how="left", maintain_order="left")
    if not told["seed"].null_count():
        return told
    new = told.filter(pl.col("seed").is_null())["customer_id"]
    stored = bulk.read(Customer.objects.filter(among("pk", new)).values_list("pk", "seed"), SEEDS)
    late = told.join(stored, on="customer_id", how="left", suffix="_stored", maintain_order="left")
    seeded = late.with_columns(seed=pl.coalesce("seed", "seed_stored")).drop("seed_stored")
    return seeded.filter(pl.col("seed").is_not_null())  # who was erased just now is nobody


def _happened(campaign: Campaign, trigger: EventTrigger, as_of: datetime) -> _Found:
    """Give to whom it happened within the time that the campaign looks back; whatever its conditions."""
    happened = news.lately(trigger.of.event, as_of - timedelta(hours=campaign.lateness_hours), as_of)
    ids = happened.select("customer_id").unique()
    whose = Customer.objects.filter(among("pk", ids["customer_id"])).values_list("pk", "bucket", "seed", "time_zone")
    people = bulk.read(whose, {**PEOPLE, dates.ZONE: pl.String})
    return _Found(people.join(ids, on="customer_id", how="semi"), as_of, happened)


def _dated(campaign: Campaign, trigger: DateTrigger, as_of: datetime) -> _Found:
    """Give whose hour came within the time that the campaign looks back, by the latest snapshot."""
    taken = snapshot.latest()
    if taken is None:
        return _Found(NOBODY, None)
    told = snapshot.load(taken, None, ["seed", trigger.field, dates.ZONE])
    back = as_of - timedelta(hours=campaign.lateness_hours)
    at = dates.moments(told, trigger, back, as_of, ZoneInfo(settings.TIME_ZONE))
    people = told.filter(at.is_not_null())
    stored = bulk.read(
        Customer.objects.filter(among("pk", people["customer_id"])).values_list("pk"), {"customer_id": pl.Int64}
    )
    return _Found(people.join(stored, on="customer_id", how="semi"), taken)
