"""Who is due, who gets it, and why: one Decision for every customer whose edge fires, and a planned Delivery."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db import IntegrityError, transaction

from campaigns import allocate, brakes, limits, offers, planning, policy, triggers, variants
from campaigns.assignment import Shares, assign
from campaigns.causes import START, WIDENED
from campaigns.edges import find
from campaigns.limits import Limits
from campaigns.looks import Edges, View, members, states, view, with_states
from campaigns.models import Campaign, Decision, TriggerBaseline, TriggerState
from campaigns.news import NOTHING
from campaigns.sharing import shares_of
from campaigns.triggers import ScoreTrigger, SegmentTrigger, Trigger
from campaigns.variants import Variant
from customers import bulk

NO_CHANGES = pl.DataFrame(
    schema={"segment_id": pl.Int64, "customer_id": pl.Int64, "bucket": pl.Int64, "kind": pl.String}
)
Outcome = Decision.Outcome
STATE_VALUES = ["is_inside", "since", "as_of", "round", "fired_at"]
BASELINE_VALUES = ["campaign_version", "rule_versions", "model_versions", "as_of"]


Found = tuple[Campaign, Trigger, Edges]


class Turn(NamedTuple):
    """What one campaign decided in one pass: its decisions, the planned messages that give way, and what limits it."""

    campaign: Campaign
    decisions: pl.DataFrame
    gives_way: pl.Series
    variants: tuple[Variant, ...]
    ours: Limits


def decide(
    frame: pl.DataFrame,
    changes: pl.DataFrame,
    as_of: datetime,
    *,
    is_whole: bool = True,
    happened: pl.DataFrame = NOTHING,
) -> Counter[str]:
    """Decide for every live campaign and customer whose edge fires; give the new decisions counted by outcome.

    `frame` is scored and has `cause`; `changes` are the membership changes of this pass, `happened` the events that a
    campaign waits for and that this pass may be the first to see. `is_whole` says that the frame has every customer of
    its buckets: only then may a campaign be started, or started again after an edit or a new model, in these buckets; a
    part of a bucket waits for the next whole one. Twice for the same time changes nothing; for an earlier time than a
    state was stored, that customer is left out. Campaigns go by priority: the cap of a later one sees what an earlier
    one planned, and what a later one has planned and not begun gives way to an earlier one.
    """
    campaigns = Campaign.objects.filter(state=Campaign.State.LIVE).select_related("audience").order_by("priority", "pk")
    if frame.is_empty() or not campaigns:
        return Counter()
    seen = view(frame, changes, as_of, is_whole, happened)
    readable = ((campaign, triggers.readable(campaign.trigger, seen.known)) for campaign in campaigns)
    found = [(campaign, trigger, find(seen, campaign, trigger)) for campaign, trigger in readable if trigger]
    return _decide(seen, found)


def of(campaign: Campaign, due: pl.DataFrame, as_of: datetime) -> Counter[str]:
    """Decide for one campaign and customers who are due by another way than an edge; give the decisions by outcome.

    `due` is as Edges.due. The round and the time are noted in the trigger states, in the same transaction. Twice for
    the same rounds changes nothing.
    """
    if due.is_empty():
        return Counter()
    seen = view(due, NO_CHANGES, as_of, is_whole=False)
    trigger = triggers.parse(campaign.trigger, seen.known)
    before = due.select("customer_id", pl.col("round") - 1)
    known = with_states(campaign, due.drop("round"), as_of).drop("round").join(before, on="customer_id")
    fired = states(known.with_columns(is_inside=True, fires=True), campaign, as_of)
    edges = Edges(fired, due, pl.DataFrame())
    return _decide(seen, [(campaign, trigger, edges)])


def judge(seen: View, found: list[Found], known: Limits | None = None) -> list[Turn]:
    """Judge the due customers of some campaigns, in this order. Nothing is written, and nothing is locked.

    `known` is what limits them, where it was read before.
    """
    wanted = [(one, variants.parse(one[0])) for one in found if not one[2].due.is_empty()]
    if not wanted:
        return []
    people = pl.concat([one[2].due.select("customer_id", "bucket") for one, _ in wanted]).unique("customer_id")
    channels = {shared[0].step.channel.value for _, shared in wanted}
    ours = known or limits.read(people.sort("customer_id"), seen.as_of, channels)
    return [_turn(seen, ours, one, shared) for one, shared in wanted]


def _decide(seen: View, found: list[Found]) -> Counter[str]:
    """Judge the due customers of some campaigns, and write all of it in one transaction."""
    turns = judge(seen, found)
    with transaction.atomic():
        return _write([edges for _, _, edges in found], turns, seen.as_of)


def _turn(seen: View, ours: Limits, found: Found, shared: tuple[Variant, ...]) -> Turn:
    campaign, trigger, edges = found
    due, channel = edges.due, shared[0].step.channel
    parts = shares_of(campaign, shared, seen.as_of)
    shares = Shares(ours.rules.holdout_share, campaign.control_share, campaign.pilot_share, parts)
    may = ours.allowed(due, channel, campaign.topic).drop("customer_id")
    asked = due.hstack(assign(due["seed"], campaign.key, shares)).hstack(may)
    asked = asked.with_columns(why=triggers.why(trigger), is_in_audience=_in_audience(seen, campaign, due))
    given = offers.of_variants(shared)
    limited = ours.look(ours.codes.barred(asked, given, seen.as_of), campaign, channel)
    chosen = policy.choose(limited.people, _terms(campaign, channel, ours))
    going = chosen.filter(pl.col("outcome") == Decision.Outcome.DELIVER).select("customer_id", "variant")
    ours.codes.note(going, given)
    gives_way = ours.plan(going, limited, campaign, channel)
    return Turn(campaign, _decisions(chosen, seen, campaign, trigger), gives_way["delivery_id"], shared, ours)


def _terms(campaign: Campaign, channel: str, ours: Limits) -> policy.Terms:
    return policy.Terms(
        channel=channel,
        topic=campaign.topic,
        audience=campaign.audience.key if campaign.audience else "",
        holdout_share=ours.rules.holdout_share,
        control_share=campaign.control_share,
        pilot_share=campaign.pilot_share,
        lateness_hours=campaign.lateness_hours,
        is_budgeted=allocate.is_budgeted(campaign),
        patience=allocate.patience(campaign, ours.as_of),
    )


def _in_audience(seen: View, campaign: Campaign, due: pl.DataFrame) -> pl.Series:
    if campaign.audience is None:
        return pl.Series("is_in_audience", [True] * due.height, dtype=pl.Boolean)
    return members(seen, campaign.audience, due)


def _decisions(chosen: pl.DataFrame, seen: View, campaign: Campaign, trigger: Trigger) -> pl.DataFrame:
    """Give the rows of Decision, but their ids, one for each customer who was considered."""
    moment = pl.lit(seen.as_of, dtype=bulk.UTC_MICROSECONDS)
    model = seen.models.get(trigger.score) if isinstance(trigger, ScoreTrigger) else None
    rule = seen.segments[trigger.segment].rule_version if isinstance(trigger, SegmentTrigger) else None
    return chosen.select(
        "customer_id",
        "round",
        "bucket",
        "outcome",
        "reason",
        "due_at",
        "expires_at",
        "cause",
        "score",
        "arm",
        "draw",
        "probability",
        "variant",
        campaign_id=pl.lit(campaign.pk, pl.Int64),
        as_of=moment,
        campaign_version=pl.lit(campaign.version, pl.Int64),
        rule_version=pl.lit(rule, pl.Int64),
        model_version_id=pl.lit(model, pl.Int64),
    )


def _write(looks: list[Edges], turns: list[Turn], as_of: datetime) -> Counter[str]:
    """Write all that a pass found and decided; a decision that another pass made first stays, and ours goes."""
    counts: Counter[str] = Counter()
    for edges in looks:
        _remember(edges.states)
        bulk.upsert(
            TriggerBaseline, edges.baselines, key=["campaign_id", "bucket"], update=BASELINE_VALUES, newer="as_of"
        )
    for turn in turns:
        counts.update(_store(turn, as_of))
    return counts


def _remember(states: pl.DataFrame) -> None:
    """Write trigger states; those that were never written go in as they are, unless another pass was first."""
    if states.is_empty():
        return
    new, known = states.filter("is_new").drop("is_new"), states.filter(~pl.col("is_new")).drop("is_new")
    try:
        with transaction.atomic():
            bulk.insert(TriggerState, new)
    except IntegrityError:
        known = pl.concat([known, new])
    bulk.upsert(TriggerState, known, key=["campaign_id", "customer_id"], update=STATE_VALUES, newer="as_of")


def _store(turn: Turn, as_of: datetime) -> dict[str, int]:
    """Store one campaign's decisions and plan their deliveries; count the outcomes of those that are new."""
    campaign, decisions = turn.campaign, turn.decisions
    is_going = pl.col("outcome").is_in([Outcome.DELIVER, Outcome.DEFERRED])
    if why := brakes.too_many(
        campaign, decisions.filter(is_going, ~pl.col("cause").is_in([START, WIDENED])).height, as_of
    ):
        brakes.pause(campaign, why, as_of)
        decisions = _held_back(decisions, is_going, why, as_of + brakes.HOLD)
    made = planning.store(decisions, campaign, as_of)
    held = allocate.is_budgeted(campaign)
    going = made.filter(pl.col("outcome").is_in([Outcome.DELIVER, *([] if held else [Outcome.DEFERRED])]))
    planning.plan(going, campaign, turn.variants, as_of)
    if not why:
        planning.give_way(turn.gives_way, campaign, as_of)
    return dict(made["outcome"].value_counts().iter_rows())


def _held_back(decisions: pl.DataFrame, is_going: pl.Expr, why: str, until: datetime) -> pl.DataFrame:
    """Let what a brake stopped wait for an answer."""
    moment = pl.lit(until, bulk.UTC_MICROSECONDS)
    held = {"outcome": pl.lit(Outcome.DEFERRED.value), "reason": pl.lit(why), "due_at": moment, "expires_at": moment}
    return decisions.with_columns(
        pl.when(is_going).then(value).otherwise(name).alias(name) for name, value in held.items()
    )
