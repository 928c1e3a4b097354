"""Who crossed a campaign's line since the last look: trigger states before and after, and the edges that fire."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import polars as pl

from campaigns.causes import DATA, IMPORT, START, TIME
from campaigns.eligibility import among
from campaigns.models import Campaign, TriggerBaseline, TriggerState
from campaigns.triggers import ScoreTrigger, SegmentTrigger, Standing, Trigger, inside, needed
from customers import bulk
from scoring import ranking
from scoring.models import ModelVersion, Target
from segments import bitmaps, rulebook
from segments.fields import Fields, catalogue
from segments.models import MembershipChange, Segment

STATE: bulk.Schema = {
    "customer_id": pl.Int64,
    "is_inside": pl.Boolean,
    "as_of": pl.Datetime,
    "round": pl.Int64,
    "fired_at": pl.Datetime,
}


DUE = ("customer_id", "bucket", "seed", "cause", "value", "score", "round", "happened_at", "is_late")


class Versions(NamedTuple):
    """What a trigger's states depend on besides the customers themselves."""

    campaign: int
    rules: dict[str, int]
    models: dict[str, int]


class Edges(NamedTuple):
    """What one look at a campaign gives: states to write, due customers, and baselines to note."""

    states: pl.DataFrame
    due: pl.DataFrame
    baselines: pl.DataFrame


@dataclass(frozen=True)
class View:
    """One pass over some customers: their frame, the membership changes, the time, and the rules and models in force.

    `is_whole` says that the frame has every customer of its buckets.
    """

    frame: pl.DataFrame
    changes: pl.DataFrame
    as_of: datetime
    is_whole: bool
    segments: dict[str, Segment]
    models: dict[str, int]

    @cached_property
    def known(self) -> Fields:
        """Give what triggers may name."""
        return catalogue(consents=())

    @cached_property
    def unanswered(self) -> frozenset[str]:
        """Give the keys of the segments whose members could not be brought up to date."""
        return frozenset(rulebook.read().problems)

    def buckets(self) -> list[int]:
        """Give the buckets of the frame, in order."""
        return sorted(self.frame["bucket"].unique().to_list())


def view(frame: pl.DataFrame, changes: pl.DataFrame, as_of: datetime, is_whole: bool) -> View:
    """Give a pass over a scored frame, with the segments and the model versions that its scores came from."""
    segments = {segment.key: segment for segment in Segment.objects.all()}
    live = dict(ModelVersion.objects.filter(state=ModelVersion.State.LIVE).values_list("target", "id"))
    run = ranking.published()
    scored = {**live, **({int(target): version for target, version in run.versions.items()} if run else {})}
    keys = dict(Target.objects.values_list("pk", "key"))
    models = {keys[target]: version for target, version in scored.items() if target in keys}
    return View(frame, changes, as_of, is_whole, segments, models)


def members(seen: View, segment: Segment, people: pl.DataFrame) -> pl.Series:
    """Say of each of these customers whether she is in a segment now: stored memberships, and this pass's changes."""
    stored = bitmaps.members(segment.pk, people)
    own = seen.changes.filter(pl.col("segment_id") == segment.pk)
    entered = own.filter(pl.col("kind") == MembershipChange.Kind.ENTERED)["customer_id"]
    left = own.filter(pl.col("kind") == MembershipChange.Kind.LEFT)["customer_id"]
    ids = pl.col("customer_id")
    is_member = (stored | ids.is_in(entered.implode())) & ~ids.is_in(left.implode())
    return people.select(is_member.alias(f"segments.{segment.key}")).to_series()


def find(seen: View, campaign: Campaign, trigger: Trigger) -> Edges:
    """Give the edges of one campaign. Nobody fires in a bucket that is looked at for the first time, or after an edit
    of the campaign, of a rule or of a model: its states are set in silence, and only by a frame of the whole bucket.
    At a launch that asks for it, the first look at a bucket fires for those who are inside.
    While the members of its segment cannot be found out, a campaign is left alone.
    """
    if not isinstance(trigger, Standing):
        return Edges(pl.DataFrame(), pl.DataFrame(), pl.DataFrame())
    now = _versions(seen, campaign, trigger)
    is_answered = isinstance(trigger, ScoreTrigger) or trigger.segment not in seen.unanswered
    standing = _standing(seen, campaign, now).with_columns(pl.col("is_dropped") | (not is_answered))
    people = _people(seen, trigger).join(standing, on="bucket", how="left", maintain_order="left")
    states = bulk.read(
        TriggerState.objects.filter(among(people, buckets="bucket"), campaign=campaign).values_list(*STATE), STATE
    ).rename({"is_inside": "stored", "as_of": "written"})
    people = people.join(states, on="customer_id", how="left", maintain_order="left")
    is_newer = pl.col("written").fill_null(seen.as_of) <= seen.as_of
    people = people.filter(~pl.col("is_dropped"), is_newer).with_columns(
        pl.col("stored").fill_null(False), pl.col("round").fill_null(0)
    )
    was = people.select(pl.col("stored") & ~pl.col("is_fresh")).to_series()
    cause = pl.when("is_start").then(pl.lit(START)).otherwise("cause")
    people = people.with_columns(inside(people, trigger, was), was=was, cause=cause)
    people = people.with_columns(fires=_fires(campaign, trigger, seen.as_of))
    changed = people.filter(pl.col("stored") != pl.col("is_inside"))
    return Edges(_states(changed, campaign, seen.as_of), _due(people), _baselines(seen, campaign, now, standing))


