"""One look at some customers for one campaign: what was known before, who is due, and what is to be remembered."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import polars as pl

from campaigns import causes, news
from campaigns.causes import DATA, IMPORT, TIME
from campaigns.eligibility import among
from campaigns.models import Campaign, TriggerBaseline, TriggerState
from campaigns.news import NOTHING
from customers import bulk
from scoring import ranking
from scoring.models import ModelVersion, Target
from segments import bitmaps, rulebook
from segments.fields import Fields, catalogue
from segments.models import Membership, MembershipChange, Segment

STATE: bulk.Schema = {
    "customer_id": pl.Int64,
    "is_inside": pl.Boolean,
    "since": bulk.UTC_MICROSECONDS,
    "as_of": bulk.UTC_MICROSECONDS,
    "round": pl.Int64,
    "fired_at": bulk.UTC_MICROSECONDS,
}
DUE: bulk.Schema = {
    "customer_id": pl.Int64,
    "bucket": pl.Int64,
    "seed": pl.Int64,
    "cause": pl.String,
    "value": pl.Float64,
    "score": pl.Float64,
    "round": pl.Int64,
    "happened_at": bulk.UTC_MICROSECONDS,
    "is_late": pl.Boolean,
}
NO_TIME = pl.lit(None, bulk.UTC_MICROSECONDS)
ALIVE = -1  # the bucket of the baseline that says since when a campaign is alive
Entry = Campaign.Entry


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

    `is_whole` says that the frame has every customer of its buckets; `happened` are events that campaigns wait for and
    that this pass may be the first to see. With `begins`, campaigns are looked at as if they began just now, and acted
    on those who match already. What was remembered and stored before the pass is read by its methods, and nowhere else.
    """

    frame: pl.DataFrame
    changes: pl.DataFrame
    as_of: datetime
    is_whole: bool
    segments: dict[str, Segment]
    models: dict[str, int]
    happened: pl.DataFrame
    begins: bool = False

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

    def states(self, campaign: Campaign, people: pl.DataFrame) -> pl.DataFrame:
        """Give what the campaign remembers of these customers: STATE."""
        return stored_states(campaign, people)

    def noted(self, campaign: Campaign) -> list[TriggerBaseline]:
        """Give with which versions, and when, the buckets of the frame were last looked at whole."""
        return list(TriggerBaseline.objects.filter(campaign=campaign.pk, bucket__in=self.buckets()))

    def alive_since(self, campaign: Campaign) -> datetime:
        """Give since when what occurs counts."""
        return alive_since(campaign)

    def read_as_of(self, times: pl.Series) -> pl.DataFrame:
        """Give how far the cycles as of some times read events, as news.read_as_of."""
        return news.read_as_of(times)

    def brought(self, people: pl.DataFrame, attribute: str, before: datetime) -> pl.Series:
        """Give those people whose attribute was told by imports since a time, as causes.brought."""
        return causes.brought(people, attribute, before)

    def members(self, segment: Segment, people: pl.DataFrame) -> pl.Series:
        """Say of each of these customers whether she was in a segment before this pass."""
        return bitmaps.members(segment.pk, people)

    def stayed(self, segment: str, since: datetime) -> pl.Series:
        """Give those of the frame's customers who have been in a segment since a time."""
        rows = Membership.objects.filter(among(self.frame, buckets="bucket"), segment__key=segment, since__lte=since)
        return bulk.read(rows.values_list("customer_id"), {"customer_id": pl.Int64})["customer_id"]


def view(
    frame: pl.DataFrame, changes: pl.DataFrame, as_of: datetime, is_whole: bool, happened: pl.DataFrame = NOTHING
) -> View:
    """Give a pass over a scored frame, with the segments and the model versions that its scores came from."""
    segments = {segment.key: segment for segment in Segment.objects.all()}
    live = dict(ModelVersion.objects.filter(state=ModelVersion.State.LIVE).values_list("target", "id"))
    run = ranking.published()
    scored = {**live, **({int(target): version for target, version in run.versions.items()} if run else {})}
    keys = dict(Target.objects.values_list("pk", "key"))
    models = {keys[target]: version for target, version in scored.items() if target in keys}
    return View(frame, changes, as_of, is_whole, segments, models, happened)


