"""Who is due, who gets it, and why: one Decision for every customer whose edge fires, and a planned Delivery."""

import json
import secrets
from collections import Counter
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db import transaction

from campaigns import eligibility, policy, programme, triggers, variants
from campaigns.assignment import Shares, assign
from campaigns.edges import Edges, View, find, members, view
from campaigns.models import Campaign, Decision, Delivery, Programme, TriggerBaseline, TriggerState
from campaigns.triggers import ScoreTrigger, SegmentTrigger, Trigger
from campaigns.variants import Variant
from customers import bulk, events
from customers.models import PUBLIC_ID_BYTES

SOURCE = "campaigns"
NO_CHANGES = pl.DataFrame(
    schema={"segment_id": pl.Int64, "customer_id": pl.Int64, "bucket": pl.Int64, "kind": pl.String}
)
EVENTS = {Decision.Outcome.HELD_OUT: "Held Out", Decision.Outcome.CONTROL: "Control Assigned"}
DECIDED: bulk.Schema = {"decision_id": pl.Int64, "public_id": pl.String}
NOBODY = pl.DataFrame(schema={"customer_id": pl.Int64, "outcome": pl.String})
STATE_VALUES = ["is_inside", "since", "as_of", "round", "fired_at"]
BASELINE_VALUES = ["campaign_version", "rule_versions", "model_versions", "as_of"]


class Turn(NamedTuple):
    """What one campaign decided in one pass: its edges, the decisions, and the variants whose steps they plan."""

    campaign: Campaign
    edges: Edges
    decisions: pl.DataFrame
    variants: tuple[Variant, ...]


class Standing(NamedTuple):
    """What one campaign finds when its turn comes: the programme, and who is to get a message by those before it."""

    rules: Programme
    planned: pl.DataFrame


def decide(frame: pl.DataFrame, changes: pl.DataFrame, as_of: datetime, *, is_whole: bool = True) -> Counter[str]:
    """Decide for every live campaign and customer whose edge fires; give the new decisions counted by outcome.

    `frame` is scored and has `cause`; `changes` are the membership changes of this pass. `is_whole` says that the frame
    has every customer of its buckets: only then may a campaign be started, or started again after an edit or a new
    model, in these buckets; a part of a bucket waits for the next whole one. Twice for the same time changes nothing;
    for an earlier time than a state was stored, that customer is left out. Campaigns go by priority: the cap of a later
    one sees what an earlier one planned.
    """
    campaigns = Campaign.objects.filter(state=Campaign.State.LIVE).select_related("audience").order_by("priority", "pk")
    if frame.is_empty() or not campaigns:
        return Counter()
    rules = programme.current()
    seen = view(frame, changes, as_of, is_whole)
    planned = pl.DataFrame(schema={"customer_id": pl.Int64})
    turns = []
    for campaign in campaigns:
        trigger = triggers.parse(campaign.trigger, seen.known)
        turn = _turn(seen, campaign, trigger, find(seen, campaign, trigger), Standing(rules, planned))
        going = turn.decisions.filter(pl.col("outcome") == Decision.Outcome.DELIVER)
        planned = pl.concat([planned, going.select("customer_id")])
        turns.append(turn)
    with transaction.atomic():
        return _write(turns, seen)


def of(campaign: Campaign, due: pl.DataFrame, as_of: datetime) -> Counter[str]:
    """Decide for one campaign and customers who are due by another way than an edge; give the decisions by outcome.

    `due` is as Edges.due. The round and the time are noted in the trigger states, in the same transaction. Twice for
    the same rounds changes nothing.
    """
    if due.is_empty():
        return Counter()
    seen = view(due, NO_CHANGES, as_of, is_whole=False)
    trigger = triggers.parse(campaign.trigger, seen.known)
    edges = Edges(_fired(campaign, due, as_of), due, pl.DataFrame())
    turn = _turn(seen, campaign, trigger, edges, Standing(programme.current(), NOBODY))
    with transaction.atomic():
        return _write([turn], seen)