def _versions(seen: View, campaign: Campaign, trigger: Trigger) -> Versions:
    segments, targets = needed(trigger, {key: segment.rule for key, segment in seen.segments.items()})
    rules = {key: seen.segments[key].rule_version for key in sorted(segments & seen.segments.keys())}
    models = {key: seen.models[key] for key in sorted(targets) if key in seen.models}
    return Versions(campaign.version, rules, models)


def _standing(seen: View, campaign: Campaign, now: Versions) -> pl.DataFrame:
    """Say of each bucket whether it is looked at afresh, whether in silence, and whether it is left alone this time."""
    before = {one.bucket: one for one in TriggerBaseline.objects.filter(campaign=campaign, bucket__in=seen.buckets())}
    rows = []
    for bucket in seen.buckets():
        last = before.get(bucket)
        is_fresh = last is None or last.campaign_version != now.campaign
        is_silent = last is None or is_fresh or (last.rule_versions, last.model_versions) != (now.rules, now.models)
        is_old = last is not None and seen.as_of < last.as_of
        is_start = last is None and campaign.fires_on_start
        rows.append((bucket, is_fresh, is_silent, is_start, is_old or (is_silent and not seen.is_whole)))
    says = ("is_fresh", "is_silent", "is_start", "is_dropped")
    return pl.DataFrame(rows, schema={"bucket": pl.Int64, **dict.fromkeys(says, pl.Boolean)}, orient="row")


def _people(seen: View, trigger: Standing) -> pl.DataFrame:
    """Give the columns of the frame that a trigger needs, with `value` (what is compared) and `score`."""
    frame = seen.frame
    if isinstance(trigger, SegmentTrigger):
        is_member = members(seen, seen.segments[trigger.segment], frame)
        nothing = pl.lit(None, dtype=pl.Float64)
        return frame.select("customer_id", "bucket", "seed", "cause", is_member, value=nothing, score=nothing)
    columns = {name: pl.col(name) if name in frame.columns else pl.lit(None) for name in _score_columns(trigger)}
    floats = {name: column.cast(pl.Float64) for name, column in columns.items()}
    value, score = floats[trigger.column], floats[f"scores.{trigger.score}"]
    return frame.select("customer_id", "bucket", "seed", "cause", value.alias(trigger.column), value=value, score=score)


def _score_columns(trigger: ScoreTrigger) -> set[str]:
    return {trigger.column, f"scores.{trigger.score}"}


def _fires(campaign: Campaign, trigger: Standing, as_of: datetime) -> pl.Expr:
    """Say which edges fire: the right way, not in silence, by a cause that may, and not within the cooldown."""
    was, is_inside = pl.col("was"), pl.col("is_inside")
    edge = ~was & is_inside if trigger.fires_inside else was & ~is_inside
    causes = [DATA, TIME, IMPORT] if campaign.fires_on_import else [DATA, TIME]
    rested = as_of - timedelta(days=campaign.cooldown_days)
    is_rested = pl.col("fired_at").is_null() | (pl.col("fired_at") <= rested)
    is_caused = ~pl.col("is_silent") & pl.col("cause").is_in(causes).fill_null(False)
    return edge & (pl.col("is_start") | is_caused) & is_rested


def _states(changed: pl.DataFrame, campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    moment = pl.lit(as_of, dtype=bulk.UTC_MICROSECONDS)
    return changed.sort("customer_id").select(
        "customer_id",
        "bucket",
        "is_inside",
        campaign_id=pl.lit(campaign.pk, pl.Int64),
        since=moment,
        as_of=moment,
        round=pl.col("round") + pl.col("fires").cast(pl.Int64),
        fired_at=pl.when("fires").then(moment).otherwise("fired_at"),
    )


def _due(people: pl.DataFrame) -> pl.DataFrame:
    """Give the customers whose edge fires, with the number of that edge, when it happened (null: as of now), and
    whether that is longer ago than the campaign looks back.
    """
    due = people.filter("fires").with_columns(
        round=pl.col("round") + 1, happened_at=pl.lit(None, bulk.UTC_MICROSECONDS), is_late=pl.lit(False)
    )
    return due.select(*DUE).sort("customer_id")


def _baselines(seen: View, campaign: Campaign, now: Versions, standing: pl.DataFrame) -> pl.DataFrame:
    schema = {"bucket": pl.Int64, "campaign_version": pl.Int64, "rule_versions": pl.String, "model_versions": pl.String}
    done = standing.filter(~pl.col("is_dropped"))["bucket"].to_list() if seen.is_whole else []
    rows = [(bucket, now.campaign, _json(now.rules), _json(now.models)) for bucket in done]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        campaign_id=pl.lit(campaign.pk, pl.Int64), as_of=pl.lit(seen.as_of, dtype=bulk.UTC_MICROSECONDS)
    )


def _json(versions: dict[str, int]) -> str:
    return json.dumps(versions, sort_keys=True)
