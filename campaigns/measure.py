"""What campaigns really earned: those they were for, against those who were left alone by chance.

The database is summed into campaigns.kept_sums; what follows from the sums is inferred by campaigns.stats.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime

import polars as pl

from campaigns import arms, assigned, goals, kept_sums, verdict_words
from campaigns.arms import Way, compare
from campaigns.assigned import Plan
from campaigns.assignment import CONTROL, HOLDOUT, TREATED
from campaigns.kept_sums import Facts, Sums
from campaigns.models import Campaign
from campaigns.report import Arm, Comparison, Contacts, Looks, Point, Reason, Report, Slice, Split, Stage, Tag, Verdict
from campaigns.stats import (
    ALARM,
    Endless,
    Planned,
    Proportion,
    chance_of_control,
    chance_of_split,
)
from campaigns.variants import MAIN

NO_PLAN, NO_PROGRAMME_PLAN = 1_000, 5_000  # customers an interval without a plan is narrowest for
BY_DAY = 62  # days told one by one; more are told by week
SPLITS = ("version", "variant", "probability")


def measure(campaign: Campaign, as_of: datetime) -> Report:
    """Give what a campaign did up to a time.

    Everyone assigned counts once, from her first decision, sent or not. Where many were decided about, the sums are
    those that the schedule keeps: `counted_at` says as of when.
    """
    plan = assigned.plan_of(campaign)
    summed = kept_sums.of(plan, as_of)
    sums = arms.with_chances(summed.counted.sums)
    is_weighted, by_variant = arms.is_weighted(sums), arms.is_weighted(sums, by_variant=True)
    looks = looks_of(campaign)
    found = arms.arms(sums, ["arm"])
    treated, control, holdout = (found.get((name,), Arm(name)) for name in (TREATED, CONTROL, HOLDOUT))
    variants = _variants(campaign, sums)
    way = Way(looks, treated.customers + control.customers, is_weighted)
    told = Report(
        campaign=campaign.key,
        as_of=as_of,
        counted_at=summed.counted_at,
        goal=plan.goal,
        treated=treated,
        control=control,
        holdout=holdout,
        variants=variants,
        against_control=compare(treated, control, way),
        against_holdout=compare(treated, holdout, replace(way, so_far=treated.customers + holdout.customers)),
        of_variants=tuple(compare(one, control, replace(way, is_weighted=by_variant)) for one in variants),
        looks=Looks(looks, way.so_far),
        split=_split(sums),
        ripe_share=_ripe_share(summed, plan),
        outcomes=summed.facts.outcomes,
        deliveries=summed.facts.deliveries,
        funnel=_funnel(treated),
        reasons=_reasons(summed.facts),
        weeks=_weeks(sums, way),
        over_time=_over_time(sums, way, CONTROL),
        bands=slices(sums, "part", way),
        tags=_tags(summed.counted.tags),
    )
    is_reached = any(arm.conversions.successes for arm in (treated, control, holdout))
    unheard_of = () if is_reached or told.ripe_share is None else goals.unheard_of(campaign)
    too_long = () if told.ripe_share is None else goals.longer_than_history(campaign, as_of)
    return replace(told, words=(*unheard_of, *verdict_words.of_report(told), *too_long))


def programme(as_of: datetime) -> Verdict:
    """Give what all campaigns together did against the holdout, from everybody's first day in the programme on."""
    plan = assigned.plan_of_programme()
    summed = kept_sums.of(plan, as_of)
    sums = _with_holdout_chances(summed.counted.sums)
    found = arms.arms(sums, ["arm"])
    reached, holdout = (found.get((name,), Arm(name)) for name in (TREATED, HOLDOUT))
    looks = Endless(NO_PROGRAMME_PLAN)
    way = Way(looks, reached.customers + holdout.customers, arms.is_weighted(sums))
    expected = sums.select(n=(pl.col("customers") * pl.col("held")).sum(), v=_variance("held").sum())
    chance = chance_of_control(holdout.customers, expected["n"].item(), expected["v"].item())
    told = Verdict(
        as_of=as_of,
        counted_at=summed.counted_at,
        goal=plan.goal,
        reached=reached,
        holdout=holdout,
        against_holdout=compare(reached, holdout, way),
        looks=Looks(looks, way.so_far),
        split=Split(chance >= ALARM, chance),
        ripe_share=_ripe_share(summed, plan),
        contacts=_contacts(sums),
        over_time=_over_time(sums, way, HOLDOUT),
    )
    return replace(told, words=verdict_words.of_verdict(told))


