"""How the variants of a campaign do against each other, of those whose time has run out, and which does best."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from hashlib import sha256

import polars as pl
from django.db.models import Exists, OuterRef

from campaigns import measure, sharing, variants
from campaigns.assignment import TREATED
from campaigns.models import Campaign, Decision
from campaigns.stats import (
    ALARM,
    Difference,
    Mean,
    Verdict,
    WeightedMean,
    adaptive_shares,
    best_of,
    is_balanced,
)
from campaigns.variants import Variant
from customers import bulk
from customers.features import CLICKED
from customers.models import Event

CLICK_DAYS = 3  # after the decision, in which nearly all who click at all have done so
DECIDED: bulk.Schema = {
    "customer_id": pl.Int64,
    "as_of": pl.Datetime,
    "variant": pl.String,
    "probability": pl.Float64,
}
EVENTS: bulk.Schema = {"customer_id": pl.Int64, "occurred_at": pl.Datetime, "value": pl.Float64}
Metric = Campaign.Metric
WHAT = {Metric.CONVERSION: "Converted", Metric.VALUE: "Value of each customer", Metric.CLICK: "Clicked"}
DID = {Metric.CONVERSION: "converted", Metric.VALUE: "brought anything", Metric.CLICK: "clicked"}


@dataclass(frozen=True)
class Contest:
    """The variants of a campaign as of a time, with their sums over the customers whose time has run out.

    `arms` weights each customer by her probability where the shares changed, `plain` does not. `is_sound`: each variant
    is as large as its draws make it; where it is not, there is no verdict.
    """

    metric: Metric
    days: int
    plain: Mapping[str, Mean]
    arms: Mapping[str, WeightedMean]
    waiting: int
    is_weighted: bool
    is_sound: bool
    verdict: Verdict | None

    @property
    def words(self) -> tuple[str, ...]:
        """Give what may be said of it, and nothing more."""
        return tuple(_say(self))


def contest(campaign: Campaign, as_of: datetime) -> Contest:
    """Judge the variants of a campaign by its metric, since they are what they are now.

    Each customer counts once, from her first decision on, in the variant that she was drawn into, sent or not; and not
    before the goal's days have run out for her, for clicks not before CLICK_DAYS. After one was chosen for everybody,
    those count who were decided about before.
    """
    metric = Metric(campaign.winner_metric)
    days = CLICK_DAYS if metric == Metric.CLICK else campaign.goal_days
    shared = variants.parse(campaign)
    decided = _decided(campaign, as_of)
    is_sound = _is_sound(decided, campaign, shared)
    ripe = decided.filter(pl.col("as_of") <= as_of - timedelta(days=days))
    chances = ripe.group_by("variant").agg(n=pl.col("probability").n_unique())["n"]
    is_weighted = bool((chances > 1).any())
    rows = _sums(_with_outcome(ripe, campaign, metric, days), is_weighted=is_weighted)
    keys = [one.key for one in shared]
    plain = {key: rows[key][0] if key in rows else Mean() for key in keys}
    arms = {key: rows[key][1] if key in rows else WeightedMean() for key in keys}
    may_judge = is_sound and len(keys) >= sharing.FEWEST and all(arm.n for arm in arms.values())
    verdict = best_of(arms, measure.looks_of(campaign), typical=_typical(plain, metric)) if may_judge else None
    return Contest(metric, days, plain, arms, decided.height - ripe.height, is_weighted, is_sound, verdict)


def drawn_shares(found: Contest, campaign: Campaign, at: datetime) -> dict[str, float]:
    """Give the shares that an adaptive campaign's variants get from a time on; the same whenever it is asked."""
    seed = int.from_bytes(sha256(f"{campaign.key} {at.isoformat()}".encode()).digest()[:8])
    return adaptive_shares(found.plain, seed, is_share=found.metric != Metric.VALUE)


