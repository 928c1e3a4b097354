"""What a campaign really earned: those it was for, against those who were left alone by chance."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from django.db.models import Count, Exists, OuterRef

from campaigns.assignment import CONTROL, HOLDOUT, OUTSIDE, TREATED
from campaigns.models import Campaign, Decision, Delivery
from campaigns.stats import (
    Difference,
    Interval,
    Mean,
    Proportion,
    difference_of_means,
    difference_of_proportions,
    is_balanced,
)
from customers import bulk
from customers.models import Event

DECISIONS: bulk.Schema = {
    "customer_id": pl.Int64,
    "as_of": pl.Datetime,
    "arm": pl.String,
    "probability": pl.Float64,
    "variant": pl.String,
    "campaign_version": pl.Int64,
}
EVENTS: bulk.Schema = {"customer_id": pl.Int64, "occurred_at": pl.Datetime, "value": pl.Float64}


@dataclass(frozen=True)
class Arm:
    """One arm's customers: how many did what was hoped for within the window, and what that was worth."""

    name: str
    conversions: Proportion
    value: Mean

    @property
    def customers(self) -> int:
        """Give how many customers were assigned to it."""
        return self.conversions.n


@dataclass(frozen=True)
class Comparison:
    """Treated minus another arm: in the share that converted, in value per customer, and in value altogether."""

    against: str
    conversion: Difference
    value: Difference
    earned: Interval | None


@dataclass(frozen=True)
class Report:
    """A campaign as of a time. `words` says what may be said about it, and nothing more."""

    campaign: str
    as_of: datetime
    treated: Arm
    control: Arm
    holdout: Arm
    against_control: Comparison
    against_holdout: Comparison
    ripe_share: float | None
    is_balanced: bool
    outcomes: dict[str, int]
    deliveries: dict[str, int]
    words: tuple[str, ...]


def measure(campaign: Campaign, as_of: datetime) -> Report:
    """Give what a campaign did up to a time.

    Each customer counts once, in the arm of her first decision and from that moment, whether anything was sent or not
    (intention to treat); later rounds are not independent of the first. A conversion is a goal event within goal_days
    after the decision that had happened and was known by `as_of`; its value is that of all goal events in the window.
    """
    first = _first_decisions(campaign, as_of)
    people = _with_goals(first, campaign, as_of)
    treated, control, holdout = (_arm(people, name) for name in (TREATED, CONTROL, HOLDOUT))
    against_control, against_holdout = compare(treated, control), compare(treated, holdout)
    ripe = first.select((pl.col("as_of") <= as_of - timedelta(days=campaign.goal_days)).mean()).item()
    balanced = _is_balanced(first)
    decided = Decision.objects.filter(campaign=campaign, as_of__lte=as_of).order_by()
    delivered = Delivery.objects.filter(decision__campaign=campaign, decision__as_of__lte=as_of).order_by()
    return Report(
        campaign=campaign.key,
        as_of=as_of,
        treated=treated,
        control=control,
        holdout=holdout,
        against_control=against_control,
        against_holdout=against_holdout,
        ripe_share=ripe,
        is_balanced=balanced,
        outcomes=dict(decided.values_list("outcome").annotate(Count("id"))),
        deliveries=dict(delivered.values_list("state").annotate(Count("id"))),
        words=say(against_control, against_holdout, control, ripe, balanced),
    )


def closed_arms(campaign: Campaign, as_of: datetime, variants: Collection[str] | None = None) -> tuple[Arm, Arm] | None:
    """Give the treated and the control group of whom the goal's time has run out; None where chance did not make them.

    With `variants`, of the treated those who were drawn into one of these. Where both arms have customers of all ages,
    those whose time still runs would make every effect look smaller.
    """
    closed = _first_decisions(campaign, as_of).filter(pl.col("as_of") <= as_of - timedelta(days=campaign.goal_days))
    if not _is_balanced(closed):
        return None
    people = _with_goals(closed, campaign, as_of)
    wanted = people if variants is None else people.filter(pl.col("variant").is_in(list(variants)))
    return _arm(wanted, TREATED), _arm(people, CONTROL)


def compare(treated: Arm, other: Arm) -> Comparison:
    """Give treated minus another arm, with what that makes over all treated customers."""
    value = difference_of_means(treated.value, other.value)
    earned = None
    if value.interval:
        one = value.interval
        earned = Interval(one.value * treated.customers, one.low * treated.customers, one.high * treated.customers)
    conversion = difference_of_proportions(treated.conversions, other.conversions)
    return Comparison(other.name, conversion, value, earned)


def say(
    against_control: Comparison, against_holdout: Comparison, control: Arm, ripe: float | None, balanced: bool
) -> tuple[str, ...]:
    """Give the result in sentences; an effect is named only against a control group that chance made.

    The holdout is a second control group, after Rosenbaum (1987), The role of a second control group in an
    observational study: it takes an effect away where it contradicts, and never gives one. The two are not pooled,
    for the holdout gets no other campaign either, which changes who of it comes to be due.
    """
    if ripe is None:
        return ("Nothing has been decided yet.",)
    if control.customers == 0:
        return ("There is no control group, so nothing can be said about what the campaign changed.",)
    if not balanced:
        return ("The arms are not as large as the draws make them; until that is explained, no effect can be read.",)
    is_final = ripe >= 1.0
    conversion = _say_conversion(against_control.conversion, against_holdout.conversion, is_final)
    sentences = dict.fromkeys([conversion, _say_value(against_control, against_holdout, is_final)])
    if not is_final:
        sentences[f"The goal's time has run out for {ripe:.0%} of the customers; judge when it has for all."] = None
    return tuple(sentences)