def closed_arms(campaign: Campaign, as_of: datetime, variants: Collection[str] | None = None) -> tuple[Arm, Arm] | None:
    """Give the treated and the control group of whom the goal's time has run out; None where chance did not make them.

    With `variants`, of the treated those who were drawn into one of these. Where both arms have customers of all ages,
    those whose time still runs would make every effect look smaller.
    """
    plan = assigned.plan_of(campaign)
    summed = kept_sums.of(plan, as_of)
    sums = arms.with_chances(summed.counted.sums.filter(_is_closed(summed, plan)))
    if not _split(sums).is_balanced:
        return None
    wanted = sums if variants is None else sums.filter((pl.col("arm") != TREATED) | pl.col("variant").is_in(variants))
    found = arms.arms(wanted, ["arm"])
    return found.get((TREATED,), Arm(TREATED)), found.get((CONTROL,), Arm(CONTROL))


def looks_of(campaign: Campaign) -> Planned | Endless:
    """Give by which rule a campaign's intervals hold at any look."""
    planned: int | None = campaign.planned_customers
    return Planned(planned) if planned else Endless(NO_PLAN)


def _variants(campaign: Campaign, sums: pl.DataFrame) -> tuple[Arm, ...]:
    """Give the treated by variant, those of the plan first; none where there is one only."""
    found = arms.arms(sums.filter(arm=TREATED), ["variant"], "probability")
    planned = [MAIN, *(str(one["key"]) for one in campaign.variants)] if campaign.variants else []
    names = dict.fromkeys(
        [*(name for name in planned if name != MAIN or (MAIN,) in found), *(name for (name,) in found)]
    )
    return tuple(found.get((name,), Arm(name)) for name in names) if len(names) > 1 else ()


def _split(sums: pl.DataFrame) -> Split:
    """Check that chance shared out the arms: control of each version, and the variants of those with fixed shares."""
    drawn = sums.filter(pl.col("arm") != HOLDOUT)
    expected = drawn.select(
        n=(pl.col("customers") * pl.col("control_chance")).sum(), v=_variance("control_chance").sum()
    )
    many = int(drawn.filter(arm=CONTROL)["customers"].sum())
    control = chance_of_control(many, expected["n"].item(), expected["v"].item())
    counts, shares = [], []
    keys = [*SPLITS, "control_chance"]
    treated = drawn.filter(arm=TREATED).group_by(keys, maintain_order=True).agg(pl.col("customers").sum())
    for version in treated.partition_by("version"):
        if version["variant"].n_unique() < version.height:
            continue  # adaptive: its shares followed the results
        share = dict(zip(version["variant"], version["probability"], strict=True))
        missing = 1.0 - version["control_chance"][0] - sum(share.values())
        counts.append(dict(zip(version["variant"], version["customers"], strict=True)))
        shares.append(share | ({"(nobody)": missing} if missing > 1e-6 else {}))
    variants = chance_of_split(counts, shares)
    return Split(min(control, variants) >= ALARM, control, variants)


def _variance(chance: str) -> pl.Expr:
    return pl.col("customers") * pl.col(chance) * (1.0 - pl.col(chance))


def _is_closed(summed: Sums, plan: Plan) -> pl.Expr:
    return pl.col("day") < kept_sums.closed_before(plan, summed.counted_at).date()


def _ripe_share(summed: Sums, plan: Plan) -> float | None:
    sums = summed.counted.sums
    everybody, closed = (int(each["customers"].sum()) for each in (sums, sums.filter(_is_closed(summed, plan))))
    return closed / everybody if everybody else None


