"""Arms from kept sums, and one arm minus another, with intervals that hold at any look. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from campaigns.assignment import CONTROL, HOLDOUT, TREATED
from campaigns.report import Arm, Comparison, Effect, Figure
from campaigns.stats import (
    ENOUGH,
    Adjusted,
    Contrast,
    CovariateMean,
    Endless,
    Interval,
    Mean,
    Planned,
    Proportion,
    WeightedMean,
    adjusted,
    at_any_look,
    contrast_of_proportions,
    contrast_of_weighted,
    customers_needed,
)

WHOLE = ("messages", "eligible", "delivered", "clicked", "delivered_and_converted", "unsubscribed", "complained")
# What is summed, its square, what was before, its square, and their product.
FIGURES = {
    "converted": ("converted", "converted", "did_before", "did_before", "did_both"),
    "valued": ("value", "value_squares", "before", "before_squares", "value_before"),
    "earned": ("margin", "margin_squares", "before", "before_squares", "margin_before"),
}


@dataclass(frozen=True)
class Way:
    """How arms are compared: by which rule for looks, after how many customers, weighted or not."""

    looks: Planned | Endless
    so_far: int
    is_weighted: bool


def with_chances(sums: pl.DataFrame) -> pl.DataFrame:
    """Add `chance`: of the arm as a whole; that of treated is what control leaves of 1.

    Within a version the control share is one number. Where a version has nobody in control, the variants' chances tell.
    """
    # Unless its split is adaptive, each variant of a version has one probability; what they leave of 1 is control's.
    variants = sums.filter(pl.col("arm") == TREATED).unique(["version", "variant", "probability"])
    is_fixed = pl.len() == pl.col("variant").n_unique()
    left = (1.0 - pl.col("probability").sum()).clip(0.0, 1.0)
    rest = variants.group_by("version").agg(rest=pl.when(is_fixed).then(left).otherwise(0.0))
    own = sums.filter(pl.col("arm") == CONTROL).group_by("version").agg(own=pl.col("probability").first())
    joined = sums.join(own, on="version", how="left", maintain_order="left")
    joined = joined.join(rest, on="version", how="left", maintain_order="left")
    control = pl.coalesce("own", "rest", pl.lit(0.0))
    chance = pl.when(pl.col("arm") == TREATED).then(1.0 - control).otherwise("probability")
    return joined.with_columns(chance=chance, control_chance=control).drop("own", "rest")


def is_weighted(sums: pl.DataFrame, *, by_variant: bool = False) -> bool:
    """Say whether somebody's chance of what she got was not as the others': then plain means may be biased."""
    ours = sums.filter(pl.col("arm") != HOLDOUT)
    keys, chance = (["arm", "variant"], "probability") if by_variant else (["arm"], "chance")
    chances = ours.group_by(keys).agg(pl.col(chance).round(9).n_unique().alias("chances"))
    return bool((chances["chances"] > 1).any())


def arms(sums: pl.DataFrame, by: Sequence[str], chance: str = "chance") -> dict[tuple[Any, ...], Arm]:
    """Add up the sums by some of their keys, the last of which names the arm.

    `chance` names the column with the probability of what the customers got.
    """
    found = sums.group_by(by, maintain_order=True).agg(_added(chance))
    return {tuple(row[key] for key in by): _arm(str(row[by[-1]]), row) for row in found.iter_rows(named=True)}


def _added(chance: str) -> list[pl.Expr]:
    once, twice = 1.0 / pl.col(chance), 1.0 / pl.col(chance) ** 2
    columns = {column for told in FIGURES.values() for column in told} | {"customers", "cost", *WHOLE}
    added = [pl.col(column).sum() for column in sorted(columns)]
    added += [(pl.col("customers") * weight).sum().alias(name) for name, weight in (("w", once), ("w2", twice))]
    for figure, (total, squares, *_) in FIGURES.items():
        each = (pl.col(total) * once, pl.col(total) * twice, pl.col(squares) * twice)
        added += [one.sum().alias(f"{figure}_{n}") for n, one in enumerate(each)]
    return added


def _arm(name: str, row: dict[str, Any]) -> Arm:
    converted, valued, earned = (_figure(row, figure) for figure in FIGURES)
    counts = (int(row[column]) for column in WHOLE)
    return Arm(name, converted, valued, earned, float(row["cost"]), *counts)


def _figure(row: dict[str, Any], name: str) -> Figure:
    n = int(row["customers"])
    total, squares, before, before_squares, products = (float(row[column]) for column in FIGURES[name])
    weighted = (row["w"], row[f"{name}_0"], row["w2"], row[f"{name}_1"], row[f"{name}_2"])
    return Figure(
        CovariateMean(Mean(n, total, squares), Mean(n, before, before_squares), products),
        WeightedMean(n, *(float(one) for one in weighted)),
    )


def compare(one: Arm, other: Arm, way: Way) -> Comparison:
    """Give one arm minus another in conversions, value and margin."""
    conversion = effect(one.converted, other.converted, way, is_share=True)
    value, margin = effect(one.valued, other.valued, way), effect(one.earned, other.earned, way)
    return Comparison(one.name, other.name, conversion, value, margin, way.is_weighted)


def effect(one: Figure, other: Figure, way: Way, *, is_share: bool = False) -> Effect:
    """Give one minus other in one figure, or why there is no interval."""
    n, m = one.mean.n, other.mean.n
    if min(n, m) < ENOUGH:
        return Effect(None, f"Too few customers to compare: {n} against {m}; each side needs {ENOUGH}.")
    if way.is_weighted and min(one.weighted.effective, other.weighted.effective) < ENOUGH:
        return Effect(None, "Too few customers to compare: a few of them have nearly all of the weight.")
    found = _contrast(one, other, way, is_share=is_share)
    looked = at_any_look(found.contrast, way.so_far, way.looks)
    if looked.interval is None:
        return Effect(None, looked.message)
    each = looked.interval
    is_shown = each.excludes_zero
    return Effect(
        each,
        p_value=way.looks.p_value(found.contrast, way.so_far),
        total=Interval(each.value * n, each.low * n, each.high * n),
        cut=found.cut,
        needed=None if is_shown else _needed(found.contrast, (n, m), way),
    )


def _contrast(one: Figure, other: Figure, way: Way, *, is_share: bool) -> Adjusted:
    if way.is_weighted:
        return Adjusted(contrast_of_weighted(one.weighted, other.weighted))
    found = adjusted(one.covariate, other.covariate)
    if is_share and not found.cut:
        shares = [Proportion(each.mean.n, round(each.mean.total)) for each in (one, other)]
        return Adjusted(contrast_of_proportions(*shares))
    return found


def _needed(found: Contrast, sizes: tuple[int, int], way: Way) -> int | None:
    """Give how many customers more show an effect as large as this one with 80 % chance, if arms grow alike.

    The number is that of a read-out that is planned for so many; one planned for fewer narrows no more after its plan.
    """
    n = sum(sizes)
    spread = found.variance * n  # of one customer more, as the arms are shared
    times = way.looks.times(way.looks.customers)
    # customers_needed shares its number out; here both parts are in `spread` already.
    needed = customers_needed(found.value, (spread / 4, spread / 4), 0.5, times)
    return None if needed is None else max(0, needed - n)
