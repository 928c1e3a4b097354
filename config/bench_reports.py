"""The report of one campaign that decided about everybody over four weeks: counted first, kept up, and read."""

from datetime import timedelta

import numpy as np
import polars as pl

from campaigns import planning
from campaigns.assignment import Shares, assign
from campaigns.models import Campaign, Decision, Delivery
from config import bench_decisions
from config.bench_world import END
from customers import bulk
from customers.models import Customer

MOST = 1_000_000  # decisions
DAYS = 28
SHARES = Shares(holdout=0.05, control=0.1, variants={"main": 0.5, "b": 0.5})
OUTCOMES = {"treated": "deliver", "control": "control", "holdout": "held_out"}


def prepare() -> Campaign:
    """Store a campaign whose decisions are spread over the last weeks; an hour after each, what it decided was sent."""
    step = bench_decisions.STEP
    campaign = Campaign.objects.create(
        key="measured",
        name="Measured",
        state=Campaign.State.STOPPED,
        trigger={"kind": "hand"},
        steps=[step],
        variants=[{"key": "b", "share": 0.5, "step": step}],
        message_cost=0.01,
        margin=0.3,
        planned_customers=100_000,
        created_at=END - timedelta(days=DAYS),
        launched_at=END - timedelta(days=DAYS),
    )
    rows = Customer.objects.order_by("bucket", "id").values_list("id", "bucket", "seed")
    for piece in bulk.read(rows[:MOST], bench_decisions.PEOPLE).iter_slices(bench_decisions.MOST):
        _store(campaign, piece)
    return campaign


def _store(campaign: Campaign, people: pl.DataFrame) -> None:
    seconds = np.random.default_rng(int(people["customer_id"][0])).integers(0, DAYS * 86_400, people.height)
    moment = pl.lit(END - timedelta(days=DAYS)).cast(bulk.UTC_MICROSECONDS)
    drawn = people.drop("seed").hstack(assign(people["seed"], campaign.key, SHARES))
    decisions = drawn.with_columns(
        id=bulk.new_ids(Decision, people.height),
        public_id=planning.public_ids(people.height),
        campaign_id=pl.lit(campaign.pk, pl.Int64),
        round=pl.lit(1, pl.Int64),
        outcome=pl.col("arm").replace_strict(OUTCOMES),
        reason=pl.lit("By hand."),
        cause=pl.lit("hand"),
        as_of=pl.lit(pl.Series(seconds * 1_000_000)).cast(pl.Duration("us")) + moment,
        due_at=moment,
        campaign_version=pl.lit(1, pl.Int64),
        score=pl.col("draw"),
    )
    bulk.insert(Decision, decisions)
    sent = decisions.filter(arm="treated").select(
        "customer_id",
        decision_id="id",
        public_id=planning.public_ids(decisions.filter(arm="treated").height),
        step=pl.lit(0, pl.Int64),
        action=pl.lit("email"),
        channel=pl.lit("email"),
        state=pl.lit(Delivery.State.SENT.value),
        priority=pl.lit(100, pl.Int64),
        due_at="as_of",
        token=pl.lit(""),
        began_at=pl.col("as_of") + timedelta(hours=1),
        ended_at=pl.col("as_of") + timedelta(hours=1),
        attempts=pl.lit(1, pl.Int64),
        reason=pl.lit(""),
        is_told=pl.lit(True),
        resolution=pl.lit(""),
    )
    bulk.insert(Delivery, sent)