def _say_conversion(found: Difference, holdout: Difference, is_final: bool) -> str:
    """Say what the campaign did to the share that converted; before the end only what was seen so far."""
    if found.interval is None:
        return found.message
    value, runs = 100 * found.interval.value, _runs(found.interval, 100, " points")
    if not found.interval.excludes_zero:
        return f"No effect on conversion shown yet; {runs}."
    if doubt := _doubt(found.interval, holdout.interval):
        return f"No effect on conversion shown yet: {doubt}; {runs} against control."
    more = "more" if value > 0 else "fewer"
    if not is_final:
        return f"So far {abs(value):.2f} points {more} of the treated than of the control group converted; {runs}."
    return f"{abs(value):.2f} points {more} of the treated converted because of the campaign; {runs}."


def _say_value(found: Comparison, holdout: Comparison, is_final: bool) -> str:
    if found.value.interval is None or found.earned is None:
        return found.value.message
    runs = _runs(found.earned)
    if not found.value.interval.excludes_zero:
        return f"No effect on value shown yet; {runs}."
    if doubt := _doubt(found.value.interval, holdout.value.interval):
        return f"No effect on value shown yet: {doubt}; {runs} against control."
    amount = f"{abs(found.earned.value):,.2f}"
    if not is_final:
        return f"So far the treated brought {amount} {'more' if found.earned.value > 0 else 'less'}; {runs}."
    return f"The campaign {'earned' if found.earned.value > 0 else 'lost'} {amount}; {runs}."


def _runs(found: Interval, times: float = 1.0, unit: str = "") -> str:
    low, high = times * found.low, times * found.high
    if unit:
        return f"the 95% interval runs from {low:+.2f} to {high:+.2f}{unit}"
    return f"the 95% interval runs from {low:,.2f} to {high:,.2f}"


def _doubt(control: Interval, holdout: Interval | None) -> str:
    """Say how the holdout contradicts what control shows; nothing where it does not, or has too few customers.

    It contradicts by an interval on the other side of zero, or by one that has zero in it and not as much as control
    shows: then it is large enough to show that, and does not.
    """
    if holdout is None:
        return ""
    sign = 1.0 if control.value > 0 else -1.0
    low, high = sorted((sign * holdout.low, sign * holdout.high))
    if high < 0.0:
        return "against the holdout the difference goes the other way"
    if low <= 0.0 and high < sign * control.value:
        return "against the holdout, which is large enough, there is none"
    return ""


def _first_decisions(campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    decided = Decision.objects.filter(campaign=campaign, as_of__lte=as_of).exclude(arm=OUTSIDE)
    rows = decided.values_list(*DECISIONS)
    found = bulk.read(rows, DECISIONS)
    return found.sort("as_of", "customer_id").unique("customer_id", keep="first", maintain_order=True)


def _with_goals(first: pl.DataFrame, campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    """Add `goals` and `value`, of the goal events within each customer's window."""
    goals = _goals(first, campaign, as_of).join(first.select("customer_id", start="as_of"), on="customer_id")
    end = pl.col("start") + timedelta(days=campaign.goal_days)
    within = goals.filter(pl.col("occurred_at") > pl.col("start"), pl.col("occurred_at") <= end)
    sums = within.group_by("customer_id").agg(goals=pl.len(), value=pl.col("value").sum())
    joined = first.join(sums, on="customer_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("goals").fill_null(0), pl.col("value").fill_null(0.0))


def _goals(first: pl.DataFrame, campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    if first.is_empty():
        return pl.DataFrame(schema={**EVENTS, "occurred_at": bulk.UTC_MICROSECONDS})
    is_decided = Exists(Decision.objects.filter(campaign=campaign, customer=OuterRef("customer")))
    events = Event.objects.filter(
        is_decided,
        name=campaign.goal_event,
        occurred_at__gt=first["as_of"][0],
        occurred_at__lte=as_of,
        known_at__lte=as_of,
    )
    return bulk.read(events.values_list(*EVENTS), EVENTS)


def _arm(people: pl.DataFrame, name: str) -> Arm:
    own = people.filter(pl.col("arm") == name)
    n, value = own.height, own["value"]
    conversions = Proportion(n, int((own["goals"] > 0).sum()))
    return Arm(name, conversions, Mean(n, float(value.sum()), float((value * value).sum())))


def _is_balanced(first: pl.DataFrame) -> bool:
    """Say whether control is as large as the draws' probabilities make it, outside the holdout."""
    drawn = first.filter(pl.col("arm") != HOLDOUT)
    # Of one version, each variant has one probability; what they leave of 1 is control's.
    treated = drawn.filter(pl.col("arm") == TREATED).unique(["campaign_version", "variant"])
    rest = treated.group_by("campaign_version").agg(rest=1.0 - pl.col("probability").sum())
    control = drawn.filter(pl.col("arm") == CONTROL).unique("campaign_version")
    drawn = drawn.join(rest, on="campaign_version", how="left").join(
        control.select("campaign_version", own="probability"), on="campaign_version", how="left"
    )
    chance = pl.coalesce("own", "rest")
    sums = drawn.select(expected=chance.sum(), variance=(chance * (1.0 - chance)).sum())
    return is_balanced(drawn.filter(pl.col("arm") == CONTROL).height, sums["expected"].item(), sums["variance"].item())