def members(seen: View, segment: Segment, people: pl.DataFrame) -> pl.Series:
    """Say of each of these customers whether she is in a segment now: stored memberships, and this pass's changes."""
    stored = seen.members(segment, people)
    own = seen.changes.filter(pl.col("segment_id") == segment.pk)
    entered = own.filter(pl.col("kind") == MembershipChange.Kind.ENTERED)["customer_id"]
    left = own.filter(pl.col("kind") == MembershipChange.Kind.LEFT)["customer_id"]
    ids = pl.col("customer_id")
    is_member = (stored | ids.is_in(entered.implode())) & ~ids.is_in(left.implode())
    return people.select(is_member.alias(f"segments.{segment.key}")).to_series()


def alive_since(campaign: Campaign) -> datetime:
    """Give since when what occurs counts."""
    began = TriggerBaseline.objects.filter(campaign=campaign, bucket=ALIVE).values_list("as_of", flat=True).first()
    return began or campaign.launched_at or campaign.created_at


def stored_states(campaign: Campaign, people: pl.DataFrame) -> pl.DataFrame:
    """Give the trigger states of customers (`customer_id`, `bucket`): STATE."""
    rows = TriggerState.objects.filter(among(people, buckets="bucket"), campaign=campaign.pk).values_list(*STATE)
    return bulk.read(rows, STATE)


def with_states(
    campaign: Campaign, people: pl.DataFrame, as_of: datetime, known: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Add what the campaign remembers of each customer: `stored` (inside), since, written, round and fired_at.

    `known` are the states (STATE), where they were read before. Who was looked at as of a later time is left out.
    """
    states = stored_states(campaign, people) if known is None else known
    states = states.rename({"is_inside": "stored", "as_of": "written"})
    joined = people.join(states, on="customer_id", how="left", maintain_order="left")
    is_newer = pl.col("written").fill_null(as_of) <= as_of
    return joined.filter(is_newer).with_columns(pl.col("stored").fill_null(False), pl.col("round").fill_null(0))


def is_caused(campaign: Campaign) -> pl.Expr:
    """Say whose `cause` may make her due."""
    causes = [DATA, TIME, IMPORT] if campaign.fires_on_import else [DATA, TIME]
    return pl.col("cause").is_in(causes).fill_null(False)


def may_enter(campaign: Campaign, as_of: datetime) -> pl.Expr:
    """Say whom the campaign may consider again, by when it fired for her last: each time, once, or after a rest."""
    last = pl.col("fired_at")
    if campaign.entry == Entry.EVERY:
        return pl.lit(True)
    if campaign.entry == Entry.ONCE:
        return last.is_null()
    return last.is_null() | (last <= as_of - timedelta(days=campaign.cooldown_days))


def late(campaign: Campaign, as_of: datetime) -> pl.Expr:
    """Say what happened longer ago than the campaign looks back."""
    return (pl.col("happened_at") < as_of - timedelta(hours=campaign.lateness_hours)).fill_null(False)


def due(people: pl.DataFrame) -> pl.DataFrame:
    """Give the customers whose edge fires, with the number of that edge; `happened_at` null is as of now."""
    return people.filter("fires").with_columns(round=pl.col("round") + 1).select(*DUE).sort("customer_id")


def states(changed: pl.DataFrame, campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    """Give the rows of TriggerState, and whether each `is_new`. What came too late is counted, and starts no rest."""
    moment = pl.lit(as_of, dtype=bulk.UTC_MICROSECONDS)
    return changed.sort("customer_id").select(
        "customer_id",
        "bucket",
        "is_inside",
        campaign_id=pl.lit(campaign.pk, pl.Int64),
        since=pl.coalesce("happened_at", moment),
        as_of=moment,
        round=pl.col("round") + pl.col("fires").cast(pl.Int64),
        fired_at=pl.when(pl.col("fires") & ~pl.col("is_late")).then(moment).otherwise("fired_at"),
        is_new=pl.col("written").is_null(),
    )


def baselines(campaign: Campaign, buckets: list[int], as_of: datetime, versions: Versions) -> pl.DataFrame:
    """Give the rows of TriggerBaseline for buckets that were looked at whole."""
    schema = {"bucket": pl.Int64, "campaign_version": pl.Int64, "rule_versions": pl.String, "model_versions": pl.String}
    rules, models = (json.dumps(one, sort_keys=True) for one in (versions.rules, versions.models))
    rows = [(bucket, versions.campaign, rules, models) for bucket in buckets]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        campaign_id=pl.lit(campaign.pk, pl.Int64), as_of=pl.lit(as_of, dtype=bulk.UTC_MICROSECONDS)
    )