def _fired(campaign: Campaign, due: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    moment = pl.lit(as_of, dtype=bulk.UTC_MICROSECONDS)
    return due.sort("customer_id").select(
        "customer_id",
        "bucket",
        "round",
        campaign_id=pl.lit(campaign.pk, pl.Int64),
        is_inside=pl.lit(False),
        since=moment,
        as_of=moment,
        fired_at=moment,
    )


def _turn(seen: View, campaign: Campaign, trigger: Trigger, edges: Edges, standing: Standing) -> Turn:
    shared = variants.parse(campaign)
    if edges.due.is_empty():
        return Turn(campaign, edges, NOBODY, shared)
    rules, step = standing.rules, shared[0].step
    shares = Shares(
        rules.holdout_share, campaign.control_share, campaign.pilot_share, {one.key: one.share for one in shared}
    )
    arms = assign(edges.due["seed"], campaign.key, shares)
    due = edges.due.hstack(arms).with_columns(
        why=triggers.why(trigger), is_in_audience=_in_audience(seen, campaign, edges.due)
    )
    may = eligibility.allowed(edges.due, step.channel, campaign.topic)
    messages = _messages(edges.due, standing.planned, seen.as_of, rules)
    for one in (may, messages):
        due = due.join(one, on="customer_id", how="left", maintain_order="left")
    chosen = policy.choose(due, _terms(campaign, shared, rules))
    return Turn(campaign, edges, _decisions(chosen, seen, campaign, trigger), shared)


def _terms(campaign: Campaign, shared: tuple[Variant, ...], rules: Programme) -> policy.Terms:
    return policy.Terms(
        channel=shared[0].step.channel,
        topic=campaign.topic,
        audience=campaign.audience.key if campaign.audience else "",
        holdout_share=rules.holdout_share,
        control_share=campaign.control_share,
        pilot_share=campaign.pilot_share,
        lateness_hours=campaign.lateness_hours,
        cap_messages=rules.cap_messages,
        cap_days=rules.cap_days,
    )


def _in_audience(seen: View, campaign: Campaign, due: pl.DataFrame) -> pl.Series:
    if campaign.audience is None:
        return pl.Series("is_in_audience", [True] * due.height, dtype=pl.Boolean)
    return members(seen, campaign.audience, due)


def _messages(due: pl.DataFrame, planned: pl.DataFrame, as_of: datetime, rules: Programme) -> pl.DataFrame:
    """Give the messages that count against the cap, those planned earlier in this pass included."""
    stored = eligibility.messages(due, as_of, rules.cap_days)
    now = planned.group_by("customer_id").agg(messages=pl.len().cast(pl.Int64))
    return pl.concat([stored, now]).group_by("customer_id").agg(pl.col("messages").sum())


def _decisions(chosen: pl.DataFrame, seen: View, campaign: Campaign, trigger: Trigger) -> pl.DataFrame:
    """Give the rows of Decision, one for each customer who was considered."""
    moment = pl.lit(seen.as_of, dtype=bulk.UTC_MICROSECONDS)
    model = seen.models.get(trigger.score) if isinstance(trigger, ScoreTrigger) else None
    rule = seen.segments[trigger.segment].rule_version if isinstance(trigger, SegmentTrigger) else None
    return chosen.select(
        "customer_id",
        "round",
        "bucket",
        "outcome",
        "reason",
        "cause",
        "score",
        "arm",
        "draw",
        "probability",
        "variant",
        public_id=pl.Series([secrets.token_urlsafe(PUBLIC_ID_BYTES) for _ in range(chosen.height)], dtype=pl.String),
        campaign_id=pl.lit(campaign.pk, pl.Int64),
        as_of=moment,
        due_at=moment,
        campaign_version=pl.lit(campaign.version, pl.Int64),
        rule_version=pl.lit(rule, pl.Int64),
        model_version_id=pl.lit(model, pl.Int64),
    )


def _write(turns: list[Turn], seen: View) -> Counter[str]:
    """Write all that a pass decided; a decision that another pass made first stays, and ours goes with its delivery."""
    counts: Counter[str] = Counter()
    for turn in turns:
        bulk.upsert(
            TriggerState, turn.edges.states, key=["campaign_id", "customer_id"], update=STATE_VALUES, newer="as_of"
        )
        bulk.upsert(
            TriggerBaseline, turn.edges.baselines, key=["campaign_id", "bucket"], update=BASELINE_VALUES, newer="as_of"
        )
        if turn.decisions.is_empty():
            continue
        bulk.insert(Decision, turn.decisions, ignore=["campaign_id", "customer_id", "round"])
        made = turn.decisions.join(_stored(turn.decisions, seen), on="public_id", maintain_order="left")
        bulk.insert(Delivery, _deliveries(made, turn))
        _record(made, turn.campaign.key, seen.as_of)
        counts.update(made["outcome"].to_list())
    return counts


def _stored(decisions: pl.DataFrame, seen: View) -> pl.DataFrame:
    campaign = decisions["campaign_id"][0]
    rows = Decision.objects.filter(bucket__in=seen.buckets(), as_of=seen.as_of, campaign_id=campaign)
    return bulk.read(rows.values_list("id", "public_id"), DECIDED)


def _deliveries(made: pl.DataFrame, turn: Turn) -> pl.DataFrame:
    going = made.filter(pl.col("outcome") == Decision.Outcome.DELIVER)
    actions = pl.DataFrame(
        {"variant": [v.key for v in turn.variants], "action": [v.step.action.value for v in turn.variants]}
    )
    going = going.join(actions, on="variant", how="left", maintain_order="left")
    return going.select(
        "decision_id",
        "customer_id",
        "due_at",
        "action",
        public_id=pl.Series([secrets.token_urlsafe(PUBLIC_ID_BYTES) for _ in range(going.height)], dtype=pl.String),
        step=pl.lit(0, pl.Int64),
        channel=pl.lit(turn.variants[0].step.channel.value),
        priority=pl.lit(turn.campaign.priority, pl.Int64),
        state=pl.lit(Delivery.State.PLANNED.value),
        token=pl.lit(""),
        attempts=pl.lit(0, pl.Int64),
        reason=pl.lit(""),
        resolution=pl.lit(""),
        is_told=pl.lit(False),
    )


def _record(made: pl.DataFrame, key: str, as_of: datetime) -> None:
    """Tell the lower apps whom a campaign left alone, so that scoring can learn from it."""
    names = {outcome.value: name for outcome, name in EVENTS.items()}
    alone = made.filter(pl.col("outcome").is_in(list(names)))
    if alone.is_empty():
        return
    rows = alone.select(
        "customer_id",
        message_id="public_id",
        name=pl.col("outcome").replace_strict(names, return_dtype=pl.String),
        occurred_at="as_of",
        properties=pl.lit(json.dumps({"campaign": key})),
    )
    events.record(rows, SOURCE, as_of)
