"""The random part of a decision: who is left alone by all campaigns, who by this one, and what the others get.

All draws are stable hashes of the customer's seed, with a salt of their own each. So whoever is drawn stays drawn:
growing a pilot only adds to it, and a larger control share only takes from the treated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from customers.draws import draw

HOLDOUT, OUTSIDE, CONTROL, TREATED = "holdout", "outside", "control", "treated"
HOLDOUT_SALT = "holdout"


@dataclass(frozen=True)
class Shares:
    """The part of the customers that each draw takes; the variants share out what is left."""

    holdout: float = 0.0
    control: float = 0.0
    pilot: float = 1.0
    variants: Mapping[str, float] = field(default_factory=lambda: {"": 1.0})


def held_out(seeds: pl.Series, holdout_share: float) -> pl.Series:
    """Say which seeds all campaigns leave alone."""
    return (draw(seeds, HOLDOUT_SALT) < holdout_share).alias("is_held_out")


def in_pilot(seeds: pl.Series, key: str, share: float) -> pl.Series:
    """Say which seeds a campaign's pilot of some share takes in."""
    return draw(seeds, f"pilot:{key}") < share


def assign(seeds: pl.Series, key: str, shares: Shares) -> pl.DataFrame:
    """Give each seed its `arm`, the `draw` that chose it, its `variant`, and the `probability` of arm and variant.

    The holdout is drawn with one salt for the whole programme, so that the same customers are left alone by all
    campaigns. The others are in the campaign's pilot or outside of it; those in the pilot are control or treated; the
    treated are shared out to the variants. A probability is that among the customers whom the draws before it left:
    of control and treated, among those outside the holdout and in the pilot.
    """
    programme, pilot, campaign = (draw(seeds, salt) for salt in (HOLDOUT_SALT, f"pilot:{key}", f"control:{key}"))
    drawn = pl.DataFrame({"programme": programme, "pilot": pilot, "campaign": campaign})
    drawn = drawn.hstack(shared_out(seeds, key, shares.variants))
    is_held_out, is_outside = pl.col("programme") < shares.holdout, pl.col("pilot") >= shares.pilot
    is_control = pl.col("campaign") < shares.control
    is_treated = ~(is_held_out | is_outside | is_control)
    return drawn.select(
        arm=_first(
            (is_held_out, pl.lit(HOLDOUT)),
            (is_outside, pl.lit(OUTSIDE)),
            (is_control, pl.lit(CONTROL)),
            otherwise=pl.lit(TREATED),
        ),
        draw=_first((is_held_out, pl.col("programme")), (is_outside, pl.col("pilot")), otherwise=pl.col("campaign")),
        probability=_first(
            (is_held_out, pl.lit(shares.holdout, pl.Float64)),
            (is_outside, pl.lit(1.0 - shares.pilot, pl.Float64)),
            (is_control, pl.lit(shares.control, pl.Float64)),
            otherwise=(1.0 - shares.control) * pl.col("share"),
        ),
        variant=pl.when(is_treated).then("variant").otherwise(pl.lit("")),
    )


def shared_out(seeds: pl.Series, key: str, variants: Mapping[str, float]) -> pl.DataFrame:
    """Give each seed its `variant` and that variant's `share` of all shares.

    Weighted rendezvous hashing: every variant draws its own number u, and the least -ln(u) / share wins (Schindelhauer
    and Schomaker, Weighted Distributed Hash Tables, SPAA 2005). A variant that comes, goes or changes its share takes
    customers from the others or gives them up; between two whose shares keep their ratio nobody moves.
    """
    total = sum(variants.values())
    shares = {name: share / total for name, share in variants.items()}
    if len(shares) == 1:
        only = next(iter(shares))
        return pl.select(variant=pl.repeat(only, len(seeds)), share=pl.repeat(1.0, len(seeds)))
    waits = pl.DataFrame({name: -draw(seeds, f"variant:{key}:{name}").log() / share for name, share in shares.items()})
    first = waits.select(at=pl.concat_list(pl.all()).list.arg_min())["at"]
    names = pl.Series(list(shares), dtype=pl.String)
    return pl.DataFrame({"variant": names.gather(first), "share": pl.Series(list(shares.values())).gather(first)})


def _first(*cases: tuple[pl.Expr, pl.Expr], otherwise: pl.Expr) -> pl.Expr:
    """Give the value of the first case that holds."""
    for condition, value in reversed(cases):
        otherwise = pl.when(condition).then(value).otherwise(otherwise)
    return otherwise