def _funnel(treated: Arm) -> tuple[Stage, ...]:
    return (
        Stage("considered", "Considered", treated.customers),
        Stage("eligible", "Eligible", treated.eligible),
        Stage("delivered", "Delivered", treated.delivered),
        Stage("clicked", "Clicked", treated.clicked),
        Stage("converted", "Converted", treated.delivered_and_converted),
    )


def _reasons(told: Facts) -> tuple[Reason, ...]:
    return tuple(Reason(outcome, reason, many) for outcome, reason, many in told.reasons)


def _tags(tags: pl.DataFrame) -> tuple[Tag, ...]:
    found = (
        tags.group_by("tag").agg(pl.col("clicked", "converted").sum()).sort("clicked", "tag", descending=[True, False])
    )
    return tuple(Tag(tag, clicked, Proportion(clicked, did)) for tag, clicked, did in found.iter_rows())


def _weeks(sums: pl.DataFrame, way: Way) -> tuple[Slice, ...]:
    """Give the same arms by the week of the first decisions, each named by its Monday."""
    monday = pl.col("day").dt.truncate("1w").cast(pl.String)
    return slices(sums.with_columns(week=monday), "week", way)


def slices(sums: pl.DataFrame, by: str, way: Way) -> tuple[Slice, ...]:
    """Give the arms of each part of the customers, by a column that names it; what has no name is left out."""
    found = arms.arms(sums, [by, "arm"])
    return tuple(_slice(name, found, way) for name in sorted({name for name, _ in found}) if name)


def _slice(name: str, found: dict[tuple[str, ...], Arm], way: Way) -> Slice:
    treated, control, holdout = (found.get((name, arm), Arm(arm)) for arm in (TREATED, CONTROL, HOLDOUT))
    so_far = treated.customers + control.customers
    return Slice(name, treated, control, holdout, compare(treated, control, replace(way, so_far=so_far)))


def _over_time(sums: pl.DataFrame, way: Way, against: str) -> tuple[Point, ...]:
    """Give what could be read of the customers up to each day or, of many days, each week."""
    many = sums["day"].n_unique() > BY_DAY
    until = pl.col("day").dt.truncate("1w").dt.offset_by("6d") if many else pl.col("day")
    found = arms.arms(sums.with_columns(until=until), ["until", "arm"])
    so_far, points = {TREATED: Arm(TREATED), against: Arm(against)}, []
    for day in sorted({day for day, _ in found}):
        so_far = {name: arm + found[day, name] if (day, name) in found else arm for name, arm in so_far.items()}
        points.append(_point(day, compare(so_far[TREATED], so_far[against], _at(way, so_far)), so_far))
    return tuple(points)


def _at(way: Way, so_far: dict[str, Arm]) -> Way:
    return replace(way, so_far=sum(arm.customers for arm in so_far.values()))


def _point(until: date, found: Comparison, so_far: dict[str, Arm]) -> Point:
    customers = sum(arm.customers for arm in so_far.values())
    return Point(until, customers, found.conversion, found.value, found.margin)


def _with_holdout_chances(sums: pl.DataFrame) -> pl.DataFrame:
    """Add `held`, the chance to be held out on a day or the nearest before it, and `chance`, of the arm."""
    held = sums.filter(arm=HOLDOUT).group_by("day").agg(held=pl.col("probability").mean())
    joined = sums.join(held, on="day", how="left", maintain_order="left").sort("day", maintain_order=True)
    joined = joined.with_columns(pl.col("held").forward_fill().backward_fill().fill_null(0.0))
    chance = pl.when(pl.col("arm") == HOLDOUT).then("held").otherwise(1.0 - pl.col("held"))
    return joined.with_columns(chance=chance)


def _contacts(sums: pl.DataFrame) -> Contacts:
    """Count customers by how many contacts they had; those held out have none."""
    reached = sums.filter(arm=TREATED).group_by(pl.col("part").cast(pl.Int64)).agg(pl.col("customers").sum())
    return Contacts(dict(sorted((int(many), int(people)) for many, people in reached.iter_rows())))