def _decided(campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    """Give the first decision of everybody who was drawn into one of the variants since they are what they are."""
    rows = Decision.objects.filter(campaign=campaign, arm=TREATED, as_of__lte=as_of)
    if campaign.compared_since:
        rows = rows.filter(as_of__gte=campaign.compared_since)
    if campaign.chosen_variant:
        rows = rows.filter(as_of__lt=sharing.chosen_at(campaign))
    found = bulk.read(rows.values_list(*DECIDED), {**DECIDED, "as_of": bulk.UTC_MICROSECONDS})
    return found.sort("as_of", "customer_id").unique("customer_id", keep="first", maintain_order=True)


def _is_sound(decided: pl.DataFrame, campaign: Campaign, shared: tuple[Variant, ...]) -> bool:
    """Say whether each variant has as many customers as the shares of their times make likely.

    The risk of a false alarm is shared out over the variants (Bonferroni).
    """
    if decided.is_empty():
        return True
    planned = {one.key: one.share for one in shared}
    learned = sharing.learned(campaign) if campaign.split == Campaign.Split.ADAPTIVE else ()
    begun = [(row.at, row.shares) for row in learned if row.shares.keys() == planned.keys()]
    first = min((decided["as_of"][0], *(at for at, _ in begun))) - timedelta(seconds=1)
    begun.append((first, planned))
    schema: bulk.Schema = {
        "at": bulk.UTC_MICROSECONDS,
        **dict.fromkeys((f"share {key}" for key in planned), pl.Float64),
    }
    rows = [(at, *(float(shares[key]) for key in planned)) for at, shares in begun]
    times = pl.DataFrame(rows, schema=schema, orient="row").sort("at")
    drawn = decided.join_asof(times, left_on="as_of", right_on="at")
    for key in planned:
        share = pl.col(f"share {key}")
        sums = drawn.select(expected=share.sum(), variance=(share * (1 - share)).sum())
        count = drawn.filter(pl.col("variant") == key).height
        if not is_balanced(count, sums["expected"].item(), sums["variance"].item(), ALARM / len(planned)):
            return False
    return True


def _with_outcome(ripe: pl.DataFrame, campaign: Campaign, metric: Metric, days: int) -> pl.DataFrame:
    """Add `y`: whether she did it within so many days after the decision, or what that was worth."""
    if ripe.is_empty():
        return ripe.with_columns(y=pl.lit(0.0))
    treated = Decision.objects.filter(campaign=campaign, arm=TREATED, customer=OuterRef("customer"))
    last = ripe["as_of"][-1] + timedelta(days=days)
    within = Event.objects.filter(Exists(treated), occurred_at__gt=ripe["as_of"][0], occurred_at__lte=last)
    if metric == Metric.CLICK:
        within = within.filter(name=CLICKED, properties__campaign=campaign.key)
    else:
        within = within.filter(name=campaign.goal_event)
    events = bulk.read(within.values_list(*EVENTS), {**EVENTS, "occurred_at": bulk.UTC_MICROSECONDS})
    told = events.join(ripe.select("customer_id", start="as_of"), on="customer_id")
    after = pl.col("occurred_at") - pl.col("start")
    told = told.filter(after > timedelta(0), after <= timedelta(days=days))
    worth = pl.col("value").fill_null(0.0).sum() if metric == Metric.VALUE else pl.lit(1.0)
    sums = told.group_by("customer_id").agg(y=worth)
    return ripe.join(sums, on="customer_id", how="left").with_columns(pl.col("y").fill_null(0.0))


def _sums(people: pl.DataFrame, *, is_weighted: bool) -> dict[str, tuple[Mean, WeightedMean]]:
    """Give the sums of each variant: plain ones, and those weighted by one over the probability (Hajek 1971)."""
    y, w = pl.col("y"), 1.0 / pl.col("probability") if is_weighted else pl.lit(1.0)
    weighted = people.with_columns(w=w)
    w = pl.col("w")
    sums = weighted.group_by("variant").agg(
        n=pl.len(),
        total=y.sum(),
        squares=(y * y).sum(),
        weights=w.sum(),
        weighted=(w * y).sum(),
        square_weights=(w * w).sum(),
        square_total=(w * w * y).sum(),
        square_squares=(w * w * y * y).sum(),
    )
    return {
        variant: (Mean(n, total, squares), WeightedMean(n, *rest))
        for variant, n, total, squares, *rest in sums.iter_rows()
    }


def _typical(plain: Mapping[str, Mean], metric: Metric) -> float:
    """Give what a customer who did it brings: 1 where it is asked whether she did, else of a size that occurs."""
    if metric != Metric.VALUE:
        return 1.0
    whole = reduce(Mean.__add__, plain.values())
    return whole.total_squares / whole.total if whole.total > 0 else 1.0


def _say(found: Contest) -> Iterator[str]:
    """Say who does best, or why that cannot be said; the intervals hold however often one looks."""
    if not found.is_sound:
        yield "The variants are not as large as their shares make them; until that is explained, none can win."
        return
    verdict = found.verdict
    if verdict is None:
        yield f"Nothing to compare yet: each variant needs customers {_of_whom(found)}."
        return
    arms = ", ".join(f"{key} {_amount(found, arm.value or 0.0)}" for key, arm in found.arms.items())
    if verdict.winner:
        yield f"“{verdict.winner}” does best. {WHAT[found.metric]}: {arms}."
    elif verdict.alike:
        names = " and ".join(f"“{key}”" for key in (verdict.leader, *verdict.alike))
        least = _amount(found, verdict.worthwhile)
        yield f"No winner: {names} do alike. {WHAT[found.metric]}: {arms}. Less than {least} lies between them."
    else:
        yield f"No winner yet. {WHAT[found.metric]}: {arms}."
    for key, ahead in verdict.ahead.items():
        yield f"“{verdict.leader}” against “{key}”: {_range(found, ahead)}"
    if found.is_weighted:
        yield "The shares changed, so each customer counts by the chance that she had."


def _of_whom(found: Contest) -> str:
    days = f"{found.days} {'day' if found.days == 1 else 'days'}"
    return f"whose decision is {days} old: only then is known whether they {DID[found.metric]}"


def _amount(found: Contest, value: float) -> str:
    return f"{value:,.2f}" if found.metric == Metric.VALUE else f"{value:.2%}"


def _range(found: Contest, ahead: Difference) -> str:
    if ahead.interval is None:
        return ahead.message
    times, unit = (1.0, "") if found.metric == Metric.VALUE else (100.0, " points")
    value, low, high = (times * one for one in (ahead.interval.value, ahead.interval.low, ahead.interval.high))
    return f"{value:+,.2f}{unit} ({low:+,.2f} to {high:+,.2f})."
