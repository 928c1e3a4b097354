"""The random part of a decision: who is left alone by all campaigns, and who by this one."""

import polars as pl

from customers.draws import draw

HOLDOUT, CONTROL, TREATED = "holdout", "control", "treated"
HOLDOUT_SALT = "holdout"


def held_out(seeds: pl.Series, holdout_share: float) -> pl.Series:
    """Say which seeds all campaigns leave alone."""
    return (draw(seeds, HOLDOUT_SALT) < holdout_share).alias("is_held_out")


def assign(seeds: pl.Series, key: str, holdout_share: float, control_share: float) -> pl.DataFrame:
    """Give each seed its `arm`, the `draw` that chose it, and the `probability` of that arm.

    The holdout is drawn with one salt for the whole programme, so that the same customers are left alone by all
    campaigns; the rest are drawn into control or treated by the campaign's key. The probabilities of control and
    treated are those among customers outside the holdout.
    """
    programme, campaign = draw(seeds, HOLDOUT_SALT), draw(seeds, f"control:{key}")
    drawn = pl.DataFrame({"programme": programme, "campaign": campaign})
    is_held_out, is_control = pl.col("programme") < holdout_share, pl.col("campaign") < control_share
    return drawn.select(
        arm=pl.when(is_held_out)
        .then(pl.lit(HOLDOUT))
        .when(is_control)
        .then(pl.lit(CONTROL))
        .otherwise(pl.lit(TREATED)),
        draw=pl.when(is_held_out).then("programme").otherwise("campaign"),
        probability=pl.when(is_held_out)
        .then(pl.lit(holdout_share, pl.Float64))
        .when(is_control)
        .then(pl.lit(control_share, pl.Float64))
        .otherwise(pl.lit(1.0 - control_share, pl.Float64)),
    )
