"""One campaign tried: who matches, what each would get and why, what that costs and runs into."""

from datetime import datetime

import polars as pl

from campaigns import allocate, decide, forecast, launch, offers, variants
from campaigns.decide import Turn
from campaigns.dry_run import costs, matches, messages, overlaps, warnings
from campaigns.dry_run.matches import Matches
from campaigns.dry_run.shapes import MOST_REASONS, Counted, DryRun, Reasoned, Rest
from campaigns.dry_run.tried import Tried
from campaigns.models import Campaign, Decision
from campaigns.policy import REASON_LENGTH
from customers import bulk

DECISIONS: bulk.Schema = {
    "customer_id": pl.Int64,
    "bucket": pl.Int64,
    "seed": pl.Int64,
    "round": pl.Int64,
    "outcome": pl.String,
    "reason": pl.String,
    "due_at": bulk.UTC_MICROSECONDS,
    "expires_at": bulk.UTC_MICROSECONDS,
    "cause": pl.String,
    "score": pl.Float64,
    "arm": pl.String,
    "draw": pl.Float64,
    "probability": pl.Float64,
    "variant": pl.String,
}
# What differs from one customer to the next: her place among the candidates, her score, and times.
OF_ONE = (
    (r"Number [\d,]+ of", "One of"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "…"),
    (r"(rose|fell) to -?[\d.]+;", "$1;"),
)
Outcome = Decision.Outcome


def run(campaign: Campaign, as_of: datetime) -> DryRun:
    """Give what a campaign would do if it acted now on those who match it.

    Facts are the newest that are stored. Nothing is written or locked, so it may run beside a cycle. A draft gives what
    its launch for those who match already decides; of a launched one, who was considered lately is not again. Raises
    LaunchError for a plan that could not be launched, LakeError where the history cannot be read.
    """
    trigger = launch.check(campaign)
    shared = variants.parse(campaign)
    matched = matches.now(campaign, trigger, as_of)
    tried = Tried(campaign, shared, _decided(matched, campaign), as_of)
    counted, rest = reasons(tried.decisions)
    return DryRun(
        campaign=campaign.key,
        as_of=as_of,
        facts_as_of=matched.facts_as_of,
        means=matched.means,
        matching=matched.matching,
        considered=tried.decisions.height,
        outcomes=_counted(tried.decisions, "outcome"),
        reasons=counted,
        other_reasons=rest,
        arms=_counted(tried.decisions, "arm"),
        variants=_counted(tried.going, "variant"),
        getting=tried.going.height,
        waiting=tried.waiting.height,
        a_day=forecast.foresee(campaign, as_of),
        warnings=warnings.of(tried),
        cost=costs.of(tried),
        messages=messages.of(tried),
        overlaps=overlaps.of(tried),
        decisions=tried.decisions,
    )


def _decided(matched: Matches, campaign: Campaign) -> pl.DataFrame:
    """Give what is decided about those who match, after the budget is shared out: a row each."""
    turns = decide.judge(matched.seen, [(campaign, matched.trigger, matched.edges)])
    if not turns:
        return pl.DataFrame(schema=DECISIONS)
    seeds = matched.edges.due.select("customer_id", "seed")
    rows = turns[0].decisions.join(seeds, on="customer_id", how="left", maintain_order="left").select(*DECISIONS)
    return _settled(rows, turns[0]) if allocate.is_budgeted(campaign) else rows


def _settled(rows: pl.DataFrame, turn: Turn) -> pl.DataFrame:
    """Let the campaign choose among those whom deciding held."""
    campaign, shared, as_of = turn.campaign, turn.variants, turn.ours.as_of
    rows = rows.with_row_index("id").with_columns(pl.col("id").cast(pl.Int64))
    held = rows.filter(pl.col("outcome") == Outcome.DEFERRED, pl.col("due_at") <= as_of)
    if held.is_empty():
        return rows.drop("id")
    given = offers.of_variants(shared)
    stocks = {offer.key: offers.stock_of(offer) for offer in given.values()}
    asked = held.select(*allocate.HELD_ROWS, why=allocate.head(pl.col("reason")))
    changes = allocate.settle(asked, campaign, shared, stocks, turn.ours).changes
    changes = changes.with_columns(pl.col("reason").str.slice(0, REASON_LENGTH))
    return rows.update(changes, on="id").drop("id")


def reasons(decisions: pl.DataFrame) -> tuple[tuple[Reasoned, ...], Rest]:
    """Give the most frequent reasons, and how many there are besides."""
    told = pl.col("reason")
    for pattern, put in OF_ONE:
        told = told.str.replace_all(pattern, put)
    each = decisions.group_by("outcome", "reason").agg(customers=pl.len()).with_columns(reason=told)
    alike = each.group_by("outcome", "reason").agg(pl.col("customers").sum())
    alike = alike.sort("customers", "outcome", "reason", descending=[True, False, False])
    rest = alike[MOST_REASONS:]
    first = tuple(Reasoned(*row) for row in alike.head(MOST_REASONS).iter_rows())
    return first, Rest(rest.height, int(rest["customers"].sum()))


def _counted(decisions: pl.DataFrame, name: str) -> tuple[Counted, ...]:
    many = decisions.group_by(name).agg(customers=pl.len()).sort("customers", name, descending=[True, False])
    return tuple(Counted(*row) for row in many.iter_rows())
