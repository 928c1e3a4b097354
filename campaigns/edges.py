"""Who crossed a campaign's line since the last look: trigger states before and after, and the edges that fire."""

from datetime import datetime, timedelta

import polars as pl

from campaigns import occurrences
from campaigns.causes import DATA, IMPORT, START, TIME
from campaigns.looks import (
    DUE,
    NO_TIME,
    Edges,
    Versions,
    View,
    baselines,
    due,
    is_caused,
    may_enter,
    members,
    states,
    with_states,
)
from campaigns.models import Campaign
from campaigns.triggers import Dated, ScoreTrigger, SegmentTrigger, Slotted, Standing, Trigger, inside, needed

NO_EDGES = Edges(pl.DataFrame(), pl.DataFrame(schema=DUE), pl.DataFrame())


def find(seen: View, campaign: Campaign, trigger: Trigger) -> Edges:
    """Give the edges of one campaign. Nobody fires in a bucket that is looked at for the first time, or after an edit
    of the campaign, of a rule or of a model: its states are set in silence, and only by a frame of the whole bucket.
    At a launch that asks for it, the first look at a bucket fires for those who are inside.
    While the members of its segment cannot be found out, a campaign is left alone.
    """
    if isinstance(trigger, Dated):
        return occurrences.find(seen, campaign, trigger)
    if isinstance(trigger, Slotted):
        return NO_EDGES
    now = _versions(seen, campaign, trigger)
    is_answered = isinstance(trigger, ScoreTrigger) or trigger.segment not in seen.unanswered
    standing = _standing(seen, campaign, now).with_columns(pl.col("is_dropped") | (not is_answered))
    people = _people(seen, trigger).join(standing, on="bucket", how="left", maintain_order="left")
    people = people.filter(~pl.col("is_dropped"))
    people = with_states(campaign, people, seen.as_of, seen.states(campaign, people))
    was = people.select(pl.col("stored") & ~pl.col("is_fresh")).to_series()
    cause = pl.when("is_start").then(pl.lit(START)).otherwise("cause")
    people = people.with_columns(inside(people, trigger, was), was=was, cause=cause)
    people = people.with_columns(fires=_fires(campaign, trigger, seen.as_of), happened_at=NO_TIME, is_late=False)
    changed = people.filter(pl.col("stored") != pl.col("is_inside"))
    return Edges(states(changed, campaign, seen.as_of), due(people), _noted(seen, campaign, now, standing))


def _versions(seen: View, campaign: Campaign, trigger: Trigger) -> Versions:
    segments, targets = needed(trigger, {key: segment.rule for key, segment in seen.segments.items()})
    rules = {key: seen.segments[key].rule_version for key in sorted(segments & seen.segments.keys())}
    models = {key: seen.models[key] for key in sorted(targets) if key in seen.models}
    return Versions(campaign.trigger_version, rules, models)


def _standing(seen: View, campaign: Campaign, now: Versions) -> pl.DataFrame:
    """Say of each bucket whether it is looked at afresh, whether in silence, and whether it is left alone this time."""
    before = {} if seen.begins else {one.bucket: one for one in seen.noted(campaign)}
    rows = []
    for bucket in seen.buckets():
        last = before.get(bucket)
        is_fresh = last is None or last.campaign_version != now.campaign
        is_silent = last is None or is_fresh or (last.rule_versions, last.model_versions) != (now.rules, now.models)
        is_old = last is not None and seen.as_of < last.as_of
        is_start = last is None and (campaign.fires_on_start or seen.begins)
        rows.append((bucket, is_fresh, is_silent, is_start, is_old or (is_silent and not seen.is_whole)))
    says = ("is_fresh", "is_silent", "is_start", "is_dropped")
    return pl.DataFrame(rows, schema={"bucket": pl.Int64, **dict.fromkeys(says, pl.Boolean)}, orient="row")


def _people(seen: View, trigger: Standing) -> pl.DataFrame:
    """Give the columns of the frame that a trigger needs, with `value` (what is compared) and `score`."""
    frame = seen.frame
    if isinstance(trigger, SegmentTrigger):
        is_member = members(seen, seen.segments[trigger.segment], frame)
        cause, nothing = pl.col("cause"), pl.lit(None, dtype=pl.Float64)
        if trigger.edge == "stays":
            is_member = is_member & _stays(seen, trigger)
            cause = pl.when(cause.is_in([DATA, IMPORT])).then(pl.lit(TIME)).otherwise(cause).alias("cause")
        return frame.select("customer_id", "bucket", "seed", cause, is_member, value=nothing, score=nothing)
    columns = {name: pl.col(name) if name in frame.columns else pl.lit(None) for name in _score_columns(trigger)}
    floats = {name: column.cast(pl.Float64) for name, column in columns.items()}
    value, score = floats[trigger.column], floats[f"scores.{trigger.score}"]
    return frame.select("customer_id", "bucket", "seed", "cause", value.alias(trigger.column), value=value, score=score)


def _stays(seen: View, trigger: SegmentTrigger) -> pl.Series:
    """Say who of the frame has been in the segment for so many days: only time can bring this about."""
    since = seen.as_of - timedelta(days=trigger.days)
    return seen.frame["customer_id"].is_in(seen.stayed(trigger.segment, since).implode())


def _score_columns(trigger: ScoreTrigger) -> set[str]:
    return {trigger.column, f"scores.{trigger.score}"}


def _fires(campaign: Campaign, trigger: Standing, as_of: datetime) -> pl.Expr:
    """Say which edges fire: the right way, not in silence, by a cause that may, and where she may enter again."""
    was, is_inside = pl.col("was"), pl.col("is_inside")
    edge = ~was & is_inside if trigger.fires_inside else was & ~is_inside
    is_heard = ~pl.col("is_silent") & is_caused(campaign)
    return edge & (pl.col("is_start") | is_heard) & may_enter(campaign, as_of)


def _noted(seen: View, campaign: Campaign, now: Versions, standing: pl.DataFrame) -> pl.DataFrame:
    done = standing.filter(~pl.col("is_dropped"))["bucket"].to_list() if seen.is_whole else []
    return baselines(campaign, done, seen.as_of, now)
